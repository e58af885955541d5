"""A reconstruction in memory as a result, as if it had been saved and opened again."""

from __future__ import annotations

from pathlib import Path

from napari_ptychonn.errors import ScanError
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.results.open import open_result
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["ResultLike", "as_result", "to_result"]

ResultLike = ObjectResult | Reconstruction | Path | str
"""What a job can start from, and what can teach a network."""


def as_result(reconstruction: Reconstruction, name: str | None = None) -> ObjectResult:
    """The object with the coordinates to cut it at scan positions: a label, a start.

    Parameters
    ----------
    reconstruction : Reconstruction
        Of any scan; its coordinates are those of the scan that it was made from.
    name : str, optional
        What it is called, in place of a file; None: the file of that scan.
    """
    geometry = reconstruction.geometry
    source = Path(name) if name else reconstruction.provenance.path or Path(reconstruction.name)
    return ObjectResult(
        object=reconstruction.object,
        pixel=reconstruction.pixel,
        unit=reconstruction.unit,
        corner=reconstruction.corner,
        path=source,
        format="napari-ptychonn",
        # A job that was stopped early may have no probe at all.
        probe=reconstruction.probe if len(reconstruction.probe) else None,
        positions=reconstruction.positions,
        energy_ev=None if geometry is None else geometry.energy_ev,
        distance_m=None if geometry is None else geometry.distance_m,
    )


def to_result(given: ResultLike, use: str) -> ObjectResult:
    """A result of whatever a person gives: one, a reconstruction, or a file.

    Parameters
    ----------
    given : ObjectResult, Reconstruction, Path or str
        A path is opened.
    use : str
        What it is for, in one word: what an error names.

    Raises
    ------
    ScanError
        It is none of them, or the file holds no object that is known.
    """
    if isinstance(given, ObjectResult):
        return given
    if isinstance(given, Reconstruction):
        return as_result(given)
    if isinstance(given, str | Path):
        return open_result(given)
    raise ScanError(
        use, None, f"{type(given).__name__} is no reconstruction",
        remedy="give a reconstruction, the path of a result, or what open_result returns",
    )  # fmt: skip
