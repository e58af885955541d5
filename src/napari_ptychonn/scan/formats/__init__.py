"""The scan formats, one file each, from the most to the least specific."""

from __future__ import annotations

from typing import Final

from napari_ptychonn.scan.contents import ScanFormat
from napari_ptychonn.scan.formats.cxi import Cxi
from napari_ptychonn.scan.formats.generic import Generic
from napari_ptychonn.scan.formats.ptychi import PtyChi
from napari_ptychonn.scan.formats.tike import Tike

__all__ = ["FORMATS"]

FORMATS: Final[tuple[ScanFormat, ...]] = (Cxi(), PtyChi(), Tike(), Generic())
"""Tried in this order; the last one takes every file whose datasets were chosen."""
