"""Which scan points a job uses: a region, and a share spread evenly in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import points_in_poly

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction.settings import Region

__all__ = ["interleave", "select_points", "spatial_order", "spread_evenly"]


def select_points(
    positions: NDArray[np.float64], fraction: float, region: Region | None
) -> NDArray[np.intp]:
    """Numbers of the points to use, ascending.

    Parameters
    ----------
    positions : ndarray, (N, 2) float64
        Positions (y, x), in the unit of `region`.
    fraction : float
        Share of the points inside the region, 0 < fraction ≤ 1.
    region : Region or None
        Polygon to stay inside of.

    Raises
    ------
    SettingsError
        Fewer than two points are left.
    """
    chosen = np.arange(len(positions))
    if region is not None:
        chosen = chosen[points_in_poly(positions, np.asarray(region.vertices))]
    kept = chosen[spread_evenly(positions[chosen], round(fraction * len(chosen)))]
    if len(kept) < 2:
        raise SettingsError(
            "points",
            None,
            f"the region and the fraction {fraction:g} leave {len(kept)} of {len(positions)}",
            remedy="draw a larger region, or use a larger fraction",
        )
    return np.sort(kept)


def spread_evenly(positions: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Numbers of `count` points that cover the area evenly.

    Points are ordered along a space-filling (Morton) curve, and every N/count-th is
    taken, so that neither scan lines nor regions are preferred.
    """
    n = len(positions)
    if count >= n:
        return np.arange(n)
    if count <= 0:
        return np.arange(0)
    order = spatial_order(positions)
    return np.sort(order[np.floor((np.arange(count) + 0.5) * n / count).astype(np.intp)])


def interleave(positions: NDArray[np.float64], count: int) -> list[NDArray[np.intp]]:
    """Split points (N, 2) into `count` subsets that each cover the whole area evenly."""
    order = spatial_order(positions)
    return [np.sort(order[first::count]) for first in range(count)]


def spatial_order(positions: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers of the points (N, 2) along a Morton curve: neighbours stand together."""
    low = positions.min(0)
    span = max(float((positions.max(0) - low).max()), np.finfo(np.float64).tiny)
    cells = ((positions - low) / span * 65_535).astype(np.uint64)
    code = (_spaced(cells[:, 0]) << np.uint64(1)) | _spaced(cells[:, 1])
    return np.argsort(code, kind="stable")


def _spaced(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put a zero between any two bits of 16-bit numbers."""
    for shift, keep in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(keep)
    return bits
