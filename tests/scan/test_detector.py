"""Blind, masked, dark and saturated pixels of whole files; crop and binning of scans."""

import h5py
import numpy as np
import pytest
from scan_world import write_cxi

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.scan.mask import unmasked_patterns, unmeasured_pixels, with_mask
from napari_ptychonn.scan.mask_files import write_mask
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.patterns import ArrayPatterns

DETECTOR = "entry_1/instrument_1/detector_1"
DATA = f"{DETECTOR}/data"
BLIND = (slice(9, 11), slice(None))


@pytest.fixture
def path(tmp_path, world):
    return write_cxi(tmp_path / "scan.cxi", world)


def put(path, name, value):
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
        file[name] = value


def said(scan):
    return " | ".join(scan.provenance.assumptions)


@pytest.mark.parametrize(
    ("dtype", "flag"), [(np.int32, -1), (np.int32, -2), (np.float32, -1), (np.float32, np.nan)]
)
def test_pixels_that_hold_a_flag_throughout_are_masked(path, world, dtype, flag):
    stack = world.patterns.astype(dtype)
    stack[:, *BLIND] = flag
    put(path, DATA, stack)
    scan = open_scan(path)
    assert not scan.mask[BLIND].any()
    assert "48 pixels that hold −1, −2 or NaN" in said(scan)
    read = scan.patterns.read(world.everything)
    np.testing.assert_array_equal(read, world.patterns * scan.mask)
    assert unmeasured_pixels(scan)[BLIND].all()


def test_a_flag_in_some_patterns_only_is_refused_and_a_mask_file_helps(path, world, tmp_path):
    stack = world.patterns.astype(np.int32)
    stack[3, 20, 5] = -1
    put(path, DATA, stack)
    with pytest.raises(ScanError, match="frame 3 of"):
        open_scan(path)
    mask = np.ones(world.size, bool)
    mask[20, 5] = False
    write_mask(tmp_path / "mask.npy", mask)
    scan = open_scan(path, ScanOptions(mask_file=tmp_path / "mask.npy"))
    assert not scan.mask[20, 5]
    np.testing.assert_array_equal(scan.patterns.read(world.everything), world.patterns * scan.mask)


def test_counts_stored_as_too_short_integers_are_still_refused(path, world):
    stack = world.patterns.astype(np.int32)
    stack[:, 14:18, 10:14] -= 65536
    put(path, DATA, stack)
    with pytest.raises(ScanError, match="negative"):
        open_scan(path)


def test_a_mask_file_replaces_the_search_but_not_what_the_file_marks(path, world, tmp_path):
    stack = world.patterns.copy()
    stack[:, 16, 12] = 0
    put(path, DATA, stack)
    assert not open_scan(path).mask[16, 12]
    write_mask(tmp_path / "mask.tif", np.ones(world.size, bool))
    scan = open_scan(path, ScanOptions(mask_file=tmp_path / "mask.tif"))
    assert scan.mask[16, 12]
    assert not scan.mask[0, 0]
    assert scan.provenance.datasets["mask"].endswith("mask.tif")


def test_a_mask_of_another_detector_names_both_shapes(path, tmp_path):
    write_mask(tmp_path / "mask.png", np.ones((8, 9), bool))
    with pytest.raises(ScanError, match=r"mask of \(8, 9\), but the patterns .* \(32, 24\)"):
        open_scan(path, ScanOptions(mask_file=tmp_path / "mask.png"))


def test_a_mask_file_is_in_pixels_of_the_detector_whatever_the_orientation(path, world, tmp_path):
    mask = np.ones(world.size, bool)
    mask[4, 20] = False
    write_mask(tmp_path / "mask.npy", mask)
    options = ScanOptions(mask_file=tmp_path / "mask.npy", orientation=4)
    assert not open_scan(path, options).mask[20, 4]


def test_a_constant_is_subtracted_and_nothing_becomes_negative(path, world):
    scan = open_scan(path, ScanOptions(background=3.0))
    expected = np.maximum(world.patterns - 3.0, 0) * scan.mask
    np.testing.assert_array_equal(scan.patterns.read(world.everything), expected)
    assert "subtracted from every pattern: 3 counts" in said(scan)


def test_dark_frames_of_the_scan_file_are_offered_and_subtracted_when_asked_for(path, world):
    dark = np.random.default_rng(0).poisson(4, (10, *world.size))
    put(path, f"{DETECTOR}/data_dark", dark)
    offered = f"--background /{DETECTOR}/data_dark"
    assert offered in said(open_scan(path))
    scan = open_scan(path, ScanOptions(background=f"/{DETECTOR}/data_dark"))
    assert offered not in said(scan)
    assert "mean of 10 frames" in scan.provenance.datasets["background"]
    expected = np.maximum(world.patterns - dark.mean(0).astype(np.float32), 0) * scan.mask
    np.testing.assert_allclose(scan.patterns.read(world.everything), expected, rtol=1e-5)


def test_a_background_is_turned_with_the_patterns(path, world, tmp_path):
    dark = np.random.default_rng(1).integers(0, 5, world.size).astype(np.float32)
    dark[7, 7] = np.nan
    np.save(tmp_path / "dark.npy", dark)
    options = ScanOptions(background=str(tmp_path / "dark.npy"), orientation=4)
    scan = open_scan(path, options)
    expected = np.maximum(world.patterns - np.nan_to_num(dark), 0).swapaxes(1, 2) * scan.mask
    np.testing.assert_array_equal(scan.patterns.read(world.everything), expected)
    assert not scan.mask[7, 7]


def test_a_background_that_does_not_fit_names_both_shapes(path, tmp_path):
    np.save(tmp_path / "dark.npy", np.zeros((5, 5)))
    with pytest.raises(ScanError, match=r"\(5, 5\), patterns are \(32, 24\)"):
        open_scan(path, ScanOptions(background=tmp_path / "dark.npy"))


def test_pixels_saturated_in_many_patterns_are_masked_and_in_few_kept(path, world):
    stack = world.patterns.copy()
    stack[::2, 16, 12] = 65535
    stack[4, 16, 14] = 65535
    put(path, DATA, stack)
    scan = open_scan(path)
    assert not scan.mask[16, 12]
    assert scan.mask[16, 14]
    assert "1 saturated pixel found" in said(scan)
    assert "1 more pixel is saturated in some patterns and is kept" in said(scan)


def test_a_recorded_and_a_given_saturation_are_used(path, world):
    peak = int(world.patterns.max(0)[16, 12])
    bright = (world.patterns >= peak // 2).mean(0) > 0.1
    put(path, f"{DETECTOR}/saturation_value", peak // 2)
    recorded = open_scan(path)
    assert f"saturated from {peak // 2} counts on" in said(recorded)
    given = open_scan(path, ScanOptions(saturation=peak // 2))
    for scan in (recorded, given):
        assert bright.any()
        assert not scan.mask[bright].any()


def test_cropping_makes_the_object_pixel_larger_and_keeps_positions(path, world):
    whole, cut = open_scan(path), open_scan(path, ScanOptions(crop=(16, 16)))
    assert cut.pattern_shape == (16, 16)
    np.testing.assert_allclose(cut.pixel_m, (2 * whole.pixel_m[0], 1.5 * whole.pixel_m[1]))
    np.testing.assert_array_equal(cut.positions, whole.positions)
    window = world.patterns[:, 8:24, 4:20] * cut.mask
    np.testing.assert_array_equal(cut.patterns.read(world.everything), window)


def test_a_crop_that_is_larger_than_the_detector_is_refused(path):
    with pytest.raises(ScanError, match="larger than 32 × 24"):
        open_scan(path, ScanOptions(crop=(64, 16)))


def test_binning_keeps_the_object_pixel_and_the_counts(path, world):
    whole, binned = open_scan(path), open_scan(path, ScanOptions(crop=(32, 16), binning=2))
    assert binned.pattern_shape == (16, 8)
    assert binned.pixel_m[0] == pytest.approx(whole.pixel_m[0])
    assert binned.geometry.detector_pixel_m[0] == 2 * whole.geometry.detector_pixel_m[0]
    assert binned.geometry.object_pixel_m((16, 8)) == pytest.approx(binned.pixel_m)
    squares = world.patterns[:, :, 4:20].reshape(-1, 16, 2, 8, 2).sum((2, 4))
    np.testing.assert_array_equal(binned.patterns.read(world.everything), squares * binned.mask)
    assert binned.probe.shape[1:] == (16, 8)


def test_a_bin_with_a_bad_pixel_is_bad(path):
    binned = open_scan(path, ScanOptions(binning=2))
    assert not binned.mask[0, 0]


def test_a_changed_mask_can_be_changed_back_but_not_where_there_are_no_counts(path, world):
    stack = world.patterns.copy()
    stack[:, 5, 5] = 3000
    put(path, DATA, stack)
    scan = open_scan(path)
    assert not scan.mask[5, 5]
    opened = with_mask(scan, np.ones(world.size, bool))
    assert opened.mask[5, 5]
    assert not opened.mask[0, 0]
    np.testing.assert_array_equal(opened.patterns.read(np.array([2]))[0, 5, 5], 3000)
    closed = with_mask(opened, scan.mask)
    np.testing.assert_array_equal(closed.mask, scan.mask)
    np.testing.assert_array_equal(
        closed.patterns.read(world.everything), scan.patterns.read(world.everything)
    )
    changed = [note for note in closed.provenance.assumptions if "by hand" in note]
    assert len(changed) == 1


def test_padding_and_cropping_keep_the_mask_changeable(path, world):
    stack = world.patterns.copy()
    stack[:, 22, 18] = 60_000
    put(path, DATA, stack)
    scan = open_scan(path, ScanOptions(crop=(20, 20)))
    assert scan.pattern_shape == (24, 24)
    opened = with_mask(scan, np.ones((24, 24), bool))
    # Two pixels of padding all around, and the hot pixel brought back.
    assert opened.mask.sum() == 400
    row, column = 22 - 6 + 2, 18 - 2 + 2
    assert not scan.mask[row, column]
    assert unmasked_patterns(opened).read(np.array([0]))[0, row, column] == 60_000


def test_a_scan_in_memory_keeps_its_blind_pixels(path, world):
    scan = open_scan(path)
    from dataclasses import replace

    plain = replace(scan, patterns=ArrayPatterns(world.patterns * scan.mask))
    assert not with_mask(plain, np.ones(world.size, bool)).mask[0, 0]


@pytest.mark.parametrize("mask", [np.ones((3, 3), bool), np.zeros((32, 24), bool)])
def test_masks_that_no_scan_can_have_are_refused(path, mask):
    with pytest.raises(ScanError, match="mask"):
        with_mask(open_scan(path), mask)


@pytest.mark.parametrize(
    "wrong", [{"background": -1.0}, {"saturation": 0.0}, {"crop": (4, 64)}, {"binning": 0}]
)
def test_options_that_no_detector_could_have(wrong):
    with pytest.raises(SettingsError):
        ScanOptions(**wrong)


def test_too_much_binning_is_refused(path):
    with pytest.raises(ScanError, match="bin less"):
        open_scan(path, ScanOptions(binning=4))
