"""A tiny scan with known truth, and the files it can be written as."""

from dataclasses import dataclass, field

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

ENERGY_EV = 8000.0
WAVELENGTH_M = 1.23984198e-6 / ENERGY_EV
DISTANCE_M = 1.5
PITCH_M = (60e-6, 75e-6)
JOULE_PER_EV = 1.602176634e-19


@dataclass(frozen=True)
class World:
    """Patterns (N, H, W) uint16 with DC at the centre, positions in object pixels."""

    size: tuple[int, int] = (32, 24)
    steps: tuple[int, int] = (4, 5)
    seed: int = 0
    patterns: NDArray[np.uint16] = field(init=False)
    positions_px: NDArray[np.float64] = field(init=False)
    probe: NDArray[np.complex64] = field(init=False)

    def __post_init__(self):
        random = np.random.default_rng(self.seed)
        height, width = self.size
        y, x = np.mgrid[: self.steps[0], : self.steps[1]] * 4.0
        positions = np.stack([y.ravel(), x.ravel()], -1)
        v, u = np.mgrid[:height, :width]
        gauss = np.exp(-((v - height // 2) ** 2 + (u - width // 2) ** 2) / 20.0)
        probe = (gauss * np.exp(0.05j * (v - 3.0) ** 2) * 40).astype(np.complex64)
        span = positions.max(0).astype(int) + self.size
        sample = np.exp(1j * random.uniform(-1, 1, span))
        corners = positions.astype(int)
        waves = [probe * sample[i : i + height, j : j + width] for i, j in corners]
        far = np.fft.fftshift(np.fft.fft2(np.stack(waves), norm="ortho"), axes=(-2, -1))
        object.__setattr__(self, "patterns", random.poisson(np.abs(far) ** 2).astype(np.uint16))
        object.__setattr__(self, "positions_px", positions)
        object.__setattr__(self, "probe", probe)

    @property
    def n(self):
        return len(self.positions_px)

    @property
    def everything(self):
        return np.arange(self.n)

    @property
    def pixel_m(self):
        span = WAVELENGTH_M * DISTANCE_M
        return np.array([span / (n * p) for n, p in zip(self.size, PITCH_M, strict=True)])

    @property
    def positions_m(self):
        return self.positions_px * self.pixel_m


def write_cxi(path, world, *, pynx=False, wavelength=False):
    xyz = np.zeros((world.n, 3))
    xyz[:, 1::-1] = world.positions_m
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector.create_dataset(
            "data", data=world.patterns, chunks=(1, *world.size), **hdf5plugin.Bitshuffle()
        )
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        file["entry_1/sample_1/geometry_1/translation"] = xyz.T if pynx else xyz
        detector["distance"] = DISTANCE_M
        detector["y_pixel_size"], detector["x_pixel_size"] = PITCH_M
        source = file.create_group("entry_1/instrument_1/source_1")
        if wavelength:
            source["wavelength"] = WAVELENGTH_M
        else:
            source["energy"] = ENERGY_EV * JOULE_PER_EV
        source["illumination"] = world.probe
        mask = np.zeros(world.size, np.uint32)
        mask[0, 0], mask[0, 1] = 1, 0x1000
        detector["mask"] = mask
    return path


def write_ptychi(folder, world):
    dp, para = folder / "run_dp.hdf5", folder / "run_para.hdf5"
    with h5py.File(dp, "w") as file:
        file["dp"] = world.patterns
    with h5py.File(para, "w") as file:
        file["probe_position_y_m"], file["probe_position_x_m"] = world.positions_m.T
        file["object"] = np.ones((1, 60, 60), np.complex64)
        file["object"].attrs["pixel_height_m"], file["object"].attrs["pixel_width_m"] = (
            world.pixel_m
        )
        file["probe"] = np.stack([world.probe, 0.1j * world.probe])[None]
    return dp, para


def tike_arrays(world, probe="probe"):
    half = np.asarray(world.size) // 2
    return {
        "data": np.fft.ifftshift(world.patterns, axes=(-2, -1)),
        "scan": (world.positions_px - half).astype(np.float32)[None],
        probe: world.probe[None, None, None, None],
    }


def write_plain(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path
