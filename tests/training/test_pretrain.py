"""Pretraining: it learns, resumes exactly, and its outcome is a network file that says so."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import OutputError, PtychonnError
from napari_ptychonn.network.weights import load_network, save_network
from napari_ptychonn.reconstruction.events import Finished, Metrics, Progress
from napari_ptychonn.training.checkpoint import load_checkpoint, save_checkpoint
from napari_ptychonn.training.examples import ExampleSettings
from napari_ptychonn.training.export import trained_card
from napari_ptychonn.training.feeder import drawn_examples
from napari_ptychonn.training.pretrain import PretrainSettings, pretrain
from napari_ptychonn.training.recipes import recipe_of
from napari_ptychonn.training.run import cosine


@pytest.fixture
def tiny(tmp_path):
    """Six steps of a very small network on very few, very small patterns."""
    return PretrainSettings(
        tmp_path / "run",
        channels=(8, 8, 8),
        steps=6,
        examples=ExampleSettings(size=16, fields=2, side=2),
        validate_every=3,
        bf16=False,
        seed=5,
    )


def train(settings, stop_after=None):
    """Outcome and events; stopped after some steps where asked."""
    done = []
    events = []
    for event in pretrain(
        settings, should_stop=lambda: stop_after is not None and len(done) >= stop_after
    ):
        events.append(event)
        if isinstance(event, Progress):
            done.append(event)
    assert isinstance(events[-1], Finished)
    return events[-1], events


@pytest.mark.parametrize("stop_after", [1, 3, 7])
def test_a_resumed_training_gives_exactly_the_weights_of_one_in_a_go(tiny, tmp_path, stop_after):
    tiny = replace(tiny, steps=12)
    whole, _ = train(tiny)
    parted = replace(tiny, folder=tmp_path / "parted")
    first, _ = train(parted, stop_after)
    assert first.stopped
    # All passes of a batch are done.
    assert stop_after <= first.result.step < 12
    # Other random numbers drawn in between do not matter.
    torch.rand(3)
    second, events = train(parted)
    assert not second.stopped
    assert [event.done for event in events if isinstance(event, Progress)] == list(
        range(first.result.step + 1, 13)
    )
    for name, value in whole.result.state.items():
        assert torch.equal(second.result.state[name], value), name
    assert second.result.metrics == whole.result.metrics
    one, other = (load_checkpoint(run.folder / "checkpoint.pt") for run in (tiny, parted))
    for name, value in one["network"].items():
        assert torch.equal(other["network"][name], value), name


def test_another_seed_gives_other_weights(tiny, tmp_path):
    one, _ = train(replace(tiny, steps=1))
    other, _ = train(replace(tiny, steps=1, folder=tmp_path / "other", seed=6))
    assert any(
        not torch.equal(value, other.result.state[name]) for name, value in one.result.state.items()
    )


def test_training_lowers_the_error_on_unseen_samples(tiny):
    settings = replace(
        tiny, steps=40, validate_every=40, rate=3e-3, ema=0.8,
        examples=replace(tiny.examples, photons=(1e4, 1e6), wrong_probe=0, gaps=0, background=0),
    )  # fmt: skip
    _, events = train(replace(settings, steps=1, validate_every=1))
    before = next(event for event in events if isinstance(event, Metrics)).values
    after = train(settings)[0].result.metrics
    cases = [name for name in before if name.startswith("seen kinds") and "1e+05" in name]
    assert len(cases) == 3
    assert np.mean([after[name] for name in cases]) < np.mean([before[name] for name in cases])


def test_the_log_has_a_line_for_every_validation(tiny):
    _, events = train(tiny)
    lines = (tiny.folder / "log.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    assert [line["step"] for line in logged] == [3, 6]
    metrics = [event.values for event in events if isinstance(event, Metrics)]
    name = "held-out kind 1e+03 photons pass 2"
    assert logged[1][name] == pytest.approx(metrics[1][name], abs=1e-5)


def test_a_finished_training_is_not_trained_further(tiny):
    first, _ = train(tiny)
    second, events = train(tiny)
    assert not any(isinstance(event, Progress) for event in events)
    for name, value in first.result.state.items():
        assert torch.equal(second.result.state[name], value)


def test_no_minutes_left_means_stopped_and_resumable(tiny):
    finished, _ = train(replace(tiny, minutes=0.0))
    assert finished.stopped
    assert finished.result.step == 0
    assert (tiny.folder / "checkpoint.pt").exists()


def test_the_outcome_is_a_network_file_that_predicts(tiny, tmp_path):
    finished, _ = train(replace(tiny, steps=1))
    card = trained_card(finished.result, tiny, "tiny")
    save_network(tmp_path / "tiny.safetensors", card, finished.result.state)
    network = load_network(tmp_path / "tiny.safetensors")
    assert network.card.needs_probe
    assert network.card.training["steps_done"] == 1
    assert network.card.training["held_out_samples"] == ["siemens-star"]
    flat = torch.ones(1, 16, 16, dtype=torch.complex64)
    light, error = torch.full((1, 16, 16), 50.0), torch.full((1, 16, 16), 0.1)
    found = network.module.improve(flat, flat, light, error, autocast=False)
    # One step has moved the head from zero, and not far.
    assert 0 < (found - flat).abs().max() < 0.1


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth():
    rates = [cosine(step, 1000, warmup=100) for step in range(1000)]
    assert rates[:100] == sorted(rates[:100])
    assert rates[99] == pytest.approx(1)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=1e-4)


def test_examples_are_the_same_wherever_one_begins_and_whoever_draws_them(tiny):
    recipe = recipe_of("ptychonn-probe", tiny.examples, (8, 8, 8), 1)
    whole = list(islice(drawn_examples(recipe, 5, 0, 0), 5))
    for first, workers in ((2, 0), (1, 2)):
        later = list(islice(drawn_examples(recipe, 5, first, workers), 3))
        for one, other in zip(whole[first:], later, strict=False):
            np.testing.assert_array_equal(one.truth, other.truth)
            np.testing.assert_array_equal(one.corners, other.corners)
            assert one.seed == other.seed
    assert whole[0].seed != whole[1].seed


@pytest.mark.parametrize("content", [b"no checkpoint", b""])
def test_a_broken_checkpoint_is_refused_with_a_remedy(tmp_path, content):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(PtychonnError, match="cannot be read") as refused:
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert "delete it" in refused.value.remedy


def test_an_unwritten_checkpoint_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(PtychonnError, match="No space left"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_fills_up_while_it_is_written_leaves_nothing_half_done(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    (tmp_path / "checkpoint.pt.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint(path, {"weights": torch.ones(200_000)})
    assert load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_training_does_not_go_on_with_other_settings(tiny):
    train(tiny, stop_after=2)
    with pytest.raises(PtychonnError, match="with another rate and seed"):
        train(replace(tiny, seed=7, rate=0.5))
    assert train(replace(tiny, steps=8, validate_every=8))[0].result.step == 8


def test_a_training_starts_from_the_weights_of_a_network_file(tiny, tmp_path):
    first = train(tiny)[0].result
    parent = tmp_path / "parent.safetensors"
    save_network(parent, trained_card(first, tiny, "parent"), first.state)
    later = replace(tiny, folder=tmp_path / "later", steps=1, rate=1e-12, seed=9, start=parent)
    second = train(later)[0].result
    for name, value in first.state.items():
        torch.testing.assert_close(second.state[name], value, atol=1e-6, rtol=0)
    assert trained_card(second, later, "child").training["started_from"]["name"] == "parent"


def test_a_network_of_other_widths_is_no_start(tiny, tmp_path):
    first = train(tiny)[0].result
    parent = tmp_path / "parent.safetensors"
    save_network(parent, trained_card(first, tiny, "parent"), first.state)
    wider = replace(tiny, folder=tmp_path / "wider", channels=(8, 16, 8), start=parent)
    with pytest.raises(PtychonnError, match=r"parent\.safetensors"):
        train(wider)
