"""What the Load scan dock is set to, and the scan options that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.widgets.detector_state import DetectorState, detector_of, with_detector

__all__ = ["LoadState", "options_from", "state_from"]


@dataclass(frozen=True, slots=True)
class LoadState:
    """The fields of the dock; an empty one leaves it to the file.

    Attributes
    ----------
    datasets : Mapping[str, str]
        Role to the dataset chosen for it.
    positions_file, probe_file : str
        Other files.
    positions_columns : (y, x)
        Columns of the positions file; both empty where it says so itself.
    raster : (rows, columns, step)
        As typed; all empty where there are positions.
    positions_unit : {"m", "mm", "um", "nm", "px"} or None
        Unit of the positions.
    energy : str
        Photon energy, in `energy_unit`.
    energy_unit : {"keV", "eV"}
        Its unit.
    distance_mm, detector_pixel_um, object_pixel_nm : str
        Lengths, in the unit of the name; of a pixel also ``"60 × 75"``, (y, x).
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
    positions_columns: tuple[str, str] = ("", "")
    raster: tuple[str, str, str] = ("", "", "")
    positions_unit: Literal["m", "mm", "um", "nm", "px"] | None = None
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
        A field is no number, or out of range, or only half of a choice was made.
    """
    energy_unit = {"keV": 1e3, "eV": 1.0}[state.energy_unit]
    options = ScanOptions(
        datasets=dict(state.datasets),
        positions_file=state.positions_file.strip() or None,
        probe_file=state.probe_file.strip() or None,
        positions_unit=state.positions_unit,
        positions_columns=_columns(state.positions_columns),
        raster=_raster(state.raster),
        dc=state.dc,
        orientation=state.orientation,
        energy_ev=_number("energy", state.energy, energy_unit),
        distance_m=_number("distance", state.distance_mm, 1e-3),
        detector_pixel_m=_pixel("detector pixel", state.detector_pixel_um, 1e-6),
        pixel_m=_pixel("object pixel", state.object_pixel_nm, 1e-9),
    )
    return with_detector(options, state.detector)


def state_from(options: ScanOptions) -> LoadState:
    """What the dock shows of options, lengths in its units.

    Parameters
    ----------
    options : ScanOptions
        Those of a recipe.
    """
    y, x = options.positions_columns or ("", "")
    rows, columns, step = options.raster or ("", "", "")
    return LoadState(
        datasets=dict(options.datasets),
        positions_file=str(options.positions_file or ""),
        probe_file=str(options.probe_file or ""),
        positions_columns=(str(y), str(x)),
        raster=(str(rows), str(columns), "" if step == "" else f"{step:.12g}"),
        positions_unit=options.positions_unit,
        energy=_shown(options.energy_ev, 1e-3),
        distance_mm=_shown(options.distance_m, 1e3),
        detector_pixel_um=_shown(options.detector_pixel_m, 1e6),
        object_pixel_nm=_shown(options.pixel_m, 1e9),
        orientation=options.orientation,
        dc=options.dc,
        detector=detector_of(options),
    )


def _columns(columns: tuple[str, str]) -> tuple[str, str] | None:
    y, x = (column.strip() for column in columns)
    if not y and not x:
        return None
    if not y or not x:
        remedy = "choose both, or leave both to the file"
        problem = f"only that of {'y' if y else 'x'} is chosen"
        raise SettingsError("positions columns", None, problem, remedy=remedy)
    return y, x


def _raster(typed: tuple[str, str, str]) -> tuple[int, int, float] | None:
    rows, columns, step = (text.strip() for text in typed)
    if not (rows or columns or step):
        return None
    try:
        return int(rows), int(columns), float(step.replace(",", "."))
    except ValueError:
        remedy = "type the rows, the points in a row and the step, or leave all three empty"
        problem = " by ".join([f"{rows or '?'} × {columns or '?'}", step or "?"])
        raise SettingsError("raster", None, f"{problem} is no raster", remedy=remedy) from None


def _pixel(name: str, text: str, unit: float) -> float | tuple[float, float] | None:
    y, times, x = text.replace("x", "×").partition("×")
    if not times:
        return _number(name, text, unit)
    sides = _number(name, y, unit), _number(name, x, unit)
    if sides[0] is None or sides[1] is None:
        remedy = "type one number, or height × width"
        raise SettingsError(name, None, f"{text!r} is no size", remedy=remedy)
    return sides[0], sides[1]


def _number(name: str, text: str, unit: float) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.strip().replace(",", ".")) * unit
    except ValueError:
        remedy = "type a number, or leave the field empty to take the file's"
        raise SettingsError(name, None, f"{text!r} is no number", remedy=remedy) from None


def _shown(value: float | tuple[float, float] | None, factor: float) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return " × ".join(f"{one * factor:.12g}" for one in values if one is not None)
