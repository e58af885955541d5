"""CXI 1.6 files of scans, with the truth inside where it is known.

Maia, Nature Methods 9, 854 (2012), doi:10.1038/nmeth.2110. Translation is written as the
position of the probe on the object, without a change of sign.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_ptychonn.errors import OutputError, ScanError
from napari_ptychonn.scan.model import HC_J_M, Geometry, Scan
from napari_ptychonn.simulation.truth import Truth

__all__ = ["read_truth", "write_cxi"]

BATCH_BYTES = 16 * 2**20
"""Patterns are read and written in batches of about this size (as float32)."""
INVALID_PIXEL = 1
"""CXI's bit for a pixel without meaning; 0 is a good pixel."""


def write_cxi(
    path: str | Path,
    scan: Scan,
    truth: Truth | None = None,
    *,
    dtype: DTypeLike = np.float32,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a scan as a CXI file, batch by batch; the file appears when it is complete.

    Parameters
    ----------
    path : str or Path
        The file; one that is there already is replaced.
    scan : Scan
        A scan with positions in metres and a geometry.
    truth : Truth, optional
        Written to ``/truth``.
    dtype : dtype-like
        Type of the counts in the file; it must hold them.
    on_progress : callable, optional
        Called with (patterns written, patterns in all) after each batch.

    Raises
    ------
    OutputError
        The scan has no geometry, or the file cannot be written.
    """
    path = Path(path)
    geometry = scan.geometry
    if geometry is None or scan.unit != "m":
        problem = "a CXI file holds metres, and the scan has no geometry"
        raise OutputError("CXI file", path, problem, remedy="give energy, distance and pixel")
    with _appearing(path) as file:
        file["cxi_version"] = 160
        entry = _group(file, "entry_1", "NXentry")
        entry["title"] = scan.name
        instrument = _group(entry, "instrument_1", "NXinstrument")
        _write_source(_group(instrument, "source_1", "NXsource"), scan, geometry)
        detector = _group(instrument, "detector_1", "NXdetector")
        _write_detector(detector, scan, geometry)
        _write_positions(entry, detector, scan)
        if truth is not None:
            _write_truth(file.create_group("truth"), truth)
        _write_patterns(entry, detector, scan, np.dtype(dtype), on_progress)


def read_truth(path: str | Path) -> Truth:
    """Read the truth inside a simulated CXI file.

    Raises
    ------
    ScanError
        The file cannot be read or holds no truth.
    """
    try:
        with h5py.File(path, "r") as file:
            sample = file["truth/object"]
            return Truth(
                object=sample[()],
                pixel_m=float(sample.attrs["pixel_m"]),
                corner_m=(float(sample.attrs["corner_y_m"]), float(sample.attrs["corner_x_m"])),
                probe=file["truth/probe"][()],
                positions=file["truth/positions"][()],
            )
    except (OSError, KeyError) as error:
        remedy = "use a file made by simulate"
        raise ScanError("truth", path, f"/truth cannot be read: {error}", remedy=remedy) from None


@contextmanager
def _appearing(path: Path) -> Iterator[h5py.File]:
    """A file under a temporary name that gets its own when all went well."""
    partial = path.with_name(f"{path.name}.part")
    try:
        with h5py.File(partial, "w") as file:
            yield file
        os.replace(partial, path)  # noqa: PTH105  (the same on Windows, in one step)
    except OSError as error:
        remedy = "check that the folder exists, can be written to and has space left"
        raise OutputError("CXI file", path, f"cannot be written: {error}", remedy=remedy) from None
    finally:
        partial.unlink(missing_ok=True)


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _write_source(source: h5py.Group, scan: Scan, geometry: Geometry) -> None:
    source["energy"] = HC_J_M / geometry.wavelength_m
    source["energy"].attrs["units"] = "J"
    source["wavelength"] = geometry.wavelength_m
    source["wavelength"].attrs["units"] = "m"
    if scan.probe is not None:
        source["illumination"] = scan.probe.astype(np.complex64)
        source["illumination"].attrs["is_guess"] = scan.probe_is_guess


def _write_detector(detector: h5py.Group, scan: Scan, geometry: Geometry) -> None:
    lengths = {
        "distance": geometry.distance_m,
        "y_pixel_size": geometry.detector_pixel_m[0],
        "x_pixel_size": geometry.detector_pixel_m[1],
    }
    for name, value in lengths.items():
        detector[name] = value
        detector[name].attrs["units"] = "m"
    detector["mask"] = np.where(scan.mask, 0, INVALID_PIXEL).astype(np.uint32)


def _write_positions(entry: h5py.Group, detector: h5py.Group, scan: Scan) -> None:
    translation = np.zeros((scan.n_points, 3))
    translation[:, 0] = scan.positions[:, 1]
    translation[:, 1] = scan.positions[:, 0]
    geometry = _group(_group(entry, "sample_1", "NXsample"), "geometry_1", "NXgeometry")
    geometry["translation"] = translation
    geometry["translation"].attrs["units"] = "m"
    data = _group(entry, "data_1", "NXdata")
    for group in (detector, data):
        group["translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")


def _write_truth(group: h5py.Group, truth: Truth) -> None:
    group["object"] = truth.object
    group["object"].attrs["pixel_m"] = truth.pixel_m
    group["object"].attrs["corner_y_m"] = truth.corner_m[0]
    group["object"].attrs["corner_x_m"] = truth.corner_m[1]
    group["probe"] = truth.probe
    group["positions"] = truth.positions
    group["positions"].attrs["units"] = "m"


def _write_patterns(
    entry: h5py.Group,
    detector: h5py.Group,
    scan: Scan,
    dtype: np.dtype[Any],
    on_progress: Callable[[int, int], None] | None,
) -> None:
    number, height, width = scan.patterns.shape
    frames = detector.create_dataset(
        "data",
        shape=(number, height, width),
        dtype=dtype,
        chunks=(1, height, width),
        **hdf5plugin.Bitshuffle(cname="lz4"),
    )
    frames.attrs["axes"] = "translation:y:x"
    entry["data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
    batch = max(1, BATCH_BYTES // (4 * height * width))
    for start in range(0, number, batch):
        indices: NDArray[np.intp] = np.arange(start, min(start + batch, number))
        frames[start : start + indices.size] = scan.patterns.read(indices).astype(dtype)
        if on_progress is not None:
            on_progress(start + indices.size, number)
