"""Open a scan file of any known format."""

from __future__ import annotations

from pathlib import Path

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.assemble import assemble
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import ScanFormat
from napari_ptychonn.scan.formats import FORMATS
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["is_scan", "open_scan"]


def open_scan(path: str | Path, options: ScanOptions | None = None) -> Scan:
    """Open a scan file; patterns of a HDF5 file stay on disk until they are read.

    Parameters
    ----------
    path : str or Path
        A HDF5 (CXI, pty-chi pair, tike-like, any other with chosen datasets) or npz file.
    options : ScanOptions, optional
        What the file does not say, or says wrongly.

    Returns
    -------
    Scan

    Raises
    ------
    ScanError
        The file cannot be used; the error says why, and what to do.
    """
    chosen = options or ScanOptions()
    file = Path(path)
    with open_container(file) as container:
        found = _format_of(container)
        # The last format takes what was chosen from a file that none of them knows.
        known = found or FORMATS[-1]
        return assemble(known.load(container, chosen), file, known.name, chosen)


def is_scan(path: str | Path) -> bool:
    """Whether a file is a scan of a known format; looks inside, reads no pattern.

    Parameters
    ----------
    path : str or Path
        Any file or folder.

    Returns
    -------
    bool
        False too for whatever cannot be opened.
    """
    try:
        with open_container(path) as container:
            return _format_of(container) is not None
    except ScanError:
        return False


def _format_of(container: Container) -> ScanFormat | None:
    return next((known for known in FORMATS if known.detect(container)), None)
