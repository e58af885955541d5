"""Results of every program give the patches that they were made of, at their positions."""

from dataclasses import astuple, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from scan_results_files import (
    DISTANCE_M,
    ENERGY_EV,
    ORIGIN_M,
    PIXEL_M,
    ResultWorld,
    cut,
    matlab,
    ptychi_positions_px,
    write_cxi_image,
    write_fold_slice_result,
    write_fold_slice_result_5,
    write_nsls_matlab_result,
    write_product,
    write_product_npz,
    write_ptychi_result,
    write_ptychopinn_object,
    write_ptyr,
    write_pynx,
    write_shelves_h5,
    write_shelves_mat,
    write_shelves_mat_73,
)
from scan_world import write_cxi, write_plain

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.results.open import holds_scan_too, is_result, open_result
from napari_ptychonn.scan.results.place import placed_on
from napari_ptychonn.scan.results.result import ObjectResult

SQUARE = (10e-9, 10e-9)
ODD = (61, 53)
WRITERS = {
    "product.h5": (write_product, "ptychodus product", PIXEL_M),
    "product.npz": (write_product_npz, "ptychodus product", PIXEL_M),
    "run.ptyr": (write_ptyr, "ptypy result", PIXEL_M),
    "recon_Niter100.h5": (write_ptychi_result, "pty-chi result", SQUARE),
    "Niter100.mat": (write_fold_slice_result, "fold_slice result", PIXEL_M),
    "Niter100_7.mat": (write_fold_slice_result_5, "fold_slice result", PIXEL_M),
    "recon.mat": (write_nsls_matlab_result, "NSLS-II MATLAB result", PIXEL_M),
    "S00001_recons.mat": (write_shelves_mat, "PtychoShelves result", PIXEL_M),
    "S00001_recons_73.mat": (write_shelves_mat_73, "PtychoShelves result", PIXEL_M),
    "S00001_recons.h5": (write_shelves_h5, "PtychoShelves result", PIXEL_M),
    "result.cxi": (write_pynx, "CXI object", PIXEL_M),
    "train.npz": (write_ptychopinn_object, "PtychoPINN object", (1.0, 1.0)),
}


@pytest.fixture(scope="module")
def result_world():
    return ResultWorld()


@pytest.mark.parametrize("shape", [(60, 52), ODD], ids=["even", "odd"])
@pytest.mark.parametrize("name", WRITERS)
def test_patches_cut_at_the_positions_are_those_of_the_program(tmp_path, name, shape):
    write, title, pixel = WRITERS[name]
    world = ResultWorld(shape=shape, pixel=pixel)
    path = write(tmp_path / name, world)
    assert is_result(path)
    result = open_result(path)
    assert result.format == title
    assert (result.object.dtype, result.object.shape) == (np.complex64, shape)
    assert result.probe.shape == (2, 16, 16)
    np.testing.assert_allclose(result.probe, world.probe, rtol=1e-6)
    np.testing.assert_allclose(result.pixel, pixel)
    assert result.unit == ("px" if pixel == (1.0, 1.0) else "m")
    assert result.pixel_m == (result.pixel if result.unit == "m" else None)
    assert not result.is_start
    for j in range(len(world.corners)):
        np.testing.assert_allclose(cut(result, j), world.patch(j), rtol=1e-6)


TELL_ENERGY = [
    "product.h5", "product.npz", "run.ptyr", "result.cxi", "S00001_recons.mat",
    "S00001_recons_73.mat", "S00001_recons.h5", "recon.mat",
]  # fmt: skip


@pytest.mark.parametrize("name", TELL_ENERGY)
def test_energy_comes_in_electronvolts(tmp_path, result_world, name):
    result = open_result(WRITERS[name][0](tmp_path / name, result_world))
    assert result.energy_ev == pytest.approx(ENERGY_EV)
    if name != "run.ptyr":
        assert result.distance_m == pytest.approx(DISTANCE_M)


def test_fold_slice_tells_the_energy_and_ptychi_does_not(tmp_path, result_world):
    path = write_fold_slice_result(tmp_path / "a.mat", result_world)
    assert open_result(path).energy_ev == pytest.approx(ENERGY_EV)
    assert open_result(write_ptychi_result(tmp_path / "b.h5", result_world)).energy_ev is None


def test_layers_of_the_object_are_multiplied(tmp_path, result_world):
    factor = np.exp(0.3j).astype(np.complex64)
    layers = np.stack([result_world.object, np.full(result_world.shape, factor)], -1)
    path = write_fold_slice_result(tmp_path / "layers.mat", result_world, layers=layers)
    result = open_result(path)
    np.testing.assert_allclose(result.object, result_world.object * factor, rtol=1e-5)
    assert "2 layers" in " ".join(result.notes)


def test_layers_of_ptychoshelves_are_multiplied_and_of_modes_the_first_is_used(
    tmp_path, result_world
):
    factor = np.exp(0.3j).astype(np.complex64)
    first = np.stack([result_world.object, np.full(result_world.shape, factor)])
    layers = np.stack([first, first[::-1]], 1)  # (layers, modes, H, W)
    path = write_shelves_h5(tmp_path / "S00001_recons.h5", result_world, layers=layers)
    result = open_result(path)
    np.testing.assert_allclose(result.object, result_world.object * factor, rtol=1e-5)
    assert "2 modes the first" in " ".join(result.notes)


@pytest.mark.parametrize("here", [1, 3])
def test_of_several_scans_of_ptychoshelves_the_positions_are_those_of_the_object(
    tmp_path, result_world, here
):
    path = write_shelves_h5(tmp_path / "S00003_recons.h5", result_world, scans=3, here=here)
    result = open_result(path)
    assert len(result.positions) == len(result_world.corners)
    for j in range(len(result_world.corners)):
        np.testing.assert_allclose(cut(result, j), result_world.patch(j), rtol=1e-6)
    with h5py.File(path, "a") as file:
        del file["reconstruction"].attrs["obnum"]
    result = open_result(path)
    assert result.positions is None
    assert "positions of 3 scans" in " ".join(result.notes)


def test_what_the_c_solver_leaves_is_an_object_in_pixels(tmp_path, result_world):
    path = write_plain(
        tmp_path / "S00001_c.h5",
        **{"objects/object_0": result_world.object, "probes/probe_0": result_world.probe},
    )
    result = open_result(path)
    assert (result.format, result.unit) == ("PtychoShelves result", "px")
    np.testing.assert_array_equal(result.object, result_world.object)
    np.testing.assert_array_equal(result.probe, result_world.probe)


@pytest.mark.parametrize(("scale", "centre"), [(1.0, (0.0, 0.0)), (1e6, (3e-6, -2e-6))])
def test_what_nsls_matlab_results_do_not_say_is_said(tmp_path, result_world, scale, centre):
    path = write_nsls_matlab_result(tmp_path / "a.mat", result_world, scale=scale, centre=centre)
    result = open_result(path)
    np.testing.assert_allclose(result.pixel, result_world.pixel)
    said = " ".join(result.notes)
    assert ("taken in µm" in said) == (scale == 1e6)
    assert ("taken as the scan's" if any(centre) else "(0, 0) is taken as its middle") in said
    middle = np.asarray(result.corner) + np.asarray(result.pixel) * result_world.shape / 2
    # The scan's own middle may be some pixels off the object's.
    np.testing.assert_allclose(middle, centre, atol=8 * max(result.pixel))
    assert not holds_scan_too(path)
    with h5py.File(path, "a") as file:
        file["det_data"] = np.ones((12, 16, 16))
    assert is_result(path)
    assert holds_scan_too(path)


def test_the_pixel_of_a_nsls_matlab_result_may_be_that_of_its_detector(tmp_path, result_world):
    path = write_nsls_matlab_result(tmp_path / "a.mat", result_world)
    with h5py.File(path, "a") as file:
        del file["img_pixel_size_x"], file["img_pixel_size_y"]
        file["det_pixel_size"] = [[55.0]]
    result = open_result(path)
    pixel = 1.23984198e-6 / ENERGY_EV * DISTANCE_M / (16 * 55e-6)
    np.testing.assert_allclose(result.pixel, (pixel, pixel))
    with h5py.File(path, "a") as file:
        del file["det_pixel_size"]
    result = open_result(path)
    assert (result.unit, result.pixel, result.positions) == ("px", (1.0, 1.0), None)


def test_variations_of_the_probe_are_said(tmp_path, result_world):
    for write in (write_ptychi_result, write_fold_slice_result):
        assert "OPR" in " ".join(open_result(write(tmp_path / "r.h5", result_world)).notes)


def test_a_ptypy_storage_without_origin_lies_around_zero(tmp_path, result_world):
    result = open_result(write_ptyr(tmp_path / "run.ptyr", result_world, origin=False))
    np.testing.assert_allclose(result.corner, np.multiply(PIXEL_M, (-30, -26)))
    assert "origin is not recorded" in " ".join(result.notes)


def test_an_image_of_a_cxi_file_is_an_object_without_positions(tmp_path, result_world):
    result = open_result(write_cxi_image(tmp_path / "image.cxi", result_world))
    np.testing.assert_array_equal(result.object, result_world.object)
    np.testing.assert_allclose(result.pixel, PIXEL_M)
    assert result.probe is None
    assert result.positions is None


def test_the_parameters_of_a_ptychi_pair_hold_an_object_around_zero(tmp_path, result_world):
    path = write_product(tmp_path / "run_para.hdf5", result_world)
    with h5py.File(path, "a") as file:
        for axis in "yx":
            del file["object"].attrs[f"center_{axis}_m"]
    result = open_result(path)
    np.testing.assert_allclose(result.corner, np.multiply(PIXEL_M, (-30, -26)))
    assert "taken to lie at (0, 0)" in " ".join(result.notes)


def test_scans_and_other_files_are_no_results(tmp_path, world):
    scan = write_cxi(tmp_path / "scan.cxi", world)
    assert not is_result(scan)
    assert not is_result(tmp_path / "nothing.h5")
    with pytest.raises(ScanError, match=r"scan\.cxi.*no reconstructed object.*ptychodus"):
        open_result(scan)


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"object": np.ones((5, 5))}, "complex numbers are needed"),
        ({"object": np.ones(5, complex)}, r"an image is \(H, W\)"),
        ({"object": np.ones((0, 5), complex)}, r"an image is \(H, W\)"),
        ({"obj_pixel_size_m": -1.0}, "is no size"),
        ({"obj_pixel_size_m": "large"}, "real numbers are needed"),
        ({"positions_px": np.ones((3, 5))}, r"\(N, 2\) or"),
        ({"probe": "round"}, r"an image is \(H, W\)"),
    ],
)
def test_what_is_wrong_in_a_result_is_named(tmp_path, datasets, message):
    good = {"object": np.ones((5, 5), complex), "obj_pixel_size_m": 1e-8}
    path = write_plain(tmp_path / "wrong.h5", **(good | datasets))
    with pytest.raises(ScanError, match=message) as caught:
        open_result(path)
    assert "wrong.h5" in str(caught.value)


def test_a_number_that_is_none_is_written_as_people_do(tmp_path, result_world):
    path = write_product(tmp_path / "p.h5", result_world)
    with h5py.File(path, "r+") as file:
        file["object"].attrs["center_y_m"] = np.nan
    with pytest.raises(ScanError, match=r"object\.center_y_m is nan, .*\(correct the file\)"):
        open_result(path)


def test_results_of_other_layouts_that_are_broken_are_named(tmp_path, result_world):
    ptyr = write_ptyr(tmp_path / "run.ptyr", result_world)
    mat = write_fold_slice_result(tmp_path / "r.mat", result_world)
    pynx = write_pynx(tmp_path / "r.cxi", result_world)
    with h5py.File(ptyr, "a") as file:
        del file["content/obj/Sscan_00G00/data"]
    with h5py.File(mat, "a") as file:
        del file["p/dx_spec"]
        file["p/dx_spec"] = matlab(np.ones((1, 5)))
    with h5py.File(pynx, "a") as file:
        del file["entry_1/result_1/row_coords"]
        file["entry_1/result_1/row_coords"] = np.arange(3.0)
    for path, message in ((ptyr, "no object"), (mat, "5 values"), (pynx, "3 values")):
        with pytest.raises(ScanError, match=message):
            open_result(path)


# Placed on a scan


@pytest.fixture
def scan_of(tmp_path, world):
    """A scan that the result was made of, its coordinates starting elsewhere."""
    scan = open_scan(write_cxi(tmp_path / "scan.cxi", world))

    def make(result_world, unit="m"):
        count = len(result_world.corners)
        pixels = result_world.corners + 100.0
        pixel = result_world.pixel if unit == "m" else None
        positions = pixels * result_world.pixel if unit == "m" else pixels
        source = type("Some", (), {"shape": (count, 16, 16), "read": None})()
        return replace(scan, patterns=source, positions=positions, unit=unit, pixel_m=pixel)

    return make


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("unit", ["m", "px"])
def test_a_result_is_moved_to_the_scan_s_coordinates(tmp_path, scan_of, name, unit):
    write, _, pixel = WRITERS[name]
    world = ResultWorld(pixel=SQUARE if pixel == (1.0, 1.0) else pixel)
    scan = scan_of(world, unit)
    placed = placed_on(open_result(write(tmp_path / name, world)), scan)
    assert placed.unit == unit
    np.testing.assert_allclose(placed.pixel, scan.pixel_m or (1.0, 1.0))
    moved = replace(placed, positions=scan.positions)
    for j in range(len(world.corners)):
        np.testing.assert_allclose(cut(moved, j), world.patch(j), rtol=1e-6)
    assert "moved by" in placed.notes[-1]


def test_a_result_without_matching_positions_stays_where_it_is(tmp_path, scan_of, result_world):
    result = open_result(write_product(tmp_path / "p.h5", result_world))
    fewer = replace(result, positions=result.positions[:5])
    for each, said in ((fewer, "5 positions"), (replace(result, positions=None), "no positions")):
        placed = placed_on(each, scan_of(result_world))
        assert placed.corner == result.corner
        assert said in placed.notes[-1]


@pytest.fixture
def raster_of(scan_of, result_world):
    """A scan with these positions (N, 2) in pixels, and a result that was made at others."""
    scan = scan_of(result_world)
    pixel = np.asarray(result_world.pixel)

    def make(points, theirs):
        source = type("Some", (), {"shape": (len(points), 16, 16), "read": None})()
        made = ObjectResult(
            np.ones((200, 200), np.complex64), tuple(pixel), "m", (0.0, 0.0), Path("other.h5"),
            "other", {"positions": "/there"}, positions=np.asarray(theirs) * pixel,
        )  # fmt: skip
        return made, replace(scan, patterns=source, positions=np.asarray(points) * pixel)

    return make


def raster(jitter=0.5, step=8.0, side=12):
    points = step * np.stack(np.indices((side, side)), -1).reshape(-1, 2) + 30.0
    return points + np.random.default_rng(3).normal(0, 1, points.shape) * jitter


@pytest.mark.parametrize(
    ("noise", "scale", "turn"),
    [(0, 1, 0), (0.5, 1, 0), (3, 1, 0), (0, 1.1, 0), (0, 1, 0.08), (2, 0.93, 0.03)],
)
@pytest.mark.parametrize(("step", "side"), [(8.0, 12), (2.0, 40), (30.0, 5)])
def test_refined_positions_are_those_of_the_scan(raster_of, noise, scale, turn, step, side):
    points = raster(step=step, side=side)
    middle = points.mean(0)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    theirs = (points - middle) @ matrix.T + middle - (50.0, -20.0)
    theirs += np.random.default_rng(0).normal(0, 1, points.shape) * noise
    result, scan = raster_of(points, theirs)
    placed = placed_on(result, scan)
    # A median of hundreds of points; those of a scaled raster lie symmetrically about it.
    moved = np.asarray(placed.corner) / result.pixel
    np.testing.assert_allclose(moved, (50.0, -20.0), atol=2.5)
    assert "moved by" in placed.notes[-1]


@pytest.mark.parametrize("jitter", [0, 0.5])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda q: q * (1, -1), "mirrored in x they do"),
        (lambda q: q * (-1, 1), "mirrored in y they do"),
        (lambda q: -q, "turned by 180° they do"),
        (lambda q: q[:, ::-1], "with x and y exchanged they do"),
        (lambda q: 120 + q[:, ::-1] * (1, -1), "turned by 90°, y to x they do"),
        (lambda q: q * 1.6, "the scan:"),
        (lambda q: np.random.default_rng(1).uniform(0, 100, q.shape), "the scan:"),
        (lambda q: np.random.default_rng(1).permutation(q) + 3, "the scan:"),
    ],
)
def test_positions_that_are_not_the_scan_s_are_refused(raster_of, jitter, change, said):
    points = raster(jitter)
    result, scan = raster_of(points, change(points) + 0.01)
    with pytest.raises(ScanError, match=r"the positions of the result \(/there\)") as told:
        placed_on(result, scan)
    assert said in f"{told.value.problem}:"
    assert "other.h5" in str(told.value)
    assert "give another result" in told.value.remedy


def test_the_scan_s_positions_in_another_order_leave_the_result_where_it_is(raster_of):
    points = raster()
    for order in (np.random.default_rng(0).permutation(len(points)), np.arange(144)[::-1]):
        result, scan = raster_of(points, points[order])
        placed = placed_on(result, scan)
        assert placed.corner == result.corner
        assert "in another order" in placed.notes[-1]
    # Without jitter a list from the end is a raster that was turned: nobody can tell.
    plain = raster(0)
    with pytest.raises(ScanError, match="turned by 180°"):
        placed_on(*raster_of(plain, plain[::-1]))


def test_positions_that_are_not_finite_are_left_out(raster_of):
    points = raster()
    theirs = points - 10
    theirs[[3, 70], [0, 1]] = np.nan
    result, scan = raster_of(points, theirs)
    placed = placed_on(result, scan)
    np.testing.assert_allclose(np.asarray(placed.corner) / result.pixel, 10, atol=1e-6)
    assert "2 of its 144 positions left out" in placed.notes[0]
    result, scan = raster_of(points, theirs * np.nan)
    with pytest.raises(ScanError, match=r"other\.h5: .*/there has no position that is finite"):
        placed_on(result, scan)


def test_a_result_whose_place_is_not_known_comes_to_the_middle_of_the_scan(raster_of, tmp_path):
    points = raster()
    result, scan = raster_of(points, points)
    placed = placed_on(replace(result, positions=None, is_placed=False), scan)
    there = np.asarray(placed.corner) / result.pixel + 100
    np.testing.assert_allclose(there, (points.min(0) + points.max(0)) / 2)
    assert "its place is not known" in placed.notes[-1]
    with h5py.File(tmp_path / "image.cxi", "w") as file:
        file["cxi_version"] = 160
        file["entry_1/image_1/data"] = np.ones((20, 20), np.complex64)
        file["entry_1/image_1/image_size"] = np.full(2, 1e-6)
    assert not open_result(tmp_path / "image.cxi").is_placed


@pytest.mark.parametrize("name", WRITERS)
def test_the_place_in_files_with_positions_is_known(tmp_path, result_world, name):
    assert open_result(WRITERS[name][0](tmp_path / name, result_world)).is_placed


# Probes from results


@pytest.mark.parametrize("name", WRITERS)
def test_a_result_brings_its_probe_to_a_scan(tmp_path, world, result_world, name):
    path = WRITERS[name][0](tmp_path / name, result_world)
    scan_file = write_cxi(tmp_path / "scan.cxi", world)
    scan = open_scan(scan_file, ScanOptions(probe_file=path))
    # Sixteen pixels in the middle of 32 × 24.
    np.testing.assert_allclose(scan.probe[:, 8:24, 4:20], result_world.probe, rtol=1e-6)
    assert scan.probe_is_guess == (name == "train.npz")
    assert name in scan.provenance.datasets["probe"]


# What the programs themselves say


def test_ptychodus_reads_the_same_product_and_cuts_the_same_patches(tmp_path, result_world):
    plugin = pytest.importorskip("ptychodus.plugins.h5_product_file")
    product = plugin.H5ProductFileIO().read(write_product(tmp_path / "a.h5", result_world))
    geometry = product.object_.get_geometry()
    # Number, x and y; the names of the fields change with ptychodus' version.
    places = [
        astuple(geometry.map_coordinates_probe_to_object(point))[:0:-1]
        for point in product.probe_positions
    ]
    # Up to 1.5 the middle of 16 pixels is number 8, later it is 7.5: the same patch.
    middles = places - result_world.corners
    np.testing.assert_allclose(middles, 7.5 if middles[0, 0] < 7.75 else 8)


@pytest.mark.parametrize(
    ("module", "kind", "ending"),
    [
        ("h5_product_file", "H5ProductFileIO", "h5"),
        ("npz_product_file", "NPZProductFileIO", "npz"),
        ("cxi_file", "CXIProductFileIO", "cxi"),
    ],
)
def test_products_that_ptychodus_writes_are_read(tmp_path, result_world, module, kind, ending):
    plugins = pytest.importorskip("ptychodus.plugins.h5_product_file")
    product = plugins.H5ProductFileIO().read(write_product(tmp_path / "a.h5", result_world))
    writer = getattr(pytest.importorskip(f"ptychodus.plugins.{module}"), kind, None)
    if writer is None:
        pytest.skip(f"this ptychodus has no {kind}")
    writer().write(tmp_path / f"again.{ending}", product)
    result = open_result(tmp_path / f"again.{ending}")
    np.testing.assert_array_equal(result.object, result_world.object)
    np.testing.assert_allclose(result.probe, result_world.probe)
    assert result.energy_ev == pytest.approx(ENERGY_EV, rel=1e-6)
    assert result.distance_m == pytest.approx(DISTANCE_M)
    for j in range(len(result_world.corners)):
        np.testing.assert_allclose(cut(result, j), result_world.patch(j))


def test_ptychi_cuts_the_same_patches(tmp_path):
    torch = pytest.importorskip("torch")
    processing = pytest.importorskip("ptychi.image_proc")
    world = ResultWorld(pixel=SQUARE)
    origin = torch.round(torch.tensor(world.shape) / 2.0) - 0.5
    places = torch.as_tensor(ptychi_positions_px(world)) + origin
    sample = torch.as_tensor(world.object)
    theirs = processing.extract_patches_integer(sample, places, world.window)
    result = open_result(write_ptychi_result(tmp_path / "r.h5", world))
    for j in range(len(world.corners)):
        np.testing.assert_array_equal(cut(result, j), theirs[j].numpy())


def test_the_origin_of_the_fixtures_is_not_zero():
    assert all(ORIGIN_M)
