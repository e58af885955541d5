"""The suite: simulated scans that no training draws from, and what each of them tests.

Overlap is linear: 1 − step / diameter, with the diameter of
:func:`suite_probes.diameter_px` (a disc as large as the pixels that hold 90 % of the light).
The truth stays with the benchmark; a method sees the scan alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
from suite_probes import PROBES, Lens, Optic, diameter_px
from suite_samples import Sample, coupled, independent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.simulation.scans import PathKind
    from napari_ptychonn.simulation.truth import Truth

__all__ = ["CASES", "GUESS_DEFOCUS", "Case", "standard_set"]

Told = Literal["all", "first mode", "out of focus", "nothing"]

GUESS_DEFOCUS = 1.3
"""What a wrong guess makes of the defocus."""
STANDARD_OVERLAP, STANDARD_PHOTONS = 0.75, 1e5


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A scan of the suite.

    Attributes
    ----------
    name : str
        Short name.
    tests : str
        What it is there for.
    sample : Sample
        Gives the transmission.
    probe : str
        One of :data:`suite_probes.PROBES`.
    size : int
        Side of a pattern, pixels.
    points : int
        Scan points.
    overlap : float
        1 − step / diameter.
    photons : float
        Photons of a pattern without sample, over all modes.
    path : str
        Scan path.
    second_mode : float
        Share of the photons in a second, incoherent mode.
    position_error_px : float
        Standard deviation of the recorded positions.
    told : {"all", "first mode", "out of focus", "nothing"}
        What the scan says about the probe.
    twin : str
        Case of the same scan with the probe known; empty: none.
    """

    name: str
    tests: str
    sample: Sample
    probe: str
    size: int = 64
    points: int = 625
    overlap: float = STANDARD_OVERLAP
    photons: float = STANDARD_PHOTONS
    path: PathKind = "jittered"
    second_mode: float = 0.0
    position_error_px: float = 0.0
    told: Told = "all"
    twin: str = ""

    @property
    def is_standard(self) -> bool:
        """Whether it has 75 % overlap, 1e5 photons, a known probe, and nothing wrong."""
        return (
            self.overlap == STANDARD_OVERLAP
            and self.photons == STANDARD_PHOTONS
            and self.told == "all"
            and not self.second_mode
            and not self.position_error_px
        )

    @property
    def step_px(self) -> float:
        """Distance of neighbouring points, object pixels."""
        return (1 - self.overlap) * diameter_px(PROBES[self.probe].wave(self.size))

    def make(self) -> tuple[Scan, Truth]:
        """Simulate it.

        Raises
        ------
        MissingData
            The photograph of its sample is not there.
        """
        from napari_ptychonn.simulation.settings import SimulationSettings
        from napari_ptychonn.simulation.simulate import simulate

        step = self.step_px
        # A Fermat spiral is 2/√π times as wide as a raster of as many points.
        side = int(np.ceil(1.15 * np.sqrt(self.points) * step + self.size)) + 8
        scan, truth = simulate(
            SimulationSettings(
                sample_array=self.sample(side),
                probe_array=PROBES[self.probe].wave(self.size),
                size=self.size,
                points=self.points,
                path=self.path,
                step_px=step,
                photons=self.photons,
                second_mode=self.second_mode,
                position_error_px=self.position_error_px,
                seed=1_000 + list(CASES).index(self.twin or self.name),
            )
        )
        told = _told(self, truth.probe)
        guess = self.told == "out of focus"
        return replace(scan, probe=told, probe_is_guess=guess), truth


def standard_set() -> tuple[Case, ...]:
    """Return the cases with 75 % overlap, 1e5 photons, a known probe, and nothing wrong."""
    return tuple(case for case in CASES.values() if case.is_standard)


def _told(case: Case, probe: NDArray[np.complex64]) -> NDArray[np.complex64] | None:
    if case.told == "nothing":
        return None
    if case.told == "out of focus":
        guess = _wrong(PROBES[case.probe]).wave(case.size)
        return (guess * np.sqrt(case.photons))[None].astype(np.complex64)
    return probe[:1].copy() if case.told == "first mode" else probe.copy()


def _wrong(optic: Optic) -> Lens:
    if not isinstance(optic, Lens):
        raise TypeError("only a lens has a defocus to be wrong about")
    return optic.out_of_focus(GUESS_DEFOCUS)


def _standard() -> list[Case]:
    return [
        Case(
            "camera-coins",
            "two photographs that have nothing in common",
            independent("camera", "coins", lowest=0.4, phase_range=2.0),
            "zone plate out of focus",
        ),
        Case(
            "gravel",
            "a rough texture of one material",
            coupled("gravel", lowest=0.5, phase_range=-1.5),
            "ring",
            points=441,
        ),
        Case(
            "brick-grass",
            "two textures, a small astigmatic probe",
            independent("brick", "grass", lowest=0.5, phase_range=1.5),
            "KB",
            points=784,
            path="fermat",
        ),
        Case(
            "coffee",
            "smooth shades, strong phase",
            coupled("coffee", lowest=0.6, phase_range=-4.0),
            "pinhole",
        ),
        Case(
            "page-handwriting",
            "fine print, a focused probe",
            independent("page", "handwriting", lowest=0.3, phase_range=1.2),
            "zone plate in focus",
            points=784,
        ),
        Case(
            "siemens-star",
            "the kind of sample left out of training",
            coupled("siemens-star", lowest=0.55, phase_range=-1.6),
            "zone plate out of focus",
        ),
        Case(
            "porous",
            "sharp ligaments everywhere, phase more than amplitude",
            coupled("porous", lowest=0.85, phase_range=-0.9),
            "ring",
            points=441,
            path="fermat",
        ),
        Case(
            "code",
            "black and white squares, strong absorption",
            coupled("code", lowest=0.2, phase_range=-0.6),
            "KB",
            points=784,
        ),
        Case(
            "dendrite-128",
            "thin branches, 128 px",
            coupled("dendrite", lowest=0.6, phase_range=-1.8),
            "zone plate in focus",
            size=128,
            points=529,
        ),
        Case(
            "rocket-moon-128",
            "two photographs, 128 px",
            independent("rocket", "moon", lowest=0.3, phase_range=2.5),
            "pinhole",
            size=128,
            points=324,
        ),
        Case(
            "camera-gravel-256",
            "256 px",
            independent("camera", "gravel", lowest=0.4, phase_range=1.5),
            "zone plate out of focus",
            size=256,
            points=225,
        ),
    ]


def _varied(base: Mapping[str, Case]) -> list[Case]:
    """The same samples with another dose, another step, and what goes wrong at a beamline."""
    coins, brick, gravel = base["camera-coins"], base["brick-grass"], base["gravel"]
    doses = [
        replace(case, name=f"{case.name}-{dose:.0e}".replace("+0", ""), photons=dose, tests="dose")
        for case, values in ((coins, (1e2, 1e3, 1e4, 1e6)), (brick, (1e2, 1e3, 1e4)))
        for dose in values
    ]
    steps = [
        replace(
            coins, name=f"moon-coins-overlap-{overlap:.0%}".rstrip("%"), tests="overlap",
            sample=independent("moon", "coins", lowest=0.4, phase_range=1.5),
            overlap=overlap, points=points,
        )
        for overlap, points in ((0.9, 1225), (0.6, 400), (0.4, 256))
    ]  # fmt: skip
    faults = [
        replace(
            coins, name="camera-coins-two-modes", second_mode=0.1, tests="a second probe mode, told"
        ),
        replace(
            coins, name="camera-coins-hidden-mode", second_mode=0.1, told="first mode",
            tests="a second probe mode that nobody knows of",
        ),
        replace(
            gravel, name="gravel-positions", position_error_px=0.5,
            tests="positions wrong by 0.5 px",
        ),
    ]  # fmt: skip
    wrong: tuple[str, Told, str] = (
        "wrong-probe", "out of focus", "defocus of the probe guess off by 30 %"
    )  # fmt: skip
    none: tuple[str, Told, str] = ("no-probe", "nothing", "no probe and no guess of one")
    guesses = [
        replace(case, name=f"{case.name}-{name}", told=told, twin=case.name, tests=tests)
        for case in (coins, gravel, brick)
        for name, told, tests in (wrong, none)
    ]
    return [*doses, *steps, *faults, *guesses]


def _cases() -> dict[str, Case]:
    base = {case.name: case for case in _standard()}
    return base | {case.name: case for case in _varied(base)}


CASES: Mapping[str, Case] = MappingProxyType(_cases())
"""All cases, by name."""
