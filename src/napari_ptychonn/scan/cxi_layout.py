"""What CXI and NeXus files say under CXI's names: light, detector, positions, mask.

Names are those of the CXI file format 1.6 (cxidb.org). Units beside a number are obeyed unless
they cannot be: files exist that say 'um' beside a pixel size in metres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.entries import MAX_VALUES, reals, unusable
from napari_ptychonn.scan.units import metres_per

__all__ = [
    "DETECTORS",
    "INSTRUMENT",
    "basis_orientation",
    "detector_distance",
    "detector_pixel",
    "is_good_pixel",
    "length",
    "near_field",
    "number",
    "photon_energy_ev",
    "position_unit",
    "translation_yx",
]

INSTRUMENT = "/entry_1/instrument_1"
DETECTORS = (f"{INSTRUMENT}/detector_1", "/entry_1/detector_1")
NEAR_FIELD_NAMES = ("propagation_distance", "near_field", "nearfield")
NEAR_FIELD_GROUPS = (INSTRUMENT, "/entry_1/data_1", *DETECTORS, "/entry_1", "/")
GOOD_BITS = 0x1000
"""CXI pixel bits that do not make a pixel bad: "has signal"."""
ENERGY_EV = {"ev": 1.0, "kev": 1e3, "mev": 1e6, "gev": 1e9, "j": 6.241509074460763e18}
PHOTONS_EV = (10.0, 1e6)
"""From extreme ultraviolet light to electron microscopes; machines are far above."""
SMALLEST_EV = 30.0
LARGEST_GEV = 10.0
"""Of storage rings."""
PIXELS_M = (1e-8, 1e-2)
DISTANCES_M = (1e-5, 1e3)
SPANS_M = (1e-8, 0.1)
TILT = 0.1
"""Cosine beyond which a detector axis lies along no axis of the laboratory."""


def number(container: Container, name: str, notes: list[str]) -> tuple[float, str | None] | None:
    """A number that is not zero, and its unit; a series of readings stands for its mean."""
    if not container.has(name):
        return None
    values = _small(container, name)
    if values.dtype.kind in "uif" and values.size and np.isfinite(values).all():
        mean = float(values.mean(dtype=np.float64))
        return (mean, container.info(name).units) if mean else None
    notes.append(f"{name} is no finite number and is not used")
    return None


def length(
    container: Container, name: str, within: tuple[float, float], notes: list[str]
) -> float | None:
    """A length in metres; its sign is dropped.

    Parameters
    ----------
    container : Container
        The file.
    name : str
        Dataset.
    within : tuple[float, float]
        What it can be, metres; a unit that leads out of it is not believed.
    notes : list of str
        Gets a sentence where the unit is not believed.

    Raises
    ------
    ScanError
        The unit is not known.
    """
    found = number(container, name, notes)
    if found is None:
        return None
    value, unit = abs(found[0]), found[1]
    recorded = value * (metres_per(unit, container.path, name) if unit else 1.0)
    if within[0] <= recorded <= within[1]:
        return recorded
    for other in ("m", "um", "mm"):
        guess = value * metres_per(other, container.path, name)
        if within[0] <= guess <= within[1]:
            notes.append(f"{name} cannot be {value:g} {unit or 'm'}: it is taken in {other}")
            return guess
    notes.append(f"{name} cannot be {value:g} {unit or 'm'} and is not used")
    return None


def detector_distance(container: Container, notes: list[str]) -> float | None:
    """Sample to detector in metres: recorded, or from the corner of the detector."""
    for detector in DETECTORS:
        distance = length(container, f"{detector}/distance", DISTANCES_M, notes)
        if distance is not None:
            return distance
    for detector in DETECTORS:
        corner = _vectors(container, f"{detector}/corner_position", 3, notes)
        if corner is None:
            continue
        basis = _basis(container, detector, notes)
        normal = np.array([0.0, 0.0, 1.0]) if basis is None else np.cross(basis[0], basis[1])
        distance = abs(float(corner @ normal)) / float(np.linalg.norm(normal))
        if DISTANCES_M[0] <= distance <= DISTANCES_M[1]:
            return distance
    return None


def detector_pixel(container: Container, notes: list[str]) -> tuple[float, float] | None:
    """Detector pixel (y, x) in metres: recorded, or from the basis vectors."""
    for detector in DETECTORS:
        y, x = (
            length(container, f"{detector}/{axis}_pixel_size", PIXELS_M, notes) for axis in "yx"
        )
        if y is None and x is None:
            basis = _basis(container, detector, notes)
            if basis is None:
                continue
            y, x = (float(step) for step in np.linalg.norm(basis, axis=1))
        elif y is None or x is None:
            notes.append("one pixel size of the detector is recorded: pixels are taken as square")
        pitch = (y or x or 0.0, x or y or 0.0)
        if all(pitch):
            return pitch
    return None


def basis_orientation(container: Container, notes: list[str]) -> int:
    """Orientation 0..7 from the directions in which rows and columns are counted.

    CXI's usual basis has rows along −y and columns along −x, seen along the beam, where a
    translation of the sample moves the probe by its opposite: both signs cancel, and
    translations are (x, y) of the probe on rows and columns. A detector that stands
    otherwise is turned.
    """
    for detector in DETECTORS:
        basis = _basis(container, detector, notes)
        if basis is None:
            continue
        steps = basis / np.linalg.norm(basis, axis=1, keepdims=True)
        turned = bool(abs(steps[0, 0]) > abs(steps[0, 1]))
        rows, columns = (steps[1], steps[0]) if turned else (steps[0], steps[1])
        along = (abs(float(rows[1])), abs(float(columns[0])))
        if min(along) < 1 - TILT:
            notes.append("the detector's basis vectors are tilted: the nearest axes are taken")
        code = 4 * turned + 2 * bool(rows[1] > 0) + bool(columns[0] > 0)
        if code:
            notes.append(f"{detector}/basis_vectors say how the detector stands")
        return int(code)
    return 0


def is_good_pixel(stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Good pixels of a CXI mask: those with no bit set but "has signal"."""
    if stored.dtype.kind == "f":
        return np.asarray(np.isin(stored, (0, GOOD_BITS)), dtype=np.bool_)
    return np.asarray((stored.astype(np.int64) & ~GOOD_BITS) == 0, dtype=np.bool_)


def translation_yx(container: Container, name: str, n_points: int) -> NDArray[np.float64]:
    """Positions (N, 2) as (y, x) from x, y(, z) in columns, or in rows as PyNX writes them.

    Raises
    ------
    ScanError
        The dataset has neither shape, or holds no real numbers.
    """
    stored = reals(container, name, "positions", finite=False)
    if stored.ndim == 3:
        # A raster has (rows, columns, 3), or (3, rows, columns).
        by_point = stored.shape[-1] in (2, 3) or stored.shape[0] not in (2, 3)
        stored = stored.reshape((-1, stored.shape[-1]) if by_point else (len(stored), -1))
    if stored.ndim == 2 and stored.shape[0] in (2, 3) and stored.shape[1] == n_points:
        stored = stored if stored.shape[0] == n_points else stored.T
    if stored.ndim != 2 or stored.shape[1] not in (2, 3):
        problem = f"{name} has shape {stored.shape}, (N, 3) or (3, N) is needed"
        remedy = "choose another dataset with --dataset positions=/PATH, or give --positions FILE"
        raise ScanError("positions", container.path, problem, remedy=remedy)
    return np.ascontiguousarray(stored[:, 1::-1])


def position_unit(
    container: Container,
    positions: NDArray[np.float64],
    unit: str | None,
    name: str,
    notes: list[str],
) -> str:
    """The unit of positions (N, 2): as recorded, else metres, unless that cannot be.

    Raises
    ------
    ScanError
        The unit is not known.
    """
    path = container.path
    finite = positions[np.isfinite(positions).all(1)]
    span = float(np.ptp(finite, axis=0).max()) if len(finite) else 0.0
    recorded = unit or "m"
    if not span or recorded.strip().lower() in ("px", "pixel", "pixels"):
        return recorded
    if SPANS_M[0] <= span * metres_per(recorded, path, name) <= SPANS_M[1]:
        return recorded
    for other in ("m", "um", "mm", "nm"):
        if SPANS_M[0] <= span * metres_per(other, path, name) <= SPANS_M[1]:
            notes.append(f"{name} cannot span {span:g} {recorded}: it is taken in {other}")
            return other
    return recorded


def photon_energy_ev(
    container: Container, names: Sequence[str], notes: list[str], *, is_beam: bool
) -> float | None:
    """Photon energy in eV from the first dataset that has one.

    Parameters
    ----------
    container : Container
        The file.
    names : sequence of str
        Datasets, the best first.
    notes : list of str
        Gets a sentence where a number or its unit is not believed.
    is_beam : bool
        Whether this surely is the beam, so that a unit that cannot be is corrected; the
        energy of a source may be that of the machine.
    """
    for name in names:
        found = number(container, name, notes)
        if found is None:
            continue
        value, unit = found
        factors = [ENERGY_EV.get(unit.strip().lower().replace("joule", "j"))] if unit else []
        if not unit or is_beam:
            # Of a source, what is less may be the gigaelectronvolts of a storage ring.
            is_kev = value < SMALLEST_EV and (is_beam or value >= LARGEST_GEV)
            factors += [ENERGY_EV["j"], ENERGY_EV["kev"] if is_kev else 1.0]
        energies = [value * factor for factor in factors if factor]
        energy = next((e for e in energies if PHOTONS_EV[0] <= e <= PHOTONS_EV[1]), None)
        if energy is None:
            notes.append(f"{name}, {value:g} {unit or ''}".rstrip() + ", is no photon energy")
            continue
        if energy != energies[0]:
            problem = f"cannot be {value:g} {unit}" if unit else f"is {value:g} without a unit"
            notes.append(f"{name} {problem}: it is taken as {energy:g} eV")
        return energy
    return None


def near_field(container: Container) -> str | None:
    """Sentence that says why the file is a near-field scan, where it says so."""
    for info in container.infos():
        if info.path.rsplit("/", 1)[-1].lower() in NEAR_FIELD_NAMES:
            return f"near-field scan: the file records {info.path}"
    for group in NEAR_FIELD_GROUPS:
        for key in NEAR_FIELD_NAMES:
            recorded = container.attribute(group, key)
            if isinstance(recorded, np.ndarray) or recorded:
                return f"near-field scan: the file records {group}.{key}"
    return None


def _basis(container: Container, detector: str, notes: list[str]) -> NDArray[np.float64] | None:
    """Steps (2, 3) of a row and of a column; a basis that spans no plane is None."""
    vectors = _vectors(container, f"{detector}/basis_vectors", 6, notes)
    if vectors is None:
        return None
    shape = container.info(f"{detector}/basis_vectors").shape
    basis = vectors.reshape(shape).T if shape == (3, 2) else vectors.reshape(2, 3)
    return basis if np.linalg.norm(np.cross(basis[0], basis[1])) > 0 else None


def _vectors(
    container: Container, name: str, size: int, notes: list[str]
) -> NDArray[np.float64] | None:
    if not container.has(name):
        return None
    stored = _small(container, name)
    if stored.dtype.kind in "uif" and stored.size == size and np.isfinite(stored).all():
        return stored.astype(np.float64).reshape(-1)
    notes.append(f"{name} holds no {size} finite numbers and is not used")
    return None


def _small(container: Container, name: str) -> NDArray[Any]:
    shape = container.info(name).shape
    if math.prod(shape) > MAX_VALUES:
        raise unusable(container, name, f"has shape {shape}, one number is needed")
    return container.array(name)
