"""CXI of PyNX and cdtools, NXcxi_ptycho and Diamond's NeXus give the scan that was written."""

import warnings

import h5py
import numpy as np
import pytest
from scan_cxi_files import BAD, cxi_basis, write_cdtools, write_diamond, write_nxcxi, write_pynx
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M, WAVELENGTH_M, World, write_cxi

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.orientation import inverse_orientation, orient

DETECTOR = "entry_1/instrument_1/detector_1"
ALONG = [((0, y), (x, 0)) for y in (-1, 1) for x in (-1, 1)]
BASES = [*ALONG, *((column, row) for row, column in ALONG)]
"""Directions (x, y) in which rows and columns are counted: all eight."""


def assert_same(scan, world, *, bad=(BAD,), name="CXI", hc=1e-6):
    assert scan.provenance.format == name
    good = np.ones(world.size, bool)
    for pixel in bad:
        good[pixel] = False
    np.testing.assert_array_equal(scan.mask, good)
    frames = scan.patterns.read(np.arange(scan.n_points))
    np.testing.assert_array_equal(frames, world.patterns * good)
    np.testing.assert_allclose(scan.pixel_m, world.pixel_m, rtol=hc)
    # Positions are in single precision.
    np.testing.assert_allclose(scan.positions, world.positions_m, rtol=1e-6, atol=1e-12)
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV, rel=hc)
    assert scan.geometry.distance_m == pytest.approx(DISTANCE_M)
    assert scan.geometry.detector_pixel_m == pytest.approx(PITCH_M)


def code_of(row, column):
    """Orientation that brings upright patterns to a detector of that basis."""
    lie = bool(row[0])
    flips = {"y": (column if lie else row)[1] > 0, "x": (row if lie else column)[0] > 0}
    code = 4 * lie + 2 * flips["y"] + flips["x"]
    return inverse_orientation(code)


def said(scan):
    return " | ".join(scan.provenance.assumptions)


def put(path, name, value, unit=None):
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value
        if unit is not None:
            file[name].attrs["units"] = unit


def test_complex_data_are_no_patterns(tmp_path, world):
    path = tmp_path / "scan.cxi"
    write_cxi(path, world)
    waves = np.ones((3, *world.size), np.complex64)
    put(path, "entry_1/data_1/data", waves)
    put(path, f"{DETECTOR}/data", world.patterns)
    frames = open_scan(path).patterns.read(np.arange(1))
    assert frames.any()
    put(path, f"{DETECTOR}/data", waves)
    assert not is_scan(path)


def test_pynx_writes_positions_in_rows_and_its_mask_for_all_frames(tmp_path, world):
    path = write_pynx(tmp_path / "pynx.cxi", world)
    # PyNX writes energies with hc = 12384 eV Å, 1.2e-3 less than it is.
    rounded = 1.3e-3
    scan = open_scan(path)
    assert_same(scan, world, hc=rounded)
    assert "background (dark)" in said(scan)
    stack = np.zeros((world.n, *world.size), np.int8)
    stack[(slice(None), *BAD)] = 1
    put(path, f"{DETECTOR}/mask", stack)
    assert_same(open_scan(path), world, hc=rounded)
    stack[3, 0, 0] = 1
    put(path, f"{DETECTOR}/mask", stack)
    scan = open_scan(path)
    assert_same(scan, world, bad=(BAD, (0, 0)), hc=rounded)
    assert "differs from frame to frame" in said(scan)


def test_three_points_in_three_columns_are_not_transposed(tmp_path):
    few = World(steps=(1, 3))
    assert_same(open_scan(write_cdtools(tmp_path / "three.cxi", few)), few)


def test_cdtools_fields_and_a_file_with_half_of_them(tmp_path, world):
    path = write_cdtools(tmp_path / "cdtools.cxi", world)
    assert_same(open_scan(path), world)
    put(path, f"{DETECTOR}/distance", None)
    put(path, f"{DETECTOR}/corner_position", np.array([1e-3, 2e-3, DISTANCE_M]))
    put(path, "entry_1/instrument_1/source_1/wavelength", None)
    assert_same(open_scan(path), world)
    for name in ("x_pixel_size", "y_pixel_size"):
        put(path, f"{DETECTOR}/{name}", None)
    assert_same(open_scan(path), world)
    put(path, f"{DETECTOR}/x_pixel_size", PITCH_M[1])
    scan = open_scan(path)
    assert scan.geometry.detector_pixel_m == (PITCH_M[1], PITCH_M[1])
    assert "square" in said(scan)


@pytest.fixture(scope="module")
def cdtools():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("cdtools", reason="cdtools-py is not installed")


def test_the_writer_of_cdtools_itself_is_understood(tmp_path, world, cdtools):
    motion = np.zeros((world.n, 3), np.float32)
    motion[:, 1::-1] = world.positions_m
    mask = np.ones(world.size, bool)
    mask[BAD] = False
    # cdtools' own translations are those of the probe, the file's those of the sample.
    dataset = cdtools.datasets.Ptycho2DDataset(
        -motion,
        world.patterns.astype(np.float32),
        wavelength=WAVELENGTH_M,
        detector_geometry={"distance": DISTANCE_M, "basis": cxi_basis(), "corner": None},
        mask=mask,
    )
    path = tmp_path / "peer.cxi"
    dataset.to_cxi(str(path))
    assert_same(open_scan(path), world)


@pytest.mark.parametrize(("row", "column"), BASES)
def test_cdtools_puts_the_points_where_we_do_however_the_detector_stands(
    tmp_path, world, cdtools, row, column
):
    path = write_cdtools(tmp_path / "scan.cxi", world, cxi_basis(row, column))
    theirs = cdtools.datasets.Ptycho2DDataset.from_cxi(str(path), cut_zeros=False)
    basis = cdtools.tools.initializers.exit_wave_geometry(
        theirs.detector_geometry["basis"], theirs.patterns.shape[1:], theirs.wavelength, DISTANCE_M
    )
    rows_columns = cdtools.tools.interactions.translations_to_pixel(basis, theirs.translations)
    scan = open_scan(path)
    # Their points are counted on the stored patterns, ours on the turned ones.
    code = inverse_orientation(code_of(row, column))
    turned = rows_columns.numpy()[:, ::-1] if code & 4 else rows_columns.numpy()
    sign = np.array([-1 if code & 2 else 1, -1 if code & 1 else 1])
    np.testing.assert_allclose(scan.positions_px, turned * sign, atol=1e-4)


@pytest.mark.parametrize(("row", "column"), BASES)
def test_basis_vectors_say_how_the_detector_stands(tmp_path, world, row, column):
    path = write_cdtools(tmp_path / "turned.cxi", world, cxi_basis(row, column))
    code = code_of(row, column)
    put(path, f"{DETECTOR}/data", orient(world.patterns, code))
    put(path, f"{DETECTOR}/mask", None)
    pitch = PITCH_M[::-1] if code & 4 else PITCH_M
    put(path, f"{DETECTOR}/y_pixel_size", pitch[0])
    put(path, f"{DETECTOR}/x_pixel_size", pitch[1])
    scan = open_scan(path)
    assert_same(scan, world, bad=())
    assert ("basis_vectors" in said(scan)) == (code != 0)


@pytest.mark.parametrize(
    "basis", [np.zeros((3, 2)), np.full((3, 2), np.nan), np.ones((2, 2)), "rows"]
)
def test_a_basis_that_is_none_is_passed_over(tmp_path, world, basis):
    path = write_cdtools(tmp_path / "scan.cxi", world)
    put(path, f"{DETECTOR}/basis_vectors", basis)
    assert_same(open_scan(path), world)


@pytest.mark.parametrize(
    ("name", "value", "unit", "words"),
    [
        ("x_pixel_size", PITCH_M[1], "um", "x_pixel_size cannot be 7.5e-05 um: it is taken in m"),
        ("x_pixel_size", PITCH_M[1] * 1e6, "m", "it is taken in um"),
        ("distance", DISTANCE_M * 1e3, "km", None),
        ("distance", DISTANCE_M * 1e3, "mm", ""),
        ("distance", DISTANCE_M, "nm", "distance cannot be 1.5 nm: it is taken in m"),
    ],
)
def test_units_are_obeyed_unless_they_cannot_be(tmp_path, world, name, value, unit, words):
    path = write_cdtools(tmp_path / "scan.cxi", world)
    put(path, f"{DETECTOR}/{name}", value, unit)
    if words is None:
        with pytest.raises(ScanError, match="unknown unit 'km'"):
            open_scan(path)
        return
    scan = open_scan(path)
    assert_same(scan, world)
    assert words in said(scan)


def test_positions_that_cannot_be_in_their_unit_are_taken_in_another(tmp_path, world):
    path = write_cdtools(tmp_path / "scan.cxi", world)
    name = "entry_1/sample_1/geometry_1/translation"
    with h5py.File(path) as file:
        metres = file[name][()]
    put(path, name, metres, "um")
    scan = open_scan(path)
    assert_same(scan, world)
    assert "taken in m" in said(scan)
    put(path, name, metres * 1e6, "m")
    assert_same(open_scan(path), world)
    # What the person says is not doubted.
    metres_told = open_scan(path, ScanOptions(positions_unit="m")).positions
    np.testing.assert_allclose(metres_told, world.positions_m * 1e6, rtol=1e-6)


def test_the_energy_of_a_storage_ring_is_not_taken_for_the_photons(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    for value, unit in ((3.0, "GeV"), (3.0, None), (3e9, "eV"), (6e9, None), (3000.0, "MeV")):
        put(path, "entry_1/instrument_1/source_1/energy", value, unit)
        with pytest.raises(ScanError, match="energy not recorded"):
            open_scan(path)
        told = open_scan(path, ScanOptions(energy_ev=ENERGY_EV))
        assert "is no photon energy" in said(told)
        np.testing.assert_allclose(told.pixel_m, world.pixel_m)


def test_the_energy_of_a_source_without_a_unit_may_be_in_kev(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    put(path, "entry_1/instrument_1/source_1/energy", 12.4, None)
    scan = open_scan(path)
    assert scan.geometry.wavelength_m == pytest.approx(WAVELENGTH_M * ENERGY_EV / 12_400)
    assert "source_1/energy is 12.4 without a unit: it is taken as 12400 eV" in said(scan)


@pytest.mark.parametrize("raster", [True, False])
def test_nxcxi_reads_rasters_through_their_virtual_stack(tmp_path, world, raster):
    path = write_nxcxi(tmp_path / "scan.nxs", world, raster=raster)
    assert_same(open_scan(path), world, name="NXcxi_ptycho")
    put(path, "entry_1/data_1/data", None)
    assert_same(open_scan(path), world, name="NXcxi_ptycho")


def test_a_missing_part_of_a_virtual_stack_is_named(tmp_path, world):
    path = write_nxcxi(tmp_path / "scan.nxs", world, parts=3)
    assert_same(open_scan(path), world, name="NXcxi_ptycho")
    (tmp_path / "scan_1.h5").unlink()
    with pytest.raises(ScanError, match=r"1 of the 3 files .* is missing: scan_1\.h5"):
        open_scan(path)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (ENERGY_EV, "eV", ""),
        (ENERGY_EV / 1e3, "keV", ""),
        (ENERGY_EV, "keV", "cannot be 8000 keV: it is taken as 8000 eV"),
        (ENERGY_EV, None, "8000 without a unit: it is taken as 8000 eV"),
        (ENERGY_EV / 1e3, None, "8 without a unit: it is taken as 8000 eV"),
        (ENERGY_EV / 1e3, "J", "cannot be 8 J"),
        (np.full(20, ENERGY_EV), "eV", ""),
    ],
)
def test_the_beam_of_a_nexus_file_gives_the_energy(tmp_path, world, value, unit, words):
    path = write_nxcxi(tmp_path / "scan.nxs", world)
    put(path, "entry_1/instrument_1/beam_1/energy", value, unit)
    scan = open_scan(path)
    assert_same(scan, world, name="NXcxi_ptycho")
    assert words in said(scan)


def test_a_nexus_file_without_a_beam_asks_for_the_energy(tmp_path, world):
    path = write_nxcxi(tmp_path / "scan.nxs", world)
    put(path, "entry_1/instrument_1/beam_1/energy", None)
    ring = r"source_1/energy, that of the storage ring in NeXus, is not used"
    with pytest.raises(ScanError, match=rf"energy not recorded; .*{ring}.*--energy-ev"):
        open_scan(path)
    put(path, "entry_1/instrument_1/beam_1/incident_beam_energy", "high")
    scan = open_scan(path, ScanOptions(energy_ev=ENERGY_EV))
    assert_same(scan, world, name="NXcxi_ptycho")
    assert "incident_beam_energy is no finite number" in said(scan)


@pytest.mark.parametrize(("pixels", "unit"), [(1, "pixel"), (1, None), (PITCH_M, "m")])
def test_a_nexus_beam_centre_is_in_pixels_or_a_length(tmp_path, world, pixels, unit):
    path = write_nxcxi(tmp_path / "scan.nxs", world)
    centre = np.array([14.4, 12.2]) * pixels
    for axis, value in zip("yx", centre, strict=True):
        put(path, f"{DETECTOR}/beam_center_{axis}", value, unit)
    scan = open_scan(path)
    assert "around the recorded beam centre" in said(scan)
    frames = scan.patterns.read(np.arange(world.n))
    # 28 rows around row 14, padded to 32: row 0 of the file is row 2 of the scan.
    assert frames.shape == (world.n, 32, 24)
    good = scan.mask[2:30]
    np.testing.assert_array_equal(frames[:, 2:30], world.patterns[:, :28] * good)


@pytest.mark.parametrize("frames", ["raster", "points"])
@pytest.mark.parametrize("axes", ["raster", "points", "squeezed", "vectors"])
def test_diamond_positions_fit_rasters_and_lists_of_frames(tmp_path, world, frames, axes):
    path = write_diamond(tmp_path / "i08.nxs", world, frames=frames, axes=axes)
    scan = open_scan(path)
    assert_same(scan, world, bad=(), name="NXcxi_ptycho")
    # Its pixel sizes say um and are metres.
    assert "x_pixel_size cannot be" in said(scan)


@pytest.mark.parametrize("unit", ["mm", "um", None])
def test_diamond_positions_have_units_or_are_metres_with_a_word(tmp_path, world, unit):
    path = write_diamond(tmp_path / "i08.nxs", world, unit=unit)
    scan = open_scan(path)
    assert_same(scan, world, bad=(), name="NXcxi_ptycho")
    assert ("without a unit are taken in metres" in said(scan)) == (unit is None)
    put(path, "entry_1/data/x", world.positions_m[:, 1] * 1e9, "nm")
    if unit is not None:
        assert_same(open_scan(path), world, bad=(), name="NXcxi_ptycho")


def test_diamond_positions_of_another_number_are_refused(tmp_path, world):
    path = write_diamond(tmp_path / "i08.nxs", world)
    put(path, "entry_1/data/x", np.arange(7.0), "mm")
    with pytest.raises(ScanError, match=r"data/x 7 values for 20 patterns"):
        open_scan(path)
    put(path, "entry_1/data/x", None)
    with pytest.raises(ScanError, match="positions: there are none"):
        open_scan(path)


WRONG = {
    "entry_1/instrument_1/detector_1/data": [1.0, "frames", np.ones((4, 4)), None],
    "entry_1/sample_1/geometry_1/translation": [
        np.ones((20, 4)), np.full((20, 3), "x", "S1"), np.ones((20, 3), complex), np.ones(20),
        np.full((20, 3), np.nan),
    ],
    "entry_1/instrument_1/detector_1/mask": [
        "none", np.ones(4), np.zeros((3, 3)), np.zeros((32, 24), "S1"), np.ones((32, 24), int),
    ],
    "entry_1/instrument_1/source_1/illumination": ["gauss", np.ones(3), np.zeros((32, 24))],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in WRONG.items() for v in vs])
def test_what_is_not_what_it_must_be_is_a_scan_error(tmp_path, world, name, value):
    path = write_cxi(tmp_path / "scan.cxi", world)
    put(path, name, value)
    with pytest.raises(ScanError):
        open_scan(path)


@pytest.mark.parametrize("leaf", ["distance", "x_pixel_size", "y_pixel_size"])
@pytest.mark.parametrize("value", ["long", np.nan, 1e30, np.ones((2, 2), complex), []])
def test_numbers_that_are_none_are_asked_for_and_can_be_told(tmp_path, world, leaf, value):
    path = write_cxi(tmp_path / "scan.cxi", world)
    put(path, f"{DETECTOR}/{leaf}", value)
    told = ScanOptions(energy_ev=ENERGY_EV, distance_m=DISTANCE_M, detector_pixel_m=PITCH_M)
    scan = open_scan(path, told)
    np.testing.assert_allclose(scan.pixel_m, world.pixel_m)
    assert f"{leaf} " in said(scan) or not np.size(value)
    if leaf == "distance":
        with pytest.raises(ScanError, match="distance not recorded"):
            open_scan(path)


def test_a_group_where_a_dataset_should_be_is_passed_over_or_refused(tmp_path, world):
    path = write_cxi(tmp_path / "scan.cxi", world)
    with h5py.File(path, "a") as file:
        del file["entry_1/sample_1/geometry_1/translation"]
        file.create_group("entry_1/sample_1/geometry_1/translation")
    with pytest.raises(ScanError, match="positions: there are none"):
        open_scan(path)
    chosen = ScanOptions(datasets={"positions": "/entry_1/sample_1/geometry_1/translation"})
    with pytest.raises(ScanError, match="is a group"):
        open_scan(path, chosen)
