"""A result brought to the coordinates of a scan.

Programs count positions from places of their own, the object's middle for instance. The
positions that a result was made at say how far that is from the scan's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.words import counted

__all__ = ["placed_on"]

_SEEN_PX = 0.05
"""What is less is written as 0.0."""


def placed_on(result: ObjectResult, scan: Scan) -> ObjectResult:
    """Move a result to the coordinates, and the unit, of a scan.

    Parameters
    ----------
    result : ObjectResult
        Its positions, where there are as many as in the scan, belong to the scan's points
        in their order; else its coordinates are taken as the scan's.
    scan : Scan
        The scan whose object it is.

    Returns
    -------
    ObjectResult
        In the scan's unit; a note says how far it was moved, where it was.

    Raises
    ------
    ScanError
        The unit of one is not known to the other.
    """
    moved = _in_unit(result, scan)
    places = moved.positions
    if places is None or len(places) != scan.n_points:
        count = "no positions" if places is None else counted(len(places), "position")
        note = f"the result has {count}: its coordinates are taken as those of the scan"
        return replace(moved, notes=(*moved.notes, note))
    # A few refined positions may have gone astray; the median does not follow them.
    offsets = scan.positions - places
    shift = np.median(offsets, axis=0)
    pixels = shift / np.asarray(moved.pixel)
    spread = float(np.abs((offsets - shift) / np.asarray(moved.pixel)).max())
    notes = []
    if max(spread, *map(abs, pixels)) >= _SEEN_PX:
        notes.append(
            f"moved by {pixels[0]:.1f}, {pixels[1]:.1f} pixels (y, x) to the scan's coordinates; "
            f"single positions differ by up to {spread:.1f} pixels"
        )
    return replace(
        moved,
        corner=(moved.corner[0] + float(shift[0]), moved.corner[1] + float(shift[1])),
        positions=places + shift,
        notes=(*moved.notes, *notes),
    )


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
