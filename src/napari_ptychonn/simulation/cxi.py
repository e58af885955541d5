"""Simulated scans as CXI files, with the truth in an extra group ``/truth``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import DTypeLike

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.export import cxi
from napari_ptychonn.scan.heaps import GuardedFile
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.truth import Truth

__all__ = ["read_truth", "write_cxi"]


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

    def more(file: h5py.File) -> None:
        if truth is not None:
            _write_truth(file.create_group("truth"), truth)

    cxi.write_cxi(path, scan, dtype=dtype, more=more, on_progress=on_progress)


def read_truth(path: str | Path) -> Truth:
    """Read the truth inside a simulated CXI file.

    Raises
    ------
    ScanError
        The file cannot be read or holds no truth.
    """
    try:
        with GuardedFile(path) as file:
            sample = file["truth/object"]
            return Truth(
                object=sample[()],
                pixel_m=float(sample.attrs["pixel_m"]),
                corner_m=(float(sample.attrs["corner_y_m"]), float(sample.attrs["corner_x_m"])),
                probe=file["truth/probe"][()],
                positions=file["truth/positions"][()],
            )
    except (OSError, RuntimeError, KeyError) as error:
        remedy = "use a file made by simulate"
        raise ScanError("truth", path, f"/truth cannot be read: {error}", remedy=remedy) from None


def _write_truth(group: h5py.Group, truth: Truth) -> None:
    group["object"] = truth.object
    group["object"].attrs["pixel_m"] = truth.pixel_m
    group["object"].attrs["corner_y_m"] = truth.corner_m[0]
    group["object"].attrs["corner_x_m"] = truth.corner_m[1]
    group["probe"] = truth.probe
    group["positions"] = truth.positions
    group["positions"].attrs["units"] = "m"
