"""Where the device's memory is full: smaller batches, and the best so far is kept."""

from __future__ import annotations

import pytest
import torch

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.weights import load_network, save_network
from napari_ptychonn.reconstruction.events import Finished, Message, Progress
from napari_ptychonn.training import teaching
from napari_ptychonn.training.finetune import finetune_events
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.probe_lesson import ProbeLesson

STEPS = 16


@pytest.fixture
def memory(monkeypatch):
    """A device that fails on batches of more than so many patterns, from some step on."""
    monkeypatch.setattr(teaching, "STEPS_PER_LOOK", 8)
    honest = ProbeLesson.loss

    def make_small(most, from_step=0):
        tried = []

        def loss(self, network, rng):
            tried.append(self.batch_size)
            if self.batch_size > most and len(tried) > from_step:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return honest(self, network, rng)

        monkeypatch.setattr(ProbeLesson, "loss", loss)
        return tried

    return make_small


def taught(scan, **changes):
    settings = FinetuneSettings(
        minutes=None, steps=STEPS, device="cpu", **{"batch_size": 16, **changes}
    )
    *events, last = finetune_events([scan], settings)
    assert isinstance(last, Finished)
    said = [event.text for event in events if isinstance(event, Message)]
    return last, events, [text for text in said if "memory" in text]


def test_a_batch_that_does_not_fit_is_halved_until_it_does(taught_simulation, memory):
    tried = memory(most=4)
    last, events, said = taught(taught_simulation.scan)
    assert tried[:3] == [16, 8, 4]
    assert set(tried[2:]) == {4}
    assert [text.split(" with ")[1] for text in said] == [
        "8 patterns at a time.",
        "4 patterns at a time.",
    ]
    assert not last.stopped
    assert last.result.step == STEPS  # a step that did not fit is no step
    assert said == [text for text in last.result.messages if "memory" in text]
    steps = [event.done for event in events if isinstance(event, Progress) and event.total == STEPS]
    assert steps == list(range(1, STEPS + 1))


def test_the_memory_may_fill_up_in_the_backward_pass(taught_simulation, memory, monkeypatch):
    honest, failed = torch.Tensor.backward, []

    def backward(self, *args, **kwargs):
        if not failed:
            failed.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        honest(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    tried = memory(most=1000)
    last, _, said = taught(taught_simulation.scan)
    assert len(said) == 1
    assert tried == [16] + [8] * STEPS
    assert last.result.step == STEPS


def test_where_not_even_one_pattern_fits_the_best_so_far_is_kept(
    taught_simulation, memory, tmp_path
):
    bundled = load_network("ptychonn-probe")
    with torch.no_grad():
        # What corrects twice as much as is right has something to learn, at once.
        bundled.module.head.weight[:8] *= 2
        bundled.module.head.bias[:8] *= 2
    save_network(tmp_path / "spoilt.safetensors", bundled.card, bundled.module)
    tried = memory(most=0, from_step=10)
    spoilt = str(tmp_path / "spoilt.safetensors")
    last, _, said = taught(taught_simulation.scan, network=spoilt, rate=1e-4)
    assert tried[10:] == [16, 8, 4, 2, 1]
    assert "ends with the best" in said[-1]
    result = last.result
    assert result.step == 10
    assert result.best_step == 10  # it is judged once more where a batch did not fit
    assert result.improved
    assert all(torch.isfinite(value).all() for value in result.state.values())


def test_where_nothing_was_learned_the_error_says_what_to_do(taught_simulation, memory):
    memory(most=0)
    with pytest.raises(SettingsError, match=r"memory of cpu is full.*choose another device"):
        taught(taught_simulation.scan)
