"""Open a result of any known program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.results.cxi import CxiObject
from napari_ptychonn.scan.results.fold_slice import FoldSliceResult
from napari_ptychonn.scan.results.nsls_matlab import PATTERNS, NslsMatlabResult
from napari_ptychonn.scan.results.product import Product
from napari_ptychonn.scan.results.ptychi import PtyChiResult
from napari_ptychonn.scan.results.ptychodus_cxi import PtychodusCxi
from napari_ptychonn.scan.results.ptychopinn import PtychoPinnObject
from napari_ptychonn.scan.results.ptychoshelves import PtychoShelvesResult
from napari_ptychonn.scan.results.ptypy import PtypyResult
from napari_ptychonn.scan.results.result import ObjectResult, ResultFormat
from napari_ptychonn.scan.results.truth import SimulatedTruth

__all__ = ["RESULTS", "holds_scan_too", "is_result", "open_result", "result_format"]

RESULTS: Final[tuple[ResultFormat, ...]] = (
    Product(),
    PtypyResult(),
    # What fold_slice saves holds the parameters of PtychoShelves, too.
    PtychoShelvesResult(),
    FoldSliceResult(),
    NslsMatlabResult(),
    PtyChiResult(),
    PtychodusCxi(),
    CxiObject(),
    PtychoPinnObject(),
    SimulatedTruth(),
)
"""Tried in this order."""


def open_result(path: str | Path) -> ObjectResult:
    """Open the result of a reconstruction, or a scan file with an object inside.

    Parameters
    ----------
    path : str or Path
        Our own HDF5, a ptychodus product (HDF5 or npz), ptypy ``.ptyr``, a pty-chi result,
        fold_slice or PtychoShelves ``.mat`` (5 to 7.3) or ``.h5``, NSLS-II ``.mat``, a CXI file
        with an object, PtychoPINN npz, or a simulated scan with its truth.

    Raises
    ------
    ScanError
        The file cannot be read, or holds no object that is known.
    """
    with open_container(path, "result") as container:
        known = result_format(container)
        if known is None:
            programs = "napari-ptychonn, ptychodus, pty-chi, ptypy, PtychoShelves or PyNX"
            remedy = f"give a result of {programs}"
            problem = "no reconstructed object is recognised in it"
            raise ScanError("result", container.path, problem, remedy=remedy)
        return known.load(container)


def is_result(path: str | Path) -> bool:
    """Whether a file holds a reconstructed object; False for whatever cannot be opened."""
    try:
        with open_container(path) as container:
            return result_format(container) is not None
    except ScanError:
        return False


def holds_scan_too(path: str | Path) -> bool:
    """Whether a file with an object is first of all a scan: simulated, PtychoPINN's, NSLS-II's."""
    try:
        with open_container(path) as container:
            known = result_format(container)
            if isinstance(known, NslsMatlabResult):
                return container.has(PATTERNS)
            return isinstance(known, SimulatedTruth | PtychoPinnObject)
    except ScanError:
        return False


def result_format(container: Container) -> ResultFormat | None:
    """Format of the object in an open file, None where there is none."""
    return next((known for known in RESULTS if known.detect(container)), None)
