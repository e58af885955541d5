"""The result file: the contract, the way back, and what happens when it cannot be written."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import pytest

from napari_ptychonn.errors import OutputError, PtychonnError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.output import require_writable
from napari_ptychonn.reconstruction.product import load, save
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings, Region
from napari_ptychonn.scan.model import Geometry, Provenance

PIXEL = (8e-9, 5e-9)


@pytest.fixture
def result() -> Reconstruction:
    """Rows, columns, modes and pixels are all different, so that no mix-up stays hidden."""
    rng = np.random.default_rng(0)
    sample = (rng.normal(size=(40, 30)) + 1j * rng.normal(size=(40, 30))).astype(np.complex64)
    sample[:3] = np.nan
    probe = rng.normal(size=(2, 8, 16)) + 1j * rng.normal(size=(2, 8, 16))
    return Reconstruction(
        object=sample,
        pixel=PIXEL,
        unit="m",
        corner=(-1.1e-7, 3.3e-7),
        probe=probe.astype(np.complex64),
        positions=rng.normal(size=(7, 2)) * 1e-7,
        indices=np.array([0, 2, 3, 5, 8, 13, 21]),
        coverage=rng.random((40, 30)).astype(np.float32),
        disagreement=rng.random((40, 30)).astype(np.float32),
        misfit=rng.random(7).astype(np.float32),
        settings=ReconstructionSettings(
            fraction=0.5, sweeps=3, region=Region(((0.0, 0.0), (1e-7, 0.0), (0.0, 1e-7)))
        ),
        card=NetworkCard("some", "ptychonn-probe", metrics={"NRMSE": 0.1}, parents=("older",)),
        provenance=Provenance(
            Path("scan.cxi"), "CXI", MappingProxyType({"patterns": "/data"}), ("a guess",)
        ),
        report=RunReport(0.02, 1.5, 4.7, "CPU", 3, 2, 1, messages=("said — once",)),
        geometry=Geometry(1.4e-10, 2.0, (75e-6, 55e-6)),
    )


def test_what_was_saved_is_what_is_loaded(result: Reconstruction, tmp_path: Path) -> None:
    result.save(tmp_path / "result.h5")
    loaded = Reconstruction.load(tmp_path / "result.h5")
    for field in fields(Reconstruction):
        if field.name != "corner":
            assert_same(getattr(loaded, field.name), getattr(result, field.name))
    # The file holds the centre instead, and the way back rounds.
    np.testing.assert_allclose(loaded.corner, result.corner, rtol=0, atol=1e-9 * PIXEL[0])


def test_a_point_falls_on_the_right_pixel_by_the_peers_formula(
    result: Reconstruction, tmp_path: Path
) -> None:
    """px = (x − centre) / pixel + W / 2, for a point that stands on pixel [12, 7]."""
    y, x = result.corner[0] + 12 * PIXEL[0], result.corner[1] + 7 * PIXEL[1]
    save(replace(result, positions=np.array([[y, x]])), tmp_path / "result.h5")
    with h5py.File(tmp_path / "result.h5") as file:
        stored, attrs = file["object"], file["object"].attrs
        row = (file["probe_position_y_m"][0] - attrs["center_y_m"]) / attrs["pixel_height_m"]
        column = (file["probe_position_x_m"][0] - attrs["center_x_m"]) / attrs["pixel_width_m"]
        assert row + stored.shape[1] / 2 == pytest.approx(12, abs=1e-9)
        assert column + stored.shape[2] / 2 == pytest.approx(7, abs=1e-9)


def test_the_file_has_the_layout_of_the_contract(result: Reconstruction, tmp_path: Path) -> None:
    save(result, tmp_path / "result.h5")
    with h5py.File(tmp_path / "result.h5") as file:
        assert (file["object"].shape, file["object"].dtype) == ((1, 40, 30), np.complex64)
        assert (file["probe"].shape, file["probe"].dtype) == ((1, 2, 8, 16), np.complex64)
        assert file["probe"].attrs["pixel_width_m"] == PIXEL[1]
        assert file["probe_position_indexes"][()].tolist() == result.indices.tolist()
        assert file["loss_values"][()].tolist() == [0.02]
        assert file["object_layer_spacing_m"].shape == (0,)
        assert file.attrs["detector_object_distance_m"] == 2.0
        assert file.attrs["probe_energy_eV"] == pytest.approx(8856.01, abs=0.01)
        assert file.attrs["probe_photon_count"] == pytest.approx(np.sum(np.abs(result.probe) ** 2))
        assert set(file.attrs) >= {"name", "comments", "exposure_time_s", "tomography_angle_deg"}
        own = file["ptychonn"]
        assert set(own) >= {"misfit", "coverage", "disagreement", "settings", "card", "version"}
        assert own.attrs["unit"] == "m"
        assert json.loads(own["settings"].asstr()[()])["fraction"] == 0.5
        assert json.loads(own["card"].asstr()[()])["name"] == "some"


def test_a_scan_in_pixels_is_stored_with_pixels_of_one_metre(
    result: Reconstruction, tmp_path: Path
) -> None:
    in_pixels = replace(result, unit="px", pixel=(1.0, 1.0), corner=(-20.0, 4.0), geometry=None)
    save(in_pixels, tmp_path / "result.h5")
    with h5py.File(tmp_path / "result.h5") as file:
        assert file["object"].attrs["pixel_height_m"] == 1
        assert file["ptychonn"].attrs["unit"] == "px"
        assert file.attrs["probe_energy_eV"] == 0
    loaded = load(tmp_path / "result.h5")
    assert (loaded.unit, loaded.corner, loaded.geometry) == ("px", (-20.0, 4.0), None)


def test_an_unjudged_result_has_no_loss_and_still_strict_json(
    result: Reconstruction, tmp_path: Path
) -> None:
    unjudged = replace(result, report=replace(result.report, misfit=float("nan"), stopped=True))
    save(unjudged, tmp_path / "result.h5")
    with h5py.File(tmp_path / "result.h5") as file:
        assert file["loss_values"].shape == (0,)
        assert file["ptychonn"].attrs["stopped"]
        assert "stopped" in file.attrs["comments"]
        text = file["ptychonn/report"].asstr()[()]
    json.loads(text, parse_constant=pytest.fail)
    report = load(tmp_path / "result.h5").report
    assert np.isnan(report.misfit)
    assert report.stopped


def test_a_result_without_a_probe_comes_back_without_one(
    result: Reconstruction, tmp_path: Path
) -> None:
    save(replace(result, probe=result.probe[:0]), tmp_path / "result.h5")
    assert load(tmp_path / "result.h5").probe.shape == (0, 8, 16)


def test_a_full_disk_leaves_the_older_file_and_no_other(
    result: Reconstruction, tmp_path: Path
) -> None:
    path = tmp_path / "result.h5"
    save(result, path)
    before = path.read_bytes()
    large = replace(result, object=np.ones((400, 400), np.complex64))
    with at_most(200_000), pytest.raises(OutputError, match=r"result\.h5.*cannot be written"):
        save(large, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("check", [require_writable, None])
def test_a_path_below_a_file_is_refused_with_its_name(
    result: Reconstruction, tmp_path: Path, check: Any
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "result.h5"
    with pytest.raises(OutputError, match="file") as caught:
        check(path, "result") if check else save(result, path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("check", [require_writable, None])
def test_a_pipe_is_refused_and_a_link_is_followed(
    result: Reconstruction, tmp_path: Path, check: Any
) -> None:
    pipe, link, real = tmp_path / "pipe.h5", tmp_path / "link.h5", tmp_path / "real.h5"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="is a device or a pipe"):
        check(pipe, "result") if check else save(result, pipe)
    assert pipe.is_fifo()
    link.symlink_to(real)
    check(link, "result") if check else save(result, link)
    assert link.is_symlink()
    assert real.exists() is (check is None)


def test_a_missing_folder_is_made(result: Reconstruction, tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b" / "result.h5", "result")
    assert not (tmp_path / "a").exists()
    save(result, tmp_path / "a" / "b" / "result.h5")
    assert (tmp_path / "a" / "b" / "result.h5").is_file()


def test_a_file_of_somebody_else_is_refused_with_a_reason(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["object"] = np.ones((1, 4, 4), np.complex64)
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(PtychonnError, match="has no /ptychonn"):
        load(tmp_path / "other.h5")
    with pytest.raises(PtychonnError, match=r"text\.h5.*cannot be read"):
        load(tmp_path / "text.h5")
    with pytest.raises(PtychonnError, match="no such file"):
        load(tmp_path / "none.h5")


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_texts_that_hdf5_would_read_for_ever_are_an_error(
    result: Reconstruction, tmp_path: Path
) -> None:
    path = tmp_path / "result.h5"
    save(result, path)
    data = bytearray(path.read_bytes())
    # The first object of each collection of texts becomes a free one of no length.
    start, count = data.find(b"GCOL"), 0
    while start >= 0:
        data[start + 16 : start + 32] = bytes(16)
        start, count = data.find(b"GCOL", start + 4), count + 1
    assert count
    path.write_bytes(data)
    with pytest.raises(PtychonnError, match=r"result\.h5.*cannot be read"):
        load(path)
