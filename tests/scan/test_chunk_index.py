"""Chunks are found where HDF5 has them, and looked at once for as long as the file is the same."""

import os

import h5py
import hdf5plugin
import numpy as np
import pytest

from napari_ptychonn.scan import chunks
from napari_ptychonn.scan.chunk_index import FEW, MAX_CHUNKS, ChunkIndex, chunk_index
from napari_ptychonn.scan.chunks import read_part

STACK = np.random.default_rng(0).poisson(3, (50, 20, 24)).astype("u2")


def written(path, *, age_s=0.0, name="d", userblock=0, **how):
    how = {"chunks": (1, 16, 24), **hdf5plugin.Bitshuffle(), **how}
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file.create_dataset(name, data=STACK, **how)
    if age_s:
        os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    return path


@pytest.fixture
def looked_at(monkeypatch):
    """How many chunks were looked at."""
    seen = []
    real = chunks.check_of

    def counting(filters):
        check = real(filters)
        return lambda packed, size: seen.append(1) or check(packed, size)

    monkeypatch.setattr(chunks, "check_of", counting)
    return seen


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"chunks": (7, 20, 9)},
        {"maxshape": (None, 20, 24)},
        {"maxshape": (None, None, 24)},
        {"userblock": 1024},
        {"name": "größe/d"},
    ],
)
def test_stored_chunks_are_those_of_hdf5_whether_asked_for_singly_or_together(tmp_path, how):
    path = written(tmp_path / "größe.h5", **how)
    with h5py.File(path) as file:
        dataset = file[how.get("name", "d")]
        index = ChunkIndex(dataset)
        numbers = index.numbers([(0, length) for length in STACK.shape])
        assert len(numbers) == index.count
        few = list(index.stored(dataset, numbers[:FEW]))
        together = list(index.stored(dataset, numbers))
        assert few == together[: len(few)]
        for number, skipped, packed in together:
            assert (skipped, packed) == dataset.id.read_direct_chunk(index.start(number))


def test_chunks_that_were_never_written_are_empty(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("d", STACK.shape, "u2", chunks=(1, 20, 24), compression="gzip")
        data[7] = STACK[7]
        index = ChunkIndex(data)
        found = list(index.stored(data, np.arange(50)))
        assert [number for number, _, packed in found if packed] == [7]


def test_each_chunk_is_looked_at_once(tmp_path, looked_at):
    path = written(tmp_path / "a.h5", age_s=60)
    for _ in range(3):
        with h5py.File(path) as file:
            for start in range(0, 50, 10):
                part = read_part(file["d"], (slice(start, start + 10),))
                np.testing.assert_array_equal(part, STACK[start : start + 10])
    assert len(looked_at) == 2 * 50


def test_of_a_file_that_has_just_changed_nothing_is_remembered(tmp_path, looked_at):
    path = written(tmp_path / "a.h5")
    for _ in range(3):
        with h5py.File(path) as file:
            read_part(file["d"])
    assert len(looked_at) == 3 * 2 * 50


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    path = written(tmp_path / "a.h5", age_s=60)
    with h5py.File(path) as file:
        read_part(file["d"])
        known = chunk_index(file["d"])
        assert chunk_index(file["d"]) is known
    with h5py.File(path, "a") as file:
        file["d"].id.write_direct_chunk((3, 0, 0), b"\xff" * 40)
    os.utime(path, (path.stat().st_mtime - 30,) * 2)
    with h5py.File(path) as file:
        assert chunk_index(file["d"]) is not known
        with pytest.raises(OSError, match=r"chunk at \(3, 0, 0\) is damaged"):
            read_part(file["d"])


def test_a_file_cut_off_within_its_chunks_is_an_error(tmp_path):
    path = written(tmp_path / "a.h5")
    with h5py.File(path) as file:
        index = ChunkIndex(file["d"])
        numbers = np.arange(index.count)
        list(index.stored(file["d"], numbers))  # the index is taken
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(OSError, match="beyond the file's end"):
            list(index.stored(file["d"], numbers))


def test_a_dataset_declared_huge_costs_nothing(tmp_path):
    how = {"chunks": (1, 20, 24), "compression": "lzf"}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("d", (10**12, 20, 24), "u2", **how)
        data[10**11] = STACK[0]
        index = ChunkIndex(data)
        assert index.count == 10**12 > MAX_CHUNKS
        part = read_part(data, (slice(10**11, 10**11 + 40),))
        np.testing.assert_array_equal(part[0], STACK[0])
        assert not part[1:].any()
