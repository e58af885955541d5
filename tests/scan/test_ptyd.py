"""ptypy's .ptyd files give the scan that was prepared, wherever their parts have gone."""

import shutil

import h5py
import numpy as np
import pytest
from scan_cxi_files import BAD, ptyd_meta, store, write_ptyd
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M, World

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions


def assert_same(scan, world, *, bad=(BAD,)):
    assert scan.provenance.format == "ptypy .ptyd"
    good = np.ones(world.size, bool)
    for pixel in bad:
        good[pixel] = False
    np.testing.assert_array_equal(scan.mask, good)
    order = np.random.default_rng(0).permutation(world.n)
    np.testing.assert_array_equal(scan.patterns.read(order), world.patterns[order] * good)
    np.testing.assert_array_equal(scan.positions, world.positions_m)
    np.testing.assert_allclose(scan.pixel_m, world.pixel_m)
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV)
    assert scan.geometry.distance_m == DISTANCE_M
    assert scan.geometry.detector_pixel_m == PITCH_M
    assert scan.probe is None


def said(scan):
    return " | ".join(scan.provenance.assumptions)


def change(path, name, value):
    with h5py.File(path, "a") as file:
        group, _, leaf = name.rpartition("/")
        del file[name]
        if value is not ...:
            store(file[group], leaf, value)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("chunks", [1, 3, 12])
def test_chunks_are_read_in_the_order_of_their_numbers(tmp_path, world, link, chunks):
    """Twelve chunks: as words, 10 and 11 would come before 2."""
    path = write_ptyd(tmp_path / "scan.ptyd", world, chunks=chunks, link=link)
    assert is_scan(path)
    scan = open_scan(path)
    assert_same(scan, world)
    assert scan.provenance.assumptions == ()


def test_parts_that_moved_with_their_file_are_found_beside_it(tmp_path, world):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    write_ptyd(before / "scan.ptyd", world, link=True)
    shutil.move(before, after)
    assert_same(open_scan(after / "scan.ptyd"), world)
    for file in sorted(after.iterdir()):
        file.rename(file.with_name(file.name.replace("scan", "renamed")))
    scan = open_scan(after / "renamed.ptyd")
    assert_same(scan, world)


@pytest.mark.parametrize("number", [0, 5, 11])
def test_a_missing_part_is_named_and_not_left_out(tmp_path, world, number):
    path = write_ptyd(tmp_path / "scan.ptyd", world, link=True)
    missing = path.with_name(f"scan.ptyd.part{number:03d}")
    missing.unlink()
    assert is_scan(path)
    with pytest.raises(ScanError, match=rf"{missing.name}, which is missing"):
        open_scan(path)
    missing.write_bytes(b"half a part")
    with pytest.raises(ScanError, match=missing.name):
        open_scan(path)


def test_weights_are_the_mask_and_may_be_missing_or_empty(tmp_path, world):
    one = write_ptyd(tmp_path / "a.ptyd", world, weights=...)
    assert_same(open_scan(one), world, bad=())
    empty = write_ptyd(tmp_path / "b.ptyd", world, weights=np.zeros(0))
    assert_same(open_scan(empty), world, bad=())
    for group, key in (("meta", "weight2d"), ("info", "weight2d")):
        with h5py.File(empty, "a") as file:
            weights = np.ones(world.size)
            weights[BAD] = 0
            store(file[group], key, weights)
        assert_same(open_scan(empty), world)
        change(empty, f"{group}/{key}", ...)


def test_weights_of_one_frame_that_was_dropped_do_not_mask_the_scan(tmp_path, world):
    path = write_ptyd(tmp_path / "scan.ptyd", world, chunks=2)
    with h5py.File(path, "a") as file:
        weights = file["chunks/1/weights"]
        weights[0] = False
        weights[1, 0, 0] = False
    scan = open_scan(path)
    assert_same(scan, world, bad=(BAD, (0, 0)))
    assert "chunks/1/weights differs from frame to frame" in said(scan)


def test_what_was_none_is_asked_for(tmp_path, world):
    nothing = {"energy": None, "distance": None, "psize": None, "center": None, "shape": None}
    path = write_ptyd(tmp_path / "scan.ptyd", world, meta=ptyd_meta(world, **nothing))
    with pytest.raises(ScanError, match=r"energy, distance, detector pixel not recorded"):
        open_scan(path)
    told = ScanOptions(energy_ev=ENERGY_EV, distance_m=DISTANCE_M, detector_pixel_m=PITCH_M)
    assert_same(open_scan(path, told), world)


@pytest.mark.parametrize("value", [-1.0, np.nan, "high", np.ones(3), (1.0, 2.0)])
def test_settings_that_cannot_be_are_said_and_not_used(tmp_path, world, value):
    path = write_ptyd(tmp_path / "scan.ptyd", world, meta=ptyd_meta(world, energy=value))
    scan = open_scan(path, ScanOptions(energy_ev=ENERGY_EV))
    assert_same(scan, world)
    assert "the recorded energy" in said(scan)


def test_one_pixel_size_is_that_of_both_axes(tmp_path, world):
    path = write_ptyd(tmp_path / "scan.ptyd", world, meta=ptyd_meta(world, psize=PITCH_M[0]))
    assert open_scan(path).geometry.detector_pixel_m == (PITCH_M[0], PITCH_M[0])


@pytest.mark.parametrize("centre", [(15.6, 12.3), (16.5, 11.5), "fftshift", "geometric", 15.7])
def test_a_centre_in_the_middle_leaves_the_patterns_alone(tmp_path, world, centre):
    square = World(size=(32, 32)) if centre == 15.7 else world
    path = write_ptyd(tmp_path / "scan.ptyd", square, meta=ptyd_meta(square, center=centre))
    assert_same(open_scan(path), square)


def test_a_centre_elsewhere_is_brought_to_the_middle(tmp_path, world):
    """14.6 lies in the pixel around 15, counted from the middle of pixel 0."""
    meta = ptyd_meta(world, center=(14.6, 12.0))
    path = write_ptyd(tmp_path / "scan.ptyd", world, meta=meta, weights=...)
    scan = open_scan(path)
    frames = scan.patterns.read(np.arange(world.n))
    # 30 rows around row 15, padded to 32.
    np.testing.assert_array_equal(frames[:, 1:31], world.patterns[:, :30] * scan.mask[1:31])
    assert "beam centre" in said(scan)


@pytest.mark.parametrize("centre", [(0.0, 0.0), "fft"])
def test_a_centre_at_the_corner_moves_the_patterns(tmp_path, world, centre):
    shifted = np.fft.ifftshift(world.patterns, axes=(1, 2))
    path = write_ptyd(
        tmp_path / "scan.ptyd",
        world,
        chunks=1,
        data=shifted,
        weights=...,
        meta=ptyd_meta(world, center=centre),
    )
    assert_same(open_scan(path), world, bad=())


def test_near_field_and_unfinished_files_say_so(tmp_path, world):
    path = write_ptyd(tmp_path / "scan.ptyd", world, meta=ptyd_meta(world, num_frames=100))
    scan = open_scan(path)
    assert scan.near_field is None
    assert "100 frames were to be prepared and 20 are in the file" in said(scan)
    change(path, "info/propagation", "nearfield")
    assert "propagation = nearfield" in open_scan(path).near_field


def test_a_scan_without_positions_takes_them_from_elsewhere(tmp_path, world):
    path = write_ptyd(tmp_path / "scan.ptyd", world, chunks=2, positions=[None] * 10)
    with pytest.raises(ScanError, match="positions: there are none in the file"):
        open_scan(path)
    beside = tmp_path / "positions.npy"
    np.save(beside, world.positions_m)
    scan = open_scan(path, ScanOptions(positions_file=beside, positions_unit="m"))
    assert_same(scan, world)


def test_one_chunk_can_be_chosen_and_keeps_its_positions(tmp_path, world):
    path = write_ptyd(tmp_path / "scan.ptyd", world, chunks=2)
    scan = open_scan(path, ScanOptions(datasets={"patterns": "/chunks/1/data"}))
    np.testing.assert_array_equal(scan.positions, world.positions_m[10:])
    np.testing.assert_array_equal(
        scan.patterns.read(np.arange(10)), world.patterns[10:] * scan.mask
    )
    assert scan.provenance.datasets["positions"] == "/chunks/1/positions"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chunks/1/positions", np.ones((3, 2))),
        ("chunks/1/positions", ...),
        ("chunks/1/positions", np.ones(10)),
        ("chunks/1/positions", "lost"),
        ("chunks/1/data", ...),
        ("chunks/1/data", None),
        ("chunks/1/data", "lost"),
        ("chunks/1/data", {}),
        ("chunks/1/data", np.ones((10, 5, 5))),
        ("chunks/1/data", np.full((10, 32, 24), -1)),
        ("chunks/1/weights", np.ones((10, 5, 5))),
        ("chunks/1/weights", np.full((10, 32, 24), "w", "S1")),
        ("chunks/1", 3.0),
    ],
)
def test_what_is_not_what_it_must_be_is_a_scan_error(tmp_path, world, name, value):
    path = write_ptyd(tmp_path / "scan.ptyd", world, chunks=2)
    change(path, name, value)
    with pytest.raises(ScanError):
        open_scan(path)


def test_results_of_ptypy_are_no_scan(tmp_path, world):
    path = tmp_path / "result.ptyr"
    with h5py.File(path, "w") as file:
        store(file, "content", {"obj": {"SMFG00": {"data": np.ones((1, 8, 8), complex)}}})
    assert not is_scan(path)
