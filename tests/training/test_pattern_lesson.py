"""Raw-pattern networks are taught by labels, by engines and by physics."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.network.card import NetworkCard, Preprocessing
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import load_network, save_network
from napari_ptychonn.reconstruction.events import Finished, Progress, never
from napari_ptychonn.reconstruction.job import reconstruct
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.results.open import open_result
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.training import teaching
from napari_ptychonn.training.finetune import finetune, finetune_events
from napari_ptychonn.training.finetune_events import HeldOutPatch, Losses, ObjectView
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.pattern_lesson import PatternLesson
from napari_ptychonn.training.pattern_target import published_error
from napari_ptychonn.training.taught import lay_out


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    """Checks every ten steps."""
    monkeypatch.setattr(teaching, "STEPS_PER_LOOK", 20)


@pytest.fixture(scope="module")
def small_network(tmp_path_factory):
    """A lean relative of the published network, with random weights."""
    path = tmp_path_factory.mktemp("networks") / "lean.safetensors"
    architecture = {"encoder": [16, 32, 64], "decoder": [64, 32, 32]}
    card = NetworkCard(
        "lean", "ptychonn", architecture=architecture, pattern_size=32,
        preprocessing=Preprocessing(flux=1024.0),
    )  # fmt: skip
    torch.manual_seed(4)
    save_network(path, card, PtychoNN(**architecture))
    return str(path)


@pytest.fixture(scope="module")
def truth(taught_simulation):
    """The true object as a label."""
    return label_of(taught_simulation)


def label_of(simulation):
    found = simulation.truth
    pixel = (found.pixel_m, found.pixel_m)
    return ObjectResult(found.object, pixel, "m", found.corner_m, Path("truth.h5"), "truth")


def settings(network, **changes):
    return FinetuneSettings(
        **{"network": network, "minutes": None, "steps": 30, "device": "cpu", "batch_size": 32,
           **changes}
    )  # fmt: skip


def run(scan, asked, **more):
    events = list(finetune_events([scan], asked, **more))
    assert isinstance(events[-1], Finished)
    return events[-1].result, events


def test_a_label_is_a_reconstruction_or_a_file_too(taught_simulation, small_network, tmp_path):
    scan = taught_simulation.scan
    made = reconstruct(scan, ReconstructionSettings(passes=1, sweeps=0, device="cpu"))
    file = tmp_path / "object.h5"
    made.save(file)
    asked = settings(small_network, teacher="labels", steps=2)
    losses = [
        finetune(scan, asked, labels=given).after.loss
        for given in (open_result(file), made, file, str(file), [made], (file,))
    ]
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-5)
    with pytest.raises(ScanError, match="labels: Scan is no reconstruction"):
        finetune(scan, asked, labels=[scan])


def test_labels_teach_it(taught_simulation, small_network, truth):
    result, events = run(
        taught_simulation.scan, settings(small_network, teacher="labels", steps=150), labels=[truth]
    )
    assert result.after.loss < 0.9 * result.before.loss
    assert result.after.phase_correlation > result.before.phase_correlation
    patch = next(event for event in events if isinstance(event, HeldOutPatch))
    assert patch.label is not None
    assert patch.label.shape == patch.patch.shape
    lit = patch.weight > 0.3
    # The label comes in the patch's own global phase.
    cross = np.vdot(patch.label[lit], patch.patch[lit])
    assert abs(np.angle(cross)) < 0.3
    assert result.card.training["data"][0]["labels"] == "truth"


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_computed_patterns_are_as_bright_as_the_measured_ones(
    taught_simulation, small_network, truth, factor
):
    asked = settings(small_network, teacher="labels")
    network = load_network(small_network)
    scan = replace(
        lay_out(taught_simulation.scan, asked, network),
        label=replace(truth, object=factor * truth.object),
    )
    lesson = PatternLesson([scan], network.card, 16, published=False)
    rng = np.random.default_rng(0)
    list(lesson.look(network.module, rng, should_stop=never))
    target = lesson._target
    points = torch.arange(0, target.room.n_points, 5)
    patterns, _, _ = target.computed(points, torch.Generator().manual_seed(0))
    measured = target.room.measurements.counts(points)
    assert patterns.sum() == pytest.approx(float(measured.sum()), rel=0.1)


def test_a_hurried_pace_learns_the_same_and_tells_less_often(
    taught_simulation, small_network, truth, monkeypatch
):
    asked = settings(small_network, teacher="labels", steps=20)
    slow, _ = run(taught_simulation.scan, asked, labels=[truth])
    init = PatternLesson.__init__

    def hurry(self, *args, **more):
        init(self, *args, **more)
        self.pace = 8

    monkeypatch.setattr(PatternLesson, "__init__", hurry)
    fast, events = run(taught_simulation.scan, asked, labels=[truth])
    assert fast.after.loss == slow.after.loss
    assert fast.step == 20
    told = [event.done for event in events if isinstance(event, Progress)]
    assert [done for done in told if done in (8, 16, 20)] == [8, 16, 20]
    assert 9 not in told


def test_a_hurried_training_whose_loss_is_not_finite_goes_back(
    taught_simulation, small_network, truth, monkeypatch
):
    honest, calls = PatternLesson.loss, []

    def broken(self, network, rng):
        self.pace = 4
        calls.append(1)
        loss = honest(self, network, rng)
        return loss * torch.nan if len(calls) == 6 else loss

    monkeypatch.setattr(PatternLesson, "loss", broken)
    result, _ = run(
        taught_simulation.scan, settings(small_network, teacher="labels"), labels=[truth]
    )
    assert any("half the learning rate" in text for text in result.messages)
    assert all(torch.isfinite(value).all() for value in result.state.values())


def test_the_published_recipe_is_absolute_errors_and_a_cyclic_rate(
    taught_simulation, small_network, truth
):
    result, _ = run(
        taught_simulation.scan,
        settings(small_network, teacher="labels", preset="published", minutes=None, steps=None,
                 epochs=30, batch_size=None),
        labels=[truth],
    )  # fmt: skip
    assert result.card.training["batch"] == 64
    assert result.after.loss < result.before.loss
    one = torch.polar(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.3, -1.0]]]))
    other = torch.polar(torch.tensor([[[0.7, 1.0]]]), torch.tensor([[[0.1, -1.0]]]))
    known = torch.tensor([[[True, True]]])
    assert float(published_error(one, other, known)) == pytest.approx(0.2, abs=1e-6)
    assert float(published_error(one, other, ~known)) == 0


def test_its_own_patterns_teach_it(taught_simulation, small_network):
    result, _ = run(taught_simulation.scan, settings(small_network, steps=40))
    assert result.after.loss < 0.9 * result.before.loss
    assert result.after.misfit is not None


def test_its_own_patterns_teach_it_under_a_probe_that_is_found_first(
    taught_simulation, small_network
):
    guess = replace(taught_simulation.scan, probe_is_guess=True)
    result, _ = run(guess, settings(small_network, steps=20))
    assert result.step == 20


def test_labels_of_another_training_do_not_go_on(taught_simulation, small_network, truth, tmp_path):
    asked = settings(small_network, teacher="labels", steps=2, folder=tmp_path)
    run(taught_simulation.scan, asked, labels=[replace(truth, object=truth.object.conj())])
    with pytest.raises(SettingsError, match="other settings, scans, labels or weights"):
        run(taught_simulation.scan, asked, labels=[truth])


def test_sweeps_make_the_labels_first_and_show_them_grow(taught_simulation, small_network):
    result, events = run(
        taught_simulation.scan, settings(small_network, teacher="sweeps", label_sweeps=2, steps=10)
    )
    growing = [event for event in events if isinstance(event, ObjectView)]
    assert [event.kind for event in growing].count("labels") >= 3
    assert growing[0].kind == "labels"
    assert any(isinstance(e, Progress) and e.stage.startswith("labels: sweep") for e in events)
    assert result.before.phase_correlation is not None


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("ptychi", "torchvision"))),
    reason="pty-chi, or torchvision that it needs, is not installed",
)
def test_an_engine_of_pty_chi_makes_the_labels(taught_simulation, small_network):
    result, events = run(
        taught_simulation.scan, settings(small_network, teacher="lsqml", label_epochs=2, steps=10)
    )
    assert [e.kind for e in events if isinstance(e, ObjectView)].count("labels") >= 2
    assert result.card.training["data"][0]["labels"] == "lsqml"


def test_too_few_patterns_are_learned_by_heart_and_the_best_weights_are_kept(
    taught_simulation, small_network, truth, tmp_path
):
    # Random weights stay at a constant patch for a while, how long hangs on the last digit.
    sample = SimulationSettings(
        sample="dead-leaves", probe_array=taught_simulation.truth.probe[0], size=32, points=144,
        step_px=3.0, photons=1e4, seed=8,
    )  # fmt: skip
    other = simulate(sample)
    asked = settings(small_network, teacher="labels", steps=100)
    begun, _ = run(other.scan, asked, labels=[label_of(other)])
    begun.save(tmp_path / "begun.safetensors")
    # Without a probe no patterns can be computed: what was measured is all that it sees.
    scan = replace(taught_simulation.scan, probe=None)
    network = str(tmp_path / "begun.safetensors")
    asked = settings(network, teacher="labels", part=0.75, steps=260, rate=1e-3)
    result, events = run(scan, asked, labels=[truth])
    curve = [event for event in events if isinstance(event, Losses)]
    best = min(curve, key=lambda point: point.held_out)
    assert curve[-1].training < 0.75 * curve[1].training
    assert curve[-1].held_out > 1.02 * best.held_out
    assert result.after.loss == best.held_out
    assert result.best_step == best.step < 260


def test_without_probe_and_labels_there_is_nothing_to_learn_from(taught_simulation, small_network):
    scan = replace(taught_simulation.scan, probe=None)
    with pytest.raises(SettingsError, match="a probe must be known"):
        run(scan, settings(small_network))
