"""Files with damaged heaps are errors, and links lead where they should."""

import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest

from napari_ptychonn.scan.heaps import GuardedFile


def broken_heaps(path):
    """Copies of a file, in each of which one object of a heap collection has no length."""
    whole = path.read_bytes()
    start = whole.find(b"GCOL")
    while start >= 0:
        (size,) = struct.unpack_from("<Q", whole, start + 8)
        place = start + 16
        while place + 16 <= start + size:
            number, _, _, length = struct.unpack_from("<HHIQ", whole, place)
            damaged = bytearray(whole)
            struct.pack_into("<HHIQ", damaged, place, 0, 0, 0, 0)
            broken = path.with_name(f"{path.stem}_{place}.h5")
            broken.write_bytes(damaged)
            yield broken
            place += 16 + -(-length // 8) * 8 if number else length
        start = whole.find(b"GCOL", start + 4)


@pytest.fixture
def plain(tmp_path, world):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["dp"], file["positions"] = world.patterns, world.positions_px
        file["positions"].attrs["units"] = "px"
        file["title"] = "long" * 2000
        file["words"] = ["a", "bc"]
    return path


def test_a_heap_that_hdf5_reads_for_ever_is_an_error_within_seconds(plain):
    broken = next(iter(broken_heaps(plain)))
    program = "import sys; from napari_ptychonn.cli import main; sys.exit(main(sys.argv[1:]))"
    ended = subprocess.run(
        [sys.executable, "-c", program, "info", str(broken)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert str(broken) in ended.stderr
    assert "damaged" in ended.stderr


def read_texts(file):
    return file["positions"].attrs["units"], file["title"][()], file["words"][()]


def test_every_object_without_a_length_is_found(plain):
    with GuardedFile(plain) as file:
        assert file["positions"].attrs["units"] == "px"
        assert file["title"].asstr()[()] == "long" * 2000
        assert list(file["words"].asstr()) == ["a", "bc"]
    count = 0
    for broken in broken_heaps(plain):
        count += 1
        with GuardedFile(broken) as file:
            with pytest.raises(OSError, match="heap"):
                read_texts(file)
            assert file.is_damaged
    assert count > 4


@pytest.fixture
def linked(tmp_path, world):
    folder = tmp_path / "größe"
    folder.mkdir()
    with h5py.File(folder / "frames.h5", "w") as file:
        file["entry/data"] = world.patterns
        file["entry/data"].attrs["made by"] = "nobody"
    with h5py.File(folder / "master.h5", "w") as file:
        # What a link must not find: the same name in the file itself.
        file["entry/data"] = np.zeros(3)
        file["to/frames"] = h5py.ExternalLink("frames.h5", "/entry/data")
        file["to/entry"] = h5py.ExternalLink("frames.h5", "/entry")
        file["to/moved"] = h5py.ExternalLink("/elsewhere/frames.h5", "/entry/data")
        file["to/nothing"] = h5py.ExternalLink("none.h5", "/entry/data")
        file["soft"] = h5py.SoftLink("/to/entry")
        file["to/here"] = h5py.SoftLink("entry/data")
        file["circle"] = h5py.SoftLink("/circle")
        file["far circle"] = h5py.ExternalLink("master.h5", "/far circle")
        layout = h5py.VirtualLayout(world.patterns.shape, np.uint16)
        layout[...] = h5py.VirtualSource("frames.h5", "entry/data", world.patterns.shape)
        file.create_virtual_dataset("virtual", layout)
        file["virtual"].attrs["units"] = "counts"
    return folder / "master.h5"


def test_links_lead_to_the_files_that_they_name(linked, world):
    names = ("to/frames", "/to/entry/data", "to/moved", "soft/data", "to/here", "virtual")
    with GuardedFile(linked) as file:
        for name in names:
            np.testing.assert_array_equal(file[name][()], world.patterns)
        assert file["virtual"].attrs["units"] == "counts"
        assert file["entry/data"].shape == (3,)
        assert file.get("to/frames", getlink=True).filename == "frames.h5"
        assert isinstance(file.get("soft", getlink=True), h5py.SoftLink)
        assert isinstance(file.get("soft/data", getlink=True), h5py.HardLink)
        for name in ("to/nothing", "circle", "far circle", "none", "to/none", "soft/none"):
            assert file.get(name) is None
            with pytest.raises(KeyError):
                file[name]
        assert file.get("none/deeper", getlink=True) is None


def test_heaps_behind_links_are_looked_at_too(linked):
    broken = next(iter(broken_heaps(linked.with_name("frames.h5"))))
    broken.replace(linked.with_name("frames.h5"))
    with GuardedFile(linked) as file:
        with pytest.raises(OSError, match="heap"):
            assert file["to/frames"].attrs["made by"]
        with pytest.raises(OSError, match="heap"):
            assert file["soft/data"].attrs["made by"]


def test_heaps_of_virtual_datasets_are_looked_at_before_they_are_opened(linked):
    count = 0
    for broken in broken_heaps(linked):
        count += 1
        with GuardedFile(broken) as file, pytest.raises((OSError, KeyError, RuntimeError)):
            assert file["virtual"].attrs["units"]
    assert count


def test_a_file_that_ends_early_or_is_another_is_refused(plain, tmp_path):
    whole = plain.read_bytes()
    cut = tmp_path / "cut.h5"
    for data in (whole[: len(whole) // 2], whole[:100], b"no HDF5", b""):
        cut.write_bytes(data)
        with pytest.raises(OSError, match=r"Unable to|the file ends"):
            GuardedFile(cut)
    with pytest.raises(FileNotFoundError):
        GuardedFile(tmp_path / "none.h5")


def test_a_file_that_is_being_written_is_refused(plain):
    fcntl = pytest.importorskip("fcntl", reason="files are locked in another way here")
    with plain.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            GuardedFile(plain)
    GuardedFile(plain).close()
