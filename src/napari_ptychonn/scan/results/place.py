"""A result brought to the coordinates of a scan.

Programs count positions from places of their own, the object's middle for instance. The
positions that a result was made at say how far that is from the scan's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.words import counted

__all__ = ["placed_on"]

_SEEN_PX = 0.05
"""What is less is written as 0.0."""
_REFINED_PX = 2.0
_REFINED = 0.25
"""Of the half extent (median distance of the points from their middle). Refinement, drift and a
scale or turn that was corrected stay below a tenth; another order or a mirrored, turned or
transposed list leaves 0.9 or more, another raster of as many points its difference in size."""
_FAR_BETTER = 0.1
_SAME_PLACE = 0.25
"""Of a step."""
_CHANGES = {
    "mirrored in y": ((-1, 0), (0, 1)),
    "mirrored in x": ((1, 0), (0, -1)),
    "turned by 180°": ((-1, 0), (0, -1)),
    "with x and y exchanged": ((0, 1), (1, 0)),
    "with x and y exchanged and both mirrored": ((0, -1), (-1, 0)),
    "turned by 90°, x to y": ((0, 1), (-1, 0)),
    "turned by 90°, y to x": ((0, -1), (1, 0)),
}


def placed_on(result: ObjectResult, scan: Scan) -> ObjectResult:
    """Move a result to the coordinates, and the unit, of a scan.

    Parameters
    ----------
    result : ObjectResult
        Its positions, where there are as many as in the scan, belong to the scan's points
        in their order, refined or not; else its coordinates are taken as the scan's. Where it
        has none, and its place is not known, its middle comes to the middle of the points.
    scan : Scan
        The scan whose object it is.

    Returns
    -------
    ObjectResult
        In the scan's unit; notes say how far it was moved, where it was.

    Raises
    ------
    ScanError
        The unit of one is not known to the other; or the positions are as many as the scan's,
        but others.
    """
    moved = _in_unit(result, scan)
    places = moved.positions
    if places is None and not moved.is_placed:
        return _in_the_middle(moved, scan)
    if places is None or len(places) != scan.n_points:
        count = "no positions" if places is None else counted(len(places), "position")
        note = f"the result has {count}: its coordinates are taken as those of the scan"
        return replace(moved, notes=(*moved.notes, note))
    finite = np.isfinite(places).all(1)
    if not finite.any():
        raise ScanError(
            "result", moved.path, f"{_positions_of(moved)} has no position that is finite",
            remedy="give another result, or write this one again",
        )  # fmt: skip
    notes = []
    if not finite.all():
        left_out = len(places) - int(finite.sum())
        notes.append(f"{left_out} of its {len(places)} positions left out: not finite")
    pixel = np.asarray(scan.pixel_m or moved.pixel)
    theirs, ours = places[finite] / pixel, scan.positions[finite] / pixel
    shift_px, spread = _fit(theirs, ours)
    change, left = _change(theirs, ours, spread)
    if change is None and spread <= _allowed(ours):
        largest = float(np.abs(ours - theirs - shift_px).max())
        if max(largest, *map(abs, shift_px)) >= _SEEN_PX:
            notes.append(
                f"moved by {shift_px[0]:.1f}, {shift_px[1]:.1f} pixels (y, x) to the scan's "
                f"coordinates; single positions differ by up to {largest:.1f} pixels"
            )
    elif _are_one_set(theirs, ours, left):
        shift_px = np.zeros(2)
        notes.append(
            "its positions are those of the scan in another order: its coordinates are taken as "
            "those of the scan"
        )
    else:
        _refuse(moved, change)
    shift = shift_px * pixel
    return replace(
        moved,
        corner=(moved.corner[0] + float(shift[0]), moved.corner[1] + float(shift[1])),
        positions=places + shift,
        notes=(*moved.notes, *notes),
    )


def _in_the_middle(result: ObjectResult, scan: Scan) -> ObjectResult:
    middle = (scan.positions.min(0) + scan.positions.max(0)) / 2
    corner = middle - np.asarray(result.pixel) * result.object.shape / 2
    note = "its place is not known: its middle is put on that of the scan's points instead"
    return replace(result, corner=(float(corner[0]), float(corner[1])), notes=(*result.notes, note))


def _fit(
    theirs: NDArray[np.float64], ours: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Shift (y, x) from one list to the other, and how far a typical row is off then."""
    offsets = ours - theirs
    # A few refined positions may have gone astray; the median does not follow them.
    shift = np.median(offsets, axis=0)
    return shift, float(np.median(np.hypot(*(offsets - shift).T)))


def _allowed(ours: NDArray[np.float64]) -> float:
    """How far, in pixels, a typical refined position may be off."""
    extent = float(np.median(np.hypot(*(ours - np.median(ours, axis=0)).T)))
    return max(_REFINED_PX, _REFINED * extent)


def _change(
    theirs: NDArray[np.float64], ours: NDArray[np.float64], spread: float
) -> tuple[str | None, float]:
    """The change of axes, if any, that makes rows agree far better, and how far they are off."""
    spreads = {
        name: _fit(theirs @ np.asarray(matrix, np.float64).T, ours)[1]
        for name, matrix in _CHANGES.items()
    }
    best = min(spreads, key=spreads.__getitem__)
    if spread <= _REFINED_PX or spreads[best] > min(_allowed(ours), _FAR_BETTER * spread):
        return None, np.inf
    return best, spreads[best]


def _are_one_set(theirs: NDArray[np.float64], ours: NDArray[np.float64], left: float) -> bool:
    """Whether both lists have the same points in whichever order.

    A raster that is mirrored or turned is the same set, too: where a change of axes leaves its
    rows off by `left`, the sets must agree far better than that.
    """
    there, here = cKDTree(theirs), cKDTree(ours)
    step = float(np.median(here.query(ours, k=[2])[0]))
    nearest = (there.query(ours)[0], here.query(theirs)[0])
    # A raster moved by a whole step meets itself nearly everywhere; its middle tells.
    off = max(
        float(np.hypot(*(ours.mean(0) - theirs.mean(0)))),
        *(float(np.quantile(distances, 0.9)) for distances in nearest),
    )
    return off <= _SAME_PLACE * step and max(off, _SEEN_PX) < _FAR_BETTER * left


def _refuse(result: ObjectResult, change: str | None) -> NoReturn:
    named = "" if change is None else f" as they are; {change} they do"
    raise ScanError(
        "result", result.path,
        f"the positions of the result ({_positions_of(result)}) do not match those of the scan"
        f"{named}",
        remedy="check axes and orientation of both, or give another result",
    )  # fmt: skip


def _positions_of(result: ObjectResult) -> str:
    return result.datasets.get("positions", "positions")


def _in_unit(result: ObjectResult, scan: Scan) -> ObjectResult:
    if result.unit == scan.unit:
        return result
    if scan.unit == "px":
        factor, pixel = 1 / np.asarray(result.pixel), (1.0, 1.0)
    elif scan.pixel_m is not None:
        factor, pixel = np.asarray(scan.pixel_m), scan.pixel_m
    else:
        raise ScanError(
            "result", result.path, f"it is in {result.unit}, but the scan in {scan.unit}",
            remedy="give the scan's --pixel-m",
        )  # fmt: skip
    return replace(
        result,
        unit=scan.unit,
        pixel=pixel,
        corner=(float(result.corner[0] * factor[0]), float(result.corner[1] * factor[1])),
        positions=None if result.positions is None else result.positions * factor,
    )
