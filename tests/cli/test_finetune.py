"""The command finetune: what it leaves, how it ends, and what it refuses before it works."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ptychonn.errors import OutputError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.folders import NETWORKS_VARIABLE
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.weights import load_network, read_card, save_network
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi
from napari_ptychonn.training import finetune, report, teaching
from napari_ptychonn.training.device_lock import FOLDER_VARIABLE
from napari_ptychonn.training.finetune_events import FineTuned
from napari_ptychonn.training.run import TrainingRun

Shell = Callable[..., Any]

STEPS = 40
"""More than one round, which has 32 steps."""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated scan of 100 points, with its truth inside."""
    path = tmp_path_factory.mktemp("taught") / "small.cxi"
    simulate_to_cxi(path, SimulationSettings(size=32, points=100, step_px=3.0, photons=1e5, seed=1))
    return path


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and networks of the test alone."""
    (tmp_path / "locks").mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "locks"))
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures at the end, which take longest and which the shell does not show."""
    monkeypatch.setattr(report, "_MOST_PIXELS", 0)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A network with eight channels that changes nothing yet."""
    architecture = {"channels": [8, 8, 8], "blocks": 1}
    card = NetworkCard("tiny", "ptychonn-probe", architecture, needs_probe=True)
    save_network(tmp_path / "tiny.safetensors", card, ProbeAwareNet((8, 8, 8), 1))
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "mine.safetensors"


@pytest.fixture
def command(scan: Path, start: Path, output: Path) -> tuple[object, ...]:
    """Forty steps on the scan; the teacher is left to the test."""
    command = ("finetune", scan, "-o", output, "--network", start)
    return (*command, "--device", "cpu", "--steps", STEPS)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint at every round."""
    monkeypatch.setattr(teaching, "_CHECKPOINT_SECONDS", 0)


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C when so many steps are done."""
    learn = TrainingRun.learn

    def learn_and_stop(run: TrainingRun, loss: Any) -> None:
        learn(run, loss)
        if run.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TrainingRun, "learn", learn_and_stop)


@pytest.mark.usefixtures("often")
def test_the_measured_patterns_teach_a_network_and_the_summary_says_what_it_brought(
    shell: Shell, command: tuple[object, ...], output: Path
) -> None:
    ran = shell(*command, "--self-supervised", "--name", "my lab")
    assert ran.code == 0, ran.err
    card = load_network(output).card
    assert (card.name, card.parents) == ("my lab", ("tiny",))
    for said in ("held-out loss", "held-out misfit", " → ", f"{STEPS} of {STEPS}", str(output)):
        assert said in ran.out
    assert "points teach" in ran.err
    assert f"step {STEPS}: held-out loss" in ran.err
    # The checkpoints went with the folder they lay in.
    assert list(output.parent.iterdir()) == [output]


def test_labels_of_a_reconstruction_teach_and_json_has_the_figures(
    shell: Shell, command: tuple[object, ...], scan: Path, output: Path, own_folders: Path
) -> None:
    ran = shell(*command, "--labels", scan, "--store", "--json", "--quiet")
    assert ran.code == 0, ran.err
    assert ran.err == ""
    told = json.loads(ran.out)
    assert told["steps"] == told["steps_planned"] == STEPS
    assert told["parents"] == ["tiny"]
    assert told["checkpoint"] is None
    assert told["after"]["loss"] < told["before"]["loss"]
    assert told["improved"] is True
    # With the truth as the label, the phase correlation is with the truth.
    assert 0 < told["before"]["phase_correlation"] <= 1
    assert told["files"] == [str(output), str(own_folders / "mine.safetensors")]
    assert read_card(own_folders / "mine.safetensors").name == "mine"


def test_sweeps_can_make_the_labels_of_several_scans(
    shell: Shell, command: tuple[object, ...], scan: Path, output: Path
) -> None:
    few = ("--engine", "sweeps", "--label-sweeps", 2, "--validation", 0.25, "--freeze", "encoder")
    ran = shell("finetune", scan, *command[1:], *few, "--from-scratch")
    assert ran.code == 0, ran.err
    assert ran.err.count("points teach") == 2
    settings = read_card(output).training["settings"]
    assert (settings["teacher"], settings["frozen"]) == ("sweeps", "encoder")
    assert settings["fresh"] is True


@pytest.mark.usefixtures("often")
def test_ctrl_c_keeps_the_best_so_far_and_the_same_command_goes_on(
    shell: Shell, command: tuple[object, ...], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(STEPS - 4, patch)
        stopped = shell(*command, "--labels", command[1], "--json")
    assert stopped.code == 130, stopped.err
    told = json.loads(stopped.out)
    assert told["stopped"] is True
    assert told["steps"] == STEPS - 4
    assert load_network(output).card.name == "mine"
    assert Path(told["checkpoint"]).is_file()
    assert Path(told["checkpoint"]).parent.name == "mine.finetune"
    again = shell(*command, "--labels", command[1], "--json")
    assert again.code == 0, again.err
    assert f"Going on after {STEPS - 4} steps." in again.err, "it started anew"
    # What stands at step 0 is the network that was started from, not the one that goes on.
    losses = [line for line in again.err.splitlines() if line.startswith("step")]
    assert losses[0].startswith("step 0:")
    assert not losses[1].startswith("step 0:")
    assert json.loads(again.out)["steps"] == STEPS
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.usefixtures("often")
def test_fresh_forgets_where_it_was_and_other_settings_ask_for_it(
    shell: Shell, command: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(STEPS - 4, patch)
        stopped = shell(*command, "--self-supervised")
    assert stopped.code == 130
    assert "the same command goes on" in stopped.out
    other = shell(*command, "--self-supervised", "--seed", 3)
    assert other.code == 1
    assert "--fresh" in other.err
    assert other.err.strip().splitlines()[-1].startswith("Error:")
    ran = shell(*command, "--self-supervised", "--seed", 3, "--fresh")
    assert ran.code == 0, ran.err
    assert "step 0: held-out loss" in ran.err


@pytest.mark.usefixtures("often")
def test_where_the_disk_is_full_at_the_end_the_checkpoint_stays_and_is_named(
    shell: Shell, command: tuple[object, ...], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: FineTuned, path: Path) -> None:
        raise OutputError("network", path, "cannot be written: no space", remedy="free space")

    with monkeypatch.context() as patch:
        patch.setattr(FineTuned, "save", full)
        ran = shell(*command, "--self-supervised")
    assert ran.code == 1
    error = ran.err.strip().splitlines()[-1]
    assert error.startswith("Error:")
    assert "no space" in error
    assert f"the training is kept in {output.with_suffix('.finetune')}" in error
    assert not output.exists()
    assert (output.with_suffix(".finetune") / "checkpoint.pt").is_file()
    ran = shell(*command, "--self-supervised")
    assert ran.code == 0, ran.err
    assert list(output.parent.iterdir()) == [output]


def test_stopping_before_the_network_was_looked_at_writes_nothing(
    shell: Shell, command: tuple[object, ...], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out = finetune.lay_out

    def lay_out_and_stop(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return lay_out(*arguments)

    monkeypatch.setattr(finetune, "lay_out", lay_out_and_stop)
    ran = shell(*command, "--self-supervised")
    assert ran.code == 130
    assert "nothing was written" in ran.err
    assert not output.exists()


def test_a_folder_of_that_name_with_something_else_in_it_is_left_alone(
    shell: Shell, command: tuple[object, ...], output: Path
) -> None:
    folder = output.with_suffix(".finetune")
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert shell(*command, "--self-supervised", "--fresh", "--quiet").code == 0
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), "choose a teacher"),
        (("--self-supervised", "--engine", "sweeps"), "choose one teacher"),
        (("--engine", "epie"), "choose sweeps"),
        (("--engine", "physics"), "choose sweeps"),
        (("--labels", "a.h5", "--labels", "b.h5"), "2 reconstructions for 1 scan"),
        (("--self-supervised", "--minutes", 2), "one of minutes, steps and epochs"),
        (("--self-supervised", "--validation", 0.9), "0.02 to 0.5"),
        (("--self-supervised", "--preset", "published"), "labels"),
        (("--self-supervised", "--freeze", "all"), "choose one of"),
        (("--self-supervised", "--part", 0), "part"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    shell: Shell, command: tuple[object, ...], output: Path, wrong: tuple[object, ...], said: str
) -> None:
    ran = shell(*command, *wrong)
    assert ran.code == 2
    assert said in " ".join(ran.err.replace("│", " ").split())
    assert not output.parent.exists()


def test_neither_the_scan_nor_the_network_started_from_is_overwritten(
    shell: Shell, command: tuple[object, ...], scan: Path, start: Path, tmp_path: Path
) -> None:
    before = start.read_bytes()
    for path in (start, tmp_path / "net.h5"):
        swapped = [path if each == command[3] else each for each in command]
        ran = shell(*swapped, "--self-supervised")
        assert ran.code == 2
    assert start.read_bytes() == before


def test_what_cannot_be_written_or_opened_is_said_before_the_work(
    shell: Shell, command: tuple[object, ...], own_folders: Path, start: Path, tmp_path: Path
) -> None:
    own_folders.mkdir()
    (own_folders / "mine.safetensors").write_bytes(start.read_bytes())
    taken = shell(*command, "--self-supervised", "--store")
    assert (taken.code, "choose another name" in taken.err) == (1, True)
    missing = shell(*command, "--labels", tmp_path / "missing.h5")
    assert missing.code == 1
    assert "missing.h5" in missing.err
    absent = [tmp_path / "no.cxi" if each == command[1] else each for each in command]
    assert shell(*absent, "--self-supervised").code == 1
    assert len(shell(*absent, "--self-supervised").err.strip().splitlines()) == 1


def test_the_python_call_gives_the_same_figures_as_the_shell(
    shell: Shell, command: tuple[object, ...], scan: Path, start: Path
) -> None:
    from napari_ptychonn import FinetuneSettings, open_scan
    from napari_ptychonn import finetune as call

    told = json.loads(shell(*command, "--self-supervised", "--json").out)
    settings = FinetuneSettings(network=str(start), minutes=None, steps=STEPS, device="cpu")
    result = call(open_scan(scan), settings)
    assert isinstance(result, FineTuned)
    np.testing.assert_allclose(result.after.loss, told["after"]["loss"], rtol=1e-4)
