"""Pixels that do not count: dead ones, hot ones, and those the detector marks itself.

Everything is found from a bounded random subset of the patterns, so that a scan of any
length costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.orientation import to_convention

__all__ = ["BadPixels", "PatternStatistics", "find_bad_pixels", "pattern_statistics"]

MAX_BYTES = 256 * 2**20
"""Patterns read for the statistics take at most this much, as float32."""
BATCH = 16
SURE_COUNTS = 25.0
"""A pixel expected to hold this many counts is empty by chance once in e^25 times."""
HOT_FACTOR = 10.0
"""A hot pixel holds this many times what its neighbours do."""
OVERFLOW = (2.0**16 - 1, 2.0**31 - 1, 2.0**32 - 1)
"""What detectors write into pixels that they know to be bad."""


@dataclass(frozen=True, slots=True, eq=False)
class PatternStatistics:
    """Sums over a random subset of the patterns.

    Attributes
    ----------
    total : ndarray, (H, W) float64
        Sum of the subset, counts.
    lowest : ndarray, (H, W) float32
        Smallest count of each pixel.
    present : ndarray, (H, W) float64
        Share of the subset in which the pixel has counts.
    frames : int
        Patterns in the subset.
    """

    total: NDArray[np.float64]
    lowest: NDArray[np.float32]
    present: NDArray[np.float64]
    frames: int

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean pattern (H, W), counts."""
        return self.total / self.frames

    def turned(self, dc_at_corner: bool, code: int) -> PatternStatistics:
        """The same, brought to DC at the centre and orientation `code`."""
        return PatternStatistics(
            to_convention(self.total, dc_at_corner, code),
            to_convention(self.lowest, dc_at_corner, code),
            to_convention(self.present, dc_at_corner, code),
            self.frames,
        )


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
    """

    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]
    marked: NDArray[np.bool_]

    @property
    def any(self) -> NDArray[np.bool_]:
        """All of them, (H, W) bool."""
        return self.dead | self.hot | self.marked


def pattern_statistics(
    patterns: PatternSource, *, max_frames: int = 64, seed: int = 0
) -> PatternStatistics:
    """Sum a random subset of the patterns.

    Parameters
    ----------
    patterns : PatternSource
        (N, H, W).
    max_frames : int
        Patterns to read at most.
    seed : int
        Of the choice.

    Raises
    ------
    ScanError
        A pattern read has NaN or negative counts, or cannot be read.
    """
    n, height, width = patterns.shape
    affordable = max(8, MAX_BYTES // (4 * height * width))
    count = min(n, max_frames, affordable)
    chosen = np.sort(np.random.default_rng(seed).choice(n, count, replace=False))
    total = np.zeros((height, width))
    present = np.zeros((height, width))
    lowest = np.full((height, width), np.inf, np.float32)
    for start in range(0, count, BATCH):
        frames = patterns.read(chosen[start : start + BATCH].astype(np.intp))
        total += frames.sum(0, dtype=np.float64)
        present += (frames > 0).sum(0)
        np.minimum(lowest, frames.min(0), out=lowest)
    return PatternStatistics(total, lowest, present / count, count)


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
    total = np.where(marked, 0.0, statistics.total)
    hot = _hot(total, statistics.present)
    if hot.mean() > max_hot:
        hot = np.zeros_like(hot)
    widest = max_gap or max(4, max(total.shape) // 8)
    dead = _dead(np.where(hot, 0.0, total), widest) & (total == 0) & ~marked
    return BadPixels(dead, hot, marked)


def _hot(total: NDArray[np.float64], present: NDArray[np.float64]) -> NDArray[np.bool_]:
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    # The fifth largest of 24 neighbours: a pair or a short row of hot pixels does not
    # hide itself, and the flank of a real peak has more bright neighbours than that.
    around = ndimage.rank_filter(total, rank=19, footprint=ring, mode="nearest")
    hot = (total > HOT_FACTOR * around + SURE_COUNTS) & (present > 0.5)
    # The direct beam of a wide smooth probe is a lone peak too.
    height, width = total.shape
    reach_y, reach_x = max(3, height // 32), max(3, width // 32)
    cy, cx = height // 2, width // 2
    hot[cy - reach_y : cy + reach_y + 1, cx - reach_x : cx + reach_x + 1] = False
    return np.asarray(hot, dtype=np.bool_)


def _dead(total: NDArray[np.float64], widest: int) -> NDArray[np.bool_]:
    """Empty pixels with enough light on two opposite sides, at most `widest` apart."""
    filled = total.copy()
    # The crossing of two gaps has light beside it only once the gaps are filled.
    for _ in range(2):
        empty = filled == 0
        if not empty.any():
            break
        expected = np.maximum(
            _between(filled, empty, widest), _between(filled.T, empty.T, widest).T
        )
        sure = empty & (expected > SURE_COUNTS)
        filled[sure] = expected[sure]
    return np.asarray((total == 0) & (filled > 0), dtype=np.bool_)


def _between(
    total: NDArray[np.float64], empty: NDArray[np.bool_], widest: int
) -> NDArray[np.float64]:
    """Smaller of the nearest counts left and right of each pixel; 0 beyond a wide gap."""
    width = total.shape[1]
    columns = np.broadcast_to(np.arange(width), total.shape)
    left = np.maximum.accumulate(np.where(empty, -1, columns), axis=1)
    right = np.minimum.accumulate(np.where(empty, width, columns)[:, ::-1], axis=1)[:, ::-1]
    inside = (left >= 0) & (right < width) & (right - left <= widest + 1)
    rows = np.arange(total.shape[0])[:, None]
    value_left = total[rows, np.clip(left, 0, None)]
    value_right = total[rows, np.clip(right, None, width - 1)]
    return np.where(inside, np.minimum(value_left, value_right), 0.0)
