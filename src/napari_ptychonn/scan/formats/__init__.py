"""The scan formats, one file each, from the most to the least specific."""

from __future__ import annotations

from typing import Final

from napari_ptychonn.scan.contents import ScanFormat
from napari_ptychonn.scan.formats.csaxs import Csaxs
from napari_ptychonn.scan.formats.cssi import Cssi
from napari_ptychonn.scan.formats.cxi import Cxi
from napari_ptychonn.scan.formats.entry_data import EntryData
from napari_ptychonn.scan.formats.fold_slice import FoldSlice
from napari_ptychonn.scan.formats.generic import Generic
from napari_ptychonn.scan.formats.hxn import Hxn
from napari_ptychonn.scan.formats.lynx import Lynx
from napari_ptychonn.scan.formats.nanomax import NanoMax
from napari_ptychonn.scan.formats.nsls_export import NslsExport
from napari_ptychonn.scan.formats.nsls_matlab import NslsMatlab
from napari_ptychonn.scan.formats.nxcxi import NxCxiPtycho
from napari_ptychonn.scan.formats.polar import Polar
from napari_ptychonn.scan.formats.ptychi import PtyChi
from napari_ptychonn.scan.formats.ptychodus_patterns import PtychodusPatterns
from napari_ptychonn.scan.formats.ptychonn_npz import PtychoNNArrays
from napari_ptychonn.scan.formats.ptychopinn import PtychoPinn
from napari_ptychonn.scan.formats.ptyd import Ptyd
from napari_ptychonn.scan.formats.ptylab import PtyLab
from napari_ptychonn.scan.formats.tike import Tike
from napari_ptychonn.scan.formats.velociprobe import Velociprobe
from napari_ptychonn.scan.formats.xpp import Xpp
from napari_ptychonn.scan.third_party import third_party_formats

__all__ = ["FORMATS", "known_formats"]

FORMATS: Final[tuple[ScanFormat, ...]] = (
    Ptyd(),
    NxCxiPtycho(),
    Cxi(),
    PtyLab(),
    # Both come as a pair of files of the same names; pty-chi takes half a pair, too.
    FoldSlice(),
    PtyChi(),
    NslsExport(),
    NslsMatlab(),
    Hxn(),
    NanoMax(),
    Polar(),
    Lynx(),
    Velociprobe(),
    Csaxs(),
    Xpp(),
    Cssi(),
    PtychoPinn(),
    PtychoNNArrays(),
    PtychodusPatterns(),
    Tike(),
    # What many beamlines share comes after all of them.
    EntryData(),
    Generic(),
)
"""Tried in this order; the last one takes every file whose datasets were chosen."""


def known_formats() -> tuple[ScanFormat, ...]:
    """All formats in the order in which they are tried.

    Returns
    -------
    tuple of ScanFormat
        Those of installed third parties first, since they know their files best.
    """
    return (*third_party_formats(), *FORMATS)
