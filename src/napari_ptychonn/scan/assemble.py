"""From what a format found to a scan that keeps the conventions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.checks import check_positions, check_scan
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.fit import fit_to_multiple, fit_window
from napari_ptychonn.scan.mask import find_bad_pixels, pattern_statistics
from napari_ptychonn.scan.model import HC_EV_M, Geometry, LengthUnit, Provenance, Scan
from napari_ptychonn.scan.near_field import near_field_reason
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.orientation import detect_dc, orientation_text, to_convention
from napari_ptychonn.scan.patterns import MaskedPatterns, OrientedPatterns
from napari_ptychonn.scan.sidefiles import read_positions, read_probe
from napari_ptychonn.scan.units import metres_per

__all__ = ["assemble"]


def assemble(contents: Contents, path: Path, format_name: str, options: ScanOptions) -> Scan:
    """Make the scan: side files, orientation, mask, units, checks.

    Parameters
    ----------
    contents : Contents
        What the format found.
    path : Path
        The scan file.
    format_name : str
        For the provenance.
    options : ScanOptions
        What the person said; it wins over the file.

    Raises
    ------
    ScanError
        The scan cannot be used.
    """
    contents = _with_side_files(contents, options)
    notes = list(contents.assumptions)
    datasets = contents.datasets
    n_points = contents.patterns.shape[0]
    names = (datasets.get("positions", "positions"), datasets.get("patterns", "patterns"))
    if contents.positions is None:
        raise ScanError(
            "positions", path, "there are none in the file",
            remedy="choose them with --dataset positions=/PATH, or give --positions FILE",
        )  # fmt: skip
    if n_points < 2:
        problem = f"{names[1]} has {n_points} pattern"
        remedy = "ptychography needs a scan of two points or more"
        raise ScanError("scan", path, problem, remedy=remedy)
    check_positions(contents.positions, n_points, path, names)
    statistics = pattern_statistics(contents.patterns)
    at_corner = _dc_at_corner(contents, statistics.mean, options, notes)
    code = contents.orientation if options.orientation == "auto" else options.orientation
    if code:
        notes.append(f"orientation {code}: patterns are {orientation_text(code)}")
    turned = statistics.turned(at_corner, code)
    mask = np.ones(turned.total.shape, bool)
    if contents.mask is not None:
        mask = to_convention(contents.mask, at_corner, code)
        if not mask.any():
            problem = f"{datasets.get('mask', 'the mask')} leaves no good pixel"
            remedy = "in a file 0 means good; choose another with --dataset mask=/PATH"
            raise ScanError("mask", path, problem, remedy=remedy)
    bad = find_bad_pixels(turned)
    for found, kind in ((bad.dead, "dead"), (bad.hot, "hot"), (bad.marked, "overflowing")):
        new = int((found & mask).sum())
        if new:
            notes.append(f"{new} {kind} pixels found in the patterns are masked")
    mask = mask & ~bad.any
    patterns = OrientedPatterns(contents.patterns, at_corner, code)
    lengths = _lengths(contents, patterns.shape[1:], code, options, path, notes)
    positions, unit, geometry, pixel = lengths
    near_field = contents.near_field
    if near_field is None and geometry is not None:
        masked_mean = turned.mean * mask
        near_field = near_field_reason(patterns, positions, geometry, masked_mean)
    scan = Scan(
        patterns=patterns if mask.all() else MaskedPatterns(patterns, mask),
        positions=positions,
        unit=unit,
        mask=mask,
        provenance=Provenance(path, format_name, dict(datasets), ()),
        pixel_m=pixel,
        geometry=geometry,
        probe=_probe(contents, patterns.shape[1:], path, notes),
        probe_is_guess=contents.probe is not None and contents.probe_is_guess,
        near_field=near_field,
    )
    scan = replace(scan, provenance=replace(scan.provenance, assumptions=tuple(notes)))
    check_scan(scan)
    return fit_to_multiple(scan)


def _with_side_files(contents: Contents, options: ScanOptions) -> Contents:
    datasets = dict(contents.datasets)
    if options.positions_file is not None:
        n_points = contents.patterns.shape[0]
        positions, unit, used = read_positions(options.positions_file, n_points)
        datasets["positions"] = used
        contents = replace(contents, positions=positions, positions_unit=unit)
    if options.probe_file is not None:
        probe, used = read_probe(options.probe_file)
        datasets["probe"] = used
        contents = replace(contents, probe=probe, probe_is_guess="guess" in used.lower())
    return replace(contents, datasets=datasets)


def _dc_at_corner(
    contents: Contents, mean: NDArray[np.float64], options: ScanOptions, notes: list[str]
) -> bool:
    if options.dc != "auto":
        return options.dc == "corner"
    found = detect_dc(mean, default=contents.dc)
    if found != contents.dc:
        notes.append(f"DC is at the {found} of the patterns, as their power shows")
    return found == "corner"


def _lengths(
    contents: Contents,
    shape: tuple[int, int],
    code: int,
    options: ScanOptions,
    path: Path,
    notes: list[str],
) -> tuple[NDArray[np.float64], LengthUnit, Geometry | None, tuple[float, float] | None]:
    """Positions in metres or pixels, with geometry and object pixel where they are known."""
    wavelength = HC_EV_M / options.energy_ev if options.energy_ev else contents.wavelength_m
    distance = options.distance_m or contents.distance_m
    pitch = _pair(options.detector_pixel_m) or contents.detector_pixel_m
    if pitch and code & 4 and options.detector_pixel_m is None:
        pitch = (pitch[1], pitch[0])
    geometry = Geometry(wavelength, distance, pitch) if wavelength and distance and pitch else None
    pixel = _pair(options.pixel_m)
    if pixel is not None:
        geometry = None
    elif geometry is not None and _is_told(options):
        pixel = geometry.object_pixel_m(shape)
    else:
        pixel = contents.pixel_m or (geometry.object_pixel_m(shape) if geometry else None)
    stored, unit = contents.positions, options.positions_unit or contents.positions_unit
    if stored is None or unit is None:
        raise ScanError(
            "positions", path,
            f"the unit of {contents.datasets.get('positions', 'the positions')} is not recorded",
            remedy="say it with --positions-unit m|um|nm|px",
        )  # fmt: skip
    if unit.strip().lower() in ("px", "pixel", "pixels"):
        if pixel is None:
            notes.append("no pixel size recorded: lengths are in pixels")
            return stored, "px", None, None
        return stored * np.asarray(pixel), "m", geometry, pixel
    metres = stored * metres_per(unit, path, "positions")
    if pixel is None:
        known = {"energy": wavelength, "distance": distance, "detector pixel": pitch}
        missing = ", ".join(name for name, value in known.items() if not value)
        raise ScanError(
            "geometry", path,
            f"positions are in {unit}, but the object pixel is not known ({missing} not recorded)",
            remedy="give --energy-ev, --distance-m and --detector-pixel-m, or --pixel-m",
        )  # fmt: skip
    return metres, "m", geometry, pixel


def _is_told(options: ScanOptions) -> bool:
    told = (options.energy_ev, options.distance_m, options.detector_pixel_m)
    return any(value is not None for value in told)


def _pair(value: float | tuple[float, float] | None) -> tuple[float, float] | None:
    return (float(value), float(value)) if isinstance(value, int | float) else value


def _probe(
    contents: Contents, shape: tuple[int, int], path: Path, notes: list[str]
) -> NDArray[np.complex64] | None:
    stored = contents.probe
    if stored is None:
        return None
    name = contents.datasets.get("probe", "the probe")
    if stored.ndim < 2 or stored.dtype.kind not in "cfiu":
        problem = f"{name} has shape {stored.shape} and type {stored.dtype}"
        remedy = "choose another probe with --probe FILE or --dataset probe=/PATH"
        raise ScanError("probe", path, problem, remedy=remedy)
    probe = stored.reshape(-1, *stored.shape[-2:]).astype(np.complex64)
    if probe.shape[1:] != shape:
        notes.append(
            f"the probe is {probe.shape[1]} × {probe.shape[2]} pixels and is cut or padded to "
            f"the patterns' {shape[0]} × {shape[1]}"
        )
        probe = fit_window(probe, shape)
    return probe
