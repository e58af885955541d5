"""The probe: its scale, and first guesses where it is unknown or out of focus."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.optics.propagation import frequencies

__all__ = [
    "defocused_probes",
    "estimate_flux",
    "guess_probes",
    "move_back",
    "scale_probe",
]

_DEFOCUS_REACHES = (-0.16, -0.08, -0.04, 0.04, 0.08, 0.16)
_GUESS_RADII = (0.0, 0.04, 0.08, 0.12, 0.17, 0.22, 0.28, 0.34)


def estimate_flux(sums: NDArray[np.floating]) -> float:
    """Photons of a pattern with no sample, from the sums (N,) of the patterns.

    A sample only absorbs, so the brightest patterns come nearest; the 98 % quantile of
    those that have any leaves out a few outliers.
    """
    return float(np.quantile(sums[sums > 0], 0.98))


def scale_probe(
    probe: NDArray[np.complex64], sums: NDArray[np.floating], *, believed: bool
) -> tuple[NDArray[np.complex64], bool]:
    """Bring a probe to √photons.

    Parameters
    ----------
    probe : ndarray, (modes, H, W) complex64
        Probe of any scale, of any precision.
    sums : ndarray, (N,) float
        Photons of each pattern; not all of them 0.
    believed : bool
        Whether a scale that can be a photon count is one. Of a probe that comes with a scan
        it is, even where its shape is a guess; a probe made up has no scale.

    Returns
    -------
    probe : ndarray, (modes, H, W) complex64
        Σ|P|² = photons of a pattern with no sample.
    scaled : bool
        Whether the probe had another scale.
    """
    power = float((np.abs(probe) ** 2).sum())
    flux = estimate_flux(sums)
    # A sample may absorb much, and never adds: a power within that range is a photon count.
    if believed and 0.8 * flux < power < 10 * flux:
        return probe.astype(np.complex64, copy=False), False
    return (probe * np.sqrt(flux / power)).astype(np.complex64), True


def move_back(fields: Tensor, shifts: Tensor) -> Tensor:
    """Sum over points of fields (B, modes, H, W), each moved by minus its shift (B, 2)."""
    height, width = fields.shape[-2:]
    fy = frequencies(height, fields.device, shifts.dtype)
    fx = frequencies(width, fields.device, shifts.dtype)
    turn_y = torch.exp(2j * torch.pi * shifts[:, :1] * fy)
    turn_x = torch.exp(2j * torch.pi * shifts[:, 1:] * fx)
    moved = torch.fft.fft2(fields)
    moved *= turn_y[:, None, :, None]
    moved *= turn_x[:, None, None, :]
    return torch.fft.ifft2(moved.sum(0))


def defocused_probes(probe: NDArray[np.complex64]) -> list[NDArray[np.complex64]]:
    """Return a probe as it is, and farther up and down the beam.

    Where a probe is wrong it is mostly out of focus: so little of it shows in the mean
    pattern.

    Parameters
    ----------
    probe : ndarray, (modes, H, W) complex64
        Probe, centred.

    Returns
    -------
    list of ndarray, (modes, H, W) complex64
        The given one first.
    """
    far = np.fft.fft2(probe)
    power = np.fft.fftshift((np.abs(far) ** 2).sum(0))
    squared, radius, _ = _pupil_frequencies(power)
    squared = np.fft.ifftshift(squared)
    height = probe.shape[-2]
    moved = []
    for reach in _DEFOCUS_REACHES:
        phase = np.pi * reach * height / radius * squared
        moved.append(np.fft.ifft2(far * np.exp(1j * phase)).astype(np.complex64))
    return [probe, *moved]


def guess_probes(mean_pattern: NDArray[np.floating]) -> list[NDArray[np.complex64]]:
    """Probes that could have made a mean pattern: its aperture at several defoci.

    The mean pattern of many points is nearly the pupil's intensity; what it does not
    tell is the pupil's phase, whose largest part is defocus.

    Parameters
    ----------
    mean_pattern : ndarray, (H, W) float
        Mean counts, DC at the centre, bad pixels filled.

    Returns
    -------
    list of ndarray, (1, H, W) complex64
        One for each defocus, Σ|P|² = Σ of the mean pattern.
    """
    pupil = np.sqrt(np.clip(mean_pattern, 0, None))
    # Scattered light around the pupil is the sample's, not the probe's.
    pupil = np.where(pupil > 0.15 * np.quantile(pupil, 0.995), pupil, 0)
    squared, radius, total = _pupil_frequencies(pupil**2)
    height = mean_pattern.shape[0]
    found = []
    for reach in sorted({sign * value for value in _GUESS_RADII for sign in (-1, 1)}):
        phase = np.pi * reach * height / radius * squared
        wave = np.fft.ifft2(np.fft.ifftshift(pupil * np.exp(1j * phase)), norm="ortho")
        wave = np.fft.fftshift(wave)
        found.append((wave * np.sqrt(mean_pattern.sum() / total))[None].astype(np.complex64))
    return found


def _pupil_frequencies(power: NDArray[np.floating]) -> tuple[NDArray[np.float64], float, float]:
    """Squared distance (H, W) from the pupil's middle, its radius (cycles per pixel), its sum."""
    height, width = power.shape
    total = float(power.sum())
    y = np.arange(height) - height // 2
    x = np.arange(width) - width // 2
    row, column = power.sum(1) @ y / total, power.sum(0) @ x / total
    squared = ((y - row)[:, None] / height) ** 2 + ((x - column)[None, :] / width) ** 2
    # A disc's mean squared radius is half of that of its edge.
    return squared, float(np.sqrt(2 * (power * squared).sum() / total)), total
