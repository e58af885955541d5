"""What is guessed about a file that nobody has seen, and what it looks like."""

import h5py
import hdf5plugin
import numpy as np
import pytest
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M, WAVELENGTH_M, write_plain

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.glimpse import glimpse_dataset, glimpse_scan
from napari_ptychonn.scan.guesses import guesses
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.tree import list_datasets, list_entries

LAB = {
    "patterns": "/lab/camera/frames_raw",
    "positions": "/lab/motors/samy/value, /lab/motors/samx/value",
    "probe": "/lab/optics/illumination",
    "mask": "/lab/camera/bad_pixels",
    "energy": "/lab/source/energy",
    "distance": "/lab/camera/distance",
    "detector_pixel": "/lab/camera/y_pixel_size, /lab/camera/x_pixel_size",
}


@pytest.fixture
def lab(tmp_path, world):
    """A file of no known format, with everything in it and a few things beside."""
    path = tmp_path / "lab.h5"
    with h5py.File(path, "w") as file:
        file["lab/camera/frames_raw"] = world.patterns
        file["lab/camera/frames_raw"].attrs["note"] = "as the camera gave them"
        file["lab/camera/roi_stack"] = world.patterns[:, :8, :8]
        file["lab/camera/bad_pixels"] = np.zeros(world.size, np.uint8)
        file["lab/camera/distance"] = DISTANCE_M * 1e3
        file["lab/camera/distance"].attrs["units"] = "mm"
        for axis, pitch in zip("yx", PITCH_M, strict=True):
            file[f"lab/camera/{axis}_pixel_size"] = pitch
        for number, axis in enumerate("yx"):
            file[f"lab/motors/sam{axis}/value"] = world.positions_m[:, number] * 1e6
            file[f"lab/motors/sam{axis}/value"].attrs["units"] = "um"
        file["lab/motors/time"] = np.arange(world.n, dtype=float)
        file["lab/optics/illumination"] = world.probe
        file["lab/source/energy"] = ENERGY_EV / 1e3
        file["lab/source/energy"].attrs["units"] = "keV"
        file["lab/source/current"] = np.float32(99.5)
    return path


def info(path, shape, dtype="float64", units=None):
    return DatasetInfo(path, shape, dtype, units)


def test_every_role_of_an_unknown_file_is_guessed_with_a_reason(lab, world):
    found = guesses(list_datasets(lab))
    assert {role: guess.dataset for role, guess in found.items()} == LAB
    assert found["patterns"].reason.startswith("(20, 32, 24) of counts: looks like patterns")
    assert "in um" in found["positions"].reason
    assert "0 is taken as a good pixel" in found["mask"].reason
    assert "in keV" in found["energy"].reason
    assert found["detector_pixel"].reason == "called y_pixel_size, x_pixel_size, no unit recorded"


def test_the_guesses_open_the_file_in_metres(lab, world):
    datasets = {role: guess.dataset for role, guess in guesses(list_datasets(lab)).items()}
    scan = open_scan(lab, ScanOptions(datasets=datasets))
    np.testing.assert_allclose(scan.positions, world.positions_m, rtol=1e-9)
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV, rel=1e-6)
    assert scan.geometry.distance_m == pytest.approx(DISTANCE_M)
    assert scan.geometry.detector_pixel_m == pytest.approx(PITCH_M)
    assert scan.pixel_m == pytest.approx(tuple(world.pixel_m), rel=1e-5)
    assert scan.provenance.datasets["distance"] == LAB["distance"]
    assert any("y_pixel_size has no unit" in note for note in scan.provenance.assumptions)


@pytest.mark.parametrize(
    ("value", "unit", "name"),
    [
        (8.0, None, "energy"),
        (8000.0, None, "energy"),
        (8.0, "keV", "mono"),
        (8.0, None, "photon_energy_keV"),
        (WAVELENGTH_M, None, "wavelength"),
        (WAVELENGTH_M * 1e10, "angstrom", "w"),
        (WAVELENGTH_M * 1e10, None, "wavelength"),
        (ENERGY_EV * 1.602176634e-19, None, "energy"),
    ],
)
def test_an_energy_is_understood_in_every_unit(tmp_path, world, value, unit, name):
    path = write_plain(tmp_path / "a.h5", data=world.patterns, scan=world.positions_px)
    with h5py.File(path, "a") as file:
        file[name] = value
        if unit:
            file[name].attrs["units"] = unit
    given = {"energy": f"/{name}"}
    options = ScanOptions(
        datasets=given, positions_unit="px", distance_m=DISTANCE_M, detector_pixel_m=PITCH_M
    )
    assert open_scan(path, options).geometry.energy_ev == pytest.approx(ENERGY_EV, rel=1e-6)


@pytest.mark.parametrize(
    ("role", "value", "words"),
    [
        ("energy", 0.0, "is 0"),
        ("distance", 1e9, "no distance"),
        ("detector_pixel", 20e-9, "no detector pixel"),
        ("distance", np.zeros(0), "is empty"),
    ],
)
def test_a_number_that_is_no_such_quantity_is_refused(tmp_path, world, role, value, words):
    path = write_plain(tmp_path / "a.h5", data=world.patterns, scan=world.positions_px, q=value)
    with pytest.raises(ScanError, match=words):
        open_scan(path, ScanOptions(datasets={role: "/q"}, positions_unit="px"))


def test_a_typed_number_wins_over_a_chosen_dataset(lab):
    datasets = {role: guess.dataset for role, guess in guesses(list_datasets(lab)).items()}
    scan = open_scan(lab, ScanOptions(datasets=datasets, energy_ev=4000.0))
    assert scan.geometry.energy_ev == pytest.approx(4000, rel=1e-6)


def test_positions_in_two_datasets_that_differ_are_refused(tmp_path, world):
    path = write_plain(tmp_path / "a.h5", data=world.patterns, y=np.arange(20.0), x=np.arange(19.0))
    options = ScanOptions(datasets={"positions": "/y, /x"}, positions_unit="px")
    with pytest.raises(ScanError, match="/y has 20 values, /x has 19"):
        open_scan(path, options)


def test_the_bulk_of_the_file_is_the_patterns_whatever_it_is_called():
    found = guesses([info("/data", (50, 8, 8)), info("/eiger", (50, 256, 256), "uint32")])
    assert found["patterns"].dataset == "/eiger"


def test_an_object_is_neither_patterns_nor_probe():
    infos = [
        info("/recon/object", (4, 512, 512)),
        info("/object", (64, 64), "complex64"),
        info("/d", (9, 64, 64), "uint16"),
    ]
    assert {role: guess.dataset for role, guess in guesses(infos).items()} == {"patterns": "/d"}


def test_of_rival_positions_those_with_a_length_win_and_equal_ones_are_counted():
    frames = info("/d", (9, 64, 64), "uint16")
    one, other = info("/a", (9, 2)), info("/b", (9, 2), units="um")
    assert guesses([frames, one, other])["positions"].dataset == "/b"
    equal = guesses([frames, one, info("/c", (9, 2))])["positions"]
    assert "1 more would fit" in equal.reason


def test_positions_that_do_not_belong_to_the_patterns_are_not_guessed():
    infos = [info("/d", (9, 64, 64), "uint16"), info("/stage/xy", (400, 2), units="um")]
    assert "positions" not in guesses(infos)


def test_a_list_of_nothing_gives_no_guesses():
    assert guesses([]) == {}


def test_entries_have_attributes_and_single_values(lab):
    entries = {entry.info.path: entry for entry in list_entries(lab)}
    assert entries["/lab/source/energy"].value == "8"
    assert dict(entries["/lab/source/energy"].attributes)["units"] == "keV"
    assert entries["/lab/camera/frames_raw"].value == ""
    notes = dict(entries["/lab/camera/frames_raw"].attributes)
    assert notes["note"] == "as the camera gave them"


def test_a_glimpse_needs_neither_unit_nor_geometry(tmp_path, world):
    path = write_plain(tmp_path / "a.h5", frames=world.patterns, where=world.positions_px)
    options = ScanOptions(datasets={"patterns": "/frames", "positions": "/where"})
    with pytest.raises(ScanError, match="unit"):
        open_scan(path, options)
    seen = glimpse_scan(path, options)
    assert seen.averaged == 16
    assert seen.mean.shape == world.size
    np.testing.assert_array_equal(seen.positions, world.positions_px)


def test_a_glimpse_shows_what_is_masked_with_negative_counts(tmp_path, world):
    frames = world.patterns.astype(np.int32)
    frames[:, 3, 4] = -1
    path = write_plain(tmp_path / "a.h5", frames=frames)
    seen = glimpse_scan(path, ScanOptions(datasets={"patterns": "/frames"}))
    assert seen.mean[3, 4] == 0
    assert seen.mean.max() > 0


def test_a_raster_of_the_wrong_size_is_no_glimpse_of_positions(tmp_path, world):
    path = write_plain(tmp_path / "a.h5", frames=world.patterns)
    datasets = {"patterns": "/frames"}
    right = glimpse_scan(path, ScanOptions(datasets=datasets, raster=(4, 5, 1.0)))
    wrong = glimpse_scan(path, ScanOptions(datasets=datasets, raster=(4, 6, 1.0)))
    assert len(right.positions) == 20
    assert wrong.positions is None


def test_each_kind_of_dataset_has_its_glimpse(tmp_path, world):
    arrays = {
        "stack": world.patterns, "wave": world.probe, "line": np.arange(5.0) ** 2,
        "pairs": world.positions_px, "number": 8.5, "word": "circuit", "none": np.zeros(0),
        "triples": np.arange(12.0).reshape(4, 3),
    }  # fmt: skip
    path = write_plain(tmp_path / "a.h5", **arrays)
    seen = {name: glimpse_dataset(path, f"/{name}") for name in arrays}
    np.testing.assert_array_equal(seen["stack"].picture, world.patterns[10])
    np.testing.assert_allclose(seen["wave"].picture, np.abs(world.probe))
    assert seen["line"].points[0, 0] > seen["line"].points[-1, 0]  # large values are up
    np.testing.assert_array_equal(seen["pairs"].points, world.positions_px)
    np.testing.assert_array_equal(seen["triples"].points[0], [1.0, 0.0])  # x, y, z
    assert (seen["number"].text, seen["word"].text, seen["none"].text) == (
        "8.5",
        "circuit",
        "empty",
    )


def test_npz_files_have_glimpses_too(tmp_path, world):
    np.savez(tmp_path / "a.npz", frames=world.patterns)
    seen = glimpse_scan(tmp_path / "a.npz", ScanOptions(datasets={"patterns": "frames"}))
    assert seen.averaged == 16
    assert glimpse_dataset(tmp_path / "a.npz", "frames").picture is not None


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_listed_or_refused(tmp_path, lab, seed):
    random = np.random.default_rng(seed)
    whole = lab.read_bytes()
    path = tmp_path / "damaged.h5"
    # HDF5 itself goes round for ever where the sizes in its heap of words are damaged.
    words = whole.find(b"GCOL")
    listed = 0
    for _ in range(8):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 6):
            if not words <= place < words + 4096:
                damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            entries = list_entries(path)
        except ScanError:
            continue
        listed += 1
        infos = [entry.info for entry in entries]
        datasets = {role: guess.dataset for role, guess in guesses(infos).items()}
        assert set(datasets) <= set(LAB)
        assert glimpse_scan(path, ScanOptions(datasets=datasets)).averaged in (0, 16)
    assert listed


def test_a_registered_compression_filter_is_named(tmp_path):
    path = tmp_path / "packed.h5"
    frames = np.zeros((4, 16, 16), np.uint16)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=frames, **hdf5plugin.Bitshuffle(cname="lz4"))
        file.create_dataset("b", data=frames, compression="gzip", shuffle=True)
        file["c"] = frames
    packed = {info.path: info.compression for info in list_datasets(path)}
    assert packed == {"/a": "bitshuffle", "/b": "gzip", "/c": None}


def test_short_names_are_understood_and_pairs_called_xy_said_to_be_in_doubt():
    infos = [
        DatasetInfo("/frames", (30, 16, 16), "uint16"), DatasetInfo("/xy_um", (30, 2), "float64"),
        DatasetInfo("/Det_dist_m", (), "float64"), DatasetInfo("/px_size", (), "float64", "um"),
    ]  # fmt: skip
    found = guesses(infos)
    assert "its name says x first" in found["positions"].reason
    assert found["distance"].reason == "called Det_dist_m, no unit recorded"
    assert found["detector_pixel"].reason == "called px_size, in um"
