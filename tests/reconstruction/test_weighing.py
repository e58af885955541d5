"""Weighing takes slow errors out that patterns speak against, and brings little noise."""

import numpy as np
import pytest
import torch

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction import likelihood
from napari_ptychonn.reconstruction.events import SmallerBatches, never
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.weighing import Weighing, weigh
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

CPU = torch.device("cpu")
USUAL = Weighing(stiffness=10.0, turns=10)


def world(photons, side=160, background=0.0):
    """A sample with detail in amplitude and phase, 144 points."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:side, :side]
    fine = np.sin(x / 3.1) * np.sin(y / 2.7)
    sample = (0.75 + 0.2 * fine) * np.exp(0.5j * np.roll(fine, 4, 1))
    probe = probe_from_pupil(PupilSettings(radius=0.2, stop=0.3, defocus=0.12), 32)
    scan, truth = simulate(
        SimulationSettings(
            sample_array=sample.astype(np.complex64), probe_array=probe, size=32, points=144,
            overlap=0.6, photons=photons, seed=int(rng.integers(100)), background=background,
        )
    )  # fmt: skip
    frame = make_frame(scan.positions_px, scan.pattern_shape)
    measurements = Measurements(scan, np.arange(scan.n_points), CPU)
    corner = np.asarray(truth.corner_m) / truth.pixel_m
    first = np.rint(np.asarray(frame.corner_px) - corner).astype(int)
    window = tuple(slice(at, at + side) for at, side in zip(first, frame.shape, strict=True))
    return measurements, frame, torch.from_numpy(truth.object[window]), torch.from_numpy(scan.probe)


def hill(shape, width=14.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    middle = np.asarray(shape) / 2
    squared = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
    return torch.from_numpy(np.exp(-squared / (2 * width**2)).astype(np.float32))


def weighed(where, **options):
    events = list(weigh(*where, **{"how": USUAL, "batch_size": 64, "should_stop": never} | options))
    assert isinstance(events[-1], torch.Tensor)
    return events[-1], events[:-1]


def error(object_, truth, frame, probe):
    """Relative error in the light, at the best global phase."""
    weight = torch.zeros(frame.shape)
    power = probe.abs().square().sum(0)
    for corner in frame.corners.tolist():
        weight[corner[0] : corner[0] + 32, corner[1] : corner[1] + 32] += power
    cross = (weight * object_.conj() * truth).sum()
    turned = object_ * cross / cross.abs()
    return float(((weight * (turned - truth).abs().square()).sum() / weight.sum()).sqrt())


def deviance(where, object_):
    measurements, frame, _, probe = where
    points = torch.arange(frame.n_points)
    expected = diffract(probe, cut_windows(object_, frame.indices(points))) + 1e-3
    counts = measurements.counts(points)
    return float((torch.xlogy(counts, counts / expected) - counts + expected).sum())


@pytest.mark.parametrize(("photons", "most_left"), [(100.0, 0.5), (3000.0, 0.15)])
def test_slow_errors_of_phase_and_amplitude_are_taken_out(photons, most_left):
    measurements, frame, truth, probe = world(photons)
    wrong = truth * torch.exp(torch.complex(-0.3 * hill(frame.shape), hill(frame.shape)))
    given = wrong.clone()
    where = measurements, frame, wrong, probe
    found, _ = weighed(where)
    assert torch.equal(wrong, given)
    assert error(found, truth, frame, probe) < most_left * error(wrong, truth, frame, probe)
    assert deviance(where, found) < deviance(where, wrong)


def test_what_is_right_stays_right():
    measurements, frame, truth, probe = world(100.0)
    found, _ = weighed((measurements, frame, truth, probe))
    # A pixel's photons alone leave 0.3 of it.
    assert error(found, truth, frame, probe) < 0.08


def test_a_background_is_not_taken_for_the_sample(monkeypatch):
    measurements, frame, truth, probe = world(1000.0, background=0.05)
    where = measurements, frame, truth, probe
    knowing = error(weighed(where)[0], truth, frame, probe)
    monkeypatch.setattr(likelihood.Likelihood, "_survey", lambda self: 1e-3)
    ignorant = error(weighed(where)[0], truth, frame, probe)
    assert knowing < 0.5 * ignorant


def test_the_stiffer_an_object_is_held_the_less_it_moves():
    measurements, frame, truth, probe = world(1000.0)
    wrong = truth * torch.exp(1j * hill(frame.shape))
    where = measurements, frame, wrong, probe
    moved = [
        error(weighed(where, how=Weighing(held, 10))[0], wrong, frame, probe)
        for held in (1.0, 1e3, 1e6)
    ]
    assert moved[0] > 1.2 * moved[1] > 4 * moved[2]


def test_where_nothing_was_measured_nothing_moves():
    measurements, frame, truth, probe = world(1000.0)
    measurements.mask = torch.zeros_like(measurements.mask)
    found, looks = weighed((measurements, frame, truth, probe))
    torch.testing.assert_close(found, truth)
    assert sum(looks) == 1


def test_memory_that_is_full_halves_the_batch_and_changes_nothing(monkeypatch):
    where = world(300.0)
    add, asked = likelihood.Likelihood._add, []

    def full(self, points, *rest):
        asked.append(len(points))
        if len(points) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return add(self, points, *rest)

    plain, _ = weighed(where)
    monkeypatch.setattr(likelihood.Likelihood, "_add", full)
    halved, events = weighed(where)
    torch.testing.assert_close(halved, plain, atol=1e-3, rtol=1e-3)
    assert [event.size for event in events if isinstance(event, SmallerBatches)] == [32, 16]
    assert asked[:3] == [64, 32, 16]
    monkeypatch.setattr(likelihood.Likelihood, "_add", lambda *_: full(None, range(17)))
    with pytest.raises(torch.OutOfMemoryError):
        list(weigh(*where, how=USUAL, batch_size=1, should_stop=never))


def test_looks_are_told_and_are_not_many():
    _, events = weighed(world(300.0))
    assert 1 < len(events) <= USUAL.turns
    assert 2 < sum(events) < 3 * USUAL.turns
    assert len(weighed(world(300.0), how=Weighing(10.0, 2))[1]) == 2


@pytest.mark.parametrize("batches", [0, 1, 8])
def test_a_job_that_is_to_stop_gets_no_object(batches):
    asked = []

    def stop():
        asked.append(True)
        return len(asked) > batches

    events = list(weigh(*world(300.0), how=USUAL, batch_size=64, should_stop=stop))
    assert not any(isinstance(event, torch.Tensor) for event in events)
    assert len(asked) == batches + 1
