"""Patterns are read lazily, in any order, from any thread, and bad counts are named."""

import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_world import write_cxi, write_plain

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.patterns import ArrayPatterns, H5Patterns
from napari_ptychonn.scan.views import CroppedPatterns, MaskedPatterns, OrientedPatterns

STACK = np.random.default_rng(1).integers(0, 1000, (30, 8, 10)).astype(np.uint16)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("patterns") / "stack.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=STACK, chunks=(4, 8, 10), compression="gzip")
        file["raster"] = STACK.reshape(5, 6, 8, 10)
    return path


@given(st.lists(st.integers(0, 29), max_size=60), st.sampled_from(["data", "raster"]))
@settings(deadline=None, max_examples=40)
def test_any_order_with_repeats_reads_the_same_from_disk_as_from_memory(stored, wanted, dataset):
    indices = np.asarray(wanted, dtype=np.intp)
    frames = H5Patterns(stored, dataset).read(indices)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, STACK[indices])
    np.testing.assert_array_equal(ArrayPatterns(STACK).read(indices), frames)


def test_many_threads_read_through_one_source(stored):
    source = H5Patterns(stored, "data")
    random = np.random.default_rng(2)
    wanted = [random.integers(0, 30, 20) for _ in range(60)]
    with ThreadPoolExecutor(8) as pool:
        for indices, frames in zip(wanted, pool.map(source.read, wanted), strict=True):
            np.testing.assert_array_equal(frames, STACK[indices])


def test_a_source_can_be_pickled_and_holds_no_file_open(stored):
    source = H5Patterns(stored, "data")
    source.read(np.array([1]))
    with h5py.File(stored, "a") as file:  # fails where the file is still open to read
        file.attrs["note"] = "written meanwhile"
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(source.read(np.array([3])), copy.read(np.array([3])))


def test_a_pattern_that_is_not_there_is_an_index_error(stored):
    with pytest.raises(IndexError):
        H5Patterns(stored, "data").read(np.array([30]))


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "negative")]
)
def test_bad_counts_name_the_frame_and_the_dataset(tmp_path, value, words):
    stack = STACK.astype(np.float32)
    stack[17, 2, 3] = value
    path = write_plain(tmp_path / "bad.h5", data=stack)
    for source in (H5Patterns(path, "data"), ArrayPatterns(stack, path, "data")):
        with pytest.raises(ScanError, match=f"bad.h5.*frame 17 of data.*{words}") as caught:
            source.read(np.array([20, 17, 3]))
        assert caught.value.remedy
        source.read(np.array([16, 18]))


def test_pixels_that_the_file_marks_as_bad_may_hold_anything(tmp_path):
    stack = STACK.astype(np.float32)
    stack[:, 2, 3] = np.nan
    bad = np.zeros((8, 10), bool)
    bad[2, 3] = True
    path = write_plain(tmp_path / "gap.h5", data=stack)
    assert H5Patterns(path, "data", bad=bad).read(np.array([5]))[0, 2, 3] == 0
    assert ArrayPatterns(stack, bad=bad).read(np.array([5]))[0, 2, 3] == 0


@pytest.mark.parametrize("stack", [STACK[0], STACK[:0], STACK.astype(complex)])
def test_what_is_no_stack_of_counts_is_refused(stack):
    with pytest.raises(ScanError, match="patterns"):
        ArrayPatterns(stack)


def test_wrappers_bring_corner_patterns_to_the_convention():
    point = np.zeros((1, 6, 8), np.float32)
    point[0, 0, 0], point[0, 0, 1] = 5, 2
    turned = OrientedPatterns(ArrayPatterns(point), dc_at_corner=True, code=4)
    assert turned.shape == (1, 8, 6)
    frame = turned.read(np.array([0]))[0]
    assert frame[4, 3] == 5
    assert frame[5, 3] == 2
    cropped = CroppedPatterns(turned, (4, 8))
    assert cropped.read(np.array([0])).shape == (1, 4, 8) == (1, *cropped.shape[1:])
    assert cropped.read(np.array([0]))[0, 2, 4] == 5
    masked = MaskedPatterns(cropped, np.zeros((4, 8), bool))
    assert masked.read(np.array([0])).sum() == 0
    assert all(isinstance(s, PatternSource) for s in (turned, cropped, masked))


def test_cropping_around_a_given_centre_puts_it_at_the_middle():
    frame = np.arange(99.0).reshape(9, 11)
    cut = crop_or_pad(frame, (4, 4), centre=(1, 9))
    assert cut[2, 2] == frame[1, 9]
    assert cut[0].sum() == 0  # above the edge there is nothing
    assert crop_or_pad(frame, (9, 11)) is frame


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 30), st.integers(1, 30))
def test_padding_then_cropping_gives_the_same_back(height, width, more_y, more_x):
    frame = np.random.default_rng(0).random((height, width))
    padded = crop_or_pad(frame, (height + more_y, width + more_x))
    assert padded.sum() == pytest.approx(frame.sum())
    np.testing.assert_array_equal(crop_or_pad(padded, (height, width)), frame)


def test_opening_and_reading_a_long_scan_takes_no_memory_for_the_stack(tmp_path, world):
    path = tmp_path / "long.cxi"
    write_cxi(path, world)
    n = 4000
    with h5py.File(path, "a") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        del detector["data"], detector["mask"]
        del file["entry_1/sample_1/geometry_1/translation"]
        detector.create_dataset("data", (n, 128, 128), "u2", chunks=(1, 128, 128))
        for start in range(0, n, 400):
            detector["data"][start : start + 400] = 0
        detector["data"][::400] = 7
        grid = np.zeros((n, 3))
        grid[:, 0], grid[:, 1] = np.arange(n) % 50 * 1e-7, np.arange(n) // 50 * 1e-7
        file["entry_1/sample_1/geometry_1/translation"] = grid
        del file["entry_1/instrument_1/source_1/illumination"]
    tracemalloc.start()
    scan = open_scan(path)
    for start in range(0, n, 500):
        scan.patterns.read(np.arange(start, start + 10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The whole stack would be 262 MB as float32.
    assert peak < 30e6
