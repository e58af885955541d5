"""Probes of the suite: optics as measured ones are, with what no training probe has.

A lens here has its own reach, and its own focus, along y and along x, light that falls on it
off its middle, and a wavefront error of no simple form; a pinhole has corners. Lengths are
shares of the pattern's side, so one optic serves patterns of any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PROBES", "Lens", "Optic", "Pinhole", "diameter_px"]

LIGHT_WITHIN_DIAMETER = 0.9
_EDGE_PX = 1.5
"""Softness of a pupil's edge."""


@dataclass(frozen=True, slots=True)
class Lens:
    """A zone plate, or a pair of mirrors.

    Attributes
    ----------
    reach : tuple[float, float]
        Half height and half width of the pupil.
    round : bool
        Whether the pupil is an ellipse; else a rectangle.
    stop : float
        Central stop as a share of `reach`.
    defocus : tuple[float, float]
        Where a ray from the pupil's edge lands (y, x), as the two mirrors focus it.
    light : tuple[float, float]
        Where on the pupil the light is brightest, as a share of `reach`.
    light_width : float
        Standard deviation of that light, as a share of `reach`.
    wavefront_rad : float
        Standard deviation of a smooth random error of the wavefront.
    seed : int
        Seed of that error.
    """

    reach: tuple[float, float]
    round: bool = True
    stop: float = 0.0
    defocus: tuple[float, float] = (0.0, 0.0)
    light: tuple[float, float] = (0.0, 0.0)
    light_width: float = 1.0
    wavefront_rad: float = 0.0
    seed: int = 0

    def wave(self, size: int) -> NDArray[np.complex64]:
        """Probe (size, size), centred, Σ|P|² = 1."""
        frequency = np.fft.fftshift(np.fft.fftfreq(size))
        y, x = frequency[:, None] / self.reach[0], frequency[None, :] / self.reach[1]
        radius = np.hypot(y, x) if self.round else np.maximum(np.abs(y), np.abs(x))
        edge = _EDGE_PX / (size * min(self.reach))
        pupil = np.clip((1 - radius) / edge + 0.5, 0, 1)
        if self.stop > 0:
            pupil = pupil * np.clip((np.hypot(y, x) - self.stop) / edge + 0.5, 0, 1)
        off = (y - self.light[0]) ** 2 + (x - self.light[1]) ** 2
        pupil = pupil * np.exp(-off / (2 * self.light_width**2))
        # A phase φ(f) moves the ray at f by φ′(f)/2π pixels.
        squares = (self.defocus[0] * self.reach[0] * y**2, self.defocus[1] * self.reach[1] * x**2)
        phase = np.pi * size * (squares[0] + squares[1]) + self._error(size, pupil > 0)
        return _unit(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(pupil * np.exp(1j * phase)))))

    def out_of_focus(self, factor: float) -> Lens:
        """The same lens with `factor` times the defocus."""
        return replace(self, defocus=(factor * self.defocus[0], factor * self.defocus[1]))

    def _error(self, size: int, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        # Drawn on one grid for all sizes, so that a lens is the same lens in each.
        rng = np.random.default_rng(self.seed)
        coarse = ndimage.gaussian_filter(rng.standard_normal((64, 64)), 64 * min(self.reach) / 3)
        error = ndimage.zoom(coarse, size / 64, order=3)
        error -= error[inside].mean()
        return np.asarray(error * (self.wavefront_rad / error[inside].std()))


@dataclass(frozen=True, slots=True)
class Pinhole:
    """An octagonal hole some way upstream.

    Attributes
    ----------
    radius : float
        Of the circle inside the octagon.
    fresnel_number : float
        radius² / (wavelength · distance).
    tilt : float
        Direction of the octagon, radians.
    light : tuple[float, float]
        Where on the hole the light is brightest, as a share of `radius`.
    """

    radius: float
    fresnel_number: float
    tilt: float
    light: tuple[float, float] = (0.0, 0.0)

    def wave(self, size: int) -> NDArray[np.complex64]:
        """Probe (size, size), centred, Σ|P|² = 1."""
        axis = np.arange(size) - size // 2
        radius = self.radius * size
        sides = [
            np.cos(angle) * axis[:, None] + np.sin(angle) * axis[None, :]
            for angle in self.tilt + np.pi / 4 * np.arange(8)
        ]
        hole = np.clip((radius - np.max(sides, axis=0)) / _EDGE_PX + 0.5, 0, 1)
        off = (axis / radius - self.light[0])[:, None] ** 2
        off = off + (axis / radius - self.light[1])[None, :] ** 2
        hole = hole * np.exp(-off / 2)
        frequency = np.fft.fftfreq(size)
        square = frequency[:, None] ** 2 + frequency[None, :] ** 2
        kernel = np.exp(-1j * np.pi * radius**2 / self.fresnel_number * square)
        return _unit(np.fft.ifft2(np.fft.fft2(hole) * kernel))


Optic = Lens | Pinhole

PROBES: Mapping[str, Optic] = MappingProxyType(
    {
        "zone plate in focus": Lens(
            reach=(0.14, 0.14), stop=0.56, defocus=(0.02, 0.035),
            light=(0.3, -0.2), light_width=0.9, wavefront_rad=0.3, seed=11,
        ),
        "zone plate out of focus": Lens(
            reach=(0.21, 0.21), stop=0.55, defocus=(0.16, 0.15),
            light=(-0.25, 0.3), light_width=0.9, wavefront_rad=0.3, seed=12,
        ),
        "KB": Lens(
            reach=(0.2, 0.085), round=False, defocus=(0.1, -0.07),
            light=(0.2, 0.1), light_width=1.1, wavefront_rad=0.25, seed=13,
        ),
        "pinhole": Pinhole(radius=0.16, fresnel_number=1.1, tilt=0.2, light=(0.2, -0.3)),
        "ring": Lens(
            reach=(0.26, 0.26), stop=0.7, defocus=(0.23, 0.23),
            light=(0.3, 0.0), light_width=1.0, wavefront_rad=0.2, seed=15,
        ),
    }
)  # fmt: skip
"""The optics of the suite, by name."""


def diameter_px(probe: NDArray[np.complex64]) -> float:
    """Diameter of a probe (h, w): that of a disc as large as its brightest part.

    The brightest part is those pixels that together hold 90 % of the light.
    """
    light = np.sort((np.abs(probe) ** 2).ravel())[::-1]
    share = np.cumsum(light) / light.sum()
    area = 1 + int(np.searchsorted(share, LIGHT_WITHIN_DIAMETER))
    return float(2 * np.sqrt(area / np.pi))


def _unit(wave: NDArray[np.complexfloating]) -> NDArray[np.complex64]:
    return (wave / np.linalg.norm(wave)).astype(np.complex64)
