"""Small simulated scans that teach."""

from __future__ import annotations

import numpy as np
import pytest

from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
from napari_ptychonn.simulation.samples import Contrast
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import Simulation, simulate


def teaching_scan(**changes: object) -> Simulation:
    """144 points of 32×32 patterns over strong phase, 3 px apart."""
    settings = {
        "sample": "siemens-star",
        "contrast": Contrast("coupled", lowest=0.6, phase_range=3.0),
        "probe_array": probe_from_pupil(PupilSettings(radius=0.22, stop=0.3, defocus=0.12), 32),
        "size": 32,
        "points": 144,
        "step_px": 3.0,
        "photons": 1e4,
        "seed": 3,
    }
    return simulate(SimulationSettings(**{**settings, **changes}))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def taught_simulation() -> Simulation:
    """The scan and its truth."""
    return teaching_scan()


@pytest.fixture(scope="session")
def fewer_points() -> Simulation:
    """About as few as can be taught, for what is not about how well it is learned."""
    return teaching_scan(points=100)


@pytest.fixture(scope="session")
def few_photons() -> Simulation:
    """The scan with 1,000 photons a pattern."""
    return teaching_scan(photons=1e3)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(11)
