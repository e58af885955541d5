"""What a person can say about a scan file that the file does not say, or says wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.scan.orientation import N_ORIENTATIONS
from napari_ptychonn.scan.units import POSITION_UNITS

__all__ = ["GEOMETRY_ROLES", "ROLES", "ScanOptions"]

GEOMETRY_ROLES = ("energy", "distance", "detector_pixel")
"""Roles of datasets that hold a number or two."""
ROLES = ("patterns", "positions", "probe", "mask", *GEOMETRY_ROLES)
"""Roles that a dataset can be chosen for."""
MIN_SIDE = 8
"""Smallest pattern that can be reconstructed, pixels."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of :func:`napari_ptychonn.scan.open.open_scan`; each overrides the file.

    Attributes
    ----------
    datasets : Mapping[str, str]
        Role (one of `ROLES`) to the dataset to use. Positions and detector pixel may be two
        datasets, ``"/path/of/y, /path/of/x"``; an energy may be stored as a wavelength.
    positions_file : str or Path, optional
        Other file with positions: HDF5 or npz (``file.h5:/dataset`` picks one), npy, or
        text (CSV, TXT, DAT). Columns are (y, x) unless their headings, or
        `positions_columns`, say otherwise.
    positions_columns : (y, x), optional
        Columns of the positions file, by number counted from 0 or by heading; a minus
        before it turns its sign around: ``("-5", "x_nm")``.
    raster : (rows, columns, step), optional
        Positions of a raster where no file has them: rows run along y, every row from
        left to right, `step` in `positions_unit`.
    probe_file : str or Path, optional
        Other file with a probe: HDF5 or npz (``file.h5:/dataset`` picks one), npy.
    positions_unit : {"m", "mm", "um", "nm", "px"}, optional
        Unit of the positions.
    dc : {"auto", "centre", "corner"}
        Where DC is in the stored patterns.
    orientation : int or "auto"
        Orientation 0..7 of the detector; "auto": the convention of the format.
    energy_ev, distance_m : float, optional
        Photon energy (eV); sample to detector (metres).
    detector_pixel_m, pixel_m : float or (y, x), optional
        Detector pixel as stored, or the object pixel itself, metres.
    mask_file : str or Path, optional
        File with a mask of the detector as stored (see
        :mod:`napari_ptychonn.scan.mask_files`), 0 = good. It replaces the search for bad
        pixels; what the scan file itself marks as bad stays so.
    background : float, str or Path, optional
        Counts to subtract from every pattern: a number, or a file with a dark pattern
        (HDF5, where ``file.h5:/dataset`` picks one, npz, npy or TIFF), or a dataset of the
        scan file, ``"/entry_1/data_dark"``.
    saturation : float, optional
        Counts from which a pixel is saturated; None: as the file or the type of its
        numbers says.
    crop : (height, width), optional
        Window around DC to use, pixels of the detector, in the orientation of the scan.
    binning : int
        Detector pixels along a side that are summed to one, after `crop`.
    """

    datasets: Mapping[str, str] = field(default_factory=dict)
    positions_file: str | Path | None = None
    probe_file: str | Path | None = None
    positions_unit: Literal["m", "mm", "um", "nm", "px"] | None = None
    positions_columns: tuple[str | int, str | int] | None = None
    raster: tuple[int, int, float] | None = None
    dc: Literal["auto", "centre", "corner"] = "auto"
    orientation: int | Literal["auto"] = "auto"
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | tuple[float, float] | None = None
    pixel_m: float | tuple[float, float] | None = None
    mask_file: str | Path | None = None
    background: float | str | Path | None = None
    saturation: float | None = None
    crop: tuple[int, int] | None = None
    binning: int = 1

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
        _check_columns(self.positions_columns)
        _check_raster(self.raster, self.positions_file)
        _check_detector(self)
        for name in ("energy_ev", "distance_m", "detector_pixel_m", "pixel_m"):
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            if value is not None and not all(0 < number < float("inf") for number in numbers):
                raise SettingsError(
                    name, None, f"{value} is not positive", remedy="give a number > 0"
                )

    @property
    def brings_positions(self) -> bool:
        """Whether positions come from here, so that the scan file need not have any."""
        return self.positions_file is not None or self.raster is not None


def _check_detector(options: ScanOptions) -> None:
    background, saturation = options.background, options.saturation
    rules = {
        "background": (
            not isinstance(background, int | float) or 0 <= background < float("inf"),
            "give counts, 0 or more, or a file with a dark pattern",
        ),
        "saturation": (
            saturation is None or 0 < saturation < float("inf"),
            "give the counts of a saturated pixel, a number > 0",
        ),
        "crop": (
            options.crop is None or (len(options.crop) == 2 and min(options.crop) >= MIN_SIDE),
            f"give height and width in detector pixels, {MIN_SIDE} or more",
        ),
        "binning": (options.binning >= 1, "give a whole number, 1 or more"),
    }
    for name, (holds, remedy) in rules.items():
        if not holds:
            problem = f"{getattr(options, name)} is not possible"
            raise SettingsError(name, None, problem, remedy=remedy)


def _check_columns(columns: tuple[str | int, str | int] | None) -> None:
    if columns is None:
        return
    remedy = "give the columns of y and x, by number from 0 or by heading"
    if len(columns) != 2:
        problem = f"{len(columns)} columns are chosen"
        raise SettingsError("positions columns", None, problem, remedy=remedy)
    for column in columns:
        if (column < 0) if isinstance(column, int) else not column.strip().lstrip("-"):
            problem = f"{column!r} is no column"
            raise SettingsError("positions columns", None, problem, remedy=remedy)


def _check_raster(raster: tuple[int, int, float] | None, file: str | Path | None) -> None:
    if raster is None:
        return
    if file is not None:
        remedy = "give one of the two"
        problem = "positions are given as a file and as a raster"
        raise SettingsError("raster", None, problem, remedy=remedy)
    rows, columns, step = raster
    if min(rows, columns) < 1 or rows * columns < 2 or not 0 < step < float("inf"):
        remedy = "give rows, columns and step, for instance 30, 40, 0.1"
        raise SettingsError("raster", None, f"{raster} is no raster", remedy=remedy)
