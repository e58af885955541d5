"""The npz layouts of PtychoPINN, PtychoNN and ptychodus give the scan that was written."""

import numpy as np
import pytest
from scan_npz_files import (
    write_ptychodus_patterns,
    write_ptychopinn,
    write_raster,
    write_reciprocal,
)
from scan_world import write_plain

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions


def frames(scan):
    return scan.patterns.read(np.arange(scan.n_points))


def said(scan):
    return " ".join(scan.provenance.assumptions)


def in_pixels(world):
    return ScanOptions(positions_unit="m", pixel_m=tuple(world.pixel_m))


# PtychoPINN


@pytest.mark.parametrize("name", ["diff3d", "diffraction"])
def test_whole_numbers_of_ptychopinn_are_counts(tmp_path, world, name):
    path = write_ptychopinn(tmp_path / "raw.npz", world, name=name)
    assert is_scan(path)
    scan = open_scan(path)
    assert scan.provenance.format == "PtychoPINN"
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    np.testing.assert_array_equal(scan.positions, world.positions_px)
    assert (scan.unit, scan.pixel_m) == ("px", None)
    np.testing.assert_array_equal(scan.probe[0], world.probe)
    assert scan.probe_is_guess
    assert "counts" in said(scan)


def test_amplitudes_of_ptychopinn_become_intensities(tmp_path, world):
    scale = 1e-3  # they are normalised
    amplitudes = np.sqrt(world.patterns * scale).astype(np.float32)
    path = write_ptychopinn(tmp_path / "train.npz", world, stack=amplitudes)
    scan = open_scan(path)
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    assert "squared" in said(scan)
    assert "photon scale is not recorded" in said(scan)
    assert "whole multiples of 0.001, which is taken as one photon" in said(scan)


def test_counts_that_ptychopinn_stores_as_floats_stay_counts(tmp_path, world):
    counts = world.patterns.astype(np.float32)
    scan = open_scan(write_ptychopinn(tmp_path / "ci.npz", world, stack=counts))
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)


@pytest.mark.parametrize("singleton", [False, True])
def test_points_on_the_last_axis_are_found_by_the_coordinates(tmp_path, world, singleton):
    stack = np.moveaxis(world.patterns, 0, -1)
    stack = stack[..., None] if singleton else stack
    path = write_ptychopinn(tmp_path / "lcls.npz", world, diff3d=stack)
    scan = open_scan(path)
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    assert "last axis" in said(scan)


def test_ptychopinn_without_coordinates_takes_other_positions(tmp_path, world):
    path = tmp_path / "bare.npz"
    np.savez(path, diff3d=world.patterns, probeGuess=world.probe)
    with pytest.raises(ScanError, match="--positions FILE"):
        open_scan(path)
    np.save(tmp_path / "p.npy", world.positions_px)
    options = ScanOptions(positions_file=tmp_path / "p.npy", positions_unit="px")
    np.testing.assert_array_equal(open_scan(path, options).positions, world.positions_px)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"xcoords": np.zeros(3)}, "xcoords has 3"),
        ({"xcoords": np.array(["a"] * 20)}, "real numbers are needed"),
        ({"diff3d": np.ones((20, 32, 24), complex)}, "counts are real numbers"),
        ({"diff3d": np.ones((20, 32, 24, 2))}, r"patterns are \(N, H, W\)"),
        ({"probeGuess": np.array("none")}, "probe"),
    ],
)
def test_what_is_wrong_in_a_ptychopinn_file_is_named(tmp_path, world, wrong, message):
    path = write_ptychopinn(tmp_path / "wrong.npz", world, **wrong)
    with pytest.raises(ScanError, match=message):
        open_scan(path)


# PtychoNN


def test_reciprocal_and_position_of_ptychonn_are_a_scan_in_metres(tmp_path, world):
    path = write_reciprocal(tmp_path / "test.npz", world)
    assert is_scan(path)
    scan = open_scan(path, in_pixels(world))
    assert scan.provenance.format == "PtychoNN npz"
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    np.testing.assert_allclose(scan.positions, world.positions_m)
    with pytest.raises(ScanError, match="object pixel is not known"):
        open_scan(path)


def test_counts_that_became_negative_in_ptychonn_files_are_unwrapped(tmp_path, world):
    wrapped = world.patterns.astype(np.int32)
    wrapped[3, 16, 12] = 40000 - 65536
    path = write_reciprocal(tmp_path / "wrapped.npz", world, patterns=wrapped)
    scan = open_scan(path, in_pixels(world))
    assert frames(scan)[3, 16, 12] == 40000
    assert "wrapped" in said(scan)


def test_a_raster_of_ptychonn_wants_its_step(tmp_path, world):
    path = write_raster(tmp_path / "raster.npz", world)
    assert is_scan(path)
    with pytest.raises(ScanError, match=r"4 × 5 points.*--raster 4,5,STEP"):
        open_scan(path)
    scan = open_scan(path, ScanOptions(raster=(4, 5, 4.0), positions_unit="px"))
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    np.testing.assert_array_equal(scan.positions, world.positions_px)
    assert "raster of 4 × 5" in said(scan)


def test_arrays_without_a_name_that_are_no_raster_are_left_alone(tmp_path):
    np.savez(tmp_path / "a.npz", np.ones((5, 40)))
    np.savez(tmp_path / "b.npz", np.ones((5, 5, 3, 3)))
    np.savez(tmp_path / "c.npz", np.ones((2, 2, 9, 9), complex))
    assert not any(is_scan(tmp_path / f"{name}.npz") for name in "abc")


@pytest.mark.parametrize("position", [np.zeros((20, 3)), np.zeros(20), np.array(["x"])])
def test_positions_of_ptychonn_must_be_pairs(tmp_path, world, position):
    path = tmp_path / "wrong.npz"
    np.savez(path, reciprocal=world.patterns, position=position)
    with pytest.raises(ScanError, match=r"position (has|holds)"):
        open_scan(path, in_pixels(world))


@pytest.mark.data
def test_the_published_test_data_of_ptychonn_open(shared_data):
    path = shared_data / "ptychonn_scan235" / "test235_truncated.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    scan = open_scan(path, ScanOptions(pixel_m=1e-8))
    assert (scan.n_points, scan.pattern_shape) == (20, (512, 512))
    assert scan.patterns.read(np.arange(2)).min() >= 0


# ptychodus


def write_product(path, world):
    y, x = world.positions_m.T
    return write_plain(path, probe_position_y_m=y, probe_position_x_m=x)


def test_ptychodus_patterns_take_positions_from_the_product(tmp_path, world):
    bad = np.zeros(world.size, bool)
    bad[3, 4] = True
    path = write_ptychodus_patterns(tmp_path / "patterns.npz", world, bad=bad)
    assert is_scan(path)
    with pytest.raises(ScanError, match=r"in the product.*--positions PRODUCT"):
        open_scan(path)
    product = write_product(tmp_path / "product.h5", world)
    scan = open_scan(path, ScanOptions(positions_file=product, pixel_m=tuple(world.pixel_m)))
    assert scan.provenance.format == "ptychodus patterns"
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    assert not scan.mask[3, 4]
    np.testing.assert_allclose(scan.positions, world.positions_m)


def test_ptychodus_patterns_are_read_in_the_order_of_their_numbers(tmp_path, world):
    order = np.random.default_rng(0).permutation(world.n)
    path = write_ptychodus_patterns(tmp_path / "patterns.npz", world, order=order)
    product = write_product(tmp_path / "product.h5", world)
    scan = open_scan(path, ScanOptions(positions_file=product, pixel_m=tuple(world.pixel_m)))
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
    assert "order of their numbers" in said(scan)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"indexes": np.arange(3)}, "indexes has 3 values"),
        ({"indexes": np.array(["a"])}, "real numbers are needed"),
        ({"bad_pixels": np.zeros((4, 4), bool)}, r"mask is \(4, 4\)"),
        ({"bad_pixels": np.zeros(4, bool)}, r"a mask is \(H, W\)"),
    ],
)
def test_what_is_wrong_in_a_ptychodus_file_is_named(tmp_path, world, arrays, message):
    path = tmp_path / "wrong.npz"
    np.savez(path, patterns=world.patterns, **arrays)
    with pytest.raises(ScanError, match=message):
        open_scan(path, ScanOptions(raster=(4, 5, 4.0), positions_unit="px"))


def test_ptychodus_itself_writes_and_reads_what_is_read_here(tmp_path, world):
    plugin = pytest.importorskip("ptychodus.plugins.npz_diffraction_file")
    io = plugin.NPZDiffractionFileIO()
    theirs = io.read(write_ptychodus_patterns(tmp_path / "by_hand.npz", world))
    io.write(tmp_path / "by_ptychodus.npz", theirs)
    options = ScanOptions(raster=(4, 5, 4.0), positions_unit="px")
    scan = open_scan(tmp_path / "by_ptychodus.npz", options)
    np.testing.assert_array_equal(frames(scan), world.patterns * scan.mask)
