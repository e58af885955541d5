"""What is read for the statistics is bounded, whatever the size and the type of the frames."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_ptychonn.scan import frame_statistics
from napari_ptychonn.scan.blind import blind_pixels
from napari_ptychonn.scan.frame_statistics import pattern_statistics
from napari_ptychonn.scan.patterns import H5Patterns


class Counted(H5Patterns):
    """Patterns that know how many bytes of the file were read."""

    read_bytes = 0

    def _block(self, stored, start, stop):
        block = super()._block(stored, start, stop)
        self.read_bytes += block.nbytes
        return block


def declared(folder, n, height, width, dtype):
    """A stack of which nothing is written."""
    path = Path(folder) / "declared.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("d", (n, height, width), dtype, chunks=(1, 64, 64))
    return Counted(path, "d")


@pytest.mark.parametrize(
    ("size", "dtype", "frames"),
    [
        # Detectors and cropped stacks: what was looked at before there was a bound on bytes.
        ((128, 128), "u2", 4096),
        ((514, 1030), "u4", 126),
        ((1024, 1024), "f8", 64),
        ((2167, 2070), "u4", 14),
        ((4362, 4148), "u4", 4),
        ((4362, 4148), "u2", 4),
        # Wider numbers in frames as large: two.
        ((4096, 4096), "f8", 2),
    ],
)
def test_so_many_frames_of_each_kind_are_affordable(size, dtype, frames):
    affordable = frame_statistics._affordable(size[0] * size[1], np.dtype(dtype).itemsize)
    assert affordable == frames


@pytest.mark.parametrize("dtype", ["u2", "f4", "f8"])
@pytest.mark.parametrize("side", [64, 128, 256])
def test_bytes_read_are_bounded(tmp_path, monkeypatch, dtype, side):
    # As 1024² to 4096² are to the bounds in use, but a 256th of the work.
    monkeypatch.setattr(frame_statistics, "MAX_BYTES", 2**20)
    monkeypatch.setattr(frame_statistics, "LARGE_FRAME", 2**15)
    patterns = declared(tmp_path, 500, side, side, dtype)
    pattern_statistics(patterns)
    assert patterns.read_bytes <= (2**20 if side == 256 else 2 * 2**20)


def test_frames_taken_one_by_one_give_the_same_sums(monkeypatch, world, tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["d"] = world.patterns
    patterns = H5Patterns(path, "d")
    usual = pattern_statistics(patterns, saturation=3.0)
    monkeypatch.setattr(frame_statistics, "BATCH_PIXELS", 1)
    single = pattern_statistics(patterns, saturation=3.0)
    assert usual.frames == single.frames == world.n
    for name in ("total", "lowest", "present", "saturated"):
        np.testing.assert_array_equal(getattr(single, name), getattr(usual, name))
    assert usual.saturated.max() > 0


def test_a_frame_without_marks_ends_the_search_for_blind_pixels(tmp_path):
    patterns = declared(tmp_path, 50, 64, 64, "i4")
    assert not blind_pixels(patterns).any()
    assert patterns.read_bytes == 64 * 64 * 4
