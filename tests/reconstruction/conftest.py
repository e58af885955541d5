"""A small simulated scan with its truth, and the bundled network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ptychonn.network.weights import Network, load_network
from napari_ptychonn.reconstruction.comparison import compare
from napari_ptychonn.reconstruction.frame import Frame, make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
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


class Laid(NamedTuple):
    """A scan as the stages of a job see it, with the true probe and object."""

    simulation: Simulation
    measurements: Measurements
    frame: Frame
    probe: Tensor
    truth: Tensor

    @property
    def flat(self) -> Tensor:
        return torch.ones(self.frame.shape, dtype=torch.complex64)

    def nrmse(self, found: Tensor) -> float:
        """Error of an object inside the scanned area, at its best global phase."""
        truth, positions = self.simulation.truth, self.simulation.scan.positions_px
        corner = (truth.corner_m[0] / truth.pixel_m, truth.corner_m[1] / truth.pixel_m)
        low, high = positions.min(0), positions.max(0)
        region = ((low[0], low[1]), (high[0], high[1]))
        return compare(found.numpy(), self.frame.corner_px, truth.object, corner, region).nrmse


def laid_out(simulation: Simulation) -> Laid:
    """Measurements, frame, true probe, and the true object on the frame's grid."""
    scan, truth = simulation.scan, simulation.truth
    frame = make_frame(scan.positions_px, scan.pattern_shape)
    measurements = Measurements(scan, np.arange(scan.n_points), torch.device("cpu"))
    corner = np.rint(np.asarray(truth.corner_m) / truth.pixel_m).astype(int)
    row, column = np.rint(np.asarray(frame.corner_px)).astype(int) - corner
    part = truth.object[row : row + frame.shape[0], column : column + frame.shape[1]]
    assert part.shape == frame.shape
    probe = torch.from_numpy(truth.probe)
    return Laid(simulation, measurements, frame, probe, torch.from_numpy(part.copy()))


@pytest.fixture(scope="session")
def lay_out() -> Callable[[Simulation], Laid]:
    """What lays a simulated scan out."""
    return laid_out


@pytest.fixture(scope="session")
def bright(simulation: Simulation) -> Laid:
    """The scan, laid out."""
    return laid_out(simulation)


@pytest.fixture(scope="session")
def faint(dim: Simulation) -> Laid:
    """The same at 100 photons a pattern."""
    return laid_out(dim)


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
