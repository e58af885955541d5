"""NXcxi_ptycho: NeXus files that share CXI's names, and Diamond's that ptypy reads.

Names are those of the NeXus definition NXcxi_ptycho, and of ``diamond_nexus.py`` in ptypy,
which takes ``entry_1/data/{data, x, y}``. The energy of ``source_1`` is that of the storage
ring; the photons' is in ``beam_1``. A raster may have patterns (rows, columns, H, W).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.cxi_layout import DETECTORS, length, number, position_unit
from napari_ptychonn.scan.entries import reals, shape_of
from napari_ptychonn.scan.formats.cxi import (
    BEAM_ENERGIES,
    BEAMS,
    PATTERNS,
    SOURCES,
    WAVES_M,
    beam_energy,
    cxi_contents,
)
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.units import metres_per

__all__ = ["NxCxiPtycho"]

DATA = "/entry_1/data/data"
AXES = (
    ("/entry_1/data/y", "/entry_1/data/x"),
    ("/entry_1/sample_1/transformations/y", "/entry_1/sample_1/transformations/x"),
)
PIXEL_UNITS = ("px", "pixel", "pixels")


@dataclass(frozen=True, slots=True)
class NxCxiPtycho:
    """NeXus ptychography files."""

    name: str = field(default="NXcxi_ptycho", init=False)

    def detect(self, container: Container) -> bool:
        """Whether NeXus' names stand beside CXI's patterns, or Diamond's."""
        if not any(container.has(name) for name in (*PATTERNS, DATA)):
            return False
        return any(container.has(name) for name in ("/entry_1/definition", *BEAM_ENERGIES))

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, probe, mask, geometry and beam centre.

        Raises
        ------
        ScanError
            There are no patterns, or a dataset does not have the shape it must have.
        """
        notes: list[str] = []
        contents = cxi_contents(
            container,
            options,
            (*PATTERNS, DATA),
            wavelength_m=_wavelength(container, notes),
            notes=notes,
        )
        notes = list(contents.assumptions)
        contents = replace(contents, centre=_centre(container, contents, notes))
        if contents.positions is None and not options.brings_positions:
            contents = _with_axes(container, contents, options, notes)
        return replace(contents, assumptions=tuple(notes))


def _wavelength(container: Container, notes: list[str]) -> float | None:
    for beam in BEAMS:
        for name in ("wavelength", "incident_wavelength"):
            wavelength = length(container, f"{beam}/{name}", WAVES_M, notes)
            if wavelength is not None:
                return wavelength
    wavelength = beam_energy(container, notes)
    if wavelength is None:
        rings = [f"{source}/energy" for source in SOURCES if container.has(f"{source}/energy")]
        notes.extend(f"{name}, that of the storage ring in NeXus, is not used" for name in rings)
    return wavelength


def _centre(
    container: Container, contents: Contents, notes: list[str]
) -> tuple[float, float] | None:
    """Beam centre (y, x) in pixels; the definition wants a length, detectors write pixels."""
    pitch = contents.detector_pixel_m
    found: list[float] = []
    for axis, index in (("y", 0), ("x", 1)):
        name = f"{DETECTORS[0]}/beam_center_{axis}"
        recorded = number(container, name, notes)
        if recorded is None:
            return None
        value, unit = recorded
        if unit and unit.strip().lower() not in PIXEL_UNITS:
            if pitch is None:
                return None
            value *= metres_per(unit, container.path, name) / pitch[index]
        found.append(value)
    return found[0], found[1]


def _with_axes(
    container: Container, contents: Contents, options: ScanOptions, notes: list[str]
) -> Contents:
    """Contents with positions from the stage's axes, where the file has them."""
    names = next((pair for pair in AXES if all(container.has(name) for name in pair)), None)
    if names is None:
        return contents
    shape = shape_of(container, contents.datasets["patterns"]) or ()
    positions = _points(container, names, shape[:-2])
    unit, other = (container.info(name).units for name in names)
    if unit != other and options.positions_unit is None:
        # Each axis has its own unit; from here on both are metres.
        scales = [metres_per(each or "m", container.path, names[0]) for each in (unit, other)]
        positions, unit = positions * scales, "m"
    if unit is None and options.positions_unit is None:
        notes.append("positions without a unit are taken in metres, as ptypy does")
    if options.positions_unit is None:
        unit = position_unit(container, positions, unit, ", ".join(names), notes)
    notes.append("x and y of the stage are taken as probe positions, without negation")
    return replace(
        contents,
        positions=positions,
        positions_unit=unit,
        datasets={**contents.datasets, "positions": ", ".join(names)},
    )


def _points(
    container: Container, names: tuple[str, str], raster: tuple[int, ...]
) -> NDArray[np.float64]:
    """Positions (N, 2) as (y, x): one value a point, or the rows and columns of a raster."""
    n_points = math.prod(raster)
    y, x = (np.squeeze(reals(container, name, "positions", finite=False)) for name in names)
    if y.size == x.size == n_points:
        return np.stack([y.reshape(-1), x.reshape(-1)], -1)
    if y.ndim == x.ndim == 1 and y.size * x.size == n_points:
        rows, columns = np.meshgrid(y, x, indexing="ij")
        return np.stack([rows.reshape(-1), columns.reshape(-1)], -1)
    problem = f"{names[0]} has {y.size} and {names[1]} {x.size} values for {n_points} patterns"
    remedy = "choose another dataset with --dataset positions=/PATH, or give --positions FILE"
    raise ScanError("positions", container.path, problem, remedy=remedy)
