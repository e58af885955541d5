"""What the Load scan dock is set to, and the scan options that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.widgets.detector_state import DetectorState, with_detector

__all__ = ["LoadState", "options_from"]


@dataclass(frozen=True, slots=True)
class LoadState:
    """The fields of the dock; an empty one leaves it to the file.

    Attributes
    ----------
    datasets : Mapping[str, str]
        Role to the dataset chosen for it.
    positions_file, probe_file : str
        Other files.
    positions_unit : {"m", "um", "nm", "px"} or None
        Unit of the positions.
    energy : str
        Photon energy, in `energy_unit`.
    energy_unit : {"keV", "eV"}
        Its unit.
    distance_mm, detector_pixel_um, object_pixel_nm : str
        Lengths, in the unit of the name.
    orientation : int or "auto"
        Orientation 0..7.
    dc : {"auto", "centre", "corner"}
        Where DC is in the file.
    detector : DetectorState
        Mask, background, saturation, crop, binning.
    """

    datasets: Mapping[str, str] = field(default_factory=dict)
    positions_file: str = ""
    probe_file: str = ""
    positions_unit: Literal["m", "um", "nm", "px"] | None = None
    energy: str = ""
    energy_unit: Literal["keV", "eV"] = "keV"
    distance_mm: str = ""
    detector_pixel_um: str = ""
    object_pixel_nm: str = ""
    orientation: int | Literal["auto"] = "auto"
    dc: Literal["auto", "centre", "corner"] = "auto"
    detector: DetectorState = field(default_factory=DetectorState)


def options_from(state: LoadState) -> ScanOptions:
    """Options that say in SI units what the dock says.

    Raises
    ------
    SettingsError
        A field is no number, or out of range.
    """
    energy_unit = {"keV": 1e3, "eV": 1.0}[state.energy_unit]
    options = ScanOptions(
        datasets=dict(state.datasets),
        positions_file=state.positions_file.strip() or None,
        probe_file=state.probe_file.strip() or None,
        positions_unit=state.positions_unit,
        dc=state.dc,
        orientation=state.orientation,
        energy_ev=_number("energy", state.energy, energy_unit),
        distance_m=_number("distance", state.distance_mm, 1e-3),
        detector_pixel_m=_number("detector pixel", state.detector_pixel_um, 1e-6),
        pixel_m=_number("object pixel", state.object_pixel_nm, 1e-9),
    )
    return with_detector(options, state.detector)


def _number(name: str, text: str, unit: float) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.strip().replace(",", ".")) * unit
    except ValueError:
        remedy = "type a number, or leave the field empty to take the file's"
        raise SettingsError(name, None, f"{text!r} is no number", remedy=remedy) from None
