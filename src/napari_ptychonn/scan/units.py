"""Units as files spell them."""

from __future__ import annotations

from pathlib import Path

from napari_ptychonn.errors import ScanError

__all__ = ["POSITION_UNITS", "electronvolts", "is_length_unit", "metres_per"]

POSITION_UNITS = ("m", "mm", "um", "nm", "px")
"""Units of positions that a person can choose."""

_METRES = {
    "m": 1.0, "meter": 1.0, "metre": 1.0, "meters": 1.0, "metres": 1.0,
    "cm": 1e-2, "mm": 1e-3, "millimeter": 1e-3, "millimetre": 1e-3,
    "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6,
    "micrometer": 1e-6, "micrometre": 1e-6,
    "nm": 1e-9, "nanometer": 1e-9, "nanometre": 1e-9,
    "angstrom": 1e-10, "å": 1e-10, "pm": 1e-12,
}  # fmt: skip
_EV = {"ev": 1.0, "kev": 1e3, "mev": 1e6, "j": 6.241509074460763e18, "joule": 6.241509074460763e18}


def metres_per(unit: str, where: str | Path | None, subject: str) -> float:
    """Metres in one `unit` of length.

    Raises
    ------
    ScanError
        The unit is not known.
    """
    factor = _METRES.get(unit.strip().lower())
    if factor is None:
        raise ScanError(
            subject,
            where,
            f"unknown unit {unit!r}",
            remedy=f"say the unit of positions with --positions-unit {'|'.join(POSITION_UNITS)}, "
            "or give energy, distance and pixel by hand",
        )
    return factor


def is_length_unit(unit: str) -> bool:
    """Whether a word is a unit that positions can have, pixels included."""
    return unit.strip().lower() in (*_METRES, "px", "pixel", "pixels")


def electronvolts(value: float, unit: str | None) -> float | None:
    """Photon energy in eV; None where the number makes no sense as one.

    Parameters
    ----------
    value : float
        As stored.
    unit : str or None
        As stored; None: joules are told from eV by size, since a photon of 1e-10 J would
        have 600 MeV.
    """
    factor = _EV.get(unit.strip().lower()) if unit else None
    if factor is None:
        factor = _EV["j"] if value < 1e-10 else 1.0
    energy = value * factor
    return energy if 1.0 <= energy <= 1e7 else None
