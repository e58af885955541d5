"""What a person can say about a scan file that the file does not say, or says wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.scan.orientation import N_ORIENTATIONS
from napari_ptychonn.scan.units import POSITION_UNITS

__all__ = ["ROLES", "ScanOptions"]

ROLES = ("patterns", "positions", "probe", "mask")
"""Roles that a dataset can be chosen for."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of :func:`napari_ptychonn.scan.open.open_scan`; each overrides the file.

    Attributes
    ----------
    datasets : Mapping[str, str]
        Role (``patterns``, ``positions``, ``probe``, ``mask``) to the dataset to use.
    positions_file : str or Path, optional
        Other file with positions: HDF5 or npz (``file.h5:/dataset`` picks one), npy, CSV.
        Columns are (y, x).
    probe_file : str or Path, optional
        Other file with a probe: HDF5 or npz (``file.h5:/dataset`` picks one), npy.
    positions_unit : {"m", "um", "nm", "px"}, optional
        Unit of the positions.
    dc : {"auto", "centre", "corner"}
        Where DC is in the stored patterns.
    orientation : int or "auto"
        Orientation 0..7 of the detector; "auto": the convention of the format.
    energy_ev, distance_m : float, optional
        Photon energy (eV); sample to detector (metres).
    detector_pixel_m, pixel_m : float or (y, x), optional
        Detector pixel, or the object pixel itself, metres.
    """

    datasets: Mapping[str, str] = field(default_factory=dict)
    positions_file: str | Path | None = None
    probe_file: str | Path | None = None
    positions_unit: Literal["m", "um", "nm", "px"] | None = None
    dc: Literal["auto", "centre", "corner"] = "auto"
    orientation: int | Literal["auto"] = "auto"
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | tuple[float, float] | None = None
    pixel_m: float | tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse what no scan could have.

        Raises
        ------
        ScanError
            The unit of the positions is not known.
        SettingsError
            A number is out of range, or a role or choice is not known.
        """
        if self.positions_unit is not None and self.positions_unit not in POSITION_UNITS:
            problem = f"unknown unit {self.positions_unit!r}"
            remedy = "choose one of " + ", ".join(POSITION_UNITS)
            raise ScanError("positions", None, problem, remedy=remedy)
        for role in self.datasets:
            if role not in ROLES:
                remedy = "choose among " + ", ".join(ROLES)
                raise SettingsError("dataset", None, f"{role!r} is no role", remedy=remedy)
        if self.dc not in ("auto", "centre", "corner"):
            remedy = "choose auto, centre or corner"
            raise SettingsError("dc", None, f"{self.dc!r} is not known", remedy=remedy)
        if self.orientation != "auto" and self.orientation not in range(N_ORIENTATIONS):
            problem = f"{self.orientation!r} is not known"
            raise SettingsError("orientation", None, problem, remedy="give auto, or 0 to 7")
        for name in ("energy_ev", "distance_m", "detector_pixel_m", "pixel_m"):
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            if value is not None and not all(0 < number < float("inf") for number in numbers):
                raise SettingsError(
                    name, None, f"{value} is not positive", remedy="give a number > 0"
                )
