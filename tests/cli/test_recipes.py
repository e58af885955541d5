"""``--save-recipe``, ``--recipe`` and ``recipes``: what was said about a file, kept by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ptychonn.scan.recipes import RECIPES_VARIABLE

Shell = Callable[..., Any]
CHOSEN = ("--dataset", "patterns=/lab/frames", "--dataset", "positions=/lab/a, /lab/b")


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recipes go to a folder of the test."""
    monkeypatch.setenv(RECIPES_VARIABLE, str(tmp_path / "recipes"))
    return tmp_path / "recipes"


def lab(path: Path, n: int = 20) -> Path:
    random = np.random.default_rng(n)
    with h5py.File(path, "w") as file:
        file["lab/frames"] = random.poisson(5, (n, 16, 16)).astype(np.uint16)
        file["lab/a"], file["lab/b"] = random.uniform(0, 50, (2, n))
    return path


def test_a_recipe_of_one_file_opens_the_next(shell: Shell, tmp_path: Path) -> None:
    first, following = lab(tmp_path / "a.h5"), lab(tmp_path / "b.h5", 30)
    saved = shell(
        "info", first, *CHOSEN, "--positions-unit", "px", "--pixel-m", "2e-8",
        "--save-recipe", "lab",
    )  # fmt: skip
    assert saved.code == 0
    facts = json.loads(shell("info", following, "--recipe", "lab", "--json").out)
    assert facts["points"] == 30
    assert facts["pixel_m"] == [2e-8, 2e-8]
    assert shell("recipes", "list", following).out.startswith("lab  patterns /lab/frames")


def test_a_recipe_opens_the_scan_that_is_handed_over(shell: Shell, tmp_path: Path) -> None:
    first, following = lab(tmp_path / "a.h5"), lab(tmp_path / "b.h5")
    saved = shell(
        "info", first, *CHOSEN, "--positions-unit", "um", "--energy-ev", 8000, "--distance-m", 1,
        "--detector-pixel-m", "75e-6", "--save-recipe", "lab",
    )  # fmt: skip
    assert saved.code == 0, saved.err
    ran = shell("convert", following, "-o", tmp_path / "b.cxi", "--recipe", "lab")
    assert ran.code == 0, ran.err
    assert "20 patterns of 16 × 16 pixels" in ran.out


def test_an_option_besides_wins_over_the_recipe(shell: Shell, tmp_path: Path) -> None:
    first = lab(tmp_path / "a.h5")
    shell("info", first, *CHOSEN, "--positions-unit", "px", "--save-recipe", "lab")
    ran = shell("info", first, "--recipe", "lab", "--raster", "4,5,2", "--positions-unit", "px")
    assert "raster of 4 × 5 points" in ran.out


def test_what_does_not_open_is_not_saved(shell: Shell, tmp_path: Path, shelf: Path) -> None:
    ran = shell("info", lab(tmp_path / "a.h5"), *CHOSEN, "--save-recipe", "lab")
    assert ran.code == 1
    assert not shelf.exists()


def test_recipes_are_listed_shown_and_deleted(shell: Shell, tmp_path: Path, shelf: Path) -> None:
    assert "There is no recipe" in shell("recipes").out
    first = lab(tmp_path / "a.h5")
    shell("info", first, *CHOSEN, "--positions-unit", "px", "--save-recipe", "lab")
    (shelf / "bad.json").write_text("{")
    listed = shell("recipes")
    assert listed.out.startswith("lab ")
    assert "bad.json" in listed.err
    assert json.loads(shell("recipes", "show", "lab").out)["positions_unit"] == "px"
    assert shell("recipes", "delete", "lab").code == 0
    again = shell("recipes", "delete", "lab")
    assert again.code == 1
    assert "there is no recipe 'lab'" in again.err


def test_a_recipe_of_another_kind_of_file_is_one_line(shell: Shell, tmp_path: Path) -> None:
    shell("info", lab(tmp_path / "a.h5"), *CHOSEN, "--positions-unit", "px", "--save-recipe", "lab")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["other"] = np.ones((4, 16, 16))
    ran = shell("info", tmp_path / "b.h5", "--recipe", "lab")
    assert ran.code == 1
    assert "/lab/frames" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_an_unknown_file_is_refused_with_what_is_likely(shell: Shell, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["cam/one"], file["cam/two"] = np.ones((6, 16, 16), int), np.ones((6, 8, 8))
        file["stage/xy"] = np.ones((6, 2))
    ran = shell("info", tmp_path / "b.h5")
    assert ran.code == 1
    assert "likely are patterns='/cam/one', positions='/stage/xy'" in ran.err


def scans(path: Path, *numbers: int) -> Path:
    with h5py.File(path, "w") as file:
        for number in numbers:
            file[f"scan_{number:04}/frames"] = np.ones((number, 16, 16), int)
            places = np.random.default_rng(number).uniform(0, 50, (number, 2))
            file[f"scan_{number:04}/stage"] = places
    return path


def test_a_recipe_takes_the_group_of_the_next_scan(shell: Shell, tmp_path: Path) -> None:
    chosen = [f"--dataset={role}=/scan_0040/{name}" for role, name in
              (("patterns", "frames"), ("positions", "stage"))]  # fmt: skip
    first = scans(tmp_path / "a.h5", 40)
    saved = shell("info", first, *chosen, "--positions-unit", "px", "--save-recipe", "day")
    assert saved.code == 0, saved.err
    ran = shell("info", scans(tmp_path / "b.h5", 41), "--recipe", "day", "--json")
    assert json.loads(ran.out)["datasets"]["positions"] == "/scan_0041/stage"
    both = scans(tmp_path / "c.h5", 42, 43)
    ran = shell("info", both, "--recipe", "day")
    assert ran.code == 1
    assert "fits several groups of this file: scan_0042; scan_0043" in ran.err
    assert len(ran.err.splitlines()) == 1
    listed = shell("recipes", "list", both).out.splitlines()
    assert [line.split(",")[0] for line in listed] == [
        "day  patterns /scan_0042/frames", "day  patterns /scan_0043/frames"
    ]  # fmt: skip
    ran = shell(
        "info", both, "--recipe", "day", "--dataset", "patterns=/scan_0043/frames", "--json"
    )
    facts = json.loads(ran.out)
    assert (facts["points"], facts["datasets"]["positions"]) == (43, "/scan_0043/stage")
