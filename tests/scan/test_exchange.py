"""fold_slice, PtyLab and NSLS-II's layouts give the scan that was written."""

import h5py
import numpy as np
import pytest
from scan_exchange_files import (
    SQUARE_PITCH_M,
    positions_m,
    square_pixel_m,
    square_world,
    write_export,
    write_fold_slice,
    write_hxn,
    write_nsls_matlab,
    write_nsls_matlab_5,
    write_ptylab,
)
from scan_world import DISTANCE_M, ENERGY_EV, World, write_ptychi

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.assemble import assemble
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.formats.fold_slice import FoldSlice
from napari_ptychonn.scan.formats.hxn import Hxn
from napari_ptychonn.scan.formats.nsls_export import NslsExport
from napari_ptychonn.scan.formats.nsls_matlab import NslsMatlab
from napari_ptychonn.scan.formats.ptylab import PtyLab
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions

FORMATS = (FoldSlice(), PtyLab(), Hxn(), NslsExport(), NslsMatlab())
PIXEL_M = 8e-9


@pytest.fixture(scope="module")
def square():
    return square_world()


def load(path, options=None):
    """The scan, by the only one of these formats that knows the file."""
    chosen = options or ScanOptions()
    with open_container(path) as container:
        (known,) = [each for each in FORMATS if each.detect(container)]
        return assemble(known.load(container, chosen), path, known.name, chosen)


def refusal(path, options=None):
    with pytest.raises(ScanError) as caught:
        load(path, options)
    assert caught.value.remedy
    return str(caught.value)


def assert_same(scan, world, pixel_m):
    frames = scan.patterns.read(np.arange(scan.n_points))
    # Counts below 2**24 that went through a square root in float64 and float32.
    np.testing.assert_allclose(frames, world.patterns * scan.mask, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(scan.positions_px, world.positions_px, atol=1e-4)
    np.testing.assert_allclose(scan.pixel_m, pixel_m, rtol=1e-6)


def assert_geometry(scan):
    assert scan.geometry.energy_ev == pytest.approx(ENERGY_EV)
    assert scan.geometry.distance_m == pytest.approx(DISTANCE_M)
    assert scan.geometry.detector_pixel_m == pytest.approx((SQUARE_PITCH_M, SQUARE_PITCH_M))


def said(scan):
    return " ".join(scan.provenance.assumptions)


def change(path, **datasets):
    with h5py.File(path, "a") as file:
        for name, value in datasets.items():
            if name in file:
                del file[name]
            if value is not None:
                file[name] = value
    return path


@pytest.mark.parametrize("opened", [0, 1])
@pytest.mark.parametrize("pair", [False, True])
def test_fold_slice_patterns_of_matlab_are_turned_upright(tmp_path, world, pair, opened):
    paths = write_fold_slice(tmp_path, world, PIXEL_M, pair=pair, dx=PIXEL_M)
    scan = load(paths[opened])
    assert_same(scan, world, (PIXEL_M, PIXEL_M))
    assert scan.provenance.format == "fold_slice"
    assert "orientation 0" in said(scan)


def test_fold_slice_of_electrons_is_in_angstrom(tmp_path, world):
    pixel_m = 0.3e-10
    more = {"dx": pixel_m * 1e10, "lambda": 0.0197}
    path, _ = write_fold_slice(tmp_path, world, pixel_m, scale=1e10, **more)
    scan = load(path)
    assert_same(scan, world, (pixel_m, pixel_m))
    assert said(scan).count("ångström") == 3


def test_fold_slice_unit_that_was_told_wins_over_its_size(tmp_path, world):
    path, _ = write_fold_slice(tmp_path, world, PIXEL_M, scale=1e9, dx=PIXEL_M)
    assert_same(load(path, ScanOptions(positions_unit="nm")), world, (PIXEL_M, PIXEL_M))


def test_fold_slice_without_a_pixel_asks_for_it(tmp_path, world):
    path, _ = write_fold_slice(tmp_path, world, PIXEL_M)
    assert "object pixel is not known" in refusal(path)
    assert_same(load(path, ScanOptions(pixel_m=PIXEL_M)), world, (PIXEL_M, PIXEL_M))


def test_fold_slice_probe_of_matlab_is_complex_and_upright(tmp_path, world):
    path, _ = write_fold_slice(tmp_path, world, PIXEL_M, dx=PIXEL_M)
    pairs = np.empty(world.size[::-1], dtype=[("real", "f4"), ("imag", "f4")])
    pairs["real"], pairs["imag"] = world.probe.T.real, world.probe.T.imag
    change(path, start=pairs)
    scan = load(path, ScanOptions(datasets={"probe": "/start"}))
    np.testing.assert_array_equal(scan.probe[0], world.probe)


def test_fold_slice_leaves_the_pair_of_ptychi_and_lone_patterns_alone(tmp_path, world):
    files = [*write_ptychi(tmp_path, world), tmp_path / "alone_dp.hdf5"]
    with h5py.File(files[-1], "w") as file:
        file["dp"] = world.patterns
    for path in files:
        with open_container(path) as container:
            assert not FoldSlice().detect(container)


def test_fold_slice_coordinates_of_two_lengths_are_refused(tmp_path, world):
    path, _ = write_fold_slice(tmp_path, world, PIXEL_M, dx=PIXEL_M)
    assert "/ppY has 20 values, /ppX has 19" in refusal(change(path, ppX=np.zeros(19)))


@pytest.mark.parametrize("matlab", [False, True])
def test_ptylab_gives_the_scan_whichever_program_wrote_it(tmp_path, square, matlab):
    path = write_ptylab(tmp_path / "simu.hdf5", square, matlab=matlab)
    scan = load(path)
    assert_same(scan, square, square_pixel_m(square))
    assert_geometry(scan)
    assert ("MATLAB" in said(scan)) == matlab


@pytest.mark.parametrize("code", range(8))
def test_ptylab_orientation_counts_as_ours(tmp_path, square, code):
    frames = square.patterns
    # What setOrientation of PtyLab undoes, up to the pixel by which a flip of it moves DC.
    for bit, axis in ((1, 2), (2, 1)):
        if code & bit:
            frames = np.roll(np.flip(frames, axis), 1, axis)
    frames = frames.swapaxes(1, 2) if code & 4 else frames
    path = write_ptylab(tmp_path / "simu.hdf5", square, orientation=code)
    assert_same(load(change(path, ptychogram=frames)), square, square_pixel_m(square))


def test_ptylab_orientation_that_is_none_is_said(tmp_path, square):
    path = write_ptylab(tmp_path / "simu.hdf5", square, orientation=9)
    assert "orientation 9 is not one of 0 to 7" in said(load(path))


def test_ptylab_says_what_it_does_not_correct(tmp_path, square):
    colours = {"spectralDensity": np.linspace(4e-7, 7e-7, 5), "theta": (0.3,)}
    scan = load(write_ptylab(tmp_path / "simu.hdf5", square, **colours))
    assert "several wavelengths" in said(scan)
    assert "tilt" in said(scan)


def test_fourier_ptychography_is_refused(tmp_path, square):
    path = write_ptylab(tmp_path / "fpm.hdf5", square, zled=(0.06,), magnification=(4.0,))
    assert "zled is in it: it is a scan of Fourier ptychography" in refusal(change(path, zo=None))


def test_ptylab_with_positions_from_elsewhere_needs_no_encoder(tmp_path, square):
    np.save(tmp_path / "where.npy", positions_m(square))
    options = ScanOptions(positions_file=tmp_path / "where.npy", positions_unit="m")
    for encoder in (None, np.zeros(3)):
        path = change(write_ptylab(tmp_path / "simu.hdf5", square), encoder=encoder)
        assert_same(load(path, options), square, square_pixel_m(square))
    assert "encoder has shape (3,)" in refusal(path)


def test_hxn_amplitudes_become_upright_centred_counts(tmp_path, square):
    scan = load(write_hxn(tmp_path / "scan_1.h5", square))
    assert_same(scan, square, square_pixel_m(square))
    assert_geometry(scan)
    assert "diffamp holds amplitudes: they are squared" in said(scan)


@pytest.mark.parametrize(("angle", "share"), [(30.0, np.cos(np.pi / 6)), (-80.0, 0.984808)])
def test_hxn_foreshortens_x_by_the_angle(tmp_path, square, angle, share):
    scan = load(write_hxn(tmp_path / "scan_1.h5", square, angle=angle))
    np.testing.assert_allclose(scan.positions, positions_m(square) * (1, share), atol=1e-12)
    assert "sample's angle" in said(scan)


def test_hxn_without_distance_takes_the_recorded_pixel(tmp_path, square):
    scan = load(write_hxn(tmp_path / "scan_1.h5", square, gone=("z_m",)))
    assert_same(scan, square, square_pixel_m(square))
    assert scan.geometry is None


def test_hxn_mask_turns_with_the_patterns(tmp_path, square):
    path = write_hxn(tmp_path / "scan_1.h5", square)
    bad = np.zeros(square.size, np.uint8)
    bad[5, 7] = 1
    change(path, bad=np.fft.fftshift(np.rot90(bad, axes=(1, 0))))
    scan = load(path, ScanOptions(datasets={"mask": "bad"}))
    np.testing.assert_array_equal(np.argwhere(~scan.mask), [[5, 7]])


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"raster": False},
        {"later": True},
        {"frames": "/diff_data/eiger2_image/raw_data"},
        {"frames": "/detector_data/eiger2_image"},
        {"frames": "/entry/data/data", "raster": False},
    ],
)
def test_nsls_exports_give_frames_positions_and_energy(tmp_path, square, variant):
    path = write_export(tmp_path / "scan_1_merlin1.h5", square, **variant)
    assert "object pixel is not known (distance, detector pixel not recorded)" in refusal(path)
    scan = load(path, ScanOptions(distance_m=DISTANCE_M, detector_pixel_m=SQUARE_PITCH_M))
    assert_same(scan, square, square_pixel_m(square))
    assert_geometry(scan)
    assert "energy is taken in keV" in said(scan)
    assert scan.provenance.datasets["patterns"] == variant.get(
        "frames", "/diff_data/merlin1/det_images"
    )


def test_nsls_export_energy_of_thousands_is_in_ev(tmp_path, square):
    path = change(write_export(tmp_path / "s.h5", square), **{"scan/energy": ENERGY_EV})
    scan = load(path, ScanOptions(distance_m=DISTANCE_M, detector_pixel_m=SQUARE_PITCH_M))
    assert_geometry(scan)


def test_nsls_export_of_two_detectors_says_which_is_used(tmp_path, square):
    path = write_export(tmp_path / "s.h5", square)
    change(path, **{"diff_data/eiger2_image/det_images": np.zeros((20, 8, 8))})
    scan = load(path, ScanOptions(pixel_m=PIXEL_M))
    assert "/diff_data/merlin1/det_images is used, not /diff_data/eiger2_image" in said(scan)


def test_nsls_export_without_frames_names_what_is_missing(tmp_path, square):
    path = change(write_export(tmp_path / "s.h5", square), diff_data=None)
    assert "neither /entry/data/data nor /diff_data/DETECTOR/det_images" in refusal(path)


@pytest.mark.parametrize("numbered", [True, False])
def test_nsls_matlab_gives_patterns_positions_probe_and_geometry(tmp_path, square, numbered):
    path = write_nsls_matlab(tmp_path / "scan.mat", square, numbered=numbered)
    scan = load(path)
    assert_same(scan, square, square_pixel_m(square))
    assert_geometry(scan)
    np.testing.assert_array_equal(scan.probe[0], square.probe)


def test_nsls_matlab_of_version_7_gives_the_same(tmp_path, square):
    scan = load(write_nsls_matlab_5(tmp_path / "scan.mat", square))
    assert scan.provenance.format == "NSLS-II MATLAB"
    assert_same(scan, square, square_pixel_m(square))
    assert_geometry(scan)
    np.testing.assert_array_equal(scan.probe[0], square.probe)


def test_a_short_list_of_points_is_refused_with_both_numbers(tmp_path, square):
    path = write_hxn(tmp_path / "scan_1.h5", square)
    assert "points has 19 positions, but diffamp has 20" in refusal(
        change(path, points=np.zeros((2, 19)))
    )


WRONG = [
    np.zeros((2, 2, 2)),
    np.array(["north", "east"], dtype="S"),
    np.zeros((5, 5)),
    np.float64(3),
    h5py.Empty("f4"),
    np.zeros(3, dtype=[("real", "f4"), ("imag", "f4")]),
    np.zeros((0, 2)),
]
WRITERS = {
    FoldSlice: (lambda folder, world: write_fold_slice(folder, world, 1e-9, dx=1e-9)[0],
                ("dp", "ppX", "dx")),
    PtyLab: (lambda folder, world: write_ptylab(folder / "a.h5", world),
             ("ptychogram", "encoder", "wavelength", "dxd", "zo")),
    Hxn: (lambda folder, world: write_hxn(folder / "a.h5", world),
          ("diffamp", "points")),
    NslsExport: (lambda folder, world: write_export(folder / "a.h5", world),
                 ("diff_data/merlin1/det_images", "scan/scan_positions")),
    NslsMatlab: (lambda folder, world: write_nsls_matlab(folder / "a.mat", world),
                 ("det_data", "pos_xy", "det_dist", "prb")),
}  # fmt: skip
TRAPS = [
    (known, name, number)
    for known, (_, names) in WRITERS.items()
    for name in names
    for number in range(len(WRONG))
    # One number, or readings of which the mean is taken, are what these may be.
    if not (name in ("wavelength", "dxd", "zo", "dx", "det_dist") and number in (0, 2, 3))
]


@pytest.mark.parametrize(("known", "name", "number"), TRAPS)
def test_a_dataset_that_is_not_what_it_must_be_is_refused(tmp_path, known, name, number):
    tiny = World(size=(16, 8), steps=(2, 3))
    path = change(WRITERS[known][0](tmp_path, tiny), **{name: WRONG[number]})
    with open_container(path) as container:
        assert known().detect(container)
    refusal(path)


@pytest.mark.parametrize("known", WRITERS)
def test_each_is_recognised_before_less_specific_formats(tmp_path, square, known):
    scan = open_scan(WRITERS[known][0](tmp_path, square), ScanOptions(pixel_m=PIXEL_M))
    assert scan.provenance.format == known().name


@pytest.mark.parametrize("opened", [0, 1])
def test_the_pair_of_fold_slice_is_not_taken_for_that_of_ptychi(tmp_path, world, opened):
    paths = write_fold_slice(tmp_path, world, PIXEL_M, pair=True, dx=PIXEL_M)
    assert open_scan(paths[opened]).provenance.format == "fold_slice"
    assert open_scan(write_ptychi(tmp_path, world)[opened]).provenance.format == "pty-chi"


@pytest.mark.parametrize("known", WRITERS)
def test_a_group_in_the_place_of_patterns_makes_no_scan(tmp_path, known):
    tiny = World(size=(16, 8), steps=(2, 3))
    write, names = WRITERS[known]
    path = change(write(tmp_path, tiny), **{names[0]: None})
    with h5py.File(path, "a") as file:
        file.create_group(names[0])
    # One of these formats knows its files by their positions.
    with open_container(path) as container:
        assert known().detect(container) == (known is NslsExport)
        with pytest.raises(ScanError):
            known().load(container, ScanOptions())


@pytest.mark.parametrize("known", WRITERS)
def test_a_foreign_file_is_not_recognised(tmp_path, known, world):
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["scan"], file["data"], file["scan_positions"] = np.ones(3), world.patterns, np.ones(4)
        file["encoder"], file["points"], file["pos_xy"], file["ppX"] = 1, 2, 3, 4
    np.savez(tmp_path / "foreign.npz", dp=world.patterns, ppX=[1], ppY=[2], det_data=[3])
    for path in (foreign, tmp_path / "foreign.npz"):
        with open_container(path) as container:
            assert not known().detect(container)
