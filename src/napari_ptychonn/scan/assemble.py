"""From what a format found to a scan that keeps the conventions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.background import BackgroundPatterns
from napari_ptychonn.scan.binning import bin_scan
from napari_ptychonn.scan.centre import crop_around_centre
from napari_ptychonn.scan.checks import check_positions, check_scan
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.detector import prepare_detector
from napari_ptychonn.scan.fit import crop_scan, fit_to_multiple, fit_window
from napari_ptychonn.scan.frame_statistics import PatternStatistics, pattern_statistics
from napari_ptychonn.scan.mask import find_bad_pixels
from napari_ptychonn.scan.model import HC_EV_M, Geometry, LengthUnit, Provenance, Scan
from napari_ptychonn.scan.near_field import near_field_reason
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.orientation import detect_dc, orientation_note, to_convention
from napari_ptychonn.scan.photon_scale import in_photons
from napari_ptychonn.scan.raster import raster_positions
from napari_ptychonn.scan.selected import match_numbers
from napari_ptychonn.scan.sidefiles import read_positions, read_probe
from napari_ptychonn.scan.units import metres_per
from napari_ptychonn.scan.unwritten import leave_out_unwritten
from napari_ptychonn.scan.views import MaskedPatterns, OrientedPatterns
from napari_ptychonn.words import counted

__all__ = ["assemble"]

UNBELIEVED = ("is not used", "is no photon energy")
MAX_PROBE_PIXELS = 2**25
"""Of all modes together: 128 of 512 × 512."""


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
    # First, since what was never written has no bad pixels.
    contents = leave_out_unwritten(_with_side_files(contents, path, options), path)
    contents = crop_around_centre(prepare_detector(contents, path, options))
    notes = list(contents.assumptions)
    datasets = contents.datasets
    n_points = contents.patterns.shape[0]
    names = (datasets.get("positions", "positions"), datasets.get("patterns", "patterns"))
    if contents.positions is None:
        raise ScanError(
            "positions", path, "there are none in the file",
            remedy="choose them with --dataset positions=/PATH, or give --positions FILE, "
            "or --raster ROWS,COLUMNS,STEP",
        )  # fmt: skip
    if n_points < 2:
        problem = f"{names[1]} has {n_points} pattern"
        remedy = "ptychography needs a scan of two points or more"
        raise ScanError("scan", path, problem, remedy=remedy)
    check_positions(contents.positions, n_points, path, names)
    statistics = pattern_statistics(contents.patterns, saturation=contents.saturation)
    source, background = contents.patterns, contents.background
    if background is not None:
        source = BackgroundPatterns(source, background)
    at_corner = _dc_at_corner(contents, _mean(statistics, background), options, notes)
    code = contents.orientation if options.orientation == "auto" else options.orientation
    if code:
        notes.append(orientation_note(code))
    turned = statistics.turned(at_corner, code)
    del statistics  # of large frames there is no room for both
    mask = np.ones(turned.total.shape, bool)
    if contents.mask is not None:
        mask = to_convention(contents.mask, at_corner, code)
        if not mask.any():
            problem = f"{datasets.get('mask', 'the mask')} leaves no good pixel"
            remedy = "in a file 0 means good; choose another with --dataset mask=/PATH"
            raise ScanError("mask", path, problem, remedy=remedy)
    mask, unmeasured = _found_bad_pixels(turned, mask, options, notes)
    patterns = OrientedPatterns(source, at_corner, code)
    lengths = _lengths(contents, patterns.shape[1:], code, options, path, notes)
    positions, unit, geometry, pixel = lengths
    near_field = contents.near_field
    if near_field is None and geometry is not None:
        if background is not None:
            background = to_convention(background, at_corner, code)
        masked_mean = _mean(turned, background) * mask
        near_field = near_field_reason(patterns, positions, geometry, masked_mean)
    scan = Scan(
        patterns=patterns if mask.all() else MaskedPatterns(patterns, mask, unmeasured),
        positions=positions,
        unit=unit,
        mask=mask,
        provenance=Provenance(
            path,
            format_name,
            dict(datasets),
            orientation=code,
            orientation_is_known=options.orientation != "auto" or contents.orientation_is_known,
        ),
        pixel_m=pixel,
        geometry=geometry,
        probe=_probe(contents, patterns.shape[1:], path, notes),
        probe_is_guess=contents.probe is not None and contents.probe_is_guess,
        near_field=near_field,
    )
    scan, scaled = in_photons(scan, None if background is None else contents.patterns)
    notes += [] if scaled is None else [scaled]
    scan = replace(scan, provenance=replace(scan.provenance, assumptions=tuple(notes)))
    check_scan(scan)
    if options.crop is not None:
        scan = crop_scan(scan, options.crop)
    return fit_to_multiple(bin_scan(scan, options.binning))


def _with_side_files(contents: Contents, path: Path, options: ScanOptions) -> Contents:
    datasets = dict(contents.datasets)
    n_points = contents.patterns.shape[0]
    file = options.positions_file or contents.positions_file
    if options.raster is not None:
        rows, columns, step = options.raster
        datasets["positions"] = f"raster of {rows} × {columns} points, step {step:g}"
        note = "positions are those of the raster that was typed in, all rows from left to right"
        contents = replace(
            contents,
            positions=raster_positions(options.raster, n_points, path),
            positions_unit=None,
            assumptions=(*contents.assumptions, note),
        )
    elif file is not None:
        side = read_positions(
            file, n_points, columns=options.positions_columns, layout=contents.positions_layout
        )
        datasets["positions"] = side.used
        patterns, positions, notes = contents.patterns, side.positions, side.notes
        if side.numbers is not None:
            patterns, positions, more = match_numbers(patterns, positions, side.numbers, Path(file))
            notes += more
        contents = replace(
            contents,
            patterns=patterns,
            positions=positions,
            positions_unit=side.unit,
            assumptions=(*contents.assumptions, *notes),
        )
    if options.probe_file is not None:
        probe, used = read_probe(options.probe_file)
        datasets["probe"] = used
        contents = replace(contents, probe=probe, probe_is_guess="guess" in used.lower())
    return replace(contents, datasets=datasets)


def _found_bad_pixels(
    turned: PatternStatistics, mask: NDArray[np.bool_], options: ScanOptions, notes: list[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mask (True = good) with the pixels that were found, and those without any counts."""
    bad = find_bad_pixels(turned)
    found = {"overflowing": bad.marked}
    if options.mask_file is None:
        found |= {"dead": bad.dead, "hot": bad.hot, "saturated": bad.saturated}
    good = mask
    for kind, pixels in found.items():
        if new := int((pixels & mask).sum()):
            one = f"{kind} pixel found in the patterns is masked"
            notes.append(counted(new, one, f"{kind} pixels found in the patterns are masked"))
        good = good & ~pixels
    if kept := int(((turned.saturated > 0) & good).sum()):
        one = "more pixel is saturated in some patterns and is kept"
        many = "more pixels are saturated in some patterns and are kept"
        notes.append(counted(kept, one, many))
    return good, ~mask | bad.marked


def _mean(
    statistics: PatternStatistics, background: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    mean = statistics.mean
    return mean if background is None else np.maximum(mean - background, 0)


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
            remedy="say it with --positions-unit m|mm|um|nm|px",
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
        # What is recorded and was not believed is the first that a person would look at.
        doubts = "".join(f"; {note}" for note in notes if note.endswith(UNBELIEVED))
        raise ScanError(
            "geometry", path,
            f"positions are in {unit}, but the object pixel is not known ({missing} not "
            f"recorded{doubts})",
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
    if stored.ndim < 2 or not stored.size or stored.dtype.kind not in "cfiu":
        problem = f"{name} has shape {stored.shape} and type {stored.dtype}"
        remedy = "choose another probe with --probe FILE or --dataset probe=/PATH"
        raise ScanError("probe", path, problem, remedy=remedy)
    modes = stored.size // (stored.shape[-2] * stored.shape[-1])
    if modes * shape[0] * shape[1] > MAX_PROBE_PIXELS:
        problem = f"{name} has {modes} modes, too many for {shape[0]} × {shape[1]} pixels"
        remedy = "choose a probe of fewer modes, or crop the patterns in the file"
        raise ScanError("probe", path, problem, remedy=remedy)
    probe = stored.reshape(-1, *stored.shape[-2:]).astype(np.complex64)
    if probe.shape[1:] != shape:
        notes.append(
            f"the probe is {probe.shape[1]} × {probe.shape[2]} pixels and is cut or padded to "
            f"the patterns' {shape[0]} × {shape[1]}"
        )
        probe = fit_window(probe, shape)
    return probe
