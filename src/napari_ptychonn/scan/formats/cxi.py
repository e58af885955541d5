"""CXI files: those of cdtools, PyNX, SHARP and others that keep to cxidb.org's names.

Translations are taken as probe positions, without negation, as ptychodus and PyNX do.
cdtools negates them, since they are motion of the sample, and counts along the detector's
basis vectors, which usually point to −y and −x: both come to the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.cxi_layout import (
    DETECTORS,
    INSTRUMENT,
    basis_orientation,
    detector_distance,
    detector_pixel,
    is_good_pixel,
    length,
    near_field,
    photon_energy_ev,
    position_unit,
    translation_yx,
)
from napari_ptychonn.scan.entries import unusable
from napari_ptychonn.scan.frame_masks import common_mask
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Cxi", "beam_energy", "cxi_contents"]

PATTERNS = ("/entry_1/data_1/data", f"{INSTRUMENT}/detector_1/data")
TRANSLATIONS = (
    "/entry_1/data_1/translation",
    "/entry_1/sample_1/geometry_1/translation",
    f"{INSTRUMENT}/detector_1/translation",
)
SOURCES = (f"{INSTRUMENT}/source_1", "/entry_1/source_1")
BEAMS = (f"{INSTRUMENT}/beam_1", "/entry_1/beam_1")
BEAM_ENERGIES = tuple(
    f"{beam}/{name}"
    for beam in BEAMS
    for name in ("energy", "incident_beam_energy", "incident_energy")
)
PROBES = tuple(f"{source}/{name}" for source in SOURCES for name in ("illumination", "probe"))
MASKS = (f"{INSTRUMENT}/detector_1/mask", "/entry_1/data_1/mask")
WAVES_M = (1e-13, 1e-6)
MAX_PROBE = 10**8
UNUSED = {
    "data_dark": "dark frames (data_dark), subtracted only with --background {path}",
    "dark": "a background (dark), subtracted only with --background {path}",
    "darkfield": "a dark field, subtracted only with --background {path}",
    "flatfield": "a flat field; patterns are not divided by it",
    "qe_mask": "a quantum efficiency mask (qe_mask); it is not applied",
}


@dataclass(frozen=True, slots=True)
class Cxi:
    """Coherent X-ray imaging files (HDF5)."""

    name: str = field(default="CXI", init=False)

    def detect(self, container: Container) -> bool:
        """Whether the file has CXI's pattern datasets, of real numbers."""
        return any(container.has(name) and not _is_complex(container, name) for name in PATTERNS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, probe, mask and geometry.

        Raises
        ------
        ScanError
            There are no patterns, or a dataset does not have the shape it must have.
        """
        notes: list[str] = []
        return cxi_contents(
            container, options, PATTERNS, wavelength_m=_wavelength(container, notes), notes=notes
        )


def cxi_contents(
    container: Container,
    options: ScanOptions,
    patterns: Sequence[str],
    *,
    wavelength_m: float | None,
    notes: list[str],
) -> Contents:
    """Everything that CXI's names tell, but the wavelength.

    Raises
    ------
    ScanError
        There are no patterns, or a dataset does not have the shape it must have.
    """
    datasets: dict[str, str] = {}
    possible = [each for each in patterns if not _is_complex(container, each)]
    name = _chosen(container, options, "patterns", possible)
    if name is None:
        remedy = "choose the patterns with --dataset patterns=/PATH"
        raise ScanError("patterns", container.path, f"there is no {patterns[0]}", remedy=remedy)
    datasets["patterns"] = name
    shape = container.info(name).shape
    n_points = math.prod(shape[:-2])
    positions, unit = None, None
    translation = _chosen(container, options, "positions", TRANSLATIONS)
    if translation is not None and not options.brings_positions:
        datasets["positions"] = translation
        positions = translation_yx(container, translation, n_points)
        unit = container.info(translation).units
        if options.positions_unit is None:
            unit = position_unit(container, positions, unit, translation, notes)
        notes.append("CXI translations are taken as probe positions, without negation")
    probe, is_guess = None, False
    illumination = _chosen(container, options, "probe", PROBES)
    if illumination is not None and options.probe_file is None:
        datasets["probe"] = illumination
        probe = _probe(container, illumination)
        guess = container.attribute(illumination, "is_guess")
        # A beamline writes what it expects, not what was found.
        is_guess = guess is None or bool(np.any(guess))
        if guess is None:
            notes.append("the illumination is taken as a first guess, and refined")
    mask = None
    mask_name = _chosen(container, options, "mask", MASKS)
    if mask_name is not None:
        datasets["mask"] = mask_name
        mask, note = common_mask(container, mask_name, shape[-2:], is_good_pixel)
        notes.extend([note] if note else [])
    for leaf, what in UNUSED.items():
        paths = [f"{detector}/{leaf}" for detector in DETECTORS]
        found = next((path for path in paths if container.has(path)), None)
        if found is not None and (options.background is None or "{path}" not in what):
            notes.append(f"the file has {what.format(path=found)}")
    return Contents(
        masked_source(container, name, mask),
        datasets,
        positions=positions,
        positions_unit=unit,
        probe=probe,
        probe_is_guess=is_guess,
        mask=mask,
        wavelength_m=wavelength_m,
        distance_m=detector_distance(container, notes),
        detector_pixel_m=detector_pixel(container, notes),
        orientation=basis_orientation(container, notes),
        near_field=near_field(container),
        assumptions=tuple(notes),
    )


def beam_energy(container: Container, notes: list[str]) -> float | None:
    """Wavelength in metres from the energy of the beam, where the file has it."""
    energy = photon_energy_ev(container, BEAM_ENERGIES, notes, is_beam=True)
    return HC_EV_M / energy if energy else None


def _is_complex(container: Container, name: str) -> bool:
    """Whether it holds waves: results, which CXI stores under the names of patterns."""
    try:
        return container.info(name).dtype.lstrip("<>=|").startswith("complex")
    except ScanError:
        return False  # that it cannot be read is said when it is loaded


def _wavelength(container: Container, notes: list[str]) -> float | None:
    for source in SOURCES:
        wavelength = length(container, f"{source}/wavelength", WAVES_M, notes)
        if wavelength is not None:
            return wavelength
    wavelength = beam_energy(container, notes)
    if wavelength is not None:
        return wavelength
    energies = [f"{source}/energy" for source in SOURCES]
    energy = photon_energy_ev(container, energies, notes, is_beam=False)
    return HC_EV_M / energy if energy else None


def _chosen(
    container: Container, options: ScanOptions, role: str, names: Sequence[str]
) -> str | None:
    if role in options.datasets:
        return options.datasets[role]
    return next((name for name in names if container.has(name)), None)


def _probe(container: Container, name: str) -> NDArray[Any]:
    shape = container.info(name).shape
    if math.prod(shape) > MAX_PROBE:
        raise unusable(container, name, f"has shape {shape}: it is no probe")
    return container.array(name)
