"""The scan: patterns, where each was measured, and with what light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Geometry", "PatternSource", "Provenance", "Scan"]

LengthUnit = Literal["m", "px"]

HC_J_M = 1.98644586e-25
"""Planck constant times speed of light, J·m (CODATA 2018)."""
HC_EV_M = 1.23984198e-6
"""Planck constant times speed of light, eV·m (CODATA 2018)."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the detector stands, and so how large an object pixel is.

    Attributes
    ----------
    wavelength_m : float
        Photon (or electron) wavelength, metres.
    distance_m : float
        Sample to detector, metres.
    detector_pixel_m : tuple[float, float]
        Pitch (y, x) of a detector pixel after binning, metres.
    """

    wavelength_m: float
    distance_m: float
    detector_pixel_m: tuple[float, float]

    def object_pixel_m(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Object pixel (y, x) in metres for patterns of `shape` (H, W): λz / (N p)."""
        span = self.wavelength_m * self.distance_m
        return (
            span / (shape[0] * self.detector_pixel_m[0]),
            span / (shape[1] * self.detector_pixel_m[1]),
        )

    @property
    def energy_ev(self) -> float:
        """Photon energy in eV that belongs to the wavelength."""
        return HC_EV_M / self.wavelength_m


@runtime_checkable
class PatternSource(Protocol):
    """Diffraction patterns that are read when they are asked for.

    Every source gives photon counts (intensity) as float32 with DC at pixel
    (H // 2, W // 2), in the orientation of the positions (row = y, column = x).
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        ...

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices` (any order), shape (len(indices), H, W), float32 counts."""
        ...


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was read from where, and what had to be assumed.

    Attributes
    ----------
    path : Path or None
        The scan file; None for a scan made in memory.
    format : str
        Name of the file format, for instance ``"CXI"``.
    datasets : Mapping[str, str]
        Role (``patterns``, ``positions``, ``probe``, ``mask``) to the dataset used.
    assumptions : tuple of str
        Sentences that say what the file did not, for instance
        ``"no pixel size recorded: lengths are in pixels"``.
    orientation : int
        Orientation 0..7 (see :mod:`napari_ptychonn.scan.orientation`) that the stored
        patterns were brought to.
    orientation_is_known : bool
        Whether the format documents it, or the person said it; else it was assumed.
    """

    path: Path | None
    format: str
    datasets: Mapping[str, str] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    orientation: int = 0
    orientation_is_known: bool = True


@dataclass(frozen=True, slots=True)
class Scan:
    """One ptychographic scan.

    Attributes
    ----------
    patterns : PatternSource
        Lazy stack of N patterns of H×W photon counts, DC at the centre.
    positions : ndarray, (N, 2) float64
        Probe centre (y, x) on the object, +y = increasing row, in `unit`.
    unit : {"m", "px"}
        Unit of `positions`: metres, or object pixels where the pixel is unknown.
    pixel_m : tuple[float, float] or None
        Object pixel (y, x) in metres; None exactly when `unit` is "px".
    geometry : Geometry or None
        Wavelength, distance and detector pixel where they are known.
    probe : ndarray, (modes, H, W) complex64, or None
        Probe centred at (H // 2, W // 2), any scale; None where there is none.
    probe_is_guess : bool
        Whether `probe` is only a start (it is then refined before it is trusted).
    mask : ndarray, (H, W) bool
        True = good pixel.
    provenance : Provenance
        File, format, datasets used, assumptions made.
    near_field : str or None
        Why this is a near-field scan, where it is one: it can be looked at, not
        reconstructed by a far-field method.
    """

    patterns: PatternSource
    positions: NDArray[np.float64]
    unit: LengthUnit
    mask: NDArray[np.bool_]
    provenance: Provenance
    pixel_m: tuple[float, float] | None = None
    geometry: Geometry | None = None
    probe: NDArray[np.complex64] | None = None
    probe_is_guess: bool = False
    near_field: str | None = None

    @property
    def name(self) -> str:
        """Short name for layers and files."""
        return self.provenance.path.stem if self.provenance.path else self.provenance.format

    @property
    def n_points(self) -> int:
        """Number of scan points N."""
        return self.patterns.shape[0]

    @property
    def pattern_shape(self) -> tuple[int, int]:
        """(H, W) of a pattern, pixels."""
        return self.patterns.shape[1:]

    @property
    def positions_px(self) -> NDArray[np.float64]:
        """Positions (N, 2) as (y, x) in object pixels."""
        if self.pixel_m is None:
            return self.positions
        return self.positions / np.asarray(self.pixel_m)
