"""The shell's options about the detector: mask, background, saturation, crop, binning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ptychonn.scan.mask_files import write_mask

Shell = Callable[..., Any]


def facts(shell: Shell, *arguments: object) -> dict[str, Any]:
    ran = shell("info", *arguments, "--json")
    assert ran.code == 0, ran.err
    told: dict[str, Any] = json.loads(ran.out)
    return told


def test_crop_and_binning_change_patterns_and_pixel(shell: Shell, scan_file: Path) -> None:
    whole = facts(shell, scan_file)
    cut = facts(shell, scan_file, "--crop", "16")
    assert cut["pattern_shape"] == [16, 16]
    assert cut["pixel_m"][0] == pytest.approx(2 * whole["pixel_m"][0])
    binned = facts(shell, scan_file, "--crop", "32,16", "--binning", "2")
    assert binned["pattern_shape"] == [16, 8]
    assert binned["pixel_m"] == pytest.approx([whole["pixel_m"][0], cut["pixel_m"][0]])


def test_a_mask_and_a_background_are_used_and_named(
    shell: Shell, scan_file: Path, tmp_path: Path
) -> None:
    mask = np.ones((32, 32), bool)
    mask[:, 4] = False
    write_mask(tmp_path / "bad.tif", mask)
    told = facts(
        shell, scan_file, "--mask", tmp_path / "bad.tif", "--background", "0.5",
        "--saturation", "1e9",
    )  # fmt: skip
    assert told["masked_pixels"] == 32
    assert told["datasets"]["mask"] == str(tmp_path / "bad.tif")
    assert told["datasets"]["background"] == "0.5 counts"


@pytest.mark.parametrize(
    "wrong", [["--crop", "wide"], ["--crop", "4"], ["--binning", "0"], ["--background", "-3"]]
)
def test_what_no_detector_has_is_wrong_usage(
    shell: Shell, scan_file: Path, wrong: list[str]
) -> None:
    assert shell("info", scan_file, *wrong).code == 2


def test_a_mask_that_is_not_there_is_one_line(shell: Shell, scan_file: Path) -> None:
    ran = shell("info", scan_file, "--mask", "none.npy")
    assert ran.code == 1
    assert len(ran.err.strip().splitlines()) == 1
    assert "none.npy" in ran.err
