"""Lists of coordinates: one point a row, or one point a column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.entries import reals

__all__ = ["point_list"]


def point_list(
    container: Container, name: str, *, by_column: bool, at_least: int = 2, at_most: int = 2
) -> tuple[NDArray[np.float64], bool]:
    """Read a list of coordinates, whichever way round it is stored.

    Parameters
    ----------
    container : Container
        The file.
    name : str
        Dataset of shape (N, C) or (C, N); the longer axis counts the points.
    by_column : bool
        Whether the format stores (C, N), which decides where both axes are equally long.
    at_least, at_most : int
        Coordinates C that a point may have.

    Returns
    -------
    points : ndarray, (N, C) float64
        As stored; values may be NaN.
    turned : bool
        Whether the file has (C, N).

    Raises
    ------
    ScanError
        The dataset is missing, or no such list.
    """
    stored = reals(container, name, "positions", finite=False)
    rows, columns = stored.shape if stored.ndim == 2 else (0, 0)
    turned = rows < columns or (by_column and rows == columns)
    if not at_least <= min(rows, columns) <= at_most:
        remedy = "choose another dataset with --dataset positions=/PATH, or give --positions FILE"
        needed = f"(N, {at_least}) or ({at_least}, N) is needed"
        problem = f"{name} has shape {stored.shape}, {needed}"
        raise ScanError("positions", container.path, problem, remedy=remedy)
    return np.ascontiguousarray(stored.T if turned else stored), turned
