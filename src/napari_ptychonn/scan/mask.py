"""Pixels that do not count: dead and hot ones, saturated ones, those the detector marks itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.frame_statistics import PatternStatistics
from napari_ptychonn.scan.model import PatternSource, Scan
from napari_ptychonn.scan.views import MaskedPatterns
from napari_ptychonn.words import counted

__all__ = [
    "BadPixels",
    "find_bad_pixels",
    "unmasked_patterns",
    "unmeasured_pixels",
    "with_mask",
]

BATCH_PIXELS = 2**24
"""Pixels looked at together: frames of a detector can be large."""
SURE_COUNTS = 25.0
"""A pixel expected to hold this many counts is empty by chance once in e^25 times."""
HOT_FACTOR = 10.0
"""A hot pixel holds this many times what its neighbours do."""
OVERFLOW = (2.0**16 - 1, 2.0**31 - 1, 2.0**32 - 1)
"""What detectors write into pixels that they know to be bad."""
RING = np.array([(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0)])
"""The 24 neighbours of a pixel, (y, x)."""
SATURATED_SHARE = 0.1
"""A pixel that is saturated in more than this share of the patterns is left out of all."""
CHANGED = "the mask was changed by hand"


@dataclass(frozen=True, slots=True, eq=False)
class BadPixels:
    """Pixels found to be bad; all arrays (H, W) bool, True = bad.

    Attributes
    ----------
    dead : ndarray
        Always empty although there is light around them.
    hot : ndarray
        In most patterns far above their neighbours.
    marked : ndarray
        Always at the detector's overflow value.
    saturated : ndarray
        In many patterns, but not always, at the value where counting ends.
    """

    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    marked: NDArray[np.bool_]
    saturated: NDArray[np.bool_]

    @property
    def any(self) -> NDArray[np.bool_]:
        """All of them, (H, W) bool."""
        return self.dead | self.hot | self.marked | self.saturated


def find_bad_pixels(
    statistics: PatternStatistics, *, max_hot: float = 0.01, max_gap: int | None = None
) -> BadPixels:
    """Find dead, hot and marked pixels.

    Parameters
    ----------
    statistics : PatternStatistics
        DC at the centre.
    max_hot : float
        If more than this share of the pixels looked hot it would be the pattern that is
        rough, and none is taken to be hot.
    max_gap : int, optional
        Widest gap, pixels; wider empty regions are shadow, not detector. None: an eighth
        of the longer side.

    Returns
    -------
    BadPixels
    """
    marked = np.isin(statistics.lowest, np.asarray(OVERFLOW, np.float32))
    # Large frames leave no room for more digits, which nothing here needs.
    total = statistics.total.astype(np.float32)
    total[marked] = 0
    saturated = (statistics.saturated > SATURATED_SHARE) & ~marked
    hot = _hot(total, statistics.present)
    if hot.mean() > max_hot:
        hot = np.zeros_like(hot)
    widest = max_gap or max(4, max(total.shape) // 8)
    total[hot] = 0
    dead = _dead(total, widest) & ~hot & ~marked
    return BadPixels(dead, hot, marked, saturated)


def with_mask(scan: Scan, mask: NDArray[np.bool_]) -> Scan:
    """The same scan with another mask.

    Parameters
    ----------
    scan : Scan
        The scan.
    mask : ndarray, (H, W) bool
        True = good, in the orientation of the patterns. Of the pixels of
        :func:`unmeasured_pixels` none becomes good.

    Raises
    ------
    ScanError
        The mask is of another shape, or leaves no good pixel.
    """
    if mask.shape != scan.pattern_shape:
        problem = f"mask is {mask.shape}, patterns are {scan.pattern_shape}"
        raise ScanError("mask", scan.provenance.path, problem, remedy="make it for this scan")
    unmeasured = unmeasured_pixels(scan)
    good = np.asarray(mask & ~unmeasured, dtype=np.bool_)
    if not good.any():
        problem = "the mask leaves no good pixel"
        raise ScanError("mask", scan.provenance.path, problem, remedy="leave some pixels in")
    before = scan.provenance
    kept = tuple(note for note in before.assumptions if not note.startswith(CHANGED))
    masked = counted(int((~good).sum()), "pixel is masked", "pixels are masked")
    note = f"{CHANGED}: {masked}"
    return replace(
        scan,
        patterns=MaskedPatterns(unmasked_patterns(scan), good, unmeasured),
        mask=good,
        provenance=replace(before, assumptions=(*kept, note)),
    )


def unmasked_patterns(scan: Scan) -> PatternSource:
    """The patterns with what bad pixels hold, as far as a mask could make them good."""
    patterns = scan.patterns
    if isinstance(patterns, MaskedPatterns) and patterns.unmeasured is not None:
        return patterns.source
    return patterns


def unmeasured_pixels(scan: Scan) -> NDArray[np.bool_]:
    """Pixels (H, W) of which there are no counts: True for those that the file marks as bad.

    Of a scan that was not read from a file, whatever is masked.
    """
    if isinstance(scan.patterns, MaskedPatterns) and scan.patterns.unmeasured is not None:
        return scan.patterns.unmeasured
    return np.asarray(~scan.mask, dtype=np.bool_)


def _hot(total: NDArray[np.float32], present: NDArray[np.float32]) -> NDArray[np.bool_]:
    # Of few pixels the neighbours have to be sorted: of those far above the least of them.
    hot = (total > SURE_COUNTS) & (present > 0.5)
    if hot.any():
        # Importing it takes longer than the rest of a dock.
        from scipy import ndimage

        least = ndimage.minimum_filter(total, 5, mode="nearest")
        least *= HOT_FACTOR
        least += SURE_COUNTS
        hot &= total > least
    places = np.stack(np.nonzero(hot), -1)
    for start in range(0, len(places), BATCH_PIXELS // 64):
        some = places[start : start + BATCH_PIXELS // 64]
        y, x = np.clip(some[:, None] + RING, 0, np.asarray(total.shape) - 1).transpose(2, 0, 1)
        # The fifth largest of 24 neighbours: a pair or a short row of hot pixels does not
        # hide itself, and the flank of a real peak has more bright neighbours than that.
        around = np.partition(total[y, x], 19, axis=1)[:, 19]
        hot[some[:, 0], some[:, 1]] = total[some[:, 0], some[:, 1]] > (
            HOT_FACTOR * around + SURE_COUNTS
        )
    # The direct beam of a wide smooth probe is a lone peak too.
    height, width = total.shape
    reach_y, reach_x = max(3, height // 32), max(3, width // 32)
    cy, cx = height // 2, width // 2
    hot[cy - reach_y : cy + reach_y + 1, cx - reach_x : cx + reach_x + 1] = False
    return np.asarray(hot, dtype=np.bool_)


def _dead(total: NDArray[np.float32], widest: int) -> NDArray[np.bool_]:
    """Empty pixels with enough light on two opposite sides, at most `widest` apart."""
    filled = total.copy()
    # The crossing of two gaps has light beside it only once the gaps are filled.
    for _ in range(2):
        empty = filled == 0
        if not empty.any():
            break
        expected = _between(filled, empty, widest)
        np.maximum(expected, _between(filled.T, empty.T, widest).T, out=expected)
        sure = empty & (expected > SURE_COUNTS)
        filled[sure] = expected[sure]
    return np.asarray((total == 0) & (filled > 0), dtype=np.bool_)


def _between(
    total: NDArray[np.float32], empty: NDArray[np.bool_], widest: int
) -> NDArray[np.float32]:
    """Smaller of the nearest counts left and right of each pixel; 0 beyond a wide gap."""
    found = np.zeros(total.shape, np.float32)
    lines = np.flatnonzero(empty.any(1) & (total > SURE_COUNTS).any(1))
    step = max(1, BATCH_PIXELS // 16 // total.shape[1])
    for start in range(0, len(lines), step):
        some = lines[start : start + step]
        found[some] = _between_in(total[some], empty[some], widest)
    return found


def _between_in(
    total: NDArray[np.float32], empty: NDArray[np.bool_], widest: int
) -> NDArray[np.float32]:
    width = total.shape[1]
    columns = np.broadcast_to(np.arange(width), total.shape)
    left = np.maximum.accumulate(np.where(empty, -1, columns), axis=1)
    right = np.minimum.accumulate(np.where(empty, width, columns)[:, ::-1], axis=1)[:, ::-1]
    inside = (left >= 0) & (right < width) & (right - left <= widest + 1)
    rows = np.arange(total.shape[0])[:, None]
    value_left = total[rows, np.clip(left, 0, None)]
    value_right = total[rows, np.clip(right, None, width - 1)]
    return np.where(inside, np.minimum(value_left, value_right), np.float32(0))
