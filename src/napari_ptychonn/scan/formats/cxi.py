"""CXI files, and the NeXus files that share their names.

Translations are taken as probe positions, without negation, as ptychodus and most
readers do; cdtools writes sample motion and negates. A file of the other sign shows the
same misfit with its patterns turned by 180 degrees (orientation 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.units import electronvolts, metres_per

__all__ = ["Cxi"]

INSTRUMENTS = ("/entry_1/instrument_1", "/entry_1/data_1")
PATTERNS = ("/entry_1/data_1/data", "/entry_1/instrument_1/detector_1/data")
TRANSLATIONS = (
    "/entry_1/data_1/translation",
    "/entry_1/sample_1/geometry_1/translation",
    "/entry_1/instrument_1/detector_1/translation",
)
SOURCES = ("/entry_1/instrument_1/source_1", "/entry_1/source_1")
PROBES = tuple(f"{source}/{name}" for source in SOURCES for name in ("illumination", "probe"))
MASKS = ("/entry_1/instrument_1/detector_1/mask", "/entry_1/data_1/mask")
DETECTORS = ("/entry_1/instrument_1/detector_1", "/entry_1/detector_1")
ENERGIES = (
    "/entry_1/instrument_1/beam_1/energy",
    "/entry_1/instrument_1/beam_1/incident_beam_energy",
    "/entry_1/instrument_1/beam_1/incident_energy",
)
GOOD_BITS = 0x1000
"""CXI pixel bits that do not make a pixel bad: "has signal"."""
NEAR_FIELD_NAMES = ("propagation_distance", "near_field", "nearfield")


@dataclass(frozen=True, slots=True)
class Cxi:
    """Coherent X-ray imaging files (HDF5), and NXcxi_ptycho."""

    name: str = field(default="CXI", init=False)

    def detect(self, container: Container) -> bool:
        """Whether the file has CXI's pattern datasets."""
        return any(container.has(name) for name in PATTERNS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, probe, mask and geometry.

        Raises
        ------
        ScanError
            There are no patterns, or a dataset does not have the shape it must have.
        """
        datasets: dict[str, str] = {}
        notes: list[str] = []
        patterns = _chosen(container, options, "patterns", PATTERNS)
        if patterns is None:
            remedy = "choose the patterns with --dataset patterns=/PATH"
            raise ScanError("patterns", container.path, f"there is no {PATTERNS[0]}", remedy=remedy)
        datasets["patterns"] = patterns
        n_points = int(np.prod(container.info(patterns).shape[:-2]))
        positions, unit = None, None
        translation = _chosen(container, options, "positions", TRANSLATIONS)
        if translation is not None and options.positions_file is None:
            datasets["positions"] = translation
            stored = container.array(translation)
            positions = translation_yx(stored, n_points, container, translation)
            unit = container.info(translation).units or "m"
            notes.append("CXI translations are taken as probe positions, without negation")
        probe, is_guess = None, False
        illumination = _chosen(container, options, "probe", PROBES)
        if illumination is not None and options.probe_file is None:
            datasets["probe"] = illumination
            probe = container.array(illumination)
            guess = container.attribute(illumination, "is_guess")
            # A beamline writes what it expects, not what was found.
            is_guess = guess is None or bool(guess)
            if guess is None:
                notes.append("the illumination is taken as a first guess, and refined")
        mask = None
        mask_name = _chosen(container, options, "mask", MASKS)
        if mask_name is not None:
            datasets["mask"] = mask_name
            mask = _good(container.array(mask_name))
        if any(container.has(f"{detector}/data_dark") for detector in DETECTORS):
            notes.append("the file has dark frames (data_dark); they are not subtracted")
        return Contents(
            masked_source(container, patterns, mask),
            datasets,
            positions=positions,
            positions_unit=unit,
            probe=probe,
            probe_is_guess=is_guess,
            mask=mask,
            wavelength_m=_wavelength(container, notes),
            distance_m=_distance(container),
            detector_pixel_m=_detector_pixel(container),
            near_field=_near_field(container),
            assumptions=tuple(notes),
        )


def translation_yx(
    stored: NDArray[Any], n_points: int, container: Container, name: str
) -> NDArray[np.float64]:
    """Positions (N, 2) as (y, x) from x, y(, z) in columns, or in rows as PyNX writes them.

    Raises
    ------
    ScanError
        The array has neither shape.
    """
    is_rows = stored.ndim == 2 and stored.shape[0] in (2, 3) and stored.shape[1] == n_points
    if is_rows and stored.shape[0] != n_points:
        stored = stored.T
    stored = stored.reshape(-1, stored.shape[-1]) if stored.ndim == 3 else stored
    if stored.ndim != 2 or stored.shape[1] not in (2, 3):
        problem = f"{name} has shape {stored.shape}, (N, 3) or (3, N) is needed"
        remedy = "choose another dataset with --dataset positions=/PATH, or give --positions FILE"
        raise ScanError("positions", container.path, problem, remedy=remedy)
    return np.asarray(stored[:, 1::-1], dtype=np.float64)


def _chosen(
    container: Container, options: ScanOptions, role: str, names: Sequence[str]
) -> str | None:
    if role in options.datasets:
        return options.datasets[role]
    return next((name for name in names if container.has(name)), None)


def _good(stored: NDArray[Any]) -> NDArray[np.bool_]:
    frame = stored.reshape(-1, *stored.shape[-2:])[0] if stored.ndim > 2 else stored
    return np.asarray((frame.astype(np.int64) & ~GOOD_BITS) == 0, dtype=np.bool_)


def _number(container: Container, names: Sequence[str]) -> tuple[float, str | None] | None:
    for name in names:
        if container.has(name):
            values = np.asarray(container.array(name)).reshape(-1)
            # A series of readings (one a point) stands for its mean.
            if values.size and values.dtype.kind in "uif" and np.isfinite(values).all():
                return float(values.mean()), container.info(name).units
    return None


def _wavelength(container: Container, notes: list[str]) -> float | None:
    energy_names = list(ENERGIES)
    # In NeXus the source's energy is that of the stored electrons.
    is_nexus = container.has("/entry_1/definition") or container.has("/entry_1/beam_1/energy")
    if not is_nexus:
        wavelength = _number(container, [f"{source}/wavelength" for source in SOURCES])
        if wavelength is not None and wavelength[0] > 0:
            value, unit = wavelength
            return value * (metres_per(unit, container.path, "wavelength") if unit else 1.0)
        energy_names += [f"{source}/energy" for source in SOURCES]
    else:
        energy_names.append("/entry_1/beam_1/energy")
    energy = _number(container, energy_names)
    if energy is None:
        return None
    electron_volts = electronvolts(*energy)
    if electron_volts is None:
        notes.append(f"the recorded energy, {energy[0]:g}, is no photon energy and is not used")
        return None
    return HC_EV_M / electron_volts


def _distance(container: Container) -> float | None:
    found = _number(container, [f"{detector}/distance" for detector in DETECTORS])
    if found is not None:
        value, unit = found
        return abs(value) * (metres_per(unit, container.path, "distance") if unit else 1.0)
    for detector in DETECTORS:
        if container.has(f"{detector}/corner_position"):
            corner = container.array(f"{detector}/corner_position").reshape(-1)
            if corner.size == 3 and corner[2]:
                return abs(float(corner[2]))
    return None


def _detector_pixel(container: Container) -> tuple[float, float] | None:
    for detector in DETECTORS:
        pitches = []
        for name in (f"{detector}/y_pixel_size", f"{detector}/x_pixel_size"):
            found = _number(container, [name])
            if found is not None:
                value, unit = found
                scale = metres_per(unit, container.path, "pixel size") if unit else 1.0
                pitches.append(_plausible(abs(value), scale))
        if len(pitches) == 2:
            return pitches[0], pitches[1]
        if container.has(f"{detector}/basis_vectors"):
            basis = container.array(f"{detector}/basis_vectors")
            if basis.shape == (3, 2):
                lengths = np.linalg.norm(basis.astype(np.float64), axis=0)
                return float(lengths[0]), float(lengths[1])
    return None


def _plausible(value: float, scale: float) -> float:
    # Files exist that say 'um' beside a pixel size in metres; no pixel is below 1 nm.
    return value if value * scale < 1e-9 else value * scale


def _near_field(container: Container) -> str | None:
    for info in container.infos():
        leaf = info.path.rsplit("/", 1)[-1].lower()
        if leaf in NEAR_FIELD_NAMES:
            return f"near-field scan: the file records {info.path}"
    for group in (*INSTRUMENTS, *DETECTORS, *SOURCES, "/entry_1", "/"):
        for key in NEAR_FIELD_NAMES:
            if container.attribute(group, key):
                return f"near-field scan: the file records {group}.{key}"
    return None
