"""``convert``: what is written, what is said, and refusals."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.results.open import open_result

Shell = Callable[..., Any]


@pytest.mark.parametrize(
    ("name", "options", "files"),
    [
        ("out.cxi", (), {"out.cxi"}),
        ("out.h5", ("--to", "cxi"), {"out.h5"}),
        ("run_dp.hdf5", (), {"run_dp.hdf5", "run_para.hdf5"}),
        ("run_para.hdf5", (), {"run_dp.hdf5", "run_para.hdf5"}),
        ("run.h5", ("--to", "ptychi"), {"run_dp.h5", "run_para.h5"}),
    ],
)
def test_a_scan_is_written_and_opens_again(
    shell: Shell,
    scan_file: Path,
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
    files: set[str],
) -> None:
    ran = shell("convert", scan_file, "-o", tmp_path / name, *options)
    assert ran.code == 0, ran.err
    assert {path.name for path in tmp_path.iterdir()} == files
    for file in files:
        assert str(tmp_path / file) in ran.out
    assert "49 patterns of 32 × 32" in ran.out
    before, after = open_scan(scan_file), open_scan(tmp_path / sorted(files)[0])
    numbers = np.arange(49)
    np.testing.assert_array_equal(after.patterns.read(numbers), before.patterns.read(numbers))
    np.testing.assert_allclose(
        np.diff(after.positions, axis=0), np.diff(before.positions, axis=0), atol=1e-13
    )


def test_a_product_of_a_scan_and_one_of_that_product(
    shell: Shell, scan_file: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "product.h5", tmp_path / "again.h5"
    ran = shell("convert", scan_file, "-o", first)
    assert ran.code == 0, ran.err
    assert "49 positions, probe" in ran.out
    ran = shell("convert", first, "-o", second)
    assert ran.code == 0, ran.err
    assert "nothing was reconstructed" in ran.out
    assert open_result(second).is_start
    refused = shell("convert", first, "-o", tmp_path / "out.cxi", "--to", "cxi")
    assert refused.code == 1
    assert "without patterns" in refused.err


def test_a_pynx_result_lies_where_scans_have_patterns_and_is_still_a_result(
    shell: Shell, tmp_path: Path
) -> None:
    sample = np.exp(1j * np.arange(12.0).reshape(1, 3, 4)).astype(np.complex64)
    with h5py.File(tmp_path / "result.cxi", "w") as file:
        file["entry_1/object/data"] = sample
        file["entry_1/object/x_pixel_size"] = file["entry_1/object/y_pixel_size"] = 1e-8
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/object/data")
    ran = shell("convert", tmp_path / "result.cxi", "-o", tmp_path / "o.h5", "--to", "product")
    assert ran.code == 0, ran.err
    np.testing.assert_array_equal(open_result(tmp_path / "o.h5").object, sample[0])


def test_options_of_the_scan_are_heard(shell: Shell, scan_file: Path, tmp_path: Path) -> None:
    ran = shell("convert", scan_file, "-o", tmp_path / "o.cxi", "--distance-m", 3, "-q")
    assert ran == (0, "", "")
    geometry = open_scan(tmp_path / "o.cxi").geometry
    assert geometry is not None
    assert geometry.distance_m == 3


@pytest.mark.parametrize("wrong", [("out.h5",), ("out.cxi", "--to", "matlab")])
def test_what_to_write_must_be_known(
    shell: Shell, scan_file: Path, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    ran = shell("convert", scan_file, "-o", tmp_path / wrong[0], *wrong[1:])
    assert ran.code == 2
    assert "product" in ran.err
    assert not list(tmp_path.iterdir())


def test_the_scan_is_never_overwritten(shell: Shell, scan_file: Path, tmp_path: Path) -> None:
    pair = tmp_path / "run_dp.hdf5"
    assert shell("convert", scan_file, "-o", pair, "-q").code == 0
    for source, output in ((scan_file, scan_file), (pair, tmp_path / "run_para.hdf5")):
        before = output.read_bytes()
        ran = shell(
            "convert", source, "-o", output, "--to", "cxi" if output is source else "ptychi"
        )
        assert ran.code == 2
        assert output.read_bytes() == before


@pytest.mark.parametrize("name", ["out.cxi", "run_dp.hdf5", "run_para.hdf5"])
def test_the_name_of_what_a_result_cannot_be_is_refused(
    shell: Shell, scan_file: Path, tmp_path: Path, name: str
) -> None:
    result = tmp_path / "product.h5"
    assert shell("convert", scan_file, "-o", result, "-q").code == 0
    ran = shell("convert", result, "-o", tmp_path / name)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert "without patterns" in ran.err
    assert list(tmp_path.iterdir()) == [result]
    assert shell("convert", result, "-o", tmp_path / name, "--to", "product").code == 0


@pytest.mark.parametrize("options", [(), ("--to", "product"), ("--to", "ptychi")])
def test_hdf5_is_not_written_under_the_name_of_another_kind(
    shell: Shell, scan_file: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    ran = shell("convert", scan_file, "-o", tmp_path / "product.npz", *options)
    assert ran.code == 2
    assert "HDF5 is written" in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.cxi", "run_dp.hdf5", "product.h5"])
def test_what_cannot_be_written_is_refused_before_the_work(
    shell: Shell, scan_file: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ptychonn.commands import convert

    monkeypatch.setattr(convert, "open_oriented", lambda *_, **__: pytest.fail("it worked"))
    (tmp_path / "file").touch()
    ran = shell("convert", scan_file, "-o", tmp_path / "file" / name)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert "is not a folder (choose a folder" in ran.err


def test_a_missing_folder_is_made(shell: Shell, scan_file: Path, tmp_path: Path) -> None:
    ran = shell("convert", scan_file, "-o", tmp_path / "new" / "er" / "out.cxi", "-q")
    assert ran == (0, "", "")
    assert open_scan(tmp_path / "new" / "er" / "out.cxi").n_points == 49


def test_a_product_says_nothing_of_the_patterns(
    shell: Shell, scan_file: Path, tmp_path: Path
) -> None:
    said = "patterns are transposed"
    asked = ("convert", scan_file, "--orientation", 4, "-o")
    assert said in shell(*asked, tmp_path / "out.cxi").out
    assert said not in shell(*asked, tmp_path / "product.h5").out


def test_a_file_that_is_no_scan_ends_with_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "note.h5").write_text("no scan")
    ran = shell("convert", tmp_path / "note.h5", "-o", tmp_path / "out.cxi")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "note.h5" in ran.err


def test_a_stopped_conversion_leaves_nothing(
    shell: Shell, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ptychonn.scan.export import counts

    def fits(*_: object) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return True

    monkeypatch.setattr(counts, "_fits", fits)
    assert shell("convert", scan_file, "-o", tmp_path / "out.cxi").code == 130
    assert not list(tmp_path.iterdir())
