"""``--orientation search``: what the shell finds, says, and leaves as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ptychonn.reconstruction.product import load
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi

Shell = Callable[..., Any]


@pytest.fixture(scope="module")
def turned_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan whose patterns were stored with x flipped, and whose file does not say so."""
    path = tmp_path_factory.mktemp("turned") / "turned.cxi"
    simulate_to_cxi(
        path, SimulationSettings(sample="circuit", size=64, points=64, step_px=4.0, seed=3)
    )
    with h5py.File(path, "r+") as file:
        for name in ("data", "mask"):
            dataset = file[f"/entry_1/instrument_1/detector_1/{name}"]
            flipped = dataset[()]
            # DC is at H // 2, W // 2: the first column of an even side has no partner.
            flipped[..., 1:] = flipped[..., :0:-1]
            dataset[...] = flipped
    return path


def test_info_tells_what_it_found_and_changes_nothing(shell: Shell, turned_file: Path) -> None:
    told = shell("info", turned_file, "--orientation", "search", "--json")
    assert told.code == 0, told.err
    facts = json.loads(told.out)
    assert facts["orientation_search"]["best"] == 1
    assert facts["orientation_search"]["sure"] is True
    assert len(facts["orientation_search"]["misfits"]) == 8
    assert facts["position_scale"]["off"] is False


def test_info_says_it_in_words(shell: Shell, turned_file: Path) -> None:
    told = shell("info", turned_file, "--orientation", "search")
    assert "Orientation 1 (x flipped) fits best" in told.out
    assert "scale" in told.out


def test_reconstruct_uses_the_orientation_that_it_finds(
    shell: Shell, turned_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "object.h5"
    few = ("--sweeps", "0", "--passes", "1", "--device", "cpu")
    ran = shell("reconstruct", turned_file, "-o", output, "--orientation", "search", *few)
    assert ran.code == 0, ran.err
    assert "Orientation 1" in ran.err
    misfits = []
    for code in ("0", "1"):
        other = tmp_path / f"{code}.h5"
        asked = ("--orientation", code, *few, "-q")
        assert shell("reconstruct", turned_file, "-o", other, *asked).code == 0
        misfits.append(load(other).report.misfit)
    assert load(output).report.misfit == pytest.approx(misfits[1], rel=1e-3)
    assert load(output).report.misfit < misfits[0]


def test_a_wrong_pixel_is_said_even_to_the_quiet_and_not_applied(
    shell: Shell, turned_file: Path, tmp_path: Path
) -> None:
    pixel = json.loads(shell("info", turned_file, "--json").out)["pixel_m"][0]
    output = tmp_path / "object.h5"
    ran = shell(
        "reconstruct", turned_file, "-o", output, "--orientation", "search", "-q",
        "--pixel-m", f"{1.12 * pixel:.6g}", "--sweeps", "0", "--passes", "1", "--device", "cpu",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "The positions fit best when scaled by 1.1" in ran.err
    assert load(output).pixel[0] == pytest.approx(1.12 * pixel, rel=1e-3)


@pytest.mark.parametrize("wrong", ["9", "-1", "sideways"])
def test_what_is_no_orientation_is_wrong_usage(shell: Shell, scan_file: Path, wrong: str) -> None:
    ran = shell("info", scan_file, f"--orientation={wrong}")
    assert ran.code == 2
    assert wrong != "sideways" or "neither auto nor search" in ran.err


@pytest.fixture(scope="module")
def few_points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of five points, which tell nothing of the orientation."""
    path = tmp_path_factory.mktemp("few") / "few.cxi"
    simulate_to_cxi(path, SimulationSettings(size=32, points=5, step_px=3.0, seed=1))
    return path


def test_a_search_that_cannot_tell_keeps_the_orientation_and_says_so(
    shell: Shell, few_points: Path, tmp_path: Path
) -> None:
    ran = shell(
        "reconstruct", few_points, "-o", tmp_path / "object.h5", "--orientation", "search",
        "--sweeps", "0", "--passes", "1", "--device", "cpu",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "Cannot tell" in ran.err
    assert "0 is kept" in ran.err
    assert "positions fit best" not in ran.err


def test_convert_writes_the_orientation_that_it_finds(
    shell: Shell, turned_file: Path, tmp_path: Path
) -> None:
    found, asked = tmp_path / "found.cxi", tmp_path / "asked.cxi"
    ran = shell("convert", turned_file, "-o", found, "--orientation", "search")
    assert ran.code == 0, ran.err
    assert "Orientation 1" in ran.err
    assert shell("convert", turned_file, "-o", asked, "--orientation", 1, "-q").code == 0
    numbers = np.arange(5)
    np.testing.assert_array_equal(
        open_scan(found).patterns.read(numbers), open_scan(asked).patterns.read(numbers)
    )


def test_convert_writes_nothing_where_the_search_cannot_tell(
    shell: Shell, few_points: Path, tmp_path: Path
) -> None:
    ran = shell("convert", few_points, "-o", tmp_path / "out.cxi", "--orientation", "search")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert ran.err.startswith(f"Error: {few_points}: orientation: Cannot tell")
    assert "--orientation 0..7" in ran.err
    assert not list(tmp_path.iterdir())
