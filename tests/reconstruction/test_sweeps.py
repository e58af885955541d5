"""Sweeps in a job: as many as asked, or as many as held-out photons allow."""

import numpy as np
import pytest
import torch

from napari_ptychonn.reconstruction import sweeps as module
from napari_ptychonn.reconstruction.comparison import compare
from napari_ptychonn.reconstruction.events import Message, Metrics, never
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object

CPU = torch.device("cpu")


def laid_out(simulation):
    """Measurements, frame and true probe."""
    scan = simulation.scan
    frame = make_frame(scan.positions_px, scan.pattern_shape)
    measurements = Measurements(scan, np.arange(scan.n_points), CPU)
    return measurements, frame, torch.from_numpy(simulation.truth.probe)


def run(simulation, sweeps, *, start=None, should_stop=never, seed=0):
    """States and metrics of sweeps from a flat object."""
    measurements, frame, probe = laid_out(simulation)
    object_ = torch.ones(frame.shape, dtype=torch.complex64) if start is None else start
    events = list(
        sweep_object(
            measurements, frame, object_, probe, sweeps,
            update_probe=False, seed=seed, should_stop=should_stop,
        )
    )  # fmt: skip
    states = [event for event in events if isinstance(event, SweepState)]
    return states, [event for event in events if not isinstance(event, SweepState)]


def true_object(simulation):
    """The truth on the frame's grid."""
    _, frame, _ = laid_out(simulation)
    truth = simulation.truth
    corner = np.rint(np.asarray(truth.corner_m) / truth.pixel_m).astype(int)
    first = np.rint(np.asarray(frame.corner_px)).astype(int) - corner
    part = truth.object[first[0] : first[0] + frame.shape[0], first[1] : first[1] + frame.shape[1]]
    return torch.from_numpy(part.copy())


def nrmse(simulation, object_):
    _, frame, _ = laid_out(simulation)
    truth, positions = simulation.truth, simulation.scan.positions_px
    corner = tuple(value / truth.pixel_m for value in truth.corner_m)
    region = (tuple(positions.min(0)), tuple(positions.max(0)))
    return compare(object_.numpy(), frame.corner_px, truth.object, corner, region).nrmse


def test_as_many_sweeps_are_done_as_asked_and_the_misfit_falls(simulation):
    states, metrics = run(simulation, 6)
    assert [state.sweeps for state in states] == [1, 2, 3, 4, 5, 6]
    values = [event.values["misfit"] for event in metrics]
    assert len(values) == 6
    assert values[5] < 0.2 * values[0]
    assert nrmse(simulation, states[-1].object) < 0.6 * nrmse(
        simulation, torch.ones_like(states[-1].object)
    )


def test_the_start_is_left_as_it_was(simulation):
    _, frame, _ = laid_out(simulation)
    start = torch.ones(frame.shape, dtype=torch.complex64)
    run(simulation, 1, start=start)
    run(simulation, "auto", start=start, should_stop=lambda: True)
    assert (start == 1).all()


def test_the_same_seed_gives_the_same_object(simulation):
    first, second, other = (run(simulation, 2, seed=seed)[0][-1].object for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_fewer_photons_allow_fewer_sweeps_and_auto_keeps_the_best(simulation, dim):
    bright, _ = run(simulation, "auto")
    dark, metrics = run(dim, "auto")
    assert dark[-1].sweeps < bright[-1].sweeps
    deviances = [event.values["deviance"] for event in metrics if "deviance" in event.values]
    # The state kept is the one with the lowest deviance; entry 0 is before any sweep.
    assert int(np.argmin(deviances)) == dark[-1].sweeps
    assert len(deviances) - 1 < module._MOST_SWEEPS
    # Run to the end instead, the picture is worse.
    assert nrmse(dim, dark[-1].object) < nrmse(dim, run(dim, 40)[0][-1].object)
    kept = next(state for state in dark if state.sweeps == dark[-1].sweeps)
    assert torch.equal(kept.object, dark[-1].object)


def test_an_object_that_sweeps_only_spoil_is_given_back_unchanged(dim):
    truth = true_object(dim)
    states, metrics = run(dim, "auto", start=truth)
    assert states[-1].sweeps == 0
    assert torch.equal(states[-1].object, truth)
    deviances = [event.values["deviance"] for event in metrics if "deviance" in event.values]
    assert deviances[0] == min(deviances)


def test_the_probe_is_given_back_in_the_photons_of_the_whole_pattern(simulation):
    states, _ = run(simulation, "auto")
    power = float(states[-1].probe.abs().square().sum())
    assert power == pytest.approx(1e5, rel=1e-3)


def test_values_that_are_no_photons_get_a_fixed_number_and_a_message(simulation, monkeypatch):
    monkeypatch.setattr(module, "_WITHOUT_PHOTONS", 3)
    monkeypatch.setattr(Measurements, "held_out", lambda *_: None)
    states, others = run(simulation, "auto")
    assert states[-1].sweeps == 3
    messages = [event.text for event in others if isinstance(event, Message)]
    assert len(messages) == 1
    assert "not photon counts" in messages[0]


@pytest.mark.parametrize("sweeps", ["auto", 50])
def test_a_wish_to_stop_ends_the_sweeps_at_the_next_batch(simulation, sweeps, monkeypatch):
    asked = []
    real = module.sweep

    def counting(object_, probe, batches, mask, settings):
        def counted():
            for batch in batches:
                asked.append(len(batch.indices))
                yield batch

        return real(object_, probe, counted(), mask, settings)

    monkeypatch.setattr(module, "sweep", counting)
    # 100 points are nine batches of up to twelve: the wish comes within the second sweep.
    states, others = run(simulation, sweeps, should_stop=lambda: len(asked) >= 12)
    assert len(asked) == 12
    assert states[-1].sweeps <= 2
    assert torch.isfinite(states[-1].object.abs()).all()
    done = [e for e in others if isinstance(e, Metrics) and e.stage.startswith("sweep")]
    assert 1 <= len(done) <= 2
