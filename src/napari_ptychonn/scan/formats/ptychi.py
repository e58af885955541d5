"""pty-chi's pair of files: patterns in ``*_dp.hdf5``, everything else in ``*_para.hdf5``.

The second is a ptychodus product (``h5_product_file.py``): positions are those of the probe's
centre, (0, 0) at the object's centre, y along rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.entries import (
    attribute_number,
    chosen_mask,
    chosen_positions,
    yx_vectors,
)
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["PtyChi"]

POSITIONS = ("probe_position_y_m", "probe_position_x_m")
ENERGIES = ("photon_energy_eV", "probe_energy_eV")
"""Newer versions of ptychodus say the first; 0 is its way to say that it does not know."""
BAD_PIXELS = "/bad_pixels"
NAME = re.compile(r"^(?P<stem>.*_)(?P<role>dp|para)(?P<ending>\.[^.]+)$")
PARTNER = {"dp": "para", "para": "dp"}
REMEDY = "put the pair side by side with names that differ only in _dp and _para"


@dataclass(frozen=True, slots=True)
class PtyChi:
    """pty-chi and ptychodus exports: intensities and parameters in two files."""

    name: str = field(default="pty-chi", init=False)

    def detect(self, container: Container) -> bool:
        """Whether the file is one of the pair."""
        is_parameters = all(container.has(name) for name in POSITIONS)
        if container.has("dp"):
            return is_parameters or bool(NAME.match(container.path.name))
        return is_parameters and partner(container.path) is not None

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read the parameters of the pair; either file may be the one opened.

        Raises
        ------
        ScanError
            The other file of the pair is missing, or lacks a dataset.
        """
        if container.has("dp") and all(container.has(name) for name in POSITIONS):
            return _contents(container, container, options)
        other = partner(container.path)
        if other is None:
            raise _alone(container)
        with open_container(other) as second:
            if container.has("dp"):
                return _contents(container, second, options)
            return _contents(second, container, options)


def partner(path: Path) -> Path | None:
    """The other file of the pair, where it is there."""
    match = NAME.match(path.name)
    if match is None:
        return None
    other = path.with_name(match["stem"] + PARTNER[match["role"]] + match["ending"])
    return other if other.is_file() else None


def _alone(container: Container) -> ScanError:
    match = NAME.match(container.path.name)
    expected = match["stem"] + PARTNER[match["role"]] + match["ending"] if match else "*_para.hdf5"
    problem = f"the other file of the pair, {expected}, is missing"
    return ScanError("scan file", container.path, problem, remedy=REMEDY)


def _contents(patterns: Container, parameters: Container, options: ScanOptions) -> Contents:
    name = options.datasets.get("patterns", "/dp")
    if not patterns.has(name):
        raise ScanError("patterns", patterns.path, f"there is no {name}", remedy=REMEDY)
    datasets = {"patterns": f"{patterns.path.name}:{name}"}
    notes: list[str] = []
    positions = None
    unit: str | None = None
    if not options.brings_positions:
        positions, datasets["positions"] = _positions(parameters, options)
        unit = "m"
    probe = None
    probe_name = options.datasets.get("probe", "/probe")
    if options.probe_file is None and (parameters.has(probe_name) or "probe" in options.datasets):
        probe = parameters.array(probe_name)
        datasets["probe"] = f"{parameters.path.name}:{probe_name}"
        if probe.ndim == 4 and len(probe):
            if len(probe) > 1:
                notes.append("of the probe's variations (OPR modes) the first is used")
            probe = probe[0]
    mask = None
    if (chosen := chosen_mask(patterns, options, BAD_PIXELS)) is not None:
        mask, datasets["mask"] = chosen
    source = masked_source(patterns, name, mask)
    pixel = _pixel(parameters)
    wavelength, distance = _light(parameters)
    detector = None
    if pixel and wavelength and distance:
        height, width = source.shape[1:]
        span = wavelength * distance
        detector = (span / (height * pixel[0]), span / (width * pixel[1]))
    return Contents(
        source,
        datasets,
        positions=positions,
        positions_unit=unit,
        probe=probe,
        # Only files that we wrote say so.
        probe_is_guess=bool(attribute_number(parameters, probe_name, "is_guess")),
        mask=mask,
        wavelength_m=wavelength,
        distance_m=distance,
        detector_pixel_m=detector,
        pixel_m=pixel,
        assumptions=tuple(notes),
    )


def _positions(container: Container, options: ScanOptions) -> tuple[NDArray[np.float64], str]:
    chosen = chosen_positions(container, options)
    if chosen is not None:
        return chosen[0], chosen[2]
    used = f"{container.path.name}:{POSITIONS[0]}, {POSITIONS[1]}"
    return yx_vectors(container, *POSITIONS), used


def _pixel(container: Container) -> tuple[float, float] | None:
    height = attribute_number(container, "object", "pixel_height_m")
    width = attribute_number(container, "object", "pixel_width_m")
    return (height, width) if height and width else None


def _light(container: Container) -> tuple[float | None, float | None]:
    energies = (attribute_number(container, "/", name) for name in ENERGIES)
    energy = next((energy for energy in energies if energy), None)
    distance = attribute_number(container, "/", "detector_object_distance_m")
    wavelength = HC_EV_M / energy if energy else None
    return wavelength, abs(distance) if distance else None
