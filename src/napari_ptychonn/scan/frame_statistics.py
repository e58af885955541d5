"""Sums over some patterns, from which bad pixels and DC are found.

They are taken from a bounded random subset of the patterns, so that a scan of any length
costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.blind import bytes_per_count
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.orientation import to_convention

__all__ = ["PatternStatistics", "pattern_statistics"]

MAX_BYTES = 256 * 2**20
"""Patterns read for the statistics take at most this much, as float32, or what four need."""
LARGE_FRAME = 2**23
"""Frames of more pixels weigh what they have in the file, where two of them are enough."""
BATCH = 16
BATCH_PIXELS = 2**24
"""Patterns, and pixels of them, that are read together."""


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
    saturated : ndarray, (H, W) float64
        Share of the subset in which it is saturated.
    frames : int
        Patterns in the subset.
    """

    total: NDArray[np.float64]
    lowest: NDArray[np.float32]
    present: NDArray[np.float32]
    saturated: NDArray[np.float32]
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
            to_convention(self.saturated, dc_at_corner, code),
            self.frames,
        )


def pattern_statistics(
    patterns: PatternSource,
    *,
    saturation: float | None = None,
    max_frames: int = 64,
    seed: int = 0,
) -> PatternStatistics:
    """Sum a random subset of the patterns.

    Parameters
    ----------
    patterns : PatternSource
        (N, H, W).
    saturation : float, optional
        Counts from which a pixel is saturated.
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
    count = min(n, max_frames, _affordable(height * width, bytes_per_count(patterns)))
    chosen = np.sort(np.random.default_rng(seed).choice(n, count, replace=False))
    total = np.zeros((height, width))
    present, saturated = np.zeros((2, height, width), np.float32)
    # Counts are compared as they are read; float32 rounds 2³² − 1 up.
    level = np.float32(np.inf if saturation is None else saturation)
    lowest = np.full((height, width), np.inf, np.float32)
    batch = min(BATCH, max(1, BATCH_PIXELS // (height * width)))
    for start in range(0, count, batch):
        frames = patterns.read(chosen[start : start + batch].astype(np.intp))
        if batch == 1:
            # Without the sums in between: each is as large as a frame, which is large.
            frame = frames[0]
            total += frame
            present += frame > 0
            saturated += frame >= level
            np.minimum(lowest, frame, out=lowest)
            continue
        total += frames.sum(0, dtype=np.float64)
        present += (frames > 0).sum(0, dtype=np.float32)
        saturated += (frames >= level).sum(0, dtype=np.float32)
        np.minimum(lowest, frames.min(0), out=lowest)
    present /= count
    saturated /= count
    return PatternStatistics(total, lowest, present, saturated, count)


def _affordable(pixels: int, stored_bytes: int) -> int:
    """How many frames of `pixels` counts, of so many bytes each, are looked at."""
    weight = max(4, stored_bytes) if pixels > LARGE_FRAME else 4
    return max(16 // weight, MAX_BYTES // (weight * pixels))
