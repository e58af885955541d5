"""Files as beamlines write them, from a scan with known truth."""

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from scan_world import DISTANCE_M, ENERGY_EV, PITCH_M, World

CHI_DEG = 30.0


def write_frames(path, frames, name="/entry/data/data"):
    with h5py.File(path, "w") as file:
        file.create_dataset(
            name, data=frames, chunks=(1, *frames.shape[1:]), **hdf5plugin.Bitshuffle()
        )
    return path


def with_unit(group, name, value, unit):
    group[name] = value
    group[name].attrs["units"] = np.bytes_(unit)


def write_velociprobe(folder, world, *, per_file=8, listed=6, centre=None, chi=CHI_DEG):
    """A master that lists `listed` data files, of which as many are there as the scan needs."""
    master = folder / "fly7_master.h5"
    height, width = world.size
    with h5py.File(master, "w") as file:
        for number in range(listed):
            name = f"data_{number + 1:06d}"
            target = f"fly7_{name}.h5"
            frames = world.patterns[number * per_file : (number + 1) * per_file]
            if len(frames):
                write_frames(folder / target, frames)
            file[f"entry/data/{name}"] = h5py.ExternalLink(target, "/entry/data/data")
        detector = file.create_group("entry/instrument/detector")
        with_unit(detector, "detector_distance", DISTANCE_M, "m")
        with_unit(detector, "y_pixel_size", PITCH_M[0], "m")
        with_unit(detector, "x_pixel_size", PITCH_M[1], "m")
        y, x = centre or (height // 2, width // 2)
        with_unit(detector, "beam_center_y", float(y), "pixel")
        with_unit(detector, "beam_center_x", float(x), "pixel")
        detector["bit_depth_readout"] = 16
        specific = detector.create_group("detectorSpecific")
        with_unit(specific, "photon_energy", ENERGY_EV, "eV")
        specific["nimages"], specific["ntrigger"] = listed * per_file, 1
        specific["x_pixels_in_detector"], specific["y_pixels_in_detector"] = width, height
        mask = np.zeros(world.size, np.uint32)
        mask[0, 1] = 1
        specific["pixel_mask"] = mask
        goniometer = file.create_group("entry/sample/goniometer")
        with_unit(goniometer, "chi", np.full(world.n, chi), "degree")
    return master


def write_velociprobe_csv(path, world, *, chi=CHI_DEG, first=0, readings=3):
    """Rows of eight whole numbers: x 1, laser y 2, encoder y 5 (negated), trigger 7; nm."""
    y, x = np.rint(world.positions_m.T * 1e9).astype(int)
    raw_x = np.rint(x / np.cos(np.deg2rad(chi))).astype(int)
    lines = ["# index, x, laser y, z, a, encoder y, b, trigger"]
    for point in range(world.n):
        for reading in range(readings):
            wobble = reading - readings // 2
            row = [
                len(lines), raw_x[point] + wobble, y[point] + wobble, 5, 6,
                -(2 * y[point]), 0, point + first,
            ]  # fmt: skip
            lines.append(", ".join(map(str, row)))
    path.write_text("\n".join(lines))
    return path


def write_lynx(path, world, *, centre=None):
    write_frames(path, world.patterns, "/entry/data/eiger_4")
    y, x = centre or (world.size[0] // 2, world.size[1] // 2)
    with h5py.File(path, "a") as file:
        attributes = file["/entry/data/eiger_4"].attrs
        attributes["Detector_distance_m"] = np.array([DISTANCE_M])
        attributes["Pixel_size"] = PITCH_M[0]
        attributes["Photon_energy_kev"] = ENERGY_EV / 1000
        attributes["Center_y_pixel"], attributes["Center_x_pixel"] = np.int64(y), np.int64(x)
        attributes["Exposure_time"] = 0.01
    return path


ORCHESTRA = (
    "DataPoint TotalPoints Target_x Average_x_st_fzp Stdev_x_st_fzp Target_y Average_y_st_fzp "
    "Stdev_y_st_fzp Average_cap1 Stdev_cap1"
)
SOFT_GLUE = "DataPoint x_st_fzp y_st_fzp ckUser_Clk_Count Detector_Count"
SOFT_GLUE_MEANS = "Detector_Count Average_x_st_fzp Stdev_x_st_fzp Average_y_st_fzp Stdev_y_st_fzp"


def write_orchestra(path, positions_m):
    lines = ["Orchestra v1, Scan 00123, 2020 11 3", ORCHESTRA]
    for number, (y, x) in enumerate(-positions_m * 1e6):
        lines.append(f"{number} {len(positions_m)} 0 {x:.9f} 0.01 0 {y:.9f} 0.01 1 2")
    path.write_text("\n".join(lines))
    return path


def write_soft_glue(path, positions_m, *, means=False):
    lines = ["SoftGlueZynq v1, Scan 00123", SOFT_GLUE_MEANS if means else SOFT_GLUE]
    for number, (y, x) in enumerate(-positions_m * 1e6):
        row = f"{number} {x:.9f} 0.1 {y:.9f} 0.1" if means else f"9 {x:.9f} {y:.9f} 77 {number}"
        lines.append(row)
    path.write_text("\n".join(lines))
    return path


def write_csaxs(path, world):
    write_frames(path, world.patterns)
    with h5py.File(path, "a") as file:
        instrument = file.create_group("entry/instrument")
        detector = instrument.create_group("eiger_4")
        detector["y_pixel_size"], detector["x_pixel_size"] = (1e6 * pitch for pitch in PITCH_M)
        instrument["monochromator/distance"] = -DISTANCE_M * 1e3
        instrument["monochromator/energy"] = ENERGY_EV / 1e3
    return path


def write_cssi(path, world):
    write_frames(path, world.patterns, "/exchange/data")
    with h5py.File(path, "a") as file:
        file["exchange/motor_pos"] = world.positions_m[:, ::-1] * 1e3
    return path


def write_polar(folder, world, *, to_group=False):
    write_frames(folder / "eiger_0001.h5", world.patterns)
    path = folder / "scan_0001.hdf"
    with h5py.File(path, "w") as file:
        target = "/entry" if to_group else "/entry/data/data"
        file["entry/externals/eiger"] = h5py.ExternalLink("eiger_0001.h5", target)
        attributes = file.create_group("entry/instrument/NDAttributes")
        attributes["Ypos"], attributes["Xpos"] = world.positions_m.T * 1e6
    return path


def write_nanomax(path, world, name="/entry/measurement/eiger1m/frames"):
    write_frames(path, world.patterns, name)
    with h5py.File(path, "a") as file:
        pseudo = file.create_group("entry/measurement/pseudo")
        pseudo["y"], pseudo["x"] = world.positions_m.T * 1e6
        file["entry/snapshot/energy"] = np.array([ENERGY_EV])
    return path


def write_xpp(path, world, *, dark=(3,), lost=(5,)):
    """Shots with too little light, and shots without a position, among the good ones."""
    write_frames(path, world.patterns.astype(np.float32), "/jungfrau1M/image_img")
    y, x = -world.positions_m.T * 1e6
    y[list(lost)] = np.nan
    light = np.full(world.n, 2500.0)
    light[list(dark)] = 300.0
    with h5py.File(path, "a") as file:
        file["lmc/ch03"], file["lmc/ch04"], file["lmc/ch05"] = x, np.zeros(world.n), y
        file["ipm2/sum"] = light
    return path


def write_lines(folder, world: World) -> list[Path]:
    """One file for each line of the scan."""
    columns = world.steps[1]
    return [
        write_frames(
            folder / f"scan_12_{line + 1:04d}.h5",
            world.patterns[line * columns : (line + 1) * columns],
        )
        for line in range(world.steps[0])
    ]
