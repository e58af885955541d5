"""Packed chunks are read as HDF5 reads them, and damaged ones are errors.

Most of the damage here ends the whole program where HDF5 and its filters meet it.
"""

import bz2
import zlib

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions

PACKINGS = {
    "bitshuffle-lz4": hdf5plugin.Bitshuffle(),
    "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "blosc": hdf5plugin.Blosc(),
    "blosc-zstd": hdf5plugin.Blosc(cname="zstd"),
    "lz4": hdf5plugin.LZ4(nbytes=1024),
    "zstd": hdf5plugin.Zstd(),
    "bzip2": hdf5plugin.BZip2(),
    "gzip": {"compression": "gzip"},
    "gzip-shuffle": {"compression": "gzip", "shuffle": True},
    "gzip-sum": {"compression": "gzip", "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "lzf-shuffle-sum": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "shuffle": {"shuffle": True},
    "sum": {"fletcher32": True},
    "none": {},
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("size", [(64, 96), (37, 23), (3, 1)])
@pytest.mark.parametrize("kind", ["u2", ">i4", "f8"])
def test_packed_chunks_are_read_whole_and_in_parts(tmp_path, packing, size, kind):
    stack = np.random.default_rng(0).poisson(3, (5, *size)).astype(kind)
    how = {"chunks": (2, *size), **PACKINGS[packing]}
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file.create_dataset("a", data=stack, **how)
        file.create_dataset("never", (5, *size), kind, fillvalue=7, **how)
    with h5py.File(tmp_path / "stack.h5") as file:
        stored = file["a"]
        for place in ((), (slice(1, 4),), (slice(0, 9),), (4, 2), (3, slice(1, 3))):
            read = read_part(stored, place)
            np.testing.assert_array_equal(read, stack[place])
            assert read.dtype == stack.dtype
        assert (read_part(file["never"]) == 7).all()
        with pytest.raises((IndexError, ValueError)):
            read_part(stored, (5,))


def test_a_dataset_of_nothing_is_read_as_h5py_reads_it(tmp_path):
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["nothing"], file["none"] = h5py.Empty("f8"), np.zeros((0, 3))
    with h5py.File(tmp_path / "empty.h5") as file:
        assert isinstance(read_part(file["nothing"])[()], h5py.Empty)
        assert read_part(file["none"]).shape == (0, 3)


@pytest.mark.parametrize("shape", [(1,), (30, 40), (2, 7, 9, 5)])
def test_parts_of_any_rank_and_chunks_across_their_edges_are_read(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 9, shape, dtype=np.int16)
    with h5py.File(tmp_path / "values.h5", "w") as file:
        chunks = tuple(max(1, length // 2 - 1) for length in shape)
        file.create_dataset("a", data=values, chunks=chunks, compression="gzip", shuffle=True)
    with h5py.File(tmp_path / "values.h5") as file:
        for stop in range(shape[0] + 1):
            np.testing.assert_array_equal(read_part(file["a"], (slice(0, stop),)), values[:stop])
        np.testing.assert_array_equal(read_part(file["a"], (shape[0] - 1,)), values[-1])


@pytest.fixture
def plain(tmp_path, world):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["dp"], file["positions"] = world.patterns, world.positions_px
    return path


@pytest.mark.parametrize(
    ("packing", "places"),
    [
        ("bitshuffle-lz4", (0, 4, 8, 12)),
        ("bitshuffle-zstd", (0, 4, 8, 12)),
        ("blosc", (4, 8, 12)),
        ("lz4", (0, 4, 8, 12)),
        ("zstd", (0, 4)),
    ],
)
def test_a_chunk_that_states_wrong_sizes_is_refused_or_read_as_it_was(
    plain, world, packing, places
):
    with h5py.File(plain, "a") as file:
        del file["dp"]
        how = {"chunks": (1, *world.size), **PACKINGS[packing]}
        stored = file.create_dataset("dp", data=world.patterns, **how)
        whole = stored.id.read_direct_chunk((7, 0, 0))[1]
    refused = 0
    for at in places:
        for wrong in (b"\xff\xff\xff\xff", b"\x00\x09\x00\x00", b"\x00\x00\x00\x07", bytes(4)):
            with h5py.File(plain, "a") as file:
                damaged = whole[:at] + wrong + whole[at + 4 :]
                file["dp"].id.write_direct_chunk((7, 0, 0), damaged)
            with h5py.File(plain) as file:
                try:
                    read = read_part(file["dp"], (7,))
                except OSError:
                    refused += 1
                else:
                    # Larger blocks than the chunk has, for example, change nothing.
                    np.testing.assert_array_equal(read, world.patterns[7])
    assert refused >= 3 * len(places)


def test_a_scan_with_a_damaged_chunk_is_refused_in_words(plain, world):
    with h5py.File(plain, "a") as file:
        del file["dp"]
        how = {"chunks": (1, *world.size), **PACKINGS["bitshuffle-lz4"]}
        stored = file.create_dataset("dp", data=world.patterns, **how)
        stored.id.write_direct_chunk((7, 0, 0), b"\xff" * 100)
    with pytest.raises(ScanError, match=r"compressed chunk at \(7, 0, 0\) is damaged.*copy it"):
        open_scan(plain, ScanOptions(positions_unit="px")).patterns.read(np.arange(20))


SHORT = {
    "gzip": zlib.compress(b"x" * 10),
    "gzip-shuffle": zlib.compress(b"x" * 10),
    "bzip2": bz2.compress(b"x" * 10),
    "shuffle": b"x" * 10,
    "bitshuffle": b"x" * 16,
    "bitshuffle-lz4": b"",
    "blosc": b"x" * 10,
}


@pytest.mark.parametrize("packing", SHORT)
@pytest.mark.parametrize("skipped", [0, 1, 3])
def test_a_chunk_that_unpacks_to_less_than_it_should_is_refused(tmp_path, packing, skipped):
    how = {"chunks": (1, 2048, 2048), **PACKINGS[packing]}
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        stored = file.create_dataset("a", (2, 2048, 2048), "u2", **how)
        stored.id.write_direct_chunk((1, 0, 0), SHORT[packing] or b"\0", filter_mask=skipped)
    with h5py.File(tmp_path / "stack.h5") as file:
        assert not read_part(file["a"], (0,)).any()
        with pytest.raises(OSError, match="chunk at"):
            read_part(file["a"], (1,))


@settings(
    max_examples=300, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(packing=st.sampled_from(sorted(PACKINGS)), number=st.integers(0, 2**32 - 1))
def test_a_chunk_damaged_anywhere_is_read_or_an_error(tmp_path, packing, number):
    random = np.random.default_rng(number)
    stack = random.poisson(random.choice([0.01, 3, 3000]), (2, 61, 67)).astype("u4")
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file.create_dataset("a", data=stack, chunks=(1, 61, 67), **PACKINGS[packing])
    with h5py.File(tmp_path / "stack.h5", "a") as file:
        packed = bytearray(file["a"].id.read_direct_chunk((1, 0, 0))[1])
        for at in random.integers(0, len(packed), random.integers(1, 9)):
            packed[at] = random.integers(256)
        packed = packed[: random.integers(1, len(packed))] if random.random() < 0.2 else packed
        file["a"].id.write_direct_chunk((1, 0, 0), bytes(packed))
    with h5py.File(tmp_path / "stack.h5") as file:
        try:
            assert read_part(file["a"]).shape == stack.shape
        except OSError:
            return


def virtual_stacks(folder, stack, packing):
    """Three files, and a master that has them in turns, one after the other, and by number."""
    size = stack.shape[1:]
    for number in range(3):
        for name, part in (("turn", stack[number::3]), ("row", stack[number * 4 :][:4])):
            with h5py.File(folder / f"{name}_{number}.h5", "w") as file:
                file.create_dataset("d", data=part, chunks=(1, *size), **PACKINGS[packing])
    with h5py.File(folder / "master.h5", "w") as file:
        for name in ("turn", "row"):
            layout = h5py.VirtualLayout(stack.shape, stack.dtype)
            for number in range(3):
                places = (
                    slice(number, None, 3) if name == "turn" else slice(4 * number, 4 * number + 4)
                )
                layout[places] = h5py.VirtualSource(f"{name}_{number}.h5", "d", (4, *size))
            file.create_virtual_dataset(name, layout)
        layout = h5py.VirtualLayout((4, *size), stack.dtype)
        layout[...] = h5py.VirtualSource(".", "row", stack.shape)[4:8]
        file.create_virtual_dataset("nested", layout)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        whole = (h5py.h5s.UNLIMITED, *size)
        space = h5py.h5s.create_simple(stack.shape, whole)
        space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (4, 1, 1), (4, *size))
        plist.set_virtual(space, b"row_%b.h5", b"d", h5py.h5s.create_simple((4, *size)))
        every = h5py.h5s.create_simple(stack.shape, whole)
        h5py.h5d.create(file.id, b"numbered", h5py.h5t.NATIVE_UINT16, every, plist)
    return folder / "master.h5"


@pytest.mark.parametrize("packing", ["bitshuffle-lz4", "gzip"])
def test_frames_of_virtual_datasets_are_read_and_those_of_damaged_chunks_are_not(tmp_path, packing):
    stack = np.random.default_rng(0).poisson(3, (12, 16, 24)).astype("u2")
    master = virtual_stacks(tmp_path, stack, packing)
    for damaged in (False, True):
        if damaged:
            for name, bad in (("turn", b"\xff" * 40), ("row", zlib.compress(b"x"))):
                with h5py.File(tmp_path / f"{name}_1.h5", "a") as file:
                    file["d"].id.write_direct_chunk((1, 0, 0), bad)
        with h5py.File(master) as file:
            for name, wrong in (("turn", 4), ("row", 5), ("numbered", 5), ("nested", 1)):
                truth = stack[4:8] if name == "nested" else stack
                for number, frame in enumerate(truth):
                    if damaged and number == wrong:
                        with pytest.raises(OSError, match=r"chunk at \(1, 0, 0\) is damaged"):
                            read_part(file[name], (number,))
                        continue
                    np.testing.assert_array_equal(read_part(file[name], (number,)), frame)
