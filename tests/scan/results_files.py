"""A reconstructed object, cut where the positions say, as every program would store it.

The patch of point j starts at pixel `corners[j]` of the object; each writer places it by
the rule by which its program cuts patches.
"""

from dataclasses import dataclass, field

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

PIXEL_M = (8e-9, 10e-9)
ENERGY_EV = 8800.0
WAVELENGTH_M = 1.23984198e-6 / ENERGY_EV
DISTANCE_M = 1.5
ORIGIN_M = (3e-6, -2e-6)
"""Place (y, x) of the object's middle where a program lets it lie anywhere."""


@dataclass(frozen=True)
class ResultWorld:
    """An object (H, W), a probe of two modes and where each patch starts, in pixels."""

    shape: tuple[int, int] = (60, 52)
    window: tuple[int, int] = (16, 16)
    pixel: tuple[float, float] = PIXEL_M
    object: NDArray[np.complex64] = field(init=False)
    probe: NDArray[np.complex64] = field(init=False)
    corners: NDArray[np.int64] = field(init=False)

    def __post_init__(self):
        random = np.random.default_rng(5)
        set_to = object.__setattr__
        values = random.normal(size=(2, *self.shape)) + 1j * random.normal(size=(2, *self.shape))
        set_to(self, "object", values[0].astype(np.complex64))
        modes = random.normal(size=(2, *self.window)) + 1j * random.normal(size=(2, *self.window))
        set_to(self, "probe", modes.astype(np.complex64))
        room = np.subtract(self.shape, self.window)
        set_to(self, "corners", random.integers(0, room, (12, 2)))

    def patch(self, j):
        y, x = self.corners[j]
        return self.object[y : y + self.window[0], x : x + self.window[1]]


def cut(result, j):
    """Patch of point j by the rule of ObjectResult."""
    height, width = result.probe.shape[1:]
    middle = (result.positions[j] - np.asarray(result.corner)) / np.asarray(result.pixel)
    y, x = np.rint(middle).astype(int) - (height // 2, width // 2)
    return result.object[y : y + height, x : x + width]


def ptychodus_positions(world, centre=ORIGIN_M):
    """What api/object.py maps to the middle of the patch, corner + N / 2."""
    middles = world.corners + np.asarray(world.window) / 2
    return (middles - np.asarray(world.shape) / 2) * world.pixel + centre


def write_product(path, world):
    y, x = ptychodus_positions(world).T
    with h5py.File(path, "w") as file:
        file.attrs["name"], file.attrs["comments"] = "sample", ""
        file.attrs["detector_object_distance_m"] = DISTANCE_M
        file.attrs["probe_energy_eV"] = ENERGY_EV
        file.attrs["exposure_time_s"] = 0.0
        file["probe_position_indexes"] = np.arange(len(y))
        file["probe_position_y_m"], file["probe_position_x_m"] = y, x
        file["probe"] = world.probe[None]
        file["object"] = world.object[None]
        for name in ("probe", "object"):
            file[name].attrs["pixel_height_m"], file[name].attrs["pixel_width_m"] = world.pixel
        file["object"].attrs["center_y_m"], file["object"].attrs["center_x_m"] = ORIGIN_M
        file["object_layer_spacing_m"] = np.zeros(0)
        file["loss_values"] = np.zeros(0)
    return path


def write_product_npz(path, world):
    y, x = ptychodus_positions(world).T
    np.savez(
        path,
        name="sample",
        comments="",
        detector_object_distance_m=DISTANCE_M,
        probe_energy_eV=ENERGY_EV,
        exposure_time_s=0.0,
        probe_position_indexes=np.arange(len(y)),
        probe_position_y_m=y,
        probe_position_x_m=x,
        probe=world.probe[None],
        probe_pixel_height_m=world.pixel[0],
        probe_pixel_width_m=world.pixel[1],
        object=world.object[None],
        object_pixel_height_m=world.pixel[0],
        object_pixel_width_m=world.pixel[1],
        object_center_y_m=ORIGIN_M[0],
        object_center_x_m=ORIGIN_M[1],
        object_layer_spacing_m=np.zeros(0),
        loss_values=np.zeros(0),
    )
    return path


def write_ptyr(path, world, *, origin=True):
    """ptypy: low = round((coord − origin) / psize) − shape / 2."""

    def store(group, name, value, kind="array"):
        group[name] = value
        group[name].attrs["type"] = kind

    with h5py.File(path, "w") as file:
        file.attrs["h5rw_version"] = "0.1"
        sample = file.create_group("content/obj/Sscan_00G00")
        store(sample, "data", world.object[None])
        store(sample, "_psize", np.asarray(world.pixel))
        store(sample, "_energy", ENERGY_EV / 1e3, "scalar")
        if origin:
            store(sample, "_origin", np.asarray(ORIGIN_M))
        else:
            store(sample, "_origin", np.zeros(1), "None")
        probe = file.create_group("content/probe/Sscan_00G00")
        store(probe, "data", world.probe)
        store(probe, "_psize", np.asarray(world.pixel))
        middles = world.corners + np.asarray(world.window) // 2
        store(file.create_group("content/positions"), "Sscan_00G00",
              middles * np.asarray(world.pixel) + ORIGIN_M)  # fmt: skip
        store(file.create_group("header"), "kind", "minimal", "string")
    return path


def ptychi_positions_px(world):
    """pty-chi: start = position + round(N_o / 2) − 0.5 − (n − 1) / 2."""
    origin = np.round(np.asarray(world.shape) / 2) - 0.5
    return world.corners - origin + (np.asarray(world.window) - 1) / 2


def write_ptychi_result(path, world):
    with h5py.File(path, "w") as file:
        file["object"] = np.stack([world.object])
        file["probe"] = np.stack([world.probe, 0.1 * world.probe])
        file["positions_px"] = ptychi_positions_px(world)
        file["obj_pixel_size_m"] = world.pixel[0]
        file["loss"] = np.ones(3)
        file["opr_mode_weights"] = np.ones((12, 2))
    return path


def matlab(array):
    """Axes in reverse, complex numbers as pairs, as MATLAB 7.3 stores them."""
    turned = np.ascontiguousarray(np.asarray(array).T)
    if turned.dtype.kind != "c":
        return turned
    pairs = np.empty(turned.shape, [("real", "<f4"), ("imag", "<f4")])
    pairs["real"], pairs["imag"] = turned.real, turned.imag
    return pairs


def write_fold_slice_result(path, world, *, layers=None):
    """fold_slice: start = round(position + ceil((N_o − n) / 2)) − 1, counted from 0."""
    room = np.subtract(world.shape, world.window)
    positions = world.corners + 1 - np.ceil(room / 2)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["object"] = matlab(world.object if layers is None else layers)
        # (H, W, modes, variations)
        probe = np.stack([world.probe, 0.1 * world.probe])
        file["probe"] = matlab(probe.transpose(2, 3, 1, 0))
        file["outputs/probe_positions"] = matlab(positions[:, ::-1])
        file["p/dx_spec"] = matlab(np.asarray(world.pixel)[None])
        file["p/lambda"] = matlab([[WAVELENGTH_M]])
    return path


def write_fold_slice_result_5(path, world):
    """The same, saved again with -v7: packed, in MATLAB's own order of axes."""
    room = np.subtract(world.shape, world.window)
    positions = world.corners + 1 - np.ceil(room / 2)
    probe = np.stack([world.probe, 0.1 * world.probe])
    variables = {
        "object": world.object,
        "probe": probe.transpose(2, 3, 1, 0),
        "outputs": {"probe_positions": positions[:, ::-1], "fourier_error_out": 0.5},
        "p": {"dx_spec": np.asarray(world.pixel)[None], "lambda": WAVELENGTH_M},
    }
    savemat(path, variables, do_compression=True)
    return path


def write_nsls_matlab_result(path, world, *, scale=1.0, centre=(0.0, 0.0)):
    """NSLS-II's MATLAB scripts: positions and the detector's distance in µm, energy in keV."""
    y, x = 1e6 * ptychodus_positions(world, centre).T
    with h5py.File(path, "w", userblock_size=512) as file:
        file["obj"] = matlab(world.object)
        file["prb"] = matlab(world.probe.transpose(1, 2, 0))
        file["pos_xy"] = matlab(np.stack([np.arange(1.0, len(y) + 1), x, y], -1))
        numbers = {
            "img_pixel_size_y": scale * world.pixel[0], "img_pixel_size_x": scale * world.pixel[1],
            "det_dist": 1e6 * DISTANCE_M, "energy": ENERGY_EV / 1e3,
        }  # fmt: skip
        for name, value in numbers.items():
            file[name] = matlab([[value]])
    return path


def shelves_parameters(world):
    """What PtychoShelves keeps in `p`: patches start at round(position), counted from 0."""
    return {
        "positions": world.corners + 0.25,
        "dx_spec": np.asarray(world.pixel)[None],
        "lambda": WAVELENGTH_M,
        "energy": ENERGY_EV / 1e3,
        "z": DISTANCE_M,
        "asize": np.asarray(world.window, np.uint32)[None],
        "numpts": float(len(world.corners)),
        "share_object": 0.0,
        "run_name": "S00001_128x128_b0",
        "engines": np.array([[{"name": "GPU", "object_final": np.zeros((0, 0))}]], object),
    }


def write_shelves_mat(path, world):
    """reconstructions_as_mat.m: save(…, 'p', 'object', 'probe', '-v6')."""
    parameters = shelves_parameters(world) | {"object": np.array([[world.object]], object)}
    variables = {"p": parameters, "object": world.object, "probe": world.probe.transpose(1, 2, 0)}
    savemat(path, variables, long_field_names=True)
    return path


def write_shelves_mat_73(path, world):
    """The same, saved again with -v7.3."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["object"] = matlab(world.object)
        file["probe"] = matlab(world.probe.transpose(1, 2, 0))
        for name in ("positions", "dx_spec", "lambda", "z", "asize"):
            file[f"p/{name}"] = matlab(np.atleast_2d(shelves_parameters(world)[name]))
    return path


def write_shelves_h5(path, world, *, layers=None, scans=1, here=1):
    """reconstructions_as_h5.m: extract4saving.m turned the images; links, gzip, pairs r and i."""

    def store(group, name, values):
        # save2hdf5.m: chunks of one image, whole numbers as uint32 (double2int.m).
        values = np.asarray(values)
        if values.dtype.kind == "c":
            pairs = np.empty(values.shape, [("r", "<f4"), ("i", "<f4")])
            pairs["r"], pairs["i"] = values.real, values.imag
            values = pairs
        elif not (values % 1).any() and (values >= 0).all():
            values = values.astype(np.uint32)
        chunks = (*(1 for _ in values.shape[:-2]), *values.shape[-2:])
        group.create_dataset(name, data=values, chunks=chunks, shuffle=True, compression=2)

    with h5py.File(path, "w") as file:
        p = file.create_group("reconstruction/p")
        for number in range(scans):
            sample = world.object if layers is None else layers
            store(p, f"objects/object_{number}", sample if number == here - 1 else 0 * sample)
        store(p, "probes/probe_0", world.probe)
        positions = np.concatenate(
            [world.corners + 0.25 + 40 * (here - 1 - n) for n in range(scans)]
        )
        store(p, "positions", positions)
        store(p, "numpts", np.full((scans, 1), len(world.corners)))
        for name in ("dx_spec", "asize"):
            store(p, name, shelves_parameters(world)[name].T)
        for name in ("lambda", "z", "energy", "share_object"):
            store(p, name, np.full((1, 1), shelves_parameters(world)[name]))
        group = file["reconstruction"]
        group["object"] = h5py.SoftLink(f"/reconstruction/p/objects/object_{here - 1}")
        group["probes"] = h5py.SoftLink("/reconstruction/p/probes/probe_0")
        group.attrs["obnum"], group.attrs["prnum"] = [float(here)], [1.0]
        file["measurement/data"] = h5py.ExternalLink("S00001_data.h5", "/")
    return path


def write_pynx(path, world):
    """PyNX: images upside down, coordinates of rows and columns beside them, y upwards."""
    (height, width), (py, px) = world.shape, world.pixel
    centre_y, centre_x = ORIGIN_M
    middles = world.corners + np.asarray(world.window) / 2
    y, x = ((middles - np.asarray(world.shape) / 2) * world.pixel + ORIGIN_M).T
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        entry = file.create_group("entry_1")
        file["entry_last"] = h5py.SoftLink("/entry_1")
        for number, name in ((1, "object"), (2, "probe"), (5, "positions")):
            entry.create_group(f"result_{number}")
            entry[name] = h5py.SoftLink(f"/entry_1/result_{number}")
        sample = entry["result_1"]
        layer = sample.create_dataset("Object-layer00", data=world.object[::-1])
        layout = h5py.VirtualLayout(shape=(1, height, width), dtype=layer.dtype)
        layout[0] = h5py.VirtualSource(".", layer.name, layer.shape, layer.dtype)
        sample.create_virtual_dataset("data", layout)
        sample["x_pixel_size"], sample["y_pixel_size"] = px, py
        rows = np.flip(np.arange(height) * py + centre_y - height * py / 2)
        columns = np.arange(width) * px + centre_x - width * px / 2
        for name, values in (("row_coords", rows), ("col_coords", columns)):
            sample[name] = values * 1e9
            sample[name].attrs["units"] = "nm"
        entry["result_2/data"] = world.probe[:, ::-1]
        entry["result_5/data"] = np.stack([x, y, 0 * x, 0 * y])
        entry["instrument_1/source_1/energy"] = ENERGY_EV * 1.602176634e-19
        entry["instrument_1/detector_1/distance"] = DISTANCE_M
        entry["data_1/data"] = h5py.SoftLink("/entry_1/result_1/data")
    return path


def write_cxi_image(path, world):
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 140
        file["entry_1/image_1/data"] = world.object
        spans = np.asarray(world.shape[::-1]) * world.pixel[::-1]
        file["entry_1/image_1/image_size"] = spans
    return path


def write_ptychopinn_object(path, world):
    y, x = (world.corners + np.asarray(world.window) // 2).T.astype(float)
    np.savez(
        path, objectGuess=world.object, probeGuess=world.probe, xcoords=x, ycoords=y,
        diff3d=np.ones((len(x), *world.window)),
    )  # fmt: skip
    return path
