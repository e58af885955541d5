"""Teaching points and held-out points, apart in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import points_in_poly

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.training.finetune_settings import FinetuneSettings

__all__ = ["FEWEST_POINTS", "compact", "split_points", "used_points"]

FEWEST_POINTS = 16
"""Of each kind: fewer say nothing."""


def used_points(scan: Scan, settings: FinetuneSettings) -> NDArray[np.intp]:
    """Numbers of the points that a training may look at, in the scan's order.

    Raises
    ------
    SettingsError
        `part` and `region` leave too few.
    """
    chosen = np.arange(round(settings.part * scan.n_points))
    if settings.region is not None:
        inside = points_in_poly(scan.positions[chosen], np.asarray(settings.region.vertices))
        chosen = chosen[inside]
    _require_enough(scan, len(chosen), "left by region and part")
    return chosen


def split_points(
    scan: Scan, used: NDArray[np.intp], share: float, gap_px: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split points into those that teach and those held out at the far end.

    The cut is straight, across the longer side of the area; points nearer to it than the
    gap, on the teaching side, are in neither.

    Parameters
    ----------
    scan : Scan
        The scan.
    used : ndarray, (M,) intp
        Numbers of the points to split.
    share : float
        Share of them that is held out.
    gap_px : float
        Width of the gap, object pixels: what the light of one point reaches.

    Returns
    -------
    teaching, held_out : ndarray of intp

    Raises
    ------
    SettingsError
        Too few points are left on either side.
    """
    positions = scan.positions_px[used]
    axis = int(np.argmax(np.ptp(positions, axis=0)))
    along = positions[:, axis]
    cut = np.quantile(along, 1 - share)
    held_out, teaching = used[along >= cut], used[along < cut - gap_px]
    _require_enough(scan, len(held_out), "held out")
    _require_enough(scan, len(teaching), "left to teach")
    return teaching, held_out


def compact(
    positions: NDArray[np.float64], centre: NDArray[np.float64], count: int
) -> NDArray[np.intp]:
    """Places, ascending, of the `count` positions (N, 2) in the smallest square about `centre`."""
    away = np.abs(positions - centre).max(1)
    return np.sort(np.argsort(away, kind="stable")[:count])


def _require_enough(scan: Scan, count: int, what: str) -> None:
    if count < FEWEST_POINTS:
        raise SettingsError(
            "points", scan.provenance.path,
            f"{count} of {scan.n_points} are {what}, and {FEWEST_POINTS} are needed",
            remedy="use a larger part or region, or another held-out share",
        )  # fmt: skip
