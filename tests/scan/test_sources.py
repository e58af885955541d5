"""What a scan file points to is all there, or the error names what is not."""

import h5py
import numpy as np
import pytest
from scan_world import write_cxi, write_plain

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import open_scan

DATA = "entry_1/instrument_1/detector_1/data"


@pytest.fixture
def path(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    with h5py.File(path, "a") as file:
        del file[DATA]
    return path


def refused(path):
    with pytest.raises(ScanError) as caught:
        open_scan(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_halves(folder, world):
    for half in range(2):
        write_plain(folder / f"part{half}.h5", d=world.patterns[half * 10 : half * 10 + 10])


def layout_of_halves(world, *, length=10, halves=2):
    layout = h5py.VirtualLayout(world.patterns.shape, "u2")
    for half in range(halves):
        source = h5py.VirtualSource(f"part{half}.h5", "d", (length, *world.size))
        layout[half * 10 : half * 10 + length] = source
    return layout


def assert_reads(path, world):
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.patterns.read(world.everything), world.patterns * scan.mask)


def test_a_virtual_dataset_of_virtual_datasets_names_the_innermost_missing_file(
    path, world, tmp_path
):
    write_halves(tmp_path, world)
    with h5py.File(tmp_path / "middle.h5", "w") as file:
        file.create_virtual_dataset("all", layout_of_halves(world))
    outer = h5py.VirtualLayout(world.patterns.shape, "u2")
    outer[:] = h5py.VirtualSource("middle.h5", "all", world.patterns.shape)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(DATA, outer)
    assert_reads(path, world)
    (tmp_path / "part1.h5").unlink()
    assert "part1.h5" in refused(path)


def test_a_source_file_without_the_dataset_is_not_read_as_zeros(path, world, tmp_path):
    write_halves(tmp_path, world)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(DATA, layout_of_halves(world))
    with h5py.File(tmp_path / "part1.h5", "a") as file:
        file.move("d", "other")
    message = refused(path)
    assert "part1.h5" in message
    assert "made of d" in message


def test_a_source_with_fewer_frames_than_it_is_used_for_is_refused(path, world, tmp_path):
    write_halves(tmp_path, world)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(DATA, layout_of_halves(world))
    write_plain(tmp_path / "part1.h5", d=world.patterns[10:17])
    assert "takes more of d in part1.h5 than its (7, 32, 24)" in refused(path)


def test_frames_without_a_source_are_counted(path, world, tmp_path):
    write_halves(tmp_path, world)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(DATA, layout_of_halves(world, halves=1))
    assert "no source for 10 frames, the first is 10" in refused(path)


def write_blocks(path, world, pattern):
    """An unlimited virtual dataset of files with ten frames each, numbered by HDF5."""
    height, width = world.size
    unlimited = h5py.h5s.UNLIMITED
    space = h5py.h5s.create_simple((0, height, width), (unlimited, height, width))
    space.select_hyperslab((0, 0, 0), (unlimited, 1, 1), (10, 1, 1), (10, height, width))
    block = h5py.h5s.create_simple((10, height, width))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.VIRTUAL)
    plist.set_virtual(space, pattern.encode(), b"d", block)
    with h5py.File(path, "a") as file:
        whole = h5py.h5s.create_simple((0, height, width), (unlimited, height, width))
        h5py.h5d.create(file.id, DATA.encode(), h5py.h5t.NATIVE_UINT16, whole, plist)


def test_blocks_that_are_numbered_by_a_pattern_are_read_and_a_missing_one_is_named(
    path, world, tmp_path
):
    write_halves(tmp_path, world)
    write_blocks(path, world, "part%b.h5")
    assert_reads(path, world)
    (tmp_path / "part0.h5").unlink()
    assert "part0.h5" in refused(path)


def test_a_virtual_dataset_that_grows_with_its_source_is_read(path, world, tmp_path):
    height, width = world.size
    with h5py.File(tmp_path / "growing.h5", "w") as file:
        file.create_dataset("d", data=world.patterns, maxshape=(None, height, width))
    layout = h5py.VirtualLayout((world.n, height, width), "u2", maxshape=(None, height, width))
    source = h5py.VirtualSource(
        "growing.h5", "d", (world.n, height, width), maxshape=(None, height, width)
    )
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(DATA, layout)
    assert_reads(path, world)
    (tmp_path / "growing.h5").unlink()
    assert "growing.h5" in refused(path)


def test_a_chain_of_links_names_the_file_that_is_missing_at_its_end(path, world, tmp_path):
    write_plain(tmp_path / "frames.h5", d=world.patterns)
    with h5py.File(tmp_path / "second.h5", "w") as file:
        file["link"] = h5py.ExternalLink("frames.h5", "/d")
    with h5py.File(path, "a") as file:
        file[DATA] = h5py.ExternalLink("second.h5", "/link")
    assert_reads(path, world)
    (tmp_path / "frames.h5").unlink()
    message = refused(path)
    assert "/link in second.h5 is a link to frames.h5, which is missing" in message
    assert f"copy frames.h5 into {tmp_path}" in message


def test_links_that_lead_in_a_circle_end(path, tmp_path):
    with h5py.File(tmp_path / "second.h5", "w") as file:
        file["link"] = h5py.ExternalLink(path.name, f"/{DATA}")
    with h5py.File(path, "a") as file:
        file[DATA] = h5py.ExternalLink("second.h5", "/link")
    assert "circle" in refused(path)


def test_a_virtual_dataset_made_of_itself_ends(path, world):
    layout = h5py.VirtualLayout(world.patterns.shape, "u2")
    layout[:] = h5py.VirtualSource(".", DATA, world.patterns.shape)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(DATA, layout)
    assert "made of itself" in refused(path)
