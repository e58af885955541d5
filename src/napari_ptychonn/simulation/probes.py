"""Procedural X-ray probes: zone plates, KB mirrors, pinholes, Gaussians, in and out of focus.

A focused probe is the inverse transform of its pupil; defocus, astigmatism and coma are
phases in the pupil (Born & Wolf, Principles of Optics, ch. 9). Lengths are pixels, so one
probe stands for every wavelength and geometry with the same sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROBE_KINDS", "PupilSettings", "make_probe", "probe_from_pupil", "random_pupil"]


@dataclass(frozen=True, slots=True)
class PupilSettings:
    """A pupil and its aberrations.

    Attributes
    ----------
    shape : {"disc", "rectangle", "gaussian"}
        Form of the pupil.
    radius : float
        Pupil radius (half side, standard deviation) as a share of the pattern side.
    stop : float
        Radius of the central stop as a share of `radius`.
    defocus : float
        Geometric radius of the defocused beam as a share of the pattern side, signed.
    astigmatism, coma : float
        As `defocus`, for the other two aberrations.
    angle : float
        Direction of astigmatism and coma, radians.
    aspect : float
        Height of the pupil over its width.
    edge : float
        Softness of the pupil's edge, pixels.
    """

    shape: str = "disc"
    radius: float = 0.25
    stop: float = 0.0
    defocus: float = 0.0
    astigmatism: float = 0.0
    coma: float = 0.0
    angle: float = 0.0
    aspect: float = 1.0
    edge: float = 1.0


def make_probe(kind: str, size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Make a random probe of one kind.

    Parameters
    ----------
    kind : str
        One of :data:`PROBE_KINDS`.
    size : int
        Side of the pattern, pixels.
    rng : Generator
        Source of the random parameters.

    Returns
    -------
    ndarray, (size, size) complex64
        Centred at (size // 2, size // 2), Σ|P|² = 1.
    """
    if kind == "pinhole":
        return _pinhole(size, rng)
    return probe_from_pupil(random_pupil(kind, rng), size)


def random_pupil(kind: str, rng: np.random.Generator) -> PupilSettings:
    """Draw the pupil of a random probe of `kind` (any but ``"pinhole"``)."""
    return _PUPILS[kind](rng)


def probe_from_pupil(pupil: PupilSettings, size: int) -> NDArray[np.complex64]:
    """Probe of a pupil, (size, size) complex64, centred, Σ|P|² = 1."""
    frequency = np.fft.fftshift(np.fft.fftfreq(size)).astype(np.float32)
    fy, fx = frequency[:, None] / pupil.aspect, frequency[None, :]
    turned_y = fy * np.cos(pupil.angle) - fx * np.sin(pupil.angle)
    turned_x = fy * np.sin(pupil.angle) + fx * np.cos(pupil.angle)
    rho_y, rho_x = turned_y / pupil.radius, turned_x / pupil.radius
    rho2 = rho_y**2 + rho_x**2
    rho = np.sqrt(rho2)
    softness = pupil.edge / (pupil.radius * size)
    if pupil.shape == "gaussian":
        amplitude = np.exp(-rho2)
    elif pupil.shape == "rectangle":
        sides = np.maximum(np.abs(fy), np.abs(fx)) / pupil.radius
        amplitude = _soft_step(1 - sides, softness)
    else:
        amplitude = _soft_step(1 - rho, softness)
        if pupil.stop > 0:
            amplitude = amplitude * _soft_step(rho - pupil.stop, softness)
    # A ray at the edge of the pupil lands |dφ/df| / 2π pixels from the axis.
    scale = 2 * np.pi * pupil.radius * size
    phase = scale * (
        pupil.defocus * rho2 / 2
        + pupil.astigmatism * (rho_y**2 - rho_x**2) / 2
        + pupil.coma * rho2 * rho_y / 3
    )
    wave = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * phase)))
    return _normalised(np.fft.fftshift(wave))


def _soft_step(distance: NDArray[np.float32], softness: float) -> NDArray[np.float32]:
    return np.clip(distance / softness + 0.5, 0, 1)


def _normalised(wave: NDArray[np.complexfloating]) -> NDArray[np.complex64]:
    return (wave / np.sqrt((np.abs(wave) ** 2).sum())).astype(np.complex64)


def _signed(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high) * rng.choice((-1, 1)))


def _aberrated(pupil: PupilSettings, rng: np.random.Generator) -> PupilSettings:
    strong = rng.random() < 0.3
    return replace(
        pupil,
        astigmatism=float(rng.normal(0, 0.03 if strong else 0.006)),
        coma=float(rng.normal(0, 0.03 if strong else 0.006)),
        angle=float(rng.uniform(0, np.pi)),
        edge=float(rng.uniform(1, 2.5)),
    )


def _zone_plate(rng: np.random.Generator) -> PupilSettings:
    radius = rng.uniform(0.07, 0.33)
    pupil = PupilSettings(
        radius=radius,
        stop=rng.uniform(0.2, 0.5),
        defocus=_signed(rng, 0.02, 0.25),
    )
    return _aberrated(pupil, rng)


def _focused_zone_plate(rng: np.random.Generator) -> PupilSettings:
    pupil = PupilSettings(
        radius=rng.uniform(0.05, 0.2),
        stop=rng.uniform(0.2, 0.5),
        defocus=_signed(rng, 0.0, 0.05),
    )
    return _aberrated(pupil, rng)


def _ring(rng: np.random.Generator) -> PupilSettings:
    pupil = PupilSettings(
        radius=rng.uniform(0.18, 0.34),
        stop=rng.uniform(0.25, 0.5),
        defocus=_signed(rng, 0.18, 0.33),
    )
    return _aberrated(pupil, rng)


def _kb(rng: np.random.Generator) -> PupilSettings:
    pupil = PupilSettings(
        shape="rectangle",
        radius=rng.uniform(0.04, 0.25),
        aspect=float(np.exp(rng.uniform(-0.5, 0.5))),
        defocus=_signed(rng, 0.0, 0.22),
    )
    return _aberrated(pupil, rng)


def _gaussian(rng: np.random.Generator) -> PupilSettings:
    pupil = PupilSettings(
        shape="gaussian",
        radius=rng.uniform(0.02, 0.15),
        aspect=float(np.exp(rng.uniform(-0.4, 0.4))),
        defocus=_signed(rng, 0.0, 0.15),
    )
    return _aberrated(pupil, rng)


def _electron_disc(rng: np.random.Generator) -> PupilSettings:
    pupil = PupilSettings(
        radius=rng.uniform(0.08, 0.33),
        defocus=_signed(rng, 0.0, 0.22),
    )
    return _aberrated(pupil, rng)


def _pinhole(size: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """A disc of 0.08 to 0.28 of the side, some way downstream (Fresnel propagation)."""
    axis = np.arange(size, dtype=np.float32) - size // 2
    radius = rng.uniform(0.08, 0.28) * size
    squeeze = float(np.exp(rng.uniform(-0.15, 0.15)))
    distance = np.hypot(axis[:, None] * squeeze, axis[None, :] / squeeze)
    disc = _soft_step(radius - distance, rng.uniform(1, 3))
    # Fresnel number from 50 (nearly the pinhole itself) down to 1.5.
    fresnel_number = np.exp(rng.uniform(np.log(1.5), np.log(50)))
    frequency = np.fft.fftfreq(size).astype(np.float32)
    chirp = frequency[:, None] ** 2 + frequency[None, :] ** 2
    kernel = np.exp(-1j * np.pi * radius**2 / fresnel_number * chirp)
    return _normalised(np.fft.ifft2(np.fft.fft2(disc) * kernel))


_PUPILS: dict[str, Callable[[np.random.Generator], PupilSettings]] = {
    "zone plate": _zone_plate,
    "focused zone plate": _focused_zone_plate,
    "ring": _ring,
    "KB": _kb,
    "Gaussian": _gaussian,
    "disc": _electron_disc,
}

PROBE_KINDS: tuple[str, ...] = (*_PUPILS, "pinhole")
"""Names that :func:`make_probe` knows."""
