"""What the detector's fields of the Load scan dock are set to, and the options that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["DetectorState", "detector_of", "with_detector"]


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The fields; an empty one leaves it to the file.

    Attributes
    ----------
    mask_file : str
        File with a mask, 0 = good.
    background : str
        Counts, or a file or dataset with a dark pattern.
    saturation : str
        Counts from which a pixel is saturated.
    crop : str
        Side of the window, or height and width, detector pixels.
    binning : int
        Detector pixels along a side that become one.
    """

    mask_file: str = ""
    background: str = ""
    saturation: str = ""
    crop: str = ""
    binning: int = 1


def with_detector(options: ScanOptions, state: DetectorState) -> ScanOptions:
    """Options of a scan with what the fields say.

    Raises
    ------
    SettingsError
        A field cannot be understood, or is out of range.
    """
    return replace(
        options,
        mask_file=state.mask_file.strip() or None,
        background=_background(state.background.strip()),
        saturation=_saturation(state.saturation.strip()),
        crop=_crop(state.crop.strip()),
        binning=state.binning,
    )


def detector_of(options: ScanOptions) -> DetectorState:
    """What the fields show of options."""
    background, crop = options.background, options.crop
    return DetectorState(
        mask_file=str(options.mask_file or ""),
        background="" if background is None else _shown(background),
        saturation="" if options.saturation is None else _shown(options.saturation),
        crop="" if crop is None else ", ".join(map(str, crop)),
        binning=options.binning,
    )


def _background(text: str) -> float | str | None:
    try:
        return float(text.replace(",", ".")) if text else None
    except ValueError:
        return text


def _saturation(text: str) -> float | None:
    try:
        return float(text.replace(",", ".")) if text else None
    except ValueError:
        remedy = "type counts, or leave the field empty to take the file's"
        raise SettingsError("saturation", None, f"{text!r} is no number", remedy=remedy) from None


def _crop(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        sides = [int(side) for side in text.replace("×", ",").replace("x", ",").split(",")]
        height, width = sides if len(sides) > 1 else sides * 2
    except ValueError:
        remedy = "type the side in pixels, or height, width"
        raise SettingsError("crop", None, f"{text!r} is no size", remedy=remedy) from None
    return height, width


def _shown(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
