"""What a detector, and a person who knows it, say about its pixels: blind, masked, dark, full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.background import read_background
from napari_ptychonn.scan.blind import blind_pixels, largest_count, leave_out
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.mask_files import read_mask
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.words import counted

__all__ = ["prepare_detector"]

SATURATIONS = tuple(
    f"{detector}/{name}"
    for detector in (
        "/entry/instrument/detector",
        "/entry/instrument/detector/detectorSpecific",
        "/entry_1/instrument_1/detector_1",
        "/entry_1/instrument_1/detector_1/detectorSpecific",
    )
    for name in ("saturation_value", "countrate_correction_count_cutoff")
)
"""Where NeXus (NXdetector) and Eiger masters say from where on counts are wrong."""
MUCH = 0.5
"""Of the pixels; a mask that leaves out more has perhaps the other meaning of 0."""


def prepare_detector(contents: Contents, path: Path, options: ScanOptions) -> Contents:
    """Complete mask, background and saturation, all in pixels of the detector as stored.

    Parameters
    ----------
    contents : Contents
        As the format found them.
    path : Path
        The scan file.
    options : ScanOptions
        What the person said.

    Returns
    -------
    Contents
        Pixels marked −1, −2 or NaN, or by the person, are read as 0 and masked.

    Raises
    ------
    ScanError
        Mask or background cannot be used.
    """
    size = contents.patterns.shape[1:]
    notes, datasets = list(contents.assumptions), dict(contents.datasets)
    bad = blind_pixels(contents.patterns)
    if bad.any():
        one = "pixel that holds −1, −2 or NaN throughout is masked"
        many = "pixels that hold −1, −2 or NaN throughout are masked"
        notes.append(counted(int(bad.sum()), one, many))
    if options.mask_file is not None:
        good, datasets["mask"] = read_mask(options.mask_file)
        bad = bad | ~_checked(good, size, Path(options.mask_file), notes)
        notes.append("no other bad pixels are looked for than those of the mask's file")
    background = contents.background
    if options.background is not None:
        background, known, said = read_background(options.background, size, path)
        datasets["background"] = said
        notes.append(f"subtracted from every pattern: {said}; what would be negative is 0")
        if not known.all():
            one = "pixel of the background is masked: no number"
            many = "pixels of the background are masked: no numbers"
            notes.append(counted(int((~known).sum()), one, many))
            bad = bad | ~known
    mask, patterns = contents.mask, contents.patterns
    if bad.any():
        mask = ~bad if mask is None else mask & ~bad
        patterns = leave_out(patterns, bad)
    return replace(
        contents,
        patterns=patterns,
        datasets=datasets,
        mask=mask,
        background=background,
        saturation=_saturation(contents, path, options, notes),
        assumptions=tuple(notes),
    )


def _checked(
    good: NDArray[np.bool_], size: tuple[int, int], file: Path, notes: list[str]
) -> NDArray[np.bool_]:
    if good.shape != size:
        problem = f"it is a mask of {good.shape}, but the patterns as stored are {size}"
        raise ScanError("mask", file, problem, remedy="give a mask of the whole detector")
    if not good.any():
        remedy = "0 means good: turn the mask around"
        raise ScanError("mask", file, "it leaves no good pixel", remedy=remedy)
    if (~good).mean() > MUCH:
        share = (~good).mean()
        notes.append(f"{file.name} leaves out {share:.0%} of the pixels: 0 is taken as good")
    return good


def _saturation(
    contents: Contents, path: Path, options: ScanOptions, notes: list[str]
) -> float | None:
    if options.saturation is not None:
        return options.saturation
    if contents.saturation is not None:
        return contents.saturation
    with open_container(path) as container:
        for name in SATURATIONS:
            if not container.has(name) or container.info(name).shape not in ((), (1,)):
                continue
            stored = container.array(name).reshape(-1)
            if stored.dtype.kind in "uif" and 0 < float(stored[0]) < np.inf:
                notes.append(f"pixels are saturated from {stored[0]:g} counts on, says {name}")
                return float(stored[0])
    return largest_count(contents.patterns)
