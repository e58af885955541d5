"""No output is ever written over a file that is read, however the scan leads to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ptychonn.scan.inputs import files_behind, scan_files

Shell = Callable[..., Any]
DATA = "entry_1/instrument_1/detector_1/data"


@pytest.fixture
def folder(scan_file: Path, tmp_path: Path) -> Path:
    """A folder with the scan, and one named further.h5 that holds the patterns alone."""
    shutil.copy(scan_file, tmp_path / "scan.cxi")
    with h5py.File(scan_file) as file, h5py.File(tmp_path / "further.h5", "w") as further:
        further["frames"] = file[DATA][:]
    return tmp_path


def linked(folder: Path) -> None:
    with h5py.File(folder / "scan.cxi", "r+") as file:
        del file[DATA]
        file[DATA] = h5py.ExternalLink("between.h5", "/link")
    with h5py.File(folder / "between.h5", "w") as between:
        between["link"] = h5py.ExternalLink("further.h5", "/frames")


def virtual(folder: Path) -> None:
    with h5py.File(folder / "further.h5") as further:
        source = h5py.VirtualSource(further["frames"])
    layout = h5py.VirtualLayout(source.shape, source.dtype)
    layout[:] = h5py.VirtualSource("between.h5", "again", source.shape)
    again = h5py.VirtualLayout(source.shape, source.dtype)
    again[:] = h5py.VirtualSource("further.h5", "frames", source.shape)
    with h5py.File(folder / "between.h5", "w") as between:
        between.create_virtual_dataset("again", again)
    with h5py.File(folder / "scan.cxi", "r+") as file:
        del file[DATA]
        file.create_virtual_dataset(DATA, layout)


def numbered(folder: Path) -> None:
    os.link(folder / "further.h5", folder / "block_0.h5")
    with h5py.File(folder / "scan.cxi", "r+") as file:
        shape, kind = file[DATA].shape, file[DATA].id.get_type()
        group = file[DATA].parent
        del file[DATA]
        space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED, *shape[1:]))
        many = (h5py.h5s.UNLIMITED, 1, 1)
        space.select_hyperslab((0, 0, 0), many, stride=shape, block=shape)
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_virtual(space, b"block_%b.h5", b"frames", h5py.h5s.create_simple(shape))
        h5py.h5d.create(group.id, b"data", kind, space, dcpl=how)


@pytest.mark.parametrize("lead_on", [linked, virtual, numbered])
@pytest.mark.parametrize("command", ["convert", "reconstruct"])
def test_what_a_scan_leads_to_is_never_overwritten(
    shell: Shell, folder: Path, command: str, lead_on: Callable[[Path], None]
) -> None:
    lead_on(folder)
    before = (folder / "further.h5").read_bytes()
    to = ("--to", "cxi") if command == "convert" else ()
    ran = shell(command, folder / "scan.cxi", "-o", folder / "further.h5", *to)
    assert_refused(ran, "further.h5")
    assert (folder / "further.h5").read_bytes() == before


def test_raw_data_outside_of_hdf5_count(folder: Path) -> None:
    np.arange(6.0).tofile(folder / "raw.bin")
    with h5py.File(folder / "scan.cxi", "r+") as file:
        file.create_dataset("raw", (6,), "f8", external=[("raw.bin", 0, 48)])
    assert folder / "raw.bin" in set(scan_files(folder / "scan.cxi"))


def test_links_in_a_circle_end(folder: Path) -> None:
    files = [folder / f"{number}.h5" for number in range(3)]
    for file, target in zip(files, (*files[1:], files[0]), strict=True):
        with h5py.File(file, "w") as opened:
            opened["next"] = h5py.ExternalLink(target.name, "/")
            opened["group/up"] = opened["/"]
    assert set(files_behind(files[0], folder / "missing.h5")) == set(files)


@pytest.mark.parametrize("opened", ["dp", "para"])
def test_the_other_file_of_a_pair_stays(shell: Shell, folder: Path, opened: str) -> None:
    assert shell("convert", folder / "scan.cxi", "-o", folder / "run_dp.hdf5", "-q").code == 0
    other = folder / f"run_{'para' if opened == 'dp' else 'dp'}.hdf5"
    before = other.read_bytes()
    scan = folder / f"run_{opened}.hdf5"
    assert_refused(shell("convert", scan, "-o", other, "--to", "cxi"), other.name)
    assert_refused(shell("reconstruct", scan, "-o", other), other.name)
    assert other.read_bytes() == before


@pytest.mark.parametrize("option", ["--probe", "--positions", "--mask", "--background"])
@pytest.mark.parametrize("dataset", ["", ":/frames"])
def test_files_of_options_stay(shell: Shell, folder: Path, option: str, dataset: str) -> None:
    further = folder / "further.h5"
    before = further.read_bytes()
    asked = ("-o", further, option, f"{further}{dataset}")
    assert_refused(shell("convert", folder / "scan.cxi", *asked, "--to", "product"), "further.h5")
    assert_refused(shell("reconstruct", folder / "scan.cxi", *asked), "further.h5")
    assert further.read_bytes() == before


def test_neither_mask_nor_network_is_written_over(shell: Shell, folder: Path) -> None:
    mask, network = folder / "r_phase.png", folder / "net.safetensors"
    for file in (mask, network):
        file.write_text("it stays")
    asked = ("reconstruct", folder / "scan.cxi", "-o")
    assert_refused(shell(*asked, folder / "r.h5", "--pictures", "--mask", mask), "r_phase.png")
    assert_refused(shell(*asked, network, "--network", network), "net.safetensors")
    assert {mask.read_text(), network.read_text()} == {"it stays"}


def test_a_series_and_positions_beside_it_stay(folder: Path) -> None:
    for number in range(2):
        with h5py.File(folder / f"line_{number}.h5", "w") as file:
            file["entry/data/data"] = np.zeros((3, 8, 8), np.uint16)
    (folder / "line_0.csv").write_text("0,0")
    (folder / "line_7.h5").write_text("no frames")
    names = {file.name for file in scan_files(folder / "line_0.h5")}
    assert names == {"line_0.h5", "line_1.h5", "line_0.csv"}


def test_a_file_under_another_name_is_the_same_file(shell: Shell, folder: Path) -> None:
    (folder / "alias.h5").symlink_to("further.h5")
    linked(folder)
    ran = shell("convert", folder / "scan.cxi", "-o", folder / "alias.h5", "--to", "cxi")
    assert_refused(ran, "alias.h5")


def test_another_file_that_is_there_is_replaced(shell: Shell, folder: Path) -> None:
    linked(folder)
    (folder / "old.cxi").write_text("old")
    ran = shell("convert", folder / "scan.cxi", "-o", folder / "old.cxi", "-q")
    assert ran == (0, "", "")


def assert_refused(ran: Any, name: str) -> None:
    assert (ran.code, ran.out) == (2, "")
    # The error is set in a box, and broken where its lines end.
    words = "".join(ran.err.replace("│", " ").split())
    assert f"{name}isaninputitself" in words
