"""The coarse step finds slow phase at once, and leaves alone what it cannot improve."""

import numpy as np
import torch

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.coarse import Slopes, coarse_phase, integrate
from napari_ptychonn.reconstruction.events import never
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

CPU = torch.device("cpu")


def hill(side=200, height=3.0):
    y, x = np.mgrid[:side, :side] - side / 2
    return np.exp(1j * height * np.exp(-(y**2 + x**2) / (2 * 14.0**2))).astype(np.complex64)


def world(sample, photons=1e5):
    probe = probe_from_pupil(PupilSettings(radius=0.2, stop=0.3, defocus=0.12), 32)
    simulation = simulate(
        SimulationSettings(
            sample_array=sample, probe_array=probe, size=32, points=196, overlap=0.6,
            photons=photons,
        )
    )  # fmt: skip
    scan, truth = simulation
    frame = make_frame(scan.positions_px, scan.pattern_shape)
    measurements = Measurements(scan, np.arange(scan.n_points), CPU)
    corner = np.asarray(truth.corner_m) / truth.pixel_m
    first = np.rint(np.asarray(frame.corner_px) - corner).astype(int)
    window = tuple(slice(at, at + side) for at, side in zip(first, frame.shape, strict=True))
    return frame, measurements, torch.from_numpy(scan.probe), torch.from_numpy(truth.object[window])


def step(frame, measurements, object_, probe, should_stop=never):
    return coarse_phase(measurements, frame, object_, probe, batch_size=64, should_stop=should_stop)


def error(object_, truth, frame, probe):
    """Relative error in the light, at the best global phase."""
    weight = torch.zeros(frame.shape)
    power = probe.abs().square().sum(0)
    for corner in frame.corners.tolist():
        weight[corner[0] : corner[0] + 32, corner[1] : corner[1] + 32] += power
    cross = (weight * object_.conj() * truth).sum()
    turned = object_ * cross / cross.abs()
    return float(((weight * (turned - truth).abs().square()).sum() / weight.sum()).sqrt())


def test_two_steps_from_flat_find_a_phase_hill():
    frame, measurements, probe, truth = world(hill())
    flat = torch.ones(frame.shape, dtype=torch.complex64)
    once = step(frame, measurements, flat, probe)
    twice = step(frame, measurements, once, probe)
    assert error(flat, truth, frame, probe) > 0.6
    assert error(twice, truth, frame, probe) < 0.1
    assert torch.allclose(twice.abs(), flat.abs(), atol=1e-5)


def test_the_truth_is_left_as_it_is():
    frame, measurements, probe, truth = world(hill())
    after = step(frame, measurements, truth, probe)
    assert error(after, truth, frame, probe) < 0.01


def test_where_a_beam_trembles_patterns_are_explained_no_worse():
    frame, measurements, probe, _ = world(np.ones((200, 200), np.complex64))
    flat = torch.ones(frame.shape, dtype=torch.complex64)
    rng = np.random.default_rng(0)
    still = diffract(probe, cut_windows(flat, frame.indices(torch.arange(frame.n_points))))
    moved = torch.stack(
        [
            pattern.roll(tuple(int(value) for value in rng.integers(-1, 2, 2)), (0, 1))
            for pattern in still
        ]
    )
    measurements.counts = lambda points, _=None: moved[points]
    after = step(frame, measurements, flat, probe)
    expected = diffract(probe, cut_windows(after, frame.indices(torch.arange(frame.n_points))))
    missed = [(moved.sqrt() - model.sqrt()).square().sum() for model in (expected, still)]
    assert missed[0] <= missed[1]


def test_a_job_that_is_to_stop_gets_its_object_back():
    frame, measurements, probe, _ = world(hill())
    flat = torch.ones(frame.shape, dtype=torch.complex64)
    assert step(frame, measurements, flat, probe, should_stop=lambda: True) is flat


def test_slopes_that_are_all_noise_integrate_to_nothing():
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 100, (50, 2))
    noise = Slopes(places, 0.1 * rng.standard_normal((50, 2)), np.full((50, 2), 0.04), 5.0, 1.0)
    nodes, _ = integrate(noise, (100, 100))
    assert np.ptp(nodes) == 0


def test_the_slopes_of_a_plane_integrate_to_it():
    rng = np.random.default_rng(2)
    places = rng.uniform(0, 100, (400, 2))
    plane = Slopes(places, np.tile((0.05, -0.02), (400, 1)), np.full((400, 2), 1e-6), 5.0, 1.0)
    nodes, spacing = integrate(plane, (100, 100))
    inner = nodes[1:6, 1:6]
    np.testing.assert_allclose(np.diff(inner, axis=0) / spacing, 0.05, rtol=0.08)
    np.testing.assert_allclose(np.diff(inner, axis=1) / spacing, -0.02, rtol=0.08)
