"""A small simulated scan with its truth, and the bundled network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_ptychonn.network.weights import Network, load_network
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
from napari_ptychonn.simulation.samples import Contrast
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import Simulation, simulate


def small_scan(**changes: object) -> Simulation:
    """100 points of 32×32 patterns with a ring of light, 3 px apart."""
    probe = probe_from_pupil(PupilSettings(radius=0.22, stop=0.3, defocus=0.12), 32)
    settings = {
        "sample": "dead-leaves",
        "contrast": Contrast("independent", lowest=0.5, phase_range=1.8),
        "probe_array": probe,
        "size": 32,
        "points": 100,
        "step_px": 3.0,
        "photons": 1e5,
        "seed": 3,
    }
    return simulate(SimulationSettings(**{**settings, **changes}))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_scan() -> Callable[..., Simulation]:
    """What makes the scans of these tests; settings can be changed by name."""
    return small_scan


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    """The scan and its truth."""
    return small_scan()


@pytest.fixture(scope="session")
def dim() -> Simulation:
    """The same at 100 photons a pattern."""
    return small_scan(photons=100)


@pytest.fixture(scope="session")
def network() -> Network:
    """The bundled probe-aware network."""
    return load_network("ptychonn-probe")


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(7)
