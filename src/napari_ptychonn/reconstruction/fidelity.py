"""How much of a reference's structure an object shows: SSIM, and Fourier ring correlation.

SSIM: Wang et al. 2004, doi:10.1109/TIP.2003.819861. Fourier ring correlation: Saxton &
Baumeister 1982, doi:10.1111/j.1365-2818.1982.tb00405.x. Against a truth, which holds no
noise, 0.5 is where a quarter of a ring's power is signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

from napari_ptychonn.reconstruction.alignment import Alignment

__all__ = ["Fidelity", "fidelity", "ring_correlation"]

FRC_THRESHOLD = 0.5
_SSIM_WINDOW = 7
_FIRST_RING = 2
"""Lower frequencies have a dozen coefficients, and a ramp or a mean in them."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Structure that an object and a reference share.

    Attributes
    ----------
    ssim_amplitude, ssim_phase : float
        Structural similarity, 1 for equal pictures; NaN where no window of 7 pixels is
        known throughout, or the reference is constant.
    resolution_px : float
        Period, in object pixels, at which their Fourier ring correlation first falls below
        0.5; 2 where it never does.
    """

    ssim_amplitude: float
    ssim_phase: float
    resolution_px: float


def fidelity(aligned: Alignment) -> Fidelity:
    """Measure the structure that an aligned object shares with its reference."""
    ours, theirs = aligned.phases()
    known = aligned.known
    frequency, correlation = ring_correlation(aligned.object, aligned.reference, known)
    return Fidelity(
        ssim_amplitude=_ssim(np.abs(aligned.object), np.abs(aligned.reference), known),
        ssim_phase=_ssim(ours, theirs, known),
        resolution_px=_resolution(frequency, correlation),
    )


def ring_correlation(
    first: NDArray[np.complex128], second: NDArray[np.complex128], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fourier ring correlation of two complex pictures.

    Parameters
    ----------
    first, second : ndarray, (h, w) complex128
        The pictures.
    known : ndarray, (h, w) bool
        Where they are compared; its rim is faded out.

    Returns
    -------
    frequency : ndarray, (R,) float64
        Middle of every ring, cycles per pixel, up to 0.5.
    correlation : ndarray, (R,) float64
        Real part of the normalised cross-correlation on it.
    """
    window = _faded(known)
    spectra = []
    for picture in (first, second):
        mean = (picture * window).sum() / window.sum()
        spectra.append(np.fft.fft2((picture - mean) * window))
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in known.shape), indexing="ij"))
    rings = min(known.shape) // 2
    ring = np.rint(radius * 2 * rings).astype(int).ravel()

    def on_rings(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(ring, values.ravel(), rings + 1)[: rings + 1], np.float64)

    shared = on_rings((spectra[0] * spectra[1].conj()).real)
    power = on_rings(np.abs(spectra[0]) ** 2) * on_rings(np.abs(spectra[1]) ** 2)
    correlation = shared / np.sqrt(np.maximum(power, np.finfo(np.float64).tiny))
    return np.arange(rings + 1) / (2 * rings), correlation


def _faded(known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights that rise from 0 outside the known pixels to 1 within an eighth of the side."""
    reach = max(2.0, min(known.shape) / 8)
    depth = ndimage.distance_transform_edt(np.pad(known, 1))[1:-1, 1:-1]
    return np.asarray(np.sin(np.pi / 2 * np.clip(depth / reach, 0, 1)) ** 2)


def _resolution(frequency: NDArray[np.float64], correlation: NDArray[np.float64]) -> float:
    below = np.flatnonzero(correlation[_FIRST_RING:] < FRC_THRESHOLD)
    if not below.size:
        return 2.0
    ring = _FIRST_RING + int(below[0])
    if ring == _FIRST_RING:
        return float(1 / frequency[ring])
    high, low = correlation[ring - 1], correlation[ring]
    part = (high - FRC_THRESHOLD) / (high - low)
    return float(1 / (frequency[ring - 1] + part * (frequency[ring] - frequency[ring - 1])))


def _ssim(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], known: NDArray[np.bool_]
) -> float:
    inside = ndimage.binary_erosion(known, np.ones((_SSIM_WINDOW, _SSIM_WINDOW)))
    span = float(np.ptp(theirs[known]))
    if not inside.any() or not span > 1e-6:
        return float("nan")
    _, similarity = structural_similarity(
        np.where(known, ours, 0),
        np.where(known, theirs, 0),
        win_size=_SSIM_WINDOW,
        data_range=span,
        full=True,
    )
    return float(similarity[inside].mean())
