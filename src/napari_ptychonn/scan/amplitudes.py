"""Whether values are counts or their square roots, from the steps that photons leave.

Photons come one by one, so counts are whole multiples of what one photon gave, whatever
the scale: g, 2g, 3g. Square roots of them are g, √2·g, √3·g, and their squares are such
multiples. (Counts' own squares are too, so counts are looked for first.) Values on no such
steps, as those of an integrating detector, or computed without noise, do not tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.blind import blind_pixels, leave_out
from napari_ptychonn.scan.model import PatternSource

__all__ = ["looks_like_amplitudes", "sampled_values", "step_of"]

_PATTERNS = 12
_PIXELS = 20_000
_ALL_PIXELS = 2**25
_SAME = 1e-4
_MOST_STEPS = 40
_FEWEST_LEVELS = 3
_OFF = 0.02
_ALL = 0.98
_DIVISORS = (1, 2, 3)


def looks_like_amplitudes(patterns: PatternSource) -> bool | None:
    """Find whether patterns hold amplitudes, which must be squared, or counts.

    Parameters
    ----------
    patterns : PatternSource
        Values as stored; 12 patterns spread over the scan, or fewer large ones, are read.
        Pixels that the detector marks as bad throughout are left out.

    Returns
    -------
    bool or None
        True: square roots of counts. False: counts, of whatever scale. None: the values
        have no steps, or there are too few of them, and do not tell.
    """
    values = sampled_values(patterns)
    if not values.size:
        return None
    if np.array_equal(values, np.rint(values)):
        return False
    if step_of(values) is not None:
        return False
    return None if step_of(np.square(values)) is None else True


def sampled_values(patterns: PatternSource) -> NDArray[np.float64]:
    """Positive values (K,) of some patterns of a scan, without those of blind pixels."""
    n_points = patterns.shape[0]
    affordable = max(2, _ALL_PIXELS // (patterns.shape[1] * patterns.shape[2]))
    count = min(n_points, _PATTERNS, affordable)
    some = np.linspace(0, n_points - 1, count).round().astype(np.intp)
    counted = leave_out(patterns, blind_pixels(patterns))
    # One at a time: a detector may have millions of pixels, and a part of them says it.
    parts = []
    for number in np.unique(some):
        lit = counted.read(np.array([number]))
        lit = lit[lit > 0]
        parts.append(lit[:: -(-lit.size // _PIXELS) or 1].astype(np.float64))
    return np.concatenate(parts)


def step_of(values: NDArray[np.float64]) -> float | None:
    """What the small ones of positive values (K,) are whole multiples of: one of them, or a part.

    Large ones are left out: there float32 is as coarse as the steps, and pixels that
    were binned or corrected are many. None: they have no steps.
    """
    levels = _levels(values)
    if len(levels) < _FEWEST_LEVELS:
        return None
    gap = float(np.diff(levels).min())
    for first in (float(levels[0]), gap):
        for divisor in _DIVISORS:
            step = first / divisor
            steps = levels[levels < _MOST_STEPS * step] / step
            few = len(steps) < _FEWEST_LEVELS or len(steps) < 0.2 * min(len(levels), _MOST_STEPS)
            if not few and np.mean(np.abs(steps - np.rint(steps)) < _OFF) >= _ALL:
                whole = np.rint(steps)
                return float(step * (steps @ whole) / (whole @ whole))
    return None


def _levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Different values, ascending; those that rounding made different count once."""
    unique = np.unique(values)
    apart = np.diff(unique, prepend=0.0) > _SAME * unique
    return unique[apart]
