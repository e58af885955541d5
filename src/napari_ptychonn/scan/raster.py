"""Positions of a raster that is typed in, for scans that recorded none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError

__all__ = ["raster_positions"]


def raster_positions(
    raster: tuple[int, int, float], n_points: int, where: Path
) -> NDArray[np.float64]:
    """Grid of rows along y, each from left to right.

    Parameters
    ----------
    raster : (rows, columns, step)
        The step in any unit.
    n_points : int
        Number of patterns.
    where : Path
        The scan file.

    Returns
    -------
    ndarray, (rows · columns, 2)
        (y, x) in the unit of the step.

    Raises
    ------
    ScanError
        There are more or fewer patterns than points.
    """
    rows, columns, step = raster
    if rows * columns != n_points:
        problem = f"{rows} × {columns} points are {rows * columns}, but there are {n_points}"
        remedy = "give the rows and columns of this scan"
        raise ScanError("raster", where, f"{problem} patterns", remedy=remedy)
    grid = np.indices((rows, columns), dtype=np.float64).reshape(2, -1).T
    return np.ascontiguousarray(grid * step)
