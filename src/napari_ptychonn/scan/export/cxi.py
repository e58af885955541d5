"""Scans as CXI files.

CXI 1.6 (Coherent X-ray Imaging data bank), F. R. N. C. Maia, Nature Methods 9, 854 (2012),
doi:10.1038/nmeth.2110. Translation is written as the position of the probe on the object,
without a change of sign.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import DTypeLike

from napari_ptychonn.errors import OutputError
from napari_ptychonn.scan.export.appearing import appearing_files
from napari_ptychonn.scan.export.counts import OnProgress, write_counts
from napari_ptychonn.scan.model import HC_J_M, Geometry, Scan

__all__ = ["write_cxi"]

INVALID_PIXEL = 1
"""CXI's bit for a pixel without meaning; 0 is a good pixel."""


def write_cxi(
    path: str | Path,
    scan: Scan,
    *,
    dtype: DTypeLike | None = None,
    more: Callable[[h5py.File], None] | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Write a scan as a CXI file, batch by batch; the file appears when it is complete.

    Parameters
    ----------
    path : str or Path
        The file; one that is there already is replaced.
    scan : Scan
        A scan with positions in metres and a geometry.
    dtype : dtype-like, optional
        Type of the counts in the file; it must hold them. None: int32 where all are whole
        numbers, else float32.
    more : callable, optional
        Writes into the open file what is not CXI's.
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
        remedy = "give energy, distance and detector pixel"
        raise OutputError("CXI file", path, problem, remedy=remedy)
    with appearing_files("CXI file", path) as (file,):
        file["cxi_version"] = 160
        entry = _group(file, "entry_1", "NXentry")
        entry["title"] = scan.name
        if scan.near_field is not None:
            entry.attrs["near_field"] = True
        instrument = _group(entry, "instrument_1", "NXinstrument")
        _write_source(_group(instrument, "source_1", "NXsource"), scan, geometry)
        detector = _group(instrument, "detector_1", "NXdetector")
        _write_detector(detector, scan, geometry)
        _write_positions(entry, detector, scan)
        if more is not None:
            more(file)
        frames = write_counts(
            detector,
            "data",
            scan.patterns,
            dtype=dtype,
            filters=hdf5plugin.Bitshuffle(cname="lz4"),
            on_progress=on_progress,
        )
        frames.attrs["axes"] = "translation:y:x"
        entry["data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")


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
