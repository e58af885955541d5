"""fold_slice and PtychoShelves: patterns ``/dp``, positions ``/ppX`` and ``/ppY``.

fold_slice reads ``data_roi*_dp.hdf5`` beside ``data_roi*_para.hdf5`` (``load_data.m`` of
``+matlab_aps``, ``hdf5_pos.m``); other scripts write both into one file. Positions are
negated on reading and negated again by ``ptycho_adjust_positions.m``, so they are those of
the probe, y along rows. Electron scripts use ångströms throughout, X-ray scripts metres.
MATLAB writes the files, so patterns are seen transposed from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.eiger import LinkedStack
from napari_ptychonn.scan.entries import number, yx_vectors
from napari_ptychonn.scan.formats.ptychi import NAME, partner
from napari_ptychonn.scan.matlab import MATLAB_ORIENTATION, matlab_image
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["FoldSlice"]

PATTERNS = "/dp"
POSITIONS = ("/ppY", "/ppX")
ANGSTROM_M = 1e-10
LONGEST_SCAN_M = 0.1
LARGEST_PIXEL_M = 1e-4
LONGEST_WAVE_M = 1e-6


@dataclass(frozen=True, slots=True)
class FoldSlice:
    """Input files of fold_slice, one or a pair."""

    name: str = field(default="fold_slice", init=False)

    def detect(self, container: Container) -> bool:
        """Whether patterns and positions are in the file, or in it and its partner."""
        if isinstance(container, NpzContainer):  # MATLAB writes none
            return False
        has_patterns, has_positions = container.has(PATTERNS), _has_positions(container)
        if has_patterns and has_positions:
            return True
        if not (has_patterns or has_positions) or not NAME.match(container.path.name):
            return False
        other = partner(container.path)
        if other is None:
            return False
        try:
            with open_container(other) as second:
                return _has_positions(second) if has_patterns else second.has(PATTERNS)
        except ScanError:
            return False

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions and pixel size; either file of a pair may be the one opened.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        is_whole = container.has(PATTERNS) and _has_positions(container)
        other = None if is_whole else partner(container.path)
        if other is None:
            return _contents(container, container, options)
        with open_container(other) as second:
            if container.has(PATTERNS):
                return _contents(container, second, options)
            return _contents(second, container, options)


def _has_positions(container: Container) -> bool:
    return all(container.has(name) for name in POSITIONS)


def _contents(patterns: Container, parameters: Container, options: ScanOptions) -> Contents:
    name = options.datasets.get("patterns", PATTERNS)
    used = name if patterns is parameters else f"{patterns.path.name}:{name}"

    def stack(mask: NDArray[np.bool_] | None) -> LinkedStack:
        return LinkedStack(masked_source(patterns, name, mask), used, ())

    others = {role: path for role, path in options.datasets.items() if role != "patterns"}
    contents = chosen_contents(parameters, replace(options, datasets=others), patterns=stack)
    notes = ["patterns are taken as written by MATLAB, transposed; from Python: orientation 0"]
    probe = contents.probe
    if probe is not None and probe.dtype.names:  # only MATLAB stores complex numbers in pairs
        probe = matlab_image(probe)
    pixel = _length(parameters, "/dx", LARGEST_PIXEL_M, notes)
    contents = replace(
        contents,
        probe=probe,
        wavelength_m=_length(parameters, "/lambda", LONGEST_WAVE_M, notes),
        pixel_m=None if pixel is None else (pixel, pixel),
        orientation=MATLAB_ORIENTATION,
        orientation_is_known=False,
    )
    if contents.positions is None and not options.brings_positions:
        positions, unit = _positions(parameters, options, notes)
        place = "" if patterns is parameters else f"{parameters.path.name}:"
        datasets = {**contents.datasets, "positions": place + ", ".join(POSITIONS)}
        contents = replace(contents, positions=positions, positions_unit=unit, datasets=datasets)
    return replace(contents, assumptions=(*contents.assumptions, *notes))


def _positions(
    container: Container, options: ScanOptions, notes: list[str]
) -> tuple[NDArray[np.float64], str]:
    for name in POSITIONS:
        if not container.has(name):
            remedy = "choose them with --dataset positions=/PATH, or give --positions FILE"
            raise ScanError("positions", container.path, f"there is no {name}", remedy=remedy)
    positions = yx_vectors(container, *POSITIONS)
    finite = positions[np.isfinite(positions).all(1)]
    span = float(np.ptp(finite, axis=0).max()) if finite.size else 0.0
    if options.positions_unit is None and span > LONGEST_SCAN_M:
        notes.append(f"positions span {span:g}, too much for metres: they are taken in ångström")
        return positions, "angstrom"
    return positions, "m"


def _length(container: Container, name: str, largest: float, notes: list[str]) -> float | None:
    value = number(container, name)
    if value is None:
        return None
    if value > largest:
        notes.append(f"{name} is {value:g}, too much for metres: it is taken in ångström")
        value *= ANGSTROM_M
    return value
