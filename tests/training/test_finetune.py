"""Fine-tuning: it teaches, keeps the best, resumes exactly, and loses nothing."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import OutputError, ScanError, SettingsError
from napari_ptychonn.network.weights import load_network
from napari_ptychonn.reconstruction.events import Finished, Message, Progress
from napari_ptychonn.reconstruction.job import reconstruct
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
from napari_ptychonn.training import device_lock, teaching
from napari_ptychonn.training.finetune import finetune, finetune_events
from napari_ptychonn.training.finetune_events import HeldOutPatch, Losses, ObjectView, PointSplit
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.probe_lesson import ProbeLesson


def steps(count, **changes):
    return FinetuneSettings(**{"minutes": None, "steps": count, "device": "cpu", **changes})


def collected(scan, settings, **more):
    events = list(finetune_events([scan], settings, **more))
    assert isinstance(events[-1], Finished)
    return events[-1], events


def losses_of(events):
    return [event for event in events if isinstance(event, Losses)]


def same_weights(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture
def short_looks(monkeypatch):
    """A look every eight steps, and a checkpoint with each."""
    monkeypatch.setattr(teaching, "STEPS_PER_LOOK", 8)
    monkeypatch.setattr(teaching, "_CHECKPOINT_SECONDS", -1.0)


@pytest.fixture
def judged_weights(monkeypatch):
    """All weights that were judged, whether they became the best or not."""
    offered = []
    real = teaching.Best.offer

    def recording(self, weights, standing, step):
        offered.append({name: value.clone() for name, value in weights.items()})
        return real(self, weights, standing, step)

    monkeypatch.setattr(teaching.Best, "offer", recording)
    return offered


@pytest.fixture(scope="module")
def physics(taught_simulation):
    """64 steps of physics on the small star: outcome and events."""
    return collected(taught_simulation.scan, steps(64, rate=2e-3))


def test_patterns_alone_make_the_network_better_on_points_it_was_not_taught(
    physics, taught_simulation
):
    finished, _ = physics
    result = finished.result
    assert not finished.stopped
    assert result.step == 64
    assert result.improved
    assert result.after.loss < 0.97 * result.before.loss
    assert result.after.phase_correlation is None
    ((before, after),) = result.pictures
    assert after.object.shape == before.object.shape
    assert len(after.indices) == taught_simulation.scan.n_points


def test_the_person_sees_split_curves_pictures_and_a_patch(physics, taught_simulation):
    _, events = physics
    (split,) = [event for event in events if isinstance(event, PointSplit)]
    assert not set(split.teaching) & set(split.held_out)
    curve = losses_of(events)
    assert [point.step for point in curve] == [0, 32, 64]
    assert curve[0].training is None
    kinds = [event.kind for event in events if isinstance(event, ObjectView)]
    assert kinds == ["before", "after", "after"]
    patches = [event for event in events if isinstance(event, HeldOutPatch)]
    assert patches[0].patch.shape == taught_simulation.scan.pattern_shape
    assert patches[0].point in split.held_out
    assert patches[0].label is None
    done = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in done if event.stage.startswith("step")] == list(range(1, 65))


def test_the_card_tells_parents_data_and_settings_and_the_file_works(
    physics, taught_simulation, tmp_path
):
    result = physics[0].result
    result.save(tmp_path / "own.safetensors")
    network = load_network(tmp_path / "own.safetensors")
    assert network.card.parents[-1] == "ptychonn-probe"
    assert network.card.training["settings"]["steps"] == 64
    assert network.card.training["data"][0]["points"] == 144
    assert network.card.metrics["held-out loss, after"] == pytest.approx(
        result.after.loss, abs=1e-4
    )
    found = reconstruct(
        taught_simulation.scan, ReconstructionSettings(sweeps=0, device="cpu"), network=network
    )
    assert found.report.misfit == pytest.approx(result.pictures[0][1].report.misfit, rel=1e-5)


def test_the_network_that_was_started_from_is_untouched(physics):
    bundled = load_network("ptychonn-probe")
    assert not same_weights(bundled.module.state_dict(), physics[0].result.state)
    assert bundled.card.parents == ()


def test_the_same_seed_gives_the_same_network_and_another_one_does_not(
    fewer_points, judged_weights
):
    first, _ = collected(fewer_points.scan, steps(3))
    taught = judged_weights[-1]
    torch.rand(3)
    again, _ = collected(fewer_points.scan, steps(3))
    assert losses_equal(first, again)
    assert same_weights(taught, judged_weights[-1])
    collected(fewer_points.scan, steps(3, seed=1))
    assert not same_weights(taught, judged_weights[-1])


def losses_equal(one, other):
    one, other = one.result, other.result
    return one.after.loss == other.after.loss and same_weights(one.state, other.state)


def test_a_training_that_was_killed_goes_on_to_the_same_network(
    fewer_points, tmp_path, short_looks
):
    scan = fewer_points.scan
    whole, _ = collected(scan, steps(16, folder=tmp_path / "whole"))
    settings = steps(16, folder=tmp_path / "killed")
    killed = finetune_events([scan], settings)
    for event in killed:
        if isinstance(event, Progress) and event.stage == "step 13":
            break
    killed.close()
    resumed, events = collected(scan, settings)
    first = next(event for event in events if isinstance(event, Progress))
    assert first.stage == "step 9"
    assert losses_equal(resumed, whole)
    assert resumed.result.best_step == whole.result.best_step


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import teaching_scan
from napari_ptychonn.training import teaching
from napari_ptychonn.training.finetune import finetune_events
from napari_ptychonn.training.finetune_settings import FinetuneSettings
teaching._CHECKPOINT_SECONDS, teaching.STEPS_PER_LOOK = -1.0, 8
settings = FinetuneSettings(minutes=None, steps=100_000, device="cpu", folder=Path(sys.argv[2]))
for event in finetune_events([teaching_scan(points=100).scan], settings):
    print(type(event).__name__, getattr(event, "stage", ""), flush=True)
"""


def test_kill_9_leaves_a_checkpoint_that_resumes(fewer_points, tmp_path, short_looks):
    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, here, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    looks = 0
    for line in child.stdout:
        looks += line.startswith("Losses")
        if looks == 3:
            break
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    events = finetune_events([fewer_points.scan], steps(100_000, folder=tmp_path))
    first = next(event.stage for event in events if isinstance(event, Progress))
    events.close()
    assert first in ("step 9", "step 17")


def test_a_checkpoint_of_another_training_is_refused(taught_simulation, tmp_path, short_looks):
    collected(taught_simulation.scan, steps(2, folder=tmp_path))
    with pytest.raises(SettingsError, match="other settings"):
        collected(taught_simulation.scan, steps(3, folder=tmp_path))


def test_a_checkpoint_of_a_scan_laid_out_otherwise_or_of_other_weights_is_refused(
    taught_simulation, tmp_path, short_looks
):
    scan = taught_simulation.scan
    collected(scan, steps(2, folder=tmp_path))
    moved = replace(scan, positions=scan.positions[:, ::-1].copy())
    turned = replace(scan, provenance=replace(scan.provenance, orientation=4))
    for other in (moved, turned):
        with pytest.raises(SettingsError, match="other settings, scans, labels or weights"):
            collected(other, steps(2, folder=tmp_path))
    collected(scan, steps(2, folder=tmp_path))


def test_a_full_disk_is_said_once_and_the_training_goes_on(
    taught_simulation, tmp_path, monkeypatch, short_looks
):
    def full(path, state):
        raise OutputError("checkpoint", path, "no space left", remedy="free space")

    monkeypatch.setattr(teaching, "save_checkpoint", full)
    finished, events = collected(taught_simulation.scan, steps(18, folder=tmp_path))
    said = [event.text for event in events if isinstance(event, Message)]
    assert sum("goes on without a checkpoint" in text for text in said) == 1
    assert finished.result.step == 18
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_goes_back_to_the_best_at_half_the_rate(
    taught_simulation, monkeypatch, short_looks
):
    honest = ProbeLesson.loss
    calls = []

    def broken(self, network, rng):
        calls.append(1)
        loss = honest(self, network, rng)
        return loss * torch.nan if len(calls) == 10 else loss

    monkeypatch.setattr(ProbeLesson, "loss", broken)
    finished, events = collected(taught_simulation.scan, steps(16))
    said = " ".join(event.text for event in events if isinstance(event, Message))
    assert "half the learning rate" in said
    assert finished.result.step == 16
    assert all(torch.isfinite(value).all() for value in finished.result.state.values())


def test_a_training_that_cannot_go_on_ends_with_the_best(
    taught_simulation, monkeypatch, short_looks
):
    honest = ProbeLesson.loss
    calls = []

    def broken(self, network, rng):
        calls.append(1)
        loss = honest(self, network, rng)
        return loss * torch.nan if len(calls) > 10 else loss

    monkeypatch.setattr(ProbeLesson, "loss", broken)
    finished, events = collected(taught_simulation.scan, steps(500))
    assert "ends with the best" in [e.text for e in events if isinstance(e, Message)][-1]
    best = min(losses_of(events), key=lambda point: point.held_out)
    assert finished.result.after.loss == best.held_out
    assert all(torch.isfinite(value).all() for value in finished.result.state.values())


def test_where_nothing_was_better_the_network_stays_as_it_was(taught_simulation, short_looks):
    finished, _ = collected(taught_simulation.scan, steps(16, rate=1.0))
    result = finished.result
    assert not result.improved
    assert same_weights(load_network("ptychonn-probe").module.state_dict(), result.state)
    assert result.after == result.before


@pytest.mark.alone
def test_a_stop_ends_within_a_second_with_the_best_so_far(taught_simulation):
    asked: list[float] = []

    def should_stop():
        return bool(asked)

    for event in finetune_events([taught_simulation.scan], steps(10_000), should_stop=should_stop):
        if isinstance(event, Losses) and event.step == 32:
            asked.append(time.perf_counter())
    ended = time.perf_counter()
    assert isinstance(event, Finished)
    assert event.stopped
    assert event.result.stopped
    assert event.result.best_step in (0, 32)
    assert ended - asked[0] < 1.0


def test_a_stop_before_anything_is_known_gives_the_old_network(taught_simulation):
    *_, last = finetune_events([taught_simulation.scan], steps(5), should_stop=lambda: True)
    assert isinstance(last, Finished)
    assert last.stopped
    assert not last.result.improved


def test_what_is_frozen_does_not_move(taught_simulation, judged_weights):
    collected(taught_simulation.scan, steps(8, frozen="encoder"))
    old, taught = judged_weights[0], judged_weights[-1]
    moved = {
        name.split(".")[0] for name, value in taught.items() if not torch.equal(value, old[name])
    }
    assert moved <= {"from_coarse", "up_middle", "from_middle", "up_fine", "head"}
    assert moved


def test_minutes_become_steps_and_a_repeatable_number_of_them(taught_simulation):
    result = finetune(taught_simulation.scan, FinetuneSettings(minutes=0.05, device="cpu"))
    assert result.step == result.steps
    assert result.step % 32 == 0 or result.step > 32
    assert result.seconds < 30


def test_two_trainings_never_share_a_device(taught_simulation):
    said = r"another training is running on cpu \(process \d"
    with device_lock.device_lock(torch.device("cpu")), pytest.raises(SettingsError, match=said):
        next(finetune_events([taught_simulation.scan], steps(1)))
    collected(taught_simulation.scan, steps(1))


def test_a_wrong_probe_guess_settles_before_the_network_learns(taught_simulation):
    # Twice as far out of focus as the true one.
    wrong = probe_from_pupil(PupilSettings(radius=0.22, stop=0.3, defocus=0.22), 32)
    power = np.linalg.norm(taught_simulation.truth.probe) / np.linalg.norm(wrong)
    scan = replace(taught_simulation.scan, probe=power * wrong[None], probe_is_guess=True)
    as_it_is, _ = collected(replace(scan, probe_is_guess=False), steps(1))
    settled, _ = collected(scan, steps(1))
    assert settled.result.before.misfit < 0.6 * as_it_is.result.before.misfit


def test_several_scans_teach_one_network(taught_simulation, short_looks):
    scans = [taught_simulation.scan, replace(taught_simulation.scan)]
    *events, last = finetune_events(scans, steps(8))
    assert [event.scan for event in events if isinstance(event, PointSplit)] == [0, 1]
    assert {event.scan for event in events if isinstance(event, ObjectView)} == {0, 1}
    assert isinstance(last, Finished)
    assert len(last.result.pictures) == 2
    assert len(last.result.card.training["data"]) == 2


def test_a_label_of_another_scale_teaches_the_same(fewer_points, short_looks):
    found = fewer_points.truth
    pixel = (found.pixel_m, found.pixel_m)
    truth = ObjectResult(found.object, pixel, "m", found.corner_m, Path("truth.h5"), "truth")
    half = replace(truth, object=0.5 * truth.object)
    losses = []
    for label in (truth, half):
        result = finetune(fewer_points.scan, steps(2, teacher="labels"), labels=label)
        losses.append(result.after.loss)
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert any("amplitudes times 2 fit the photons" in text for text in result.messages)
    dark = replace(truth, object=np.zeros_like(truth.object))
    with pytest.raises(ScanError, match="lets no light through"):
        finetune(fewer_points.scan, steps(2, teacher="labels"), labels=dark)


def test_numbers_of_numpy_are_as_good_as_pythons(fewer_points, tmp_path, short_looks):
    asked = steps(np.int64(2), rate=np.float32(1e-3), seed=np.int64(1))
    finetune(fewer_points.scan, asked).save(tmp_path / "net.safetensors")
    assert load_network(tmp_path / "net.safetensors").card.training["settings"]["seed"] == 1
    with pytest.raises(SettingsError, match="seed: -1 is out of range"):
        steps(2, seed=-1)


def test_five_minutes_is_how_long_where_nothing_is_said():
    assert FinetuneSettings().minutes == 5
    assert FinetuneSettings(steps=3).minutes is None


def test_a_network_is_not_taught_its_own_answer(few_photons, short_looks):
    dim = few_photons.scan
    with pytest.raises(SettingsError, match="what a network made itself teaches it nothing"):
        collected(dim, steps(2, teacher="sweeps"))
    finished, _ = collected(dim, steps(2, teacher="sweeps", label_sweeps=2))
    assert finished.result.step == 2


def test_settings_that_do_not_go_together_are_refused(taught_simulation):
    with pytest.raises(SettingsError, match="one of minutes, steps and epochs"):
        FinetuneSettings(minutes=5, steps=3)
    with pytest.raises(SettingsError, match="published recipe learns from labels"):
        FinetuneSettings(preset="published")
    with pytest.raises(SettingsError, match="family ptychonn"):
        collected(taught_simulation.scan, steps(1, preset="published", teacher="sweeps"))
    with pytest.raises(SettingsError, match="0 reconstructions for 1 scan"):
        collected(taught_simulation.scan, steps(1, teacher="labels"))
    with pytest.raises(SettingsError, match="choose one scan or more"):
        list(finetune_events([], steps(1)))
