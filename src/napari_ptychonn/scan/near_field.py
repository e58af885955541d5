"""Is this a near-field scan? The patterns themselves answer.

Downstream of a focus a detector may record the sample's magnified shadow, which moves with
the sample. The shadow's speed gives the magnification, and so the width of the beam on the
sample. A far-field pattern of detector pixel p can hold a beam no wider than λz/p; where
the beam is wider, the patterns are not far-field patterns of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_ptychonn.scan.model import Geometry, PatternSource

__all__ = ["near_field_reason"]

PAIRS = 40
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
    span = geometry.wavelength_m * geometry.distance_m
    window = min(span / geometry.detector_pixel_m[0], span / geometry.detector_pixel_m[1])
    if len(positions_m) < 10:
        return None
    distances, neighbours = cKDTree(positions_m).query(positions_m, k=2)
    # Reading patterns is worth it only where the steps are long for the window.
    if np.median(distances[:, 1]) < window / 4:
        return None
    first = np.unique(np.linspace(0, len(positions_m) - 1, PAIRS).astype(np.intp))
    second = neighbours[first, 1].astype(np.intp)
    moved = positions_m[second] - positions_m[first]
    shadows = _shadow_shifts(patterns.read(first), patterns.read(second), mean)
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
    first: NDArray[np.float32], second: NDArray[np.float32], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shift (M, 2) (y, x), in detector pixels, from each first pattern to its second."""
    lit = mean > 0.1 * np.quantile(mean, 0.999)
    height, width = mean.shape
    padded = (2 * height, 2 * width)
    spectra = []
    for frames in (first, second):
        ratio = np.where(lit, frames / np.where(lit, mean, 1.0), 0.0)
        ratio -= lit * (ratio.sum((1, 2), keepdims=True) / lit.sum())
        spectra.append(np.fft.rfft2(ratio, s=padded))
    overlap = np.fft.irfft2(np.abs(np.fft.rfft2(lit.astype(np.float64), s=padded)) ** 2, s=padded)
    likeness = np.fft.irfft2(spectra[0].conj() * spectra[1], s=padded)
    likeness /= np.maximum(overlap, 0.3 * overlap.max())
    peaks = likeness.reshape(len(first), -1).argmax(1)
    shifts = np.stack(np.unravel_index(peaks, padded), -1)
    half = np.asarray((height, width))
    return np.asarray((shifts + half) % (2 * half) - half, dtype=np.float64)
