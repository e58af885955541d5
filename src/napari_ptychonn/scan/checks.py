"""What a scan must be before anything is done with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.words import counted

__all__ = ["check_positions", "check_scan"]

MAX_POSITION = 1e15


def check_positions(
    positions: NDArray[np.float64], n_points: int, where: Path | None, names: tuple[str, str]
) -> None:
    """Check number and values of the positions (M, 2).

    Parameters
    ----------
    positions : ndarray, (M, 2)
        In any unit.
    n_points : int
        Number of patterns.
    where : Path or None
        The scan file.
    names : tuple[str, str]
        Datasets of the positions and the patterns, for the message.

    Raises
    ------
    ScanError
        The number is not that of the patterns, or a value is not finite, or larger than
        any position in any unit.
    """
    if len(positions) != n_points:
        raise ScanError(
            "positions",
            where,
            f"{names[0]} has {counted(len(positions), 'position')}, but {names[1]} has "
            f"{counted(n_points, 'pattern')}",
            remedy="choose another dataset with --dataset positions=/PATH, "
            "or give --positions FILE",
        )
    finite = (np.abs(positions) < MAX_POSITION).all(1)
    if not finite.all():
        many = f"positions of {names[0]} are not finite or far too large"
        one = f"position of {names[0]} is not finite or far too large"
        raise ScanError(
            "positions",
            where,
            f"{counted(int((~finite).sum()), one, many)}, "
            f"the first is number {int(np.flatnonzero(~finite)[0])}",
            remedy="remove these points from the file, or give --positions FILE",
        )


def check_scan(scan: Scan) -> None:
    """Check that a scan can be used.

    Parameters
    ----------
    scan : Scan
        As opened; its patterns are not read (every read checks its own counts).

    Raises
    ------
    ScanError
        Fewer than two points, positions that do not fit or are all the same, an empty or
        unfitting mask, a geometry that is not positive, an unfitting or empty probe.
    """
    where = scan.provenance.path
    names = scan.provenance.datasets
    datasets = (names.get("positions", "positions"), names.get("patterns", "patterns"))
    if scan.n_points < 2:
        problem = f"{datasets[1]} has {scan.n_points} pattern"
        remedy = "ptychography needs a scan of two points or more"
        raise ScanError("scan", where, problem, remedy=remedy)
    check_positions(scan.positions, scan.n_points, where, datasets)
    if not np.ptp(scan.positions, axis=0).any():
        problem = f"all {scan.n_points} positions of {datasets[0]} are the same"
        remedy = "choose another dataset, or give --positions FILE"
        raise ScanError("positions", where, problem, remedy=remedy)
    if scan.mask.shape != scan.pattern_shape:
        problem = f"mask is {scan.mask.shape}, patterns are {scan.pattern_shape}"
        remedy = "choose another mask with --dataset mask=/PATH"
        raise ScanError("mask", where, problem, remedy=remedy)
    if not scan.mask.any():
        problem = f"{names.get('mask', 'the mask')} leaves no good pixel"
        remedy = "in the file 0 means good; choose another mask with --dataset mask=/PATH"
        raise ScanError("mask", where, problem, remedy=remedy)
    _check_lengths(scan, where)
    if scan.probe is not None:
        _check_probe(scan, where)


def _check_lengths(scan: Scan, where: Path | None) -> None:
    numbers: dict[str, float] = {}
    if scan.geometry is not None:
        pitch = scan.geometry.detector_pixel_m
        numbers = {
            "wavelength": scan.geometry.wavelength_m,
            "distance": scan.geometry.distance_m,
            "detector pixel y": pitch[0],
            "detector pixel x": pitch[1],
        }
    if scan.pixel_m is not None:
        numbers |= {"object pixel y": scan.pixel_m[0], "object pixel x": scan.pixel_m[1]}
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            remedy = "give --energy-ev, --distance-m and --detector-pixel-m, or --pixel-m"
            raise ScanError("geometry", where, f"{name} is {value:g} m", remedy=remedy)
    if (scan.unit == "m") != (scan.pixel_m is not None):
        problem = f"positions are in {scan.unit}, but the object pixel is {scan.pixel_m}"
        remedy = "give --positions-unit px, or --pixel-m"
        raise ScanError("geometry", where, problem, remedy=remedy)


def _check_probe(scan: Scan, where: Path | None) -> None:
    probe = scan.probe
    name = scan.provenance.datasets.get("probe", "the probe")
    remedy = "choose another probe with --probe FILE or --dataset probe=/PATH"
    if probe is None or probe.ndim != 3 or probe.shape[1:] != scan.pattern_shape:
        shape = None if probe is None else probe.shape
        problem = f"{name} has shape {shape}, patterns are {scan.pattern_shape}"
        raise ScanError("probe", where, problem, remedy=remedy)
    if not np.isfinite(probe).all() or not np.abs(probe).any():
        problem = f"{name} has values that are not finite, or is zero everywhere"
        raise ScanError("probe", where, problem, remedy=remedy)
