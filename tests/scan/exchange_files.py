"""Files as fold_slice, PtyLab and NSLS-II write them, from a scan with known truth."""

import h5py
import numpy as np
from scan_world import DISTANCE_M, ENERGY_EV, WAVELENGTH_M, World
from scipy.io import savemat

SQUARE_PITCH_M = 55e-6
MATLAB_HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  6 2025 HDF5 schema"


def square_world():
    """A world whose formats store one pitch for both axes."""
    return World(size=(32, 24), seed=4)


def square_pixel_m(world):
    return WAVELENGTH_M * DISTANCE_M / (np.asarray(world.size) * SQUARE_PITCH_M)


def positions_m(world):
    return world.positions_px * square_pixel_m(world)


def write_fold_slice(folder, world, pixel, *, pair=False, scale=1.0, **more):
    """What ``h5create`` and ``h5write`` of MATLAB leave: axes in reverse, columns as rows."""
    files = ["data_roi0_dp.hdf5", "data_roi0_para.hdf5"] if pair else ["scan.h5"] * 2
    y, x = (world.positions_px * pixel).T * scale
    with h5py.File(folder / files[0], "a") as file:
        frames = world.patterns.swapaxes(1, 2).astype(float)
        file.create_dataset("dp", data=frames, chunks=(1, *frames.shape[1:]), compression="gzip")
    with h5py.File(folder / files[1], "a") as file:
        file["ppX"], file["ppY"] = x[None], y[None]
        for name, value in more.items():
            file[name] = np.array([[value]])
    return folder / files[0], folder / files[1]


def write_ptylab(path, world, *, matlab=False, **more):
    """The datasets of PtyLab's ``generate_simu_hdf5``, or of ``h5exportRaw.m``."""
    frames, encoder = world.patterns, positions_m(world)
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "ptychogram", data=frames.swapaxes(1, 2) if matlab else frames, dtype="f"
        )
        file.create_dataset("encoder", data=encoder.T if matlab else encoder, dtype="f8")
        numbers = {"dxd": SQUARE_PITCH_M, "zo": DISTANCE_M, "wavelength": WAVELENGTH_M}
        for name, value in numbers.items():
            file.create_dataset(name, data=[[value]] if matlab else (value,))
        if not matlab:
            file.create_dataset("Nd", data=(world.size[1],), dtype="i")
            file.create_dataset("entrancePupilDiameter", data=(1e-6,), dtype="f")
        for name, value in more.items():
            file[name] = value
    return path


def write_hxn(path, world, *, angle=0.0, threshold=1.0, gone=()):
    """``save_data`` of nsls2ptycho's HXN_databroker, step by step."""
    stored = []
    for frame in world.patterns.astype(float):
        stored.append(np.fft.fftshift(np.rot90(frame, axes=(1, 0))))
    data = np.array(stored)
    data[data < threshold] = 0.0
    y, x = positions_m(world).T * 1e6
    pixel_y, pixel_x = square_pixel_m(world)
    everything = {
        "diffamp": np.sqrt(data),
        "points": np.stack([x, y]),
        "x_range": np.ptp(x), "y_range": np.ptp(y), "dr_x": 0.1, "dr_y": 0.1,
        "z_m": DISTANCE_M,
        "lambda_nm": WAVELENGTH_M * 1e9,
        "ccd_pixel_um": SQUARE_PITCH_M * 1e6,
        "angle": angle,
        "ic": np.ones(world.n),
        "x_pixel_m": pixel_x, "y_pixel_m": pixel_y,
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, value in everything.items():
            if name not in gone:
                file.create_dataset(name, data=value)
    return path


def write_export(path, world, *, frames="/diff_data/merlin1/det_images", raster=True, later=False):
    """``export_diff_data_as_h5`` of HXN's scripts."""
    data = world.patterns.astype("float32")
    if raster:
        data = data.reshape(*world.steps, *world.size)
    y, x = positions_m(world).T * 1e6
    places = (
        ("scan_positions/positions", "scan_params") if later else ("scan/scan_positions", "scan")
    )
    with h5py.File(path, "w") as file:
        file.create_dataset(frames, data=data, compression="gzip")
        if frames.startswith("/diff_data"):
            file[frames.rsplit("/", 1)[0] + "/Io"] = np.ones(world.steps)
        file[places[0]] = np.array([x, y])
        group = file.require_group(places[1])
        group["scan_id"], group["energy"], group["zp_theta"] = 312, ENERGY_EV / 1000, 0.0
        group["motors"] = np.array(["zpssx", "zpssy"], dtype="S")
        group.create_dataset("scan/shape", data=world.steps)
        file["xrf_roi_data/xrf_roi_array"] = np.zeros((3, *world.steps))
    return path


def write_nsls_matlab_5(path, world):
    """The same variables, saved with ``-v7``: MATLAB's order of axes, packed."""
    y, x = positions_m(world).T * 1e6
    variables = {
        "det_data": world.patterns.transpose(1, 2, 0).astype(float),
        "pos_xy": np.stack([np.arange(1.0, world.n + 1), x, y], -1),
        "prb": world.probe,
        "det_pixel_size": SQUARE_PITCH_M * 1e6,
        "det_dist": DISTANCE_M * 1e6,
        "energy": ENERGY_EV / 1000,
        "sample": "a zone plate",
    }
    savemat(path, variables, do_compression=True, long_field_names=True)
    return path


def write_nsls_matlab(path, world, *, numbered=True):
    """``save -v7.3``: a user block, axes in reverse, complex numbers in pairs."""
    y, x = positions_m(world).T * 1e6
    probe = np.empty(world.size[::-1], dtype=[("real", "f8"), ("imag", "f8")])
    probe["real"], probe["imag"] = world.probe.T.real, world.probe.T.imag
    with h5py.File(path, "w", userblock_size=512) as file:
        file["det_data"] = world.patterns.swapaxes(1, 2).astype(float)
        file["pos_xy"] = np.stack([np.arange(1.0, world.n + 1), x, y] if numbered else [x, y])
        file["prb"] = probe
        numbers = {
            "det_pixel_size": SQUARE_PITCH_M * 1e6,
            "det_dist": DISTANCE_M * 1e6,
            "energy": ENERGY_EV / 1000,
        }
        for name, value in numbers.items():
            file[name] = np.array([[value]])
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        file.create_group("#refs#")
    with path.open("r+b") as stream:
        stream.write(MATLAB_HEADER.ljust(124) + b"\x00\x02IM")
    return path
