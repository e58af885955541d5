"""Energy, distance and detector pixel from datasets that the person chose."""

from __future__ import annotations

import re
from dataclasses import replace

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import dataset_pair, reals
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import GEOMETRY_ROLES, ScanOptions
from napari_ptychonn.scan.units import electronvolts, is_length_unit, metres_per

__all__ = ["with_chosen_geometry"]

ENERGIES_EV = (10.0, 1e6)
DISTANCES_M = (1e-4, 500.0)
PIXELS_M = (2e-7, 1e-2)
"""What is outside of these is another quantity, or in another unit."""
ENERGY_UNITS = ("ev", "kev", "mev", "j", "joule")
WAVELENGTH_WORDS = ("wavelength", "lambda", "wavelen", "wl")


def with_chosen_geometry(
    container: Container, contents: Contents, options: ScanOptions
) -> Contents:
    """The contents of a file with the numbers of the datasets chosen for the geometry.

    Parameters
    ----------
    container : Container
        The file.
    contents : Contents
        What its format found.
    options : ScanOptions
        Its `datasets` may name an ``energy`` (or a wavelength), a ``distance`` and a
        ``detector_pixel``.

    Raises
    ------
    ScanError
        A dataset is missing, holds no number, or one that is no such quantity.
    """
    names = {role: options.datasets[role] for role in GEOMETRY_ROLES if role in options.datasets}
    if not names:
        return contents
    notes: list[str] = []
    if "energy" in names:
        energy = _energy_ev(container, names["energy"], notes)
        contents = replace(contents, wavelength_m=HC_EV_M / energy)
    if "distance" in names:
        (distance,) = _lengths_m(container, names["distance"], "distance", notes)
        contents = replace(contents, distance_m=distance)
    if "detector_pixel" in names:
        name = names["detector_pixel"]
        parts = dataset_pair(container, name) or (name,)
        pitch = [
            value
            for part in parts
            for value in _lengths_m(container, part, "detector_pixel", notes)
        ]
        contents = replace(contents, detector_pixel_m=(pitch[0], pitch[-1]))
    if contents.wavelength_m and contents.distance_m and contents.detector_pixel_m:
        contents = replace(contents, pixel_m=None)
    return replace(
        contents,
        datasets={**contents.datasets, **names},
        assumptions=(*contents.assumptions, *notes),
    )


def _energy_ev(container: Container, name: str, notes: list[str]) -> float:
    (value,) = _values(container, name, pair=False)
    unit = _unit(container, name)
    if unit is not None and unit.lower() not in ENERGY_UNITS:
        energy: float | None = HC_EV_M / (value * metres_per(unit, container.path, name))
    elif unit is None and _words(name) & set(WAVELENGTH_WORDS):
        unit = "m" if value < 1e-6 else "angstrom"
        energy = HC_EV_M / (value * metres_per(unit, container.path, name))
        notes.append(f"{name} has no unit: {value:g} is taken as a wavelength in {unit}")
    else:
        if unit is None:
            unit = "J" if value < 1e-10 else "keV" if value < 100 else "eV"
            notes.append(f"{name} has no unit: {value:g} is taken as {unit}")
        energy = electronvolts(value, unit)
    if energy is None or not ENERGIES_EV[0] <= energy <= ENERGIES_EV[1]:
        raise _no_quantity(container, name, value, unit, "photon energy or wavelength")
    return energy


def _lengths_m(container: Container, name: str, role: str, notes: list[str]) -> list[float]:
    values = _values(container, name, pair=role == "detector_pixel")
    unit, value = _unit(container, name), values[0]
    if unit is None:
        if role == "distance":
            unit = "mm" if value >= 50 else "m"
        else:
            unit = "m" if value < 5e-3 else "mm" if value < 2 else "um"
        notes.append(f"{name} has no unit: {value:g} is taken as {unit}")
    lengths = [number * metres_per(unit, container.path, name) for number in values]
    lowest, highest = DISTANCES_M if role == "distance" else PIXELS_M
    if not all(lowest <= length <= highest for length in lengths):
        raise _no_quantity(container, name, value, unit, role.replace("_", " "))
    return lengths


def _values(container: Container, name: str, *, pair: bool) -> list[float]:
    """One number, two where `pair` is allowed; of a series of readings, their mean."""
    stored = abs(reals(container, name, "one number")).ravel()
    if not stored.size or not (stored > 0).any():
        remedy = "choose another dataset, or type the number"
        problem = f"{name} is {'0' if stored.size else 'empty'}"
        raise ScanError("geometry", container.path, problem, remedy=remedy)
    if pair and stored.size == 2:
        return [float(value) for value in stored]
    return [float(stored.mean())]


def _unit(container: Container, name: str) -> str | None:
    stored = container.info(name).units
    if stored and stored.strip():
        return stored.strip()
    # As in "energy_kev" and "distance (mm)".
    words = re.split(r"[\s_(\[]+", name.rsplit("/", 1)[-1].rstrip(" )]"))
    last = words[-1].lower()
    known = last in ENERGY_UNITS or (is_length_unit(last) and not last.startswith("p"))
    return last if known and len(words) > 1 else None


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.rsplit("/", 1)[-1].lower()))


def _no_quantity(
    container: Container, name: str, value: float, unit: str | None, what: str
) -> ScanError:
    problem = f"{name} is {value:g} {unit or ''}".rstrip() + f", which is no {what}"
    remedy = "choose another dataset, or type the number"
    return ScanError("geometry", container.path, problem, remedy=remedy)
