"""What a simulated scan shall be, and two that are made on demand as sample data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.simulation.samples import Contrast
from napari_ptychonn.simulation.scans import PathKind

__all__ = ["SAMPLE_SCANS", "SimulationSettings"]


@dataclass(frozen=True, slots=True, eq=False)
class SimulationSettings:
    """A scan to simulate.

    Attributes
    ----------
    sample : str
        A kind of :data:`~napari_ptychonn.simulation.samples.SAMPLE_KINDS`, or ``"random"``.
    phase_sample : str or None
        Kind of the phase picture where it differs from the amplitude's.
    contrast : Contrast or None
        Depth of amplitude and phase; None: random.
    sample_array : ndarray, (H, W) complex, or None
        A given sample, used instead of a painted one; the scan goes over its middle.
    probe : str
        A kind of :data:`~napari_ptychonn.simulation.probes.PROBE_KINDS`.
    probe_array : ndarray, (size, size) complex, or None
        A given probe of any scale, used instead of a procedural one.
    size : int
        Side of a pattern, pixels.
    points : int
        Number of scan points.
    path : {"raster", "jittered", "spiral", "fermat"}
        Scan path.
    overlap : float
        Linear overlap of neighbouring probes, 0 to below 1; gives the step from the
        probe's diameter.
    step_px : float or None
        Step in object pixels; where given, `overlap` is not used.
    photons : float
        Photons in a pattern without sample, over all modes.
    noise : bool
        Whether counts are Poisson numbers; else they are the expected values.
    background : float
        Mean counts in a pixel that do not come from the sample.
    gap_px : int
        Width of a cross of blind pixels, as between detector modules; 0: none.
    second_mode : float
        Share of the photons in a second, incoherent probe mode.
    position_error_px : float
        Standard deviation of recorded against true positions, along y and x.
    guess_defocus : float or None
        Where given, the scan holds a wrong probe: the true one's first mode, taken
        farther along the beam until a ray at frequency f (cycles per pixel) has moved
        ``guess_defocus·f·size`` pixels.
    energy_ev, distance_m, detector_pixel_m : float
        Photon energy, sample to detector, detector pitch.
    seed : int
        The same settings with the same seed give the same scan.
    """

    sample: str = "random"
    phase_sample: str | None = None
    contrast: Contrast | None = None
    sample_array: NDArray[np.complex64] | None = field(default=None, repr=False)
    probe: str = "zone plate"
    probe_array: NDArray[np.complex64] | None = field(default=None, repr=False)
    size: int = 64
    points: int = 400
    path: PathKind = "jittered"
    overlap: float = 0.8
    step_px: float | None = None
    photons: float = 1e5
    noise: bool = True
    background: float = 0.0
    gap_px: int = 0
    second_mode: float = 0.0
    position_error_px: float = 0.0
    guess_defocus: float | None = None
    energy_ev: float = 8800.0
    distance_m: float = 2.0
    detector_pixel_m: float = 75e-6
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated.

        Raises
        ------
        SettingsError
            A number is out of its range.
        """
        rules = {
            "size": (self.size >= 8, "at least 8"),
            "points": (self.points >= 1, "at least 1"),
            "overlap": (0 <= self.overlap < 1, "from 0 to below 1"),
            "step_px": (self.step_px is None or self.step_px > 0, "positive"),
            "photons": (0 < self.photons <= 1e9, "positive, at most 1e9"),
            "background": (0 <= self.background <= 1e6, "from 0 to 1e6"),
            "gap_px": (0 <= self.gap_px <= self.size // 4, "from 0 to a quarter of the size"),
            "second_mode": (0 <= self.second_mode < 1, "from 0 to below 1"),
            "position_error_px": (self.position_error_px >= 0, "not negative"),
            "energy_ev": (self.energy_ev > 0, "positive"),
            "distance_m": (self.distance_m > 0, "positive"),
            "detector_pixel_m": (self.detector_pixel_m > 0, "positive"),
            "seed": (0 <= self.seed < 2**63, "from 0 to below 2⁶³"),
        }
        for name, (holds, allowed) in rules.items():
            if not holds:
                problem = f"{name} is {getattr(self, name)}"
                raise SettingsError("simulation", None, problem, remedy=f"it must be {allowed}")


SAMPLE_SCANS: Mapping[str, SimulationSettings] = MappingProxyType(
    {
        "circuit-zone-plate": SimulationSettings(
            sample="circuit",
            contrast=Contrast("coupled", lowest=0.55, phase_range=-1.6),
            probe="zone plate",
            points=784,
            step_px=4.0,
            seed=3,
        ),
        "cells-wrong-probe": SimulationSettings(
            sample="cells",
            contrast=Contrast("coupled", lowest=0.7, phase_range=-1.8),
            probe="ring",
            points=784,
            path="fermat",
            step_px=4.0,
            guess_defocus=0.15,
            seed=5,
        ),
    }
)
"""Scans that File > Open Sample and the demo make on demand."""
