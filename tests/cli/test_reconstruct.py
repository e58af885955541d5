"""``reconstruct``: the result, the summary, refusals in one line, and being stopped."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ptychonn.cli import main
from napari_ptychonn.reconstruction import job
from napari_ptychonn.reconstruction.events import Snapshot
from napari_ptychonn.reconstruction.product import load

QUICK = ("--sweeps", 0, "--passes", 1, "--device", "cpu")
Shell = Callable[..., Any]


def test_a_scan_becomes_a_result_file_and_a_summary(
    shell: Shell, scan_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "result.h5"
    ran = shell("reconstruct", scan_file, "-o", output, *QUICK, "--fraction", 0.5)
    assert ran.code == 0
    result = load(output)
    assert result.settings.fraction == 0.5
    assert result.geometry is not None
    # Every second point of 49, give or take the one that evenness costs.
    assert len(result.indices) in (24, 25)
    assert f"misfit    {result.report.misfit:.4f}" in ran.out
    assert "patterns/s" in ran.out
    assert "1 pass, 0 probe rounds, 0 sweeps" in ran.out
    assert f"saved     {output}" in ran.out


def test_pictures_lie_beside_the_result(shell: Shell, scan_file: Path, tmp_path: Path) -> None:
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", *QUICK, "--pictures", "-q")
    assert ran == (0, "", "")
    names = {"r.h5"} | {
        f"r_{channel}.{kind}" for channel in ("amplitude", "phase") for kind in ("png", "tiff")
    }
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.fixture(scope="module")
def first_result(scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the scan after one pass."""
    path = tmp_path_factory.mktemp("first") / "first.h5"
    assert main(["reconstruct", str(scan_file), "-o", str(path), *map(str, QUICK), "-q"]) == 0
    return path


def test_a_result_is_gone_on_from_and_named(
    shell: Shell, scan_file: Path, first_result: Path, tmp_path: Path
) -> None:
    output = tmp_path / "second.h5"
    ran = shell(
        "reconstruct", scan_file, "-o", output, "--start", first_result,
        "--passes", 0, "--sweeps", 3, "--device", "cpu",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    report = load(output).report
    assert (report.passes, report.sweeps) == (0, 3)
    assert report.misfit < load(first_result).report.misfit
    assert report.start is not None
    assert report.start.source == str(first_result)
    assert f"start     {first_result} (napari-ptychonn), covers 100%" in ran.out
    assert f"Starts from {first_result} (napari-ptychonn)." in ran.err


def test_what_convert_wrote_is_a_start(
    shell: Shell, scan_file: Path, first_result: Path, tmp_path: Path
) -> None:
    """A product has the object; a pair made of a scan has a flat one; a CXI of patterns none."""
    product, pair, cxi = (tmp_path / name for name in ("product.h5", "run_dp.h5", "scan.cxi"))
    assert shell("convert", first_result, "-o", product, "-q").code == 0
    assert shell("convert", scan_file, "-o", pair, "-q").code == 0
    options = ("--passes", 0, "--sweeps", 1, "--device", "cpu", "-q")
    misfits = []
    for start in (first_result, product, tmp_path / "run_para.h5"):
        output = tmp_path / f"from_{start.name}"
        ran = shell("reconstruct", scan_file, "-o", output, "--start", start, *options)
        assert ran == (0, "", "")
        misfits.append(load(output).report.misfit)
    # The way through the product rounds.
    assert misfits[1] == pytest.approx(misfits[0], rel=1e-3)
    assert misfits[2] > 1.2 * misfits[0]
    messages = load(tmp_path / "from_run_para.h5").report.messages
    assert "Start: the object is flat, to start from: nothing was reconstructed." in messages
    assert shell("convert", pair, "-o", cxi, "-q").code == 0
    refused_in_one_line(
        shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", "--start", cxi, *options),
        "no reconstructed object",
    )


def test_an_object_of_a_cxi_file_is_a_start(
    shell: Shell, scan_file: Path, first_result: Path, tmp_path: Path
) -> None:
    first, path = load(first_result), tmp_path / "object.cxi"
    (height, width), (y, x) = first.object.shape, first.pixel
    with h5py.File(path, "w") as file:
        image = file.create_group("entry_1/object")
        # As PyNX does: upside down, y upwards.
        image["data"] = np.where(np.isfinite(first.object), first.object, 1)[::-1]
        image["y_pixel_size"], image["x_pixel_size"] = y, x
        image["row_coords"] = first.corner[0] + y * np.arange(height)[::-1]
        image["col_coords"] = first.corner[1] + x * np.arange(width)
    judged = ("--passes", 0, "--sweeps", 0, "--device", "cpu")
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", "--start", path, *judged)
    assert ran.code == 0, ran.err
    assert "its coordinates are taken as those of the scan" in ran.err
    # Nothing but a factor was done to it.
    assert load(tmp_path / "r.h5").report.misfit == pytest.approx(first.report.misfit, rel=0.05)


def test_a_start_that_lies_elsewhere_gets_one_line(
    shell: Shell, scan_file: Path, first_result: Path, tmp_path: Path
) -> None:
    far = tmp_path / "far.h5"
    shutil.copy(first_result, far)
    with h5py.File(far, "r+") as file:
        file["object"].attrs["center_y_m"] = 1.0
        for axis in "yx":
            del file[f"probe_position_{axis}_m"]
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", "--start", far, "-q")
    refused_in_one_line(ran, "do not overlap")
    assert str(far) in ran.err
    assert not (tmp_path / "r.h5").exists()


def test_a_start_that_is_no_result_gets_one_line(
    shell: Shell, scan_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "note.h5").write_text("no result")
    for start in (tmp_path / "note.h5", tmp_path / "missing.h5"):
        ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", "--start", start)
        refused_in_one_line(ran, start.name)
        assert f"{start}: result: " in ran.err
    refused_in_one_line(
        shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", "--start", tmp_path),
        f"{tmp_path}: result: it is a folder",
    )


@pytest.mark.parametrize("option", ["probe", "positions", "mask"])
def test_a_side_file_that_is_missing_or_foreign_is_called_what_it_is(
    shell: Shell, scan_file: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "note.h5").write_text("nothing")
    for file in (tmp_path / "note.h5", tmp_path / "missing.h5"):
        ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", f"--{option}", file)
        refused_in_one_line(ran, f"{file}: {option}: ")


@pytest.mark.parametrize("option", [None, "--start", "--probe", "--positions", "--mask"])
def test_a_file_without_permission_gets_one_line(
    shell: Shell,
    scan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
) -> None:
    closed = tmp_path / "closed.h5"
    shutil.copy(scan_file, closed)
    allowed, opened = os.access, Path.open

    def access(path: Any, mode: int, **more: Any) -> bool:
        return Path(os.fsdecode(path)) != closed and allowed(path, mode, **more)

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **more)

    # Root may read everything: the two are what a command would meet.
    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(Path, "open", refuse)
    asked = (closed,) if option is None else (scan_file, option, closed)
    ran = shell("reconstruct", *asked, "-o", tmp_path / "r.h5")
    refused_in_one_line(ran, "cannot be read: Permission denied")


@pytest.fixture
def stopped_at_first_picture(monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """Send this process the signal once the first picture is there."""
    real = job.reconstruct_events

    def events(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        sent = False
        for event in real(*arguments, **keywords):
            yield event
            if isinstance(event, Snapshot) and not sent:
                sent = True
                os.kill(os.getpid(), request.param)

    monkeypatch.setattr(job, "reconstruct_events", events)


@pytest.mark.parametrize("stopped_at_first_picture", [signal.SIGINT, signal.SIGTERM], indirect=True)
@pytest.mark.usefixtures("stopped_at_first_picture")
def test_a_stopped_job_is_kept_marked_and_exits_with_130(
    shell: Shell, scan_file: Path, tmp_path: Path
) -> None:
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", *QUICK)
    assert ran.code == 130
    assert "STOPPED EARLY" in ran.out
    result = load(tmp_path / "r.h5")
    assert result.report.stopped
    assert np.isfinite(result.object).any()
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["ptychonn"].attrs["stopped"]


def test_a_job_stopped_before_its_first_picture_writes_nothing(
    shell: Shell, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = job.reconstruct_events

    def events(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        os.kill(os.getpid(), signal.SIGINT)
        yield from real(*arguments, **keywords)

    monkeypatch.setattr(job, "reconstruct_events", events)
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", *QUICK)
    assert (ran.code, ran.out) == (130, "")
    assert "nothing was written" in ran.err
    assert not list(tmp_path.iterdir())


def test_the_second_signal_gives_up_at_once(
    shell: Shell, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def events(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        yield Snapshot(np.ones((2, 2), np.complex64), (0.0, 0.0), "pass 1")
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the job went on")

    monkeypatch.setattr(job, "reconstruct_events", events)
    before = signal.getsignal(signal.SIGINT)
    assert shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", *QUICK).code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_scan_gets_one_line(shell: Shell, tmp_path: Path) -> None:
    text = tmp_path / "scan.h5"
    text.write_text("not a scan")
    refused_in_one_line(shell("reconstruct", text, "-o", tmp_path / "r.h5"), "scan.h5")
    assert list(tmp_path.iterdir()) == [text]


def test_a_truncated_file_gets_one_line(shell: Shell, scan_file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.cxi"
    cut.write_bytes(scan_file.read_bytes()[:20_000])
    refused_in_one_line(shell("reconstruct", cut, "-o", tmp_path / "r.h5"), "truncated")
    assert list(tmp_path.iterdir()) == [cut]


def test_an_unknown_network_gets_one_line(shell: Shell, scan_file: Path, tmp_path: Path) -> None:
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", "--network", "none-such")
    refused_in_one_line(ran, "none-such")
    assert not list(tmp_path.iterdir())


def test_an_impossible_output_is_refused_before_the_work(
    shell: Shell, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "reconstruct_events", lambda *_, **__: pytest.fail("it worked"))
    refused_in_one_line(shell("reconstruct", scan_file, "-o", tmp_path), str(tmp_path))


@pytest.mark.data
def test_a_near_field_scan_is_refused_with_the_reason(
    shell: Shell, shared_data: Path, tmp_path: Path
) -> None:
    scan = shared_data / "near_field_cxi" / "PETRAIII_P25_Near_Field_Ptycho.cxi"
    if not scan.is_file():
        pytest.skip(f"no measured data: {scan} is missing")
    refused_in_one_line(shell("reconstruct", scan, "-o", tmp_path / "r.h5"), "near-field")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["reconstruct", "simulate"])
def test_hdf5_is_not_written_under_the_name_of_another_kind(
    shell: Shell, scan_file: Path, tmp_path: Path, command: str
) -> None:
    scan = (scan_file,) if command == "reconstruct" else ()
    ran = shell(command, *scan, "-o", tmp_path / "object.tiff")
    assert ran.code == 2
    assert "HDF5 is written" in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--fraction", 2), "fraction"),
        (("--sweeps", "many"), "auto"),
        (("--passes", "0"), "passes"),
        (("--passes", "many"), "auto"),
        (("--orientation", 9), "orientation"),
        (("--positions-unit", "inch"), "inch"),
        (("--dataset", "patterns"), "ROLE=PATH"),
        (("--dataset", "spam=/x"), "spam"),
        (("--energy-ev", -1), "energy_ev"),
        (("--no-such-option",), "--no-such-option"),
    ],
)
def test_a_wrong_option_exits_with_2(
    shell: Shell, scan_file: Path, tmp_path: Path, wrong: tuple[object, ...], said: str
) -> None:
    ran = shell("reconstruct", scan_file, "-o", tmp_path / "r.h5", *wrong)
    assert ran.code == 2
    assert said in ran.err


def test_neither_scan_nor_start_is_ever_overwritten(
    shell: Shell, scan_file: Path, first_result: Path
) -> None:
    kept = first_result.read_bytes()
    asked = ("reconstruct", scan_file, "-o", first_result, "--start", first_result, *QUICK)
    assert shell(*asked).code == 2
    assert first_result.read_bytes() == kept
    before = scan_file.read_bytes()
    assert shell("reconstruct", scan_file, "-o", scan_file, *QUICK).code == 2
    assert scan_file.read_bytes() == before


def refused_in_one_line(ran: Any, said: str) -> None:
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("Error: ")
    assert said in ran.err
