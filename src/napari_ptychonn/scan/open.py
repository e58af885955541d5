"""Open a scan file of any known format."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.assemble import assemble
from napari_ptychonn.scan.beside import positions_beside
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import ScanFormat
from napari_ptychonn.scan.formats import FORMATS, known_formats
from napari_ptychonn.scan.formats.entry_data import EntryData
from napari_ptychonn.scan.geometry_datasets import with_chosen_geometry
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.third_party import BrokenFormatError, FormatWarning

__all__ = ["is_scan", "open_scan"]


def open_scan(path: str | Path, options: ScanOptions | None = None) -> Scan:
    """Open a scan file; patterns of a HDF5 file stay on disk until they are read.

    Parameters
    ----------
    path : str or Path
        A HDF5 or npz file of a known format (see :mod:`napari_ptychonn.scan.formats`), or
        any other whose datasets are chosen or have telling names.
    options : ScanOptions, optional
        What the file does not say, or says wrongly.

    Returns
    -------
    Scan

    Raises
    ------
    ScanError
        The file cannot be used; the error says why, and what to do.

    Warns
    -----
    FormatWarning
        A format that another distribution brought is broken and is left out.
    """
    chosen = options or ScanOptions()
    file = Path(path)
    # Damaged numbers become infinite or NaN, which the checks refuse in words.
    with open_container(file) as container, np.errstate(all="ignore"):
        for known in known_formats():
            if not _detects(known, container):
                continue
            try:
                contents = known.load(container, chosen)
            except BrokenFormatError as error:
                warnings.warn(f"{error}; the next format is tried", FormatWarning, stacklevel=2)
                continue
            contents = with_chosen_geometry(container, contents, chosen)
            return assemble(contents, file, known.name, chosen)
        # The last format takes what was chosen from a file that none of them knows.
        known = FORMATS[-1]
        contents = with_chosen_geometry(container, known.load(container, chosen), chosen)
        return assemble(contents, file, known.name, chosen)


def is_scan(path: str | Path, *, frames_suffice: bool = True) -> bool:
    """Whether a file is a scan of a known format; looks inside, reads no pattern.

    Parameters
    ----------
    path : str or Path
        Any file or folder.
    frames_suffice : bool
        Whether ``/entry/data/data`` is enough, which NeXus files of all kinds have; else
        positions must be in the file or lie beside it.

    Returns
    -------
    bool
        False too for whatever cannot be opened.
    """
    try:
        with open_container(path) as container:
            found = (known for known in known_formats() if _detects(known, container))
            known = next(found, None)
            if isinstance(known, EntryData) and not frames_suffice:
                return positions_beside(container.path) is not None
            return known is not None
    except ScanError:
        return False


def _detects(known: ScanFormat, container: Container) -> bool:
    try:
        return known.detect(container)
    except ScanError:
        # A name that is there and leads nowhere.
        return False
