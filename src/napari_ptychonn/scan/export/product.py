"""ptychodus products: positions, probe and object in one HDF5 file, without patterns."""

from __future__ import annotations

from pathlib import Path

from napari_ptychonn.scan.export.appearing import appearing_files
from napari_ptychonn.scan.export.layout import parts_of_result, parts_of_scan, write_parts
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["write_product"]


def write_product(path: str | Path, source: Scan | ObjectResult) -> None:
    """Write a ptychodus product; the file appears when it is complete.

    Parameters
    ----------
    path : str or Path
        The file; one that is there already is replaced.
    source : Scan or ObjectResult
        A scan gives its positions and probe, with a flat object to start from; a result
        gives its object too. Where the pixel is not known it is stored as 1 m, and the
        attribute `unit` of ``/ptychonn`` is "px".

    Raises
    ------
    OutputError
        It is a near-field scan, or the file cannot be written.
    """
    parts = parts_of_scan(source) if isinstance(source, Scan) else parts_of_result(source)
    with appearing_files("product", Path(path)) as (file,):
        write_parts(file, parts)
