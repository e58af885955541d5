"""Sweeps in a job: as many as asked, or as many as held-out photons allow."""

import pytest
import torch

from napari_ptychonn.optics.sweep import Sweep
from napari_ptychonn.reconstruction import sweeps as module
from napari_ptychonn.reconstruction.events import Message, Metrics, never
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object


def run(laid, sweeps, *, start=None, should_stop=never, seed=0, regularisation=0.2):
    """States and metrics of sweeps from a flat object."""
    start = laid.flat if start is None else start
    events = list(
        sweep_object(
            laid.measurements, laid.frame, start, laid.probe, sweeps,
            update_probe=False, seed=seed, batch_size=16, should_stop=should_stop,
            regularisation=regularisation,
        )
    )  # fmt: skip
    states = [event for event in events if isinstance(event, SweepState)]
    return states, [event for event in events if not isinstance(event, SweepState)]


def test_as_many_sweeps_are_done_as_asked_and_the_misfit_falls(bright):
    states, metrics = run(bright, 6)
    assert [state.sweeps for state in states] == [1, 2, 3, 4, 5, 6]
    values = [event.values["misfit"] for event in metrics]
    assert len(values) == 6
    assert values[5] < 0.2 * values[0]
    assert bright.nrmse(states[-1].object) < 0.6 * bright.nrmse(bright.flat)


def test_the_start_is_left_as_it_was(bright):
    start = bright.flat
    run(bright, 1, start=start)
    run(bright, "auto", start=start, should_stop=lambda: True)
    assert (start == 1).all()


def test_the_same_seed_gives_the_same_object(bright):
    first, second, other = (run(bright, 2, seed=seed)[0][-1].object for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_fewer_photons_allow_fewer_sweeps_and_auto_keeps_the_best(bright, faint):
    bright, _ = run(bright, "auto")
    dark, metrics = run(faint, "auto")
    assert dark[-1].sweeps < bright[-1].sweeps
    deviances = [event.values["deviance"] for event in metrics if "deviance" in event.values]
    # Entry 0 is before any sweep.
    chosen = deviances[dark[-1].sweeps]
    assert chosen <= module._ALMOST * min(deviances)
    assert chosen < deviances[0]
    assert len(deviances) - 1 < module._MOST_SWEEPS


def test_the_last_sweeps_are_done_with_all_photons(bright):
    states, metrics = run(bright, "auto")
    done = [event.stage for event in metrics if event.stage.startswith("sweep")]
    last = states[-1].sweeps
    assert done == [f"sweep {last - 1}", f"sweep {last}"]
    # As good as so many sweeps with all photons.
    whole = run(bright, last)[0][-1]
    assert bright.nrmse(states[-1].object) == pytest.approx(bright.nrmse(whole.object), rel=0.05)


def test_an_object_that_sweeps_clearly_spoil_is_given_back_unchanged(lay_out, make_scan):
    fainter = lay_out(make_scan(photons=10))
    # From the truth sweeps bring noise alone. Far-reaching ones make held-out photons a seventh
    # unlikelier at once.
    states, metrics = run(fainter, "auto", start=fainter.truth, regularisation=0.01)
    assert [state.sweeps for state in states] == [0]
    assert torch.equal(states[-1].object, fainter.truth)
    assert sum(event.stage.startswith("trial") for event in metrics) == module._PATIENCE
    deviances = [event.values["deviance"] for event in metrics if "deviance" in event.values]
    assert min(deviances[1:]) > module._SPOILT * deviances[0]


def denoised(_, start):
    """A network that knows the object."""
    return start


def test_the_network_has_the_last_word_where_photons_prefer_it(faint, bright):
    truth = faint.truth
    events = sweep_with(faint, denoised, start=truth)
    last = events[-1]
    assert last.polished
    assert last.sweeps > 0
    assert torch.equal(last.object, truth)
    # What photons do not prefer is not taken: a flat object in the place of a swept one.
    last = sweep_with(bright, denoised, start=bright.flat)[-1]
    assert not last.polished
    assert bright.nrmse(last.object) < 0.5 * bright.nrmse(bright.flat)


def test_a_fixed_number_of_sweeps_is_not_polished(bright):
    assert not any(state.polished for state in sweep_with(bright, denoised, sweeps=2))


def sweep_with(laid, polish, *, start=None, sweeps="auto"):
    """States of sweeps that a network may have the last word on."""
    events = sweep_object(
        laid.measurements, laid.frame, laid.flat if start is None else start, laid.probe, sweeps,
        update_probe=False, seed=0, batch_size=16, should_stop=never, polish=polish,
    )  # fmt: skip
    return [event for event in events if isinstance(event, SweepState)]


def test_the_probe_is_given_back_in_the_photons_of_the_whole_pattern(bright):
    states, _ = run(bright, "auto")
    power = float(states[-1].probe.abs().square().sum())
    assert power == pytest.approx(1e5, rel=1e-3)


def test_values_that_are_no_photons_get_a_fixed_number_and_a_message(bright, monkeypatch):
    monkeypatch.setattr(module, "_WITHOUT_PHOTONS", 3)
    monkeypatch.setattr(Measurements, "held_out", lambda *_: None)
    states, others = run(bright, "auto")
    assert states[-1].sweeps == 3
    messages = [event.text for event in others if isinstance(event, Message)]
    assert len(messages) == 1
    assert "not photon counts" in messages[0]


@pytest.fixture
def batches(monkeypatch):
    """Sizes of the batches that were swept so far."""
    sizes = []
    real = Sweep.add

    def counting(self, batch):
        sizes.append(len(batch.indices))
        real(self, batch)

    monkeypatch.setattr(Sweep, "add", counting)
    return sizes


def test_a_wish_to_stop_ends_the_sweeps_at_the_next_batch_and_keeps_whole_ones(bright, batches):
    (whole,), _ = run(bright, 1)
    in_one_sweep = len(batches)
    batches.clear()
    states, others = run(bright, 50, should_stop=lambda: len(batches) >= in_one_sweep + 3)
    assert len(batches) == in_one_sweep + 3
    assert [state.sweeps for state in states] == [1]
    assert torch.equal(states[0].object, whole.object)
    assert [event.stage for event in others] == ["sweep 1"]


def test_a_wish_to_stop_while_sweeps_are_tried_gives_the_start_back(bright, batches):
    states, others = run(bright, "auto", should_stop=lambda: len(batches) >= 70)
    assert len(batches) == 70
    assert [state.sweeps for state in states] == [0]
    assert torch.equal(states[0].object, bright.flat)
    tried = [e for e in others if isinstance(e, Metrics) and e.stage.startswith("trial")]
    assert len(tried) == 1
