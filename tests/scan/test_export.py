"""Scans and results written for other programs are read back as they were."""

import builtins
from dataclasses import replace

import h5py
import numpy as np
import pytest
from scan_results_files import ResultWorld, cut, write_product, write_ptyr
from scan_world import World, tike_arrays, write_plain
from scan_world import write_cxi as write_cxi_by_hand

from napari_ptychonn.errors import OutputError
from napari_ptychonn.scan.export.cxi import write_cxi
from napari_ptychonn.scan.export.product import write_product as export_product
from napari_ptychonn.scan.export.ptychi import pair_of, write_ptychi
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.scan.results.open import open_result


@pytest.fixture
def scan(tmp_path, world):
    """A scan away from (0, 0), with gap pixels and a guess of the probe."""
    path = write_cxi_by_hand(tmp_path / "source.cxi", world)
    with h5py.File(path, "a") as file:
        file["entry_1/sample_1/geometry_1/translation"][...] += (3e-6, -5e-6, 0)
        file["entry_1/instrument_1/source_1/illumination"].attrs["is_guess"] = True
    return open_scan(path)


def everything(scan):
    return scan.patterns.read(np.arange(scan.n_points))


def assert_same(read, scan, *, offset=(0.0, 0.0)):
    np.testing.assert_array_equal(everything(read), everything(scan))
    # A tenth of a picometre: a translation and back costs some digits.
    np.testing.assert_allclose(read.positions + offset, scan.positions, rtol=0, atol=1e-13)
    np.testing.assert_allclose(read.pixel_m, scan.pixel_m, rtol=1e-9)
    np.testing.assert_array_equal(read.probe, scan.probe)
    np.testing.assert_array_equal(read.mask, scan.mask)
    assert read.probe_is_guess == scan.probe_is_guess
    assert read.geometry.energy_ev == pytest.approx(scan.geometry.energy_ev, rel=1e-7)
    assert read.geometry.distance_m == pytest.approx(scan.geometry.distance_m)
    np.testing.assert_allclose(
        read.geometry.detector_pixel_m, scan.geometry.detector_pixel_m, rtol=1e-7
    )


def offset_of(parameters):
    with h5py.File(parameters) as file:
        return [file.attrs[f"position_offset_{axis}_m"] for axis in "yx"]


def test_a_cxi_file_is_read_back_equal(tmp_path, scan):
    write_cxi(tmp_path / "out.cxi", scan)
    assert_same(open_scan(tmp_path / "out.cxi"), scan)
    with h5py.File(tmp_path / "out.cxi") as file:
        assert file["entry_1/data_1/data"].dtype == np.int32


def test_a_ptychi_pair_is_read_back_equal_but_for_its_offset(tmp_path, scan):
    dp, para = write_ptychi(tmp_path / "run.hdf5", scan)
    assert (dp.name, para.name) == ("run_dp.hdf5", "run_para.hdf5")
    assert_same(open_scan(dp), scan, offset=offset_of(para))
    # pty-chi counts from the object's middle.
    positions = open_scan(dp).positions
    np.testing.assert_allclose(positions.min(0), -positions.max(0), atol=1e-13)


def test_a_scan_without_probe_makes_a_pair_without_one(tmp_path, scan):
    dp, _ = write_ptychi(tmp_path / "run_dp.h5", replace(scan, probe=None, probe_is_guess=False))
    assert open_scan(dp).probe is None


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("run_dp.hdf5", ("run_dp.hdf5", "run_para.hdf5")),
        ("run_para.h5", ("run_dp.h5", "run_para.h5")),
        ("run.h5", ("run_dp.h5", "run_para.h5")),
        ("run", ("run_dp.hdf5", "run_para.hdf5")),
    ],
)
def test_one_name_stands_for_the_pair(name, pair):
    assert tuple(path.name for path in pair_of(name)) == pair


def test_fractions_are_kept_although_the_first_patterns_have_none(tmp_path, scan, monkeypatch):
    from napari_ptychonn.scan.export import counts

    monkeypatch.setattr(counts, "BATCH_BYTES", 1)
    frames = everything(scan)
    frames[-1, 16, 12] += 0.5
    fractional = replace(scan, patterns=ArrayPatterns(frames))
    steps = []
    write_cxi(tmp_path / "out.cxi", fractional, on_progress=lambda *step: steps.append(step))
    with h5py.File(tmp_path / "out.cxi") as file:
        assert file["entry_1/data_1/data"].dtype == np.float32
        np.testing.assert_array_equal(file["entry_1/data_1/data"], frames)
    assert steps[-1] == (20, 20)


def test_patterns_are_never_read_all_at_once(tmp_path, scan, monkeypatch):
    from napari_ptychonn.scan.export import counts

    monkeypatch.setattr(counts, "BATCH_BYTES", 4 * 32 * 24 * 3)
    asked = []

    class Watched:
        shape = scan.patterns.shape

        def read(self, indices):
            asked.append(len(indices))
            return scan.patterns.read(indices)

    write_ptychi(tmp_path / "run", replace(scan, patterns=Watched()))
    assert max(asked) == 3
    assert sum(asked) == 20


def test_a_product_of_a_scan_has_positions_probe_and_a_flat_object(tmp_path, scan):
    export_product(tmp_path / "product.h5", scan)
    result = open_result(tmp_path / "product.h5")
    assert result.is_start
    assert "nothing was reconstructed" in " ".join(result.notes)
    np.testing.assert_allclose(result.positions, scan.positions)
    np.testing.assert_array_equal(result.probe, scan.probe)
    assert (result.object == 1).all()
    # Every patch lies inside, with room for positions to be refined.
    places = (result.positions - np.asarray(result.corner)) / np.asarray(result.pixel)
    assert (places.min(0) - np.divide(scan.pattern_shape, 2)).min() > 4
    room = np.asarray(result.object.shape) - places.max(0) - np.divide(scan.pattern_shape, 2)
    assert room.min() > 4


@pytest.mark.parametrize("write", [write_product, write_ptyr])
def test_a_product_of_a_result_is_the_same_result(tmp_path, write):
    world = ResultWorld()
    result = open_result(write(tmp_path / "source.ptyr", world))
    export_product(tmp_path / "product.h5", result)
    read = open_result(tmp_path / "product.h5")
    np.testing.assert_array_equal(read.object, result.object)
    np.testing.assert_array_equal(read.probe, result.probe)
    np.testing.assert_allclose(read.positions, result.positions, rtol=1e-12)
    np.testing.assert_allclose(read.corner, result.corner, rtol=1e-12)
    np.testing.assert_allclose(read.pixel, result.pixel)
    assert read.energy_ev == pytest.approx(result.energy_ev)
    assert not read.is_start
    np.testing.assert_array_equal(cut(read, 2), world.patch(2))


def test_a_scan_in_pixels_becomes_a_product_that_says_so(tmp_path, world):
    path = write_plain(tmp_path / "scan.h5", **tike_arrays(world))
    scan = open_scan(path)
    export_product(tmp_path / "product.h5", scan)
    result = open_result(tmp_path / "product.h5")
    assert (result.unit, result.pixel) == ("px", (1.0, 1.0))
    np.testing.assert_array_equal(result.positions, scan.positions)
    for write in (write_cxi, write_ptychi):
        with pytest.raises(OutputError, match=r"holds? metres"):
            write(tmp_path / "out", scan)


def test_a_near_field_scan_can_only_become_a_cxi_file(tmp_path, scan):
    near = replace(scan, near_field="near-field scan: it is close")
    for write in (export_product, write_ptychi):
        with pytest.raises(OutputError, match=r"it is close.*CXI"):
            write(tmp_path / "out", near)
    write_cxi(tmp_path / "out.cxi", near)
    assert open_scan(tmp_path / "out.cxi").near_field is not None
    assert {path.name for path in tmp_path.iterdir()} == {"source.cxi", "out.cxi"}


def test_patterns_that_break_off_leave_the_old_pair_and_nothing_else(tmp_path, scan):
    pair = pair_of(tmp_path / "run")
    for path in pair:
        path.write_bytes(b"the old one")

    def break_off(done, total):
        raise builtins.KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ptychi(tmp_path / "run", scan, on_progress=break_off)
    assert [path.read_bytes() for path in pair] == [b"the old one"] * 2
    assert {path.name for path in tmp_path.iterdir()} == {*(p.name for p in pair), "source.cxi"}


def test_a_folder_that_is_not_there_is_made(tmp_path, scan):
    for number, write in enumerate((write_cxi, export_product, write_ptychi)):
        folder = tmp_path / f"new{number}" / "er"
        write(folder / "out.h5", scan)
        assert list(folder.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path, scan):
    (tmp_path / "nowhere").touch()
    for write in (write_cxi, export_product, write_ptychi):
        with pytest.raises(OutputError, match=r"nowhere.*cannot be written"):
            write(tmp_path / "nowhere" / "out", scan)


# The programs that take over


def test_ptychodus_opens_what_is_written(tmp_path, scan):
    cxi = pytest.importorskip("ptychodus.plugins.cxi_file")
    h5 = pytest.importorskip("ptychodus.plugins.h5_product_file")
    write_cxi(tmp_path / "out.cxi", scan)
    dataset = cxi.CXIDiffractionFileReader().read(tmp_path / "out.cxi")
    (array,) = list(dataset)
    np.testing.assert_array_equal(array.get_patterns(), everything(scan))
    metadata = dataset.get_metadata()
    assert metadata.detector_distance_m == pytest.approx(scan.geometry.distance_m)
    np.testing.assert_array_equal(dataset.get_bad_pixels(), ~scan.mask)
    for product_of in (scan, replace(scan, probe=None)):
        export_product(tmp_path / "product.h5", product_of)
        product = h5.H5ProductFileIO().read(tmp_path / "product.h5")
        assert len(product.probe_positions) == scan.n_points
        geometry = product.object_.get_geometry()
        assert geometry.pixel_height_m == pytest.approx(scan.pixel_m[0])
    dp, para = write_ptychi(tmp_path / "run", scan)
    plugin = pytest.importorskip("ptychodus.plugins.h5_diffraction_file")
    (array,) = list(plugin.H5DiffractionFileReader(data_path="/dp").read(dp))
    np.testing.assert_array_equal(array.get_patterns(), everything(scan))
    assert len(h5.H5ProductFileIO().read(para).probe_positions) == scan.n_points


def test_ptychi_cuts_its_patches_inside_the_object_that_is_written(tmp_path):
    torch = pytest.importorskip("torch")
    processing = pytest.importorskip("ptychi.image_proc")
    world = World(size=(32, 32))
    scan = open_scan(write_cxi_by_hand(tmp_path / "square.cxi", world))
    dp, para = write_ptychi(tmp_path / "run", scan)
    with h5py.File(dp) as patterns, h5py.File(para) as file:
        # As pty-chi's own tests load a pair.
        height = file["object"].attrs["pixel_height_m"]
        width = file["object"].attrs["pixel_width_m"]
        positions = np.stack(
            [file["probe_position_y_m"][()] / height, file["probe_position_x_m"][()] / width], 1
        )
        sample = torch.as_tensor(file["object"][0])
        assert file["probe"].shape == (1, 1, 32, 32)
        assert torch.as_tensor(patterns["dp"][()]).shape == (20, 32, 32)
    row, column = np.indices(sample.shape)
    origin = torch.round(torch.tensor(sample.shape) / 2.0) - 0.5
    numbered = torch.as_tensor((row * 1000 + column).astype(np.float64))
    places = torch.as_tensor(positions).round() + origin
    first = processing.extract_patches_integer(numbered, places, (32, 32))[:, 0, 0].numpy()
    found = np.stack([first // 1000, first % 1000], -1)
    np.testing.assert_array_equal(np.diff(found, axis=0), np.diff(world.positions_px, axis=0))
    assert found.min() >= 0
    assert (found + 32 <= sample.shape).all()
