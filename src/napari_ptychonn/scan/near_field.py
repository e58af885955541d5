"""Is this a near-field scan? The patterns themselves answer.

Downstream of a focus a detector may record the sample's magnified shadow, which moves with
the sample. The shadow's speed gives the magnification, and so the width of the beam on the
sample. A far-field pattern of detector pixel p can hold a beam no wider than λz/p; where
the beam is wider, the patterns are not far-field patterns of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.model import Geometry, PatternSource

__all__ = ["near_field_reason"]

PAIRS = 40
PAIR_PIXELS = 2**26
"""Of all pairs together, of which there are at least eight."""
MAX_SIDE = 1024
"""Shadows on larger patterns are compared on binned ones."""
MIN_LINEARITY = 0.9
"""Share of the shadow's motion that must be proportional to the sample's; measured: 0.98
for a near-field scan, 0.15 for a defocused far-field one."""


def near_field_reason(
    patterns: PatternSource,
    positions_m: NDArray[np.float64],
    geometry: Geometry,
    mean: NDArray[np.float64],
) -> str | None:
    """Say why a scan is a near-field one, or None.

    Parameters
    ----------
    patterns : PatternSource
        (N, H, W).
    positions_m : ndarray, (N, 2)
        Positions (y, x), metres.
    geometry : Geometry
        Wavelength, distance, detector pixel.
    mean : ndarray, (H, W)
        Mean pattern, counts.

    Returns
    -------
    str or None
        One sentence with the numbers.
    """
    # Importing it takes longer than the rest of a dock.
    from scipy.spatial import cKDTree

    span = geometry.wavelength_m * geometry.distance_m
    window = min(span / geometry.detector_pixel_m[0], span / geometry.detector_pixel_m[1])
    if len(positions_m) < 10 or not mean.any():
        return None
    distances, neighbours = cKDTree(positions_m).query(positions_m, k=2)
    # Reading patterns is worth it only where the steps are long for the window.
    if np.median(distances[:, 1]) < window / 4:
        return None
    pairs = min(PAIRS, max(8, PAIR_PIXELS // mean.size))
    first = np.unique(np.linspace(0, len(positions_m) - 1, pairs).astype(np.intp))
    second = neighbours[first, 1].astype(np.intp)
    moved = positions_m[second] - positions_m[first]
    shadows = _shadow_shifts(patterns, np.stack([first, second], -1), mean)
    speed, *_ = np.linalg.lstsq(moved, shadows, rcond=None)
    rest = np.square(shadows - moved @ speed).sum()
    power = np.square(shadows).sum()
    if not power or 1 - rest / power < MIN_LINEARITY:
        return None
    magnification = float(np.sqrt(abs(np.linalg.det(speed))))
    lit = float(np.sqrt((mean > 0.1 * np.quantile(mean, 0.999)).sum()))
    beam = lit / magnification if magnification else 0.0
    if beam < window:
        return None
    return (
        "near-field scan: the shadow of the sample moves over the detector with the sample, "
        f"and shows a beam {beam * 1e6:.1f} µm wide where a far-field pattern of this geometry "
        f"can hold {window * 1e6:.1f} µm"
    )


def _shadow_shifts(
    patterns: PatternSource, pairs: NDArray[np.intp], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shift (M, 2) (y, x), in detector pixels, from the first to the second of each pair."""
    factor = -(-max(mean.shape) // MAX_SIDE)
    mean = _binned(mean, factor)
    lit = mean > 0.1 * np.quantile(mean, 0.999)
    height, width = mean.shape
    padded = (2 * height, 2 * width)
    half = np.asarray((height, width))
    overlap = np.fft.irfft2(np.abs(np.fft.rfft2(lit.astype(np.float64), s=padded)) ** 2, s=padded)
    overlap = np.maximum(overlap, 0.3 * overlap.max())
    shifts = np.zeros((len(pairs), 2))
    # One pair after the other: together they would not fit into the memory.
    for number, pair in enumerate(pairs):
        frames = _binned(patterns.read(pair), factor)
        ratio = np.where(lit, frames / np.where(lit, mean, 1.0), 0.0)
        ratio -= lit * (ratio.sum((1, 2), keepdims=True) / lit.sum())
        first, second = np.fft.rfft2(ratio, s=padded)
        likeness = np.fft.irfft2(first.conj() * second, s=padded) / overlap
        shifts[number] = np.unravel_index(likeness.argmax(), padded)
    return np.asarray(factor * ((shifts + half) % (2 * half) - half), dtype=np.float64)


def _binned(frames: NDArray[Any], factor: int) -> NDArray[Any]:
    """Frames (..., H, W) with blocks of pixels summed; what fills no block is left out."""
    if factor == 1:
        return frames
    height, width = (side // factor for side in frames.shape[-2:])
    cut = frames[..., : height * factor, : width * factor]
    blocks = cut.reshape(*cut.shape[:-2], height, factor, width, factor)
    return np.asarray(blocks.sum((-3, -1)))
