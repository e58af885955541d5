"""Every layout gives the same scan: counts, positions, probe, geometry."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from scan_world import (
    DISTANCE_M,
    ENERGY_EV,
    PITCH_M,
    WAVELENGTH_M,
    World,
    tike_arrays,
    write_cxi,
    write_plain,
    write_ptychi,
)

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.mask_files import write_mask
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions


def counts_of(scan):
    return scan.patterns.read(np.arange(scan.n_points))


def assert_same_counts(scan, world):
    np.testing.assert_array_equal(counts_of(scan), world.patterns * scan.mask)


@pytest.mark.parametrize("variant", [{}, {"pynx": True}, {"wavelength": True}])
def test_cxi_gives_positions_geometry_probe_and_mask(tmp_path, world, variant):
    path = write_cxi(tmp_path / "scan.cxi", world, **variant)
    assert is_scan(path)
    scan = open_scan(path)
    assert scan.provenance.format == "CXI"
    assert_same_counts(scan, world)
    np.testing.assert_allclose(scan.positions, world.positions_m)
    # The file's energy in joules and the program's constants agree to seven digits.
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV, rel=1e-6)
    assert (scan.geometry.distance_m, scan.geometry.detector_pixel_m) == (DISTANCE_M, PITCH_M)
    np.testing.assert_allclose(scan.pixel_m, world.pixel_m, rtol=1e-6)
    np.testing.assert_allclose(scan.positions_px, world.positions_px, rtol=1e-6)
    np.testing.assert_array_equal(scan.probe[0], world.probe)
    assert scan.probe_is_guess
    assert scan.mask.sum() == scan.mask.size - 1
    assert not scan.mask[0, 0]
    assert any("without negation" in sentence for sentence in scan.provenance.assumptions)


@pytest.mark.parametrize("guess", [True, False])
def test_cxi_can_say_whether_its_illumination_is_a_guess(tmp_path, world, guess):
    path = write_cxi(tmp_path / "scan.cxi", world)
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/source_1/illumination"].attrs["is_guess"] = guess
    assert open_scan(path).probe_is_guess is guess


def test_cxi_takes_the_detector_from_basis_vectors_and_corner(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    with h5py.File(path, "a") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        del detector["distance"], detector["x_pixel_size"], detector["y_pixel_size"]
        detector["basis_vectors"] = np.array([[0, -PITCH_M[1]], [-PITCH_M[0], 0], [0, 0]])
        detector["corner_position"] = np.array([1e-3, 1e-3, -DISTANCE_M])
    geometry = open_scan(path).geometry
    assert geometry.distance_m == DISTANCE_M
    assert geometry.detector_pixel_m == pytest.approx(PITCH_M)


def test_nexus_energy_is_that_of_the_photons_not_of_the_electrons(tmp_path, world):
    path = write_cxi(tmp_path / "scan.nxs", world)
    with h5py.File(path, "a") as file:
        file["entry_1/definition"] = "NXptycho"
        source = file["entry_1/instrument_1/source_1"]
        del source["energy"]
        source["energy"] = 3e9
        beam = file.create_group("entry_1/instrument_1/beam_1")
        beam["incident_beam_energy"] = ENERGY_EV / 1000
        beam["incident_beam_energy"].attrs["units"] = "keV"
    assert open_scan(path).geometry.energy_ev == pytest.approx(ENERGY_EV)


def test_units_beside_the_translations_are_obeyed(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    with h5py.File(path, "a") as file:
        translation = file["entry_1/sample_1/geometry_1/translation"]
        translation[...] = translation[()] * 1e6
        translation.attrs["units"] = "um"
    np.testing.assert_allclose(open_scan(path).positions, world.positions_m)
    with h5py.File(path, "a") as file:
        file["entry_1/sample_1/geometry_1/translation"].attrs["units"] = "furlong"
    with pytest.raises(ScanError, match="unknown unit 'furlong'"):
        open_scan(path)


def test_a_propagation_distance_makes_a_near_field_scan(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    assert open_scan(path).near_field is None
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/propagation_distance"] = 3e-3
    assert "propagation_distance" in open_scan(path).near_field


@pytest.mark.parametrize("opened", [0, 1])
def test_either_file_of_a_ptychi_pair_opens_both(tmp_path, world, opened):
    path = write_ptychi(tmp_path, world)[opened]
    assert is_scan(path)
    scan = open_scan(path)
    assert scan.provenance.format == "pty-chi"
    assert_same_counts(scan, world)
    np.testing.assert_allclose(scan.positions_px, world.positions_px, atol=1e-9)
    assert scan.probe.shape == (2, *world.size)
    assert scan.unit == "m"
    assert scan.geometry is None


@pytest.mark.parametrize("name", ["photon_energy_eV", "probe_energy_eV"])
def test_a_ptychi_pair_of_ptychodus_tells_the_geometry(tmp_path, world, name):
    dp, para = write_ptychi(tmp_path, world)
    with h5py.File(para, "a") as file:
        file.attrs.update({"probe_energy_eV": 0.0, name: ENERGY_EV})
        file.attrs["detector_object_distance_m"] = DISTANCE_M
    scan = open_scan(dp)
    assert scan.geometry.wavelength_m == pytest.approx(WAVELENGTH_M)
    np.testing.assert_allclose(scan.geometry.detector_pixel_m, PITCH_M)


def test_half_a_ptychi_pair_names_the_missing_half(tmp_path, world):
    dp, para = write_ptychi(tmp_path, world)
    para.unlink()
    with pytest.raises(ScanError, match=r"run_para\.hdf5, is missing"):
        open_scan(dp)


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("probe", ["probe", "probe_guess"])
def test_tike_arrays_have_dc_at_the_corner_and_corner_positions(tmp_path, world, kind, probe):
    path = tmp_path / f"scan.{kind}"
    arrays = tike_arrays(world, probe)
    if kind == "npz":
        np.savez_compressed(path, **arrays)
    else:
        write_plain(path, **arrays)
    assert is_scan(path)
    scan = open_scan(path)
    assert scan.provenance.format == "tike"
    assert_same_counts(scan, world)
    np.testing.assert_array_equal(scan.positions, world.positions_px)
    assert (scan.unit, scan.pixel_m, scan.geometry) == ("px", None, None)
    assert scan.probe_is_guess == (probe == "probe_guess")
    np.testing.assert_array_equal(scan.probe[0], world.probe)
    assert any("pixels" in sentence for sentence in scan.provenance.assumptions)


def test_told_geometry_brings_pixels_to_metres(tmp_path, world):
    path = write_plain(tmp_path / "scan.h5", **tike_arrays(world))
    options = ScanOptions(energy_ev=ENERGY_EV, distance_m=DISTANCE_M, detector_pixel_m=PITCH_M)
    scan = open_scan(path, options)
    assert scan.unit == "m"
    np.testing.assert_allclose(scan.pixel_m, world.pixel_m)
    np.testing.assert_allclose(scan.positions, world.positions_m)
    chosen = open_scan(path, ScanOptions(pixel_m=5e-9))
    assert (chosen.pixel_m, chosen.geometry) == ((5e-9, 5e-9), None)


def test_chosen_datasets_of_an_unknown_file_make_a_scan(tmp_path, world):
    path = write_plain(
        tmp_path / "mine.h5", stuff=world.patterns, where=world.positions_px, other=np.ones((3, 9))
    )
    options = ScanOptions(
        datasets={"patterns": "/stuff", "positions": "/where"}, positions_unit="px"
    )
    scan = open_scan(path, options)
    assert scan.provenance.format == "datasets by name"
    assert_same_counts(scan, world)
    np.testing.assert_array_equal(scan.positions, world.positions_px)
    assert scan.probe is None


def test_an_unknown_file_may_mark_its_bad_pixels(tmp_path, world):
    stack = world.patterns.astype(np.int32)
    stack[:, 9:11] = -1
    stack[0, 20, 5] = -1
    path = write_plain(tmp_path / "pilatus.h5", camera=stack)
    chosen = ScanOptions(
        datasets={"patterns": "/camera"}, raster=(4, 5, 4.0), positions_unit="px",
        mask_file=tmp_path / "mask.npy",
    )  # fmt: skip
    mask = np.ones(world.size, bool)
    mask[20, 5] = False
    write_mask(tmp_path / "mask.npy", mask)
    scan = open_scan(path, chosen)
    assert not scan.mask[9:11].any()
    np.testing.assert_array_equal(scan.patterns.read(world.everything), world.patterns * scan.mask)
    with pytest.raises(ScanError, match="--mask"):
        open_scan(path, replace(chosen, mask_file=None))


def test_a_result_is_told_from_a_scan_whose_patterns_are_not_found(tmp_path):
    with h5py.File(tmp_path / "object.cxi", "w") as file:
        file["entry_1/object/data"] = np.ones((1, 3, 4), np.complex64)
        file["entry_1/object/x_pixel_size"] = file["entry_1/object/y_pixel_size"] = 1e-8
    with pytest.raises(ScanError, match=r"it is a result .*give the scan"):
        open_scan(tmp_path / "object.cxi")


def test_generic_positions_need_a_unit_and_metres_need_a_pixel(tmp_path, world):
    path = write_plain(tmp_path / "g.h5", reciprocal=world.patterns, position=world.positions_m)
    assert is_scan(path)
    with pytest.raises(ScanError, match=r"unit of /position is not recorded.*--positions-unit"):
        open_scan(path)
    with pytest.raises(ScanError, match=r"object pixel is not known.*--pixel-m"):
        open_scan(path, ScanOptions(positions_unit="m"))
    options = ScanOptions(positions_unit="m", pixel_m=tuple(world.pixel_m))
    np.testing.assert_allclose(open_scan(path, options).positions_px, world.positions_px)


def test_a_transposed_detector_swaps_its_pitches_too(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    with h5py.File(path, "a") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        del detector["data"], detector["mask"], detector["x_pixel_size"], detector["y_pixel_size"]
        detector["data"] = world.patterns.swapaxes(1, 2)
        detector["x_pixel_size"], detector["y_pixel_size"] = PITCH_M
    scan = open_scan(path, ScanOptions(orientation=4))
    assert_same_counts(scan, world)
    assert scan.geometry.detector_pixel_m == PITCH_M
    assert "transposed" in " ".join(scan.provenance.assumptions)


def test_patterns_of_any_size_are_padded_to_multiples_of_eight(tmp_path):
    odd = World(size=(30, 21))
    path = write_cxi(tmp_path / "scan.cxi", odd)
    scan = open_scan(path)
    assert scan.pattern_shape == (32, 24)
    assert scan.mask.sum() == 30 * 21 - 1
    frames = counts_of(scan)
    # DC was at (15, 10) and is at (16, 12).
    np.testing.assert_array_equal(frames[:, 1:31, 2:23] * 1, odd.patterns * scan.mask[1:31, 2:23])
    assert not scan.mask[0].any()
    # λz/p, the field of view of the probe, does not depend on the number of pixels.
    np.testing.assert_allclose(
        np.array(scan.pixel_m) * scan.pattern_shape, odd.pixel_m * odd.size, rtol=1e-6
    )
    power = np.sum(np.abs(scan.probe) ** 2)
    assert power == pytest.approx(np.sum(np.abs(odd.probe) ** 2), rel=1e-5)
    far = np.fft.fftshift(np.abs(np.fft.fft2(scan.probe[0], norm="ortho")))
    truth = np.fft.fftshift(np.abs(np.fft.fft2(odd.probe, norm="ortho")))
    np.testing.assert_allclose(far[1:31, 2:23], truth, atol=1e-3)


def test_a_probe_of_another_size_is_fitted_and_said(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    large = np.pad(world.probe, 4)
    with h5py.File(path, "a") as file:
        del file["entry_1/instrument_1/source_1/illumination"]
        file["entry_1/instrument_1/source_1/probe"] = large
    scan = open_scan(path)
    np.testing.assert_array_equal(scan.probe[0], world.probe)
    assert any("probe is 40 × 32" in sentence for sentence in scan.provenance.assumptions)
