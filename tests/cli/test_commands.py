"""The other commands: info, simulate, networks, pretrain, demo; and what starting costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from napari_ptychonn import __version__
from napari_ptychonn.commands import demo
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.folders import NETWORKS_VARIABLE
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import load_network, read_card, save_network
from napari_ptychonn.reconstruction.product import load
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.simulation import sample_scan
from napari_ptychonn.simulation.cxi import read_truth
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.training import examples, pretrain
from napari_ptychonn.training.examples import ExampleSettings

Shell = Callable[..., Any]


def run_and_name_modules(*arguments: object) -> set[str]:
    """Run a command in a process of its own; the top-level modules that it imported."""
    code = (
        "import sys; from napari_ptychonn.cli import main; code = main(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(ran.stdout.splitlines()[-1].split())


def test_help_imports_neither_torch_nor_napari_nor_h5py() -> None:
    assert run_and_name_modules("--help").isdisjoint({"torch", "napari", "qtpy", "h5py"})


def test_info_imports_neither_torch_nor_napari(scan_file: Path) -> None:
    assert run_and_name_modules("info", scan_file).isdisjoint({"torch", "napari", "qtpy"})


def test_version_is_the_package_s(shell: Shell) -> None:
    assert shell("--version").out == f"napari-ptychonn {__version__}\n"


def test_info_says_what_the_file_holds(shell: Shell, scan_file: Path) -> None:
    ran = shell("info", scan_file)
    assert ran.code == 0
    for said in ("CXI", "49", "32 × 32", "8800 eV"):
        assert said in ran.out


def test_info_as_json_is_json_in_metres(shell: Shell, scan_file: Path) -> None:
    facts = json.loads(shell("info", scan_file, "--json", "--distance-m", 3).out)
    assert facts["points"] == 49
    assert facts["geometry"]["distance_m"] == 3
    assert facts["geometry"]["energy_ev"] == pytest.approx(8800)


def test_info_takes_datasets_of_an_unknown_file(shell: Shell, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["counts"] = np.random.default_rng(0).poisson(9, (4, 16, 16))
        file["where"] = np.array([[0, 0], [0, 4], [4, 0], [4, 4.0]])
    chosen = ("--dataset", "patterns=/counts", "--dataset", "positions=/where")
    ran = shell("info", tmp_path / "own.h5", *chosen, "--positions-unit", "px", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["datasets"]["patterns"].strip("/") == "counts"


def test_simulate_writes_a_scan_with_its_truth(shell: Shell, tmp_path: Path) -> None:
    output = tmp_path / "scan.h5"
    small = ("--points", 9, "--size", 16, "--step-px", 2, "--seed", 4, "--wrong-probe", 0.2)
    assert shell("simulate", "-o", output, *small, "--no-noise", "--photons", 1e4).code == 0
    scan = open_scan(output)
    assert (scan.n_points, scan.pattern_shape) == (9, (16, 16))
    assert scan.probe_is_guess
    truth = read_truth(output)
    assert np.sum(np.abs(truth.probe) ** 2) == pytest.approx(1e4, rel=1e-3)


@pytest.mark.parametrize("wrong", [("--overlap", 2), ("--sample", "cheese"), ("--path", "zigzag")])
def test_simulating_what_does_not_exist_is_wrong_usage(
    shell: Shell, tmp_path: Path, wrong: tuple[object, ...]
) -> None:
    ran = shell("simulate", "-o", tmp_path / "scan.h5", *wrong)
    assert ran.code == 2
    assert not list(tmp_path.iterdir())


def test_a_stopped_simulation_leaves_no_file(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ptychonn.simulation.simulate import SimulatedPatterns

    def read(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(SimulatedPatterns, "read", read)
    small = ("--points", 4, "--size", 16, "--step-px", 2)
    assert shell("simulate", "-o", tmp_path / "scan.h5", *small).code == 130
    assert not list(tmp_path.iterdir())


@pytest.fixture
def own_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "networks"
    monkeypatch.setenv(NETWORKS_VARIABLE, str(folder))
    return folder


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Weights numbered as the published network's files number them."""
    widths = {
        "encoder": (1, 32, 32, 64, 64, 128, 128),
        "decoder1": (128, 128, 128, 64, 64, 64, 64, 1),
        "decoder2": (128, 128, 128, 64, 64, 64, 64, 1),
    }
    state = {}
    for section, channels in widths.items():
        numbers = (0, 2, 5, 7, 10, 12, 15)
        for number, below, above in zip(numbers, channels[:-1], channels[1:], strict=False):
            state[f"{section}.{number}.weight"] = torch.zeros(above, below, 3, 3)
            state[f"{section}.{number}.bias"] = torch.zeros(above)
    torch.save(state, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


@pytest.mark.usefixtures("own_networks")
def test_networks_lists_what_came_with_the_package(shell: Shell) -> None:
    listed = shell("networks").out
    assert "ptychonn-probe" in listed
    assert listed == shell("networks", "list").out
    rows = json.loads(shell("networks", "list", "--json").out)
    assert {"ptychonn-probe"} <= {row["name"] for row in rows if row["bundled"]}


def test_a_foreign_network_is_imported_listed_and_shown(
    shell: Shell, own_networks: Path, foreign: Path
) -> None:
    ran = shell("networks", "import", foreign, "--name", "mine")
    assert ran.code == 0, ran.err
    assert "1,247,074 values" in ran.out
    assert (own_networks / "mine.safetensors").is_file()
    assert "mine" in shell("networks", "list").out
    assert json.loads(shell("networks", "info", "mine", "--json").out)["family"] == "ptychonn"
    assert "ptychonn" in shell("networks", "info", "mine").out
    again = shell("networks", "import", foreign, "--name", "mine")
    assert again.code == 1
    assert "already" in again.err


def test_a_foreign_network_can_be_written_to_a_file(
    shell: Shell, own_networks: Path, foreign: Path, tmp_path: Path
) -> None:
    output = tmp_path / "net.safetensors"
    assert shell("networks", "import", foreign, "-o", output).code == 0
    assert read_card(output).family == "ptychonn"
    assert not own_networks.exists()


def test_networks_are_exported_imported_renamed_and_removed(
    shell: Shell, own_networks: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shared.safetensors"
    assert shell("networks", "export", "ptychonn-probe", "-o", file).code == 0
    ran = shell("networks", "import", file)
    assert ran.code == 0, ran.err
    assert "shared: ptychonn-probe" in ran.out
    again = shell("networks", "import", file)
    assert (again.code, "choose another name" in again.err) == (1, True)
    assert shell("networks", "import", file, "--replace").code == 0
    assert shell("networks", "import", file, "-o", tmp_path / "copy.safetensors").code == 2
    assert shell("networks", "rename", "shared", "lab").code == 0
    assert read_card(own_networks / "lab.safetensors").name == "lab"
    assert "lab " in shell("networks").out
    assert shell("networks", "remove", "lab").code == 0
    assert not list(own_networks.iterdir())
    gone = shell("networks", "remove", "ptychonn-probe")
    assert gone.code == 1
    assert "not one of your own" in gone.err
    assert shell("networks", "export", "ptychonn-probe", "-o", tmp_path / "net.pth").code == 1


@pytest.mark.usefixtures("own_networks")
def test_a_fine_tuned_network_is_listed_with_what_it_was_made_from(
    shell: Shell, own_networks: Path
) -> None:
    card = NetworkCard("tuned", "ptychonn", parents=("ptychonn",), training={"date": "2026-01-02"})
    save_network(own_networks / "tuned.safetensors", card, PtychoNN())
    line = next(line for line in shell("networks").out.splitlines() if "tuned" in line)
    assert line.endswith("from ptychonn")
    assert "2026-01-02" in line
    rows = json.loads(shell("networks", "list", "--json").out)
    assert next(row for row in rows if row["name"] == "tuned")["parents"] == ["ptychonn"]
    assert "training: date" in shell("networks", "info", "tuned").out


def test_a_broken_own_network_is_listed_with_its_trouble(shell: Shell, own_networks: Path) -> None:
    own_networks.mkdir()
    (own_networks / "bad.safetensors").write_bytes(b"no")
    save_network(own_networks / "good.safetensors", NetworkCard("good", "ptychonn"), PtychoNN())
    listed = shell("networks").out
    assert "cannot be used" in next(line for line in listed.splitlines() if "bad" in line)
    assert "cannot be used" not in next(line for line in listed.splitlines() if "good" in line)


def test_pretrain_writes_a_network_and_goes_on_where_it_stopped(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(
        pretrain.PretrainSettings,
        channels=(16, 16, 16),
        examples=ExampleSettings(size=32, fields=1, side=2),
        bf16=False,
    )
    monkeypatch.setattr(pretrain, "PretrainSettings", small)
    output, folder = tmp_path / "net.safetensors", tmp_path / "training"
    command = ("pretrain", "-o", output, "--folder", folder, "--steps", 2, "--device", "cpu")
    stopped = shell(*command, "--minutes", 0)
    assert stopped.code == 0, stopped.err
    assert "0 of 2 steps" in stopped.out
    assert "the same command goes on" in stopped.out
    assert "2 of 2 steps" in shell(*command).out
    card = load_network(output).card
    assert (card.name, card.training["steps_done"]) == ("net", 2)
    assert (folder / "log.jsonl").is_file()


def test_pretrain_is_told_how_wide_and_deep_and_how_examples_are_drawn(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(ExampleSettings, size=16, side=2)
    monkeypatch.setattr(examples, "ExampleSettings", small)
    output = tmp_path / "net.safetensors"
    ran = shell(
        "pretrain", "-o", output, "--folder", tmp_path / "training", "--device", "cpu",
        "--channels", 8, 8, 8, "--blocks", 1, "--fields", 2, "--workers", 1, "--steps", 1,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    card = load_network(output).card
    assert card.architecture == {"channels": [8, 8, 8], "blocks": 1}
    assert card.training["examples"]["fields"] == 2
    # However many draw, the examples are the same: no part of how it was made.
    assert "workers" not in card.training


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimulationSettings(sample="bars", size=32, points=25, step_px=3.0)
    monkeypatch.setattr(sample_scan, "SAMPLE_SCANS", {"circuit-zone-plate": settings})


@pytest.mark.usefixtures("small_sample")
def test_the_demo_without_a_display_writes_files_and_says_why(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    ran = shell("demo", "--device", "cpu")
    assert ran.code == 0, ran.err
    assert "there is no display" in ran.out
    assert "misfit" in ran.out
    folder = tmp_path / "napari-ptychonn-demo"
    assert load(folder / "circuit-zone-plate.h5").name == "circuit-zone-plate"
    names = ["circuit-zone-plate_amplitude.png", "circuit-zone-plate_phase.png"]
    assert sorted(path.name for path in folder.glob("*.png")) == names


def test_a_display_that_does_not_answer_is_no_window() -> None:
    environment = {**os.environ, "DISPLAY": ":87654", "QT_QPA_PLATFORM": "xcb"}
    environment.pop("WAYLAND_DISPLAY", None)
    if sys.platform != "linux":
        pytest.skip("only Linux has displays by name")
    reason = demo.why_no_window(environment)
    assert reason is not None
    assert "Qt opens no window" in reason


def test_the_demo_with_a_display_starts_the_window_s_program(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        started.append(command)
        return subprocess.CompletedProcess(command, len(started) - 1)

    monkeypatch.setattr(demo, "why_no_window", lambda _: None)
    monkeypatch.setattr(demo.subprocess, "run", run)
    assert shell("demo").code == 0
    failed = shell("demo")
    assert started == [[sys.executable, "-m", "napari_ptychonn.widgets.demo"]] * 2
    assert failed.code == 1
    assert "--headless" in failed.err


def test_info_takes_columns_of_a_table_and_a_raster(shell: Shell, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["counts"] = np.random.default_rng(0).poisson(9, (4, 16, 16))
    (tmp_path / "p.csv").write_text("point,x_um,y_um\n0,0,0\n1,7,0\n2,0,-5\n3,7,-5\n")
    own = ("info", tmp_path / "own.h5", "--dataset", "patterns=/counts", "--json")
    own += ("--pixel-m", "1e-8")
    table = ("--positions", tmp_path / "p.csv", "--positions-columns")
    ran = shell(*own, *table, "-y,x")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["extent_m"] == pytest.approx([5e-6, 7e-6])
    ran = shell(*own, "--raster", "2,2,0.5", "--positions-unit", "um")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["extent_m"] == pytest.approx([5e-7, 5e-7])
    assert shell(*own, *table, "0,9").code == 1
    wrong = (("--raster", "2,2"), ("--raster", "2,0,1"), ("--positions-columns", "1"))
    for option, text in wrong:
        ran = shell(*own, option, text)
        assert ran.code == 2
        assert text in ran.err or "raster" in ran.err
