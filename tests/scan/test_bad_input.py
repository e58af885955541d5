"""Each kind of bad input gets one message that names file, dataset and remedy."""

import zipfile

import h5py
import numpy as np
import pytest
from scan_world import write_cxi, write_plain

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions

DATA = "entry_1/instrument_1/detector_1/data"
TRANSLATION = "entry_1/sample_1/geometry_1/translation"


@pytest.fixture
def path(tmp_path, world):
    return write_cxi(tmp_path / "scan.cxi", world)


def refused(path, options=None):
    with pytest.raises(ScanError) as caught:
        open_scan(path, options)
    error = caught.value
    assert path.name in str(error.where)
    assert error.remedy
    assert "\n" not in str(error)
    return str(error)


def replace(path, name, value):
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = value


def test_a_truncated_file(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "truncated" in refused(path)
    assert not is_scan(path)


def test_a_truncated_npz(tmp_path, world):
    path = tmp_path / "scan.npz"
    np.savez(path, data=world.patterns, scan=world.positions_px)
    path.write_bytes(path.read_bytes()[:5000])
    assert "damaged npz" in refused(path)


@pytest.mark.parametrize("content", [b"", b"just a text\n" * 10])
def test_a_file_that_is_not_hdf5(tmp_path, content):
    path = tmp_path / "scan.h5"
    path.write_bytes(content)
    assert not is_scan(path)
    assert "HDF5" in refused(path)


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    assert "no such file" in refused(tmp_path / "none.h5")
    assert "folder" in refused(tmp_path)
    assert not is_scan(tmp_path)
    assert not is_scan(tmp_path / "none.h5")


def test_other_hdf5_files_are_left_to_other_readers(tmp_path):
    image = write_plain(tmp_path / "image.h5", volume=np.zeros((20, 16, 16)), table=np.ones((3, 2)))
    assert not is_scan(image)
    assert "--dataset patterns" in refused(write_plain(tmp_path / "t.h5", table=np.ones((3, 2))))


def test_a_missing_dataset_names_what_there_is(path):
    message = refused(path, ScanOptions(datasets={"patterns": "/entry_1/nothing"}))
    assert "there is no /entry_1/nothing" in message
    assert "detector_1/data (20, 32, 24)" in message
    assert "is a group" in refused(path, ScanOptions(datasets={"patterns": "/entry_1"}))


def test_a_missing_link_target_is_named(path, tmp_path):
    with h5py.File(path, "a") as file:
        del file["entry_1/data_1/data"]
        file["entry_1/data_1/data"] = h5py.ExternalLink("master_data_01.h5", "/frames")
    message = refused(path)
    assert "master_data_01.h5, which is missing" in message
    assert str(tmp_path) in message
    with h5py.File(path, "a") as file:
        del file["entry_1/data_1/data"], file[DATA]
        file["entry_1/data_1/data"] = h5py.SoftLink("/gone")
    assert "choose" in refused(path, ScanOptions(datasets={"patterns": "/entry_1/data_1/data"}))


def test_missing_sources_of_a_virtual_dataset_do_not_read_as_zeros(path, world, tmp_path):
    layout = h5py.VirtualLayout(world.patterns.shape, "u2")
    for half in range(2):
        name = f"part{half}.h5"
        write_plain(tmp_path / name, d=world.patterns[half * 10 : half * 10 + 10])
        layout[half * 10 : half * 10 + 10] = h5py.VirtualSource(name, "d", (10, *world.size))
    with h5py.File(path, "a") as file:
        del file[DATA]
        file.create_virtual_dataset(DATA, layout)
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.patterns.read(world.everything), world.patterns * scan.mask)
    (tmp_path / "part1.h5").unlink()
    assert "1 of the 2 files" in refused(path)
    assert "part1.h5" in refused(path)


def test_a_missing_compression_filter_is_named_by_its_number(path, world):
    unknown = 32999
    with h5py.File(path, "a") as file:
        del file[DATA]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, *world.size))
        plist.set_filter(unknown, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(world.patterns.shape)
        h5py.h5d.create(file.id, DATA.encode(), h5py.h5t.NATIVE_UINT16, space, plist)
    assert f"filter {unknown}" in refused(path)


def test_a_wrong_number_of_positions(path, world):
    replace(path, TRANSLATION, np.random.default_rng(0).random((world.n - 3, 3)))
    message = refused(path)
    assert "17 positions" in message
    assert "20 patterns" in message
    assert "translation" in message


def test_positions_that_are_not_finite_or_all_the_same(path, world):
    xyz = np.random.default_rng(0).random((world.n, 3))
    xyz[4, 0] = np.nan
    replace(path, TRANSLATION, xyz)
    assert "the first is number 4" in refused(path)
    replace(path, TRANSLATION, np.zeros((world.n, 3)))
    assert "are the same" in refused(path)


@pytest.mark.parametrize("value", [np.nan, -4.0])
def test_counts_that_are_none(path, world, value):
    stack = world.patterns.astype(np.float32)
    stack[7, 9, 9] = value
    replace(path, DATA, stack)
    assert "frame 7 of /entry_1/data_1/data" in refused(path)


def test_a_scan_of_one_point(path, world):
    replace(path, DATA, world.patterns[:1])
    replace(path, TRANSLATION, np.zeros((1, 3)))
    assert "two points" in refused(path)


def test_masks_that_are_empty_or_do_not_fit(path, world):
    mask = "entry_1/instrument_1/detector_1/mask"
    replace(path, mask, np.ones(world.size, np.uint32))
    assert "no good pixel" in refused(path)
    replace(path, mask, np.zeros((9, 9), np.uint32))
    assert "mask is (9, 9)" in refused(path)


def test_a_geometry_that_is_not_positive_is_completed_or_refused(path):
    replace(path, "entry_1/instrument_1/detector_1/distance", 0.0)
    assert "distance not recorded" in refused(path)
    assert open_scan(path, ScanOptions(distance_m=2.0)).geometry.distance_m == 2.0


def test_probes_that_are_none(path, world):
    name = "entry_1/instrument_1/source_1/illumination"
    replace(path, name, np.zeros(world.size, np.complex64))
    assert "zero everywhere" in refused(path)
    replace(path, name, np.ones(5, np.complex64))
    assert "illumination has shape (5,)" in refused(path)


def test_options_that_no_scan_could_have():
    with pytest.raises(ScanError, match="unknown unit"):
        ScanOptions(positions_unit="inch")
    for wrong in (
        {"orientation": 8}, {"dc": "edge"}, {"energy_ev": -1.0}, {"pixel_m": (1e-9, 0.0)},
        {"datasets": {"object": "/o"}},
    ):  # fmt: skip
        with pytest.raises(SettingsError):
            ScanOptions(**wrong)


def test_a_refused_file_is_closed_again(path):
    replace(path, TRANSLATION, np.zeros((3, 3)))
    refused(path)
    with h5py.File(path, "a") as file:  # fails where the file is still open to read
        file.attrs["note"] = "written again"
    assert "3 positions" in refused(path)


def test_frames_behind_a_link_that_leads_nowhere_are_said_to_be_missing(tmp_path):
    path = tmp_path / "master.nxs"
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = h5py.ExternalLink("frames_000001.h5", "/entry/data/data")
        file["entry/again"] = file["entry"]  # a circle
        file["entry/energy"] = 8800.0
    said = refused(path)
    assert "/entry/data/data is a link to frames_000001.h5, which is missing" in said
    assert "copy frames_000001.h5 into" in said


def test_datasets_behind_many_single_values_are_offered_as_patterns(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        for number in range(12):
            file[f"a/{number:02}"] = number
        file["b/frames_of_it"] = np.zeros((5, 4, 4))
    with pytest.raises(ScanError, match="b/frames_of_it"):
        open_scan(path)


@pytest.mark.parametrize(("name", "has_hint"), [("model.pth", True), ("notes.zip", False)])
def test_a_zip_file_without_arrays_is_no_scan(tmp_path, name, has_hint):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("model/data.pkl", b"weights")
    with pytest.raises(ScanError, match="it is no scan") as caught:
        open_scan(tmp_path / name)
    assert ("networks import FILE" in caught.value.remedy) == has_hint


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_the_weights_of_a_network_are_said_to_be_imported(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x80\x02weights of a network")
    assert "Manage… > Import…" in refused(path)
