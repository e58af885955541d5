"""Options of several commands that are about the detector: mask, background, crop, binning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ptychonn.commands.usage import usage_errors

if TYPE_CHECKING:
    from napari_ptychonn.scan.options import ScanOptions

__all__ = [
    "BackgroundOption",
    "BinningOption",
    "CropOption",
    "MaskOption",
    "SaturationOption",
    "with_detector",
]

_PANEL = "The detector"

MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="Mask of the detector as stored, 0 = good: npy, TIFF, PNG, npz or HDF5 "
        "(FILE:/dataset).",
        rich_help_panel=_PANEL,
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="COUNTS|FILE",
        help="Subtract so many counts, or a dark pattern: a file, FILE:/dataset, or a /dataset "
        "of the scan.",
        rich_help_panel=_PANEL,
    ),
]
SaturationOption = Annotated[
    float | None,
    typer.Option(
        "--saturation",
        metavar="COUNTS",
        help="Counts from which a pixel is saturated.",
        rich_help_panel=_PANEL,
    ),
]
CropOption = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="N|H,W",
        help="Use a window of the detector around the direct beam, pixels.",
        rich_help_panel=_PANEL,
    ),
]
BinningOption = Annotated[
    int,
    typer.Option(
        "--binning", metavar="B", help="Sum B × B detector pixels to one.", rich_help_panel=_PANEL
    ),
]


def with_detector(
    options: ScanOptions,
    *,
    mask: Path | None,
    background: str | None,
    saturation: float | None,
    crop: str | None,
    binning: int,
) -> ScanOptions:
    """Add what the shell says about the detector to the options of a scan.

    Raises
    ------
    BadParameter
        One of them is wrong.
    """
    from dataclasses import replace

    with usage_errors():
        return replace(
            options,
            mask_file=mask,
            background=_background(background),
            saturation=saturation,
            crop=_crop(crop),
            binning=binning,
        )


def _background(text: str | None) -> float | str | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _crop(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, *width = (int(side) for side in text.split(","))
        return (height, *width) if width else (height, height)  # type: ignore[return-value]
    except ValueError:
        problem = f"{text!r} is neither N nor H,W"
        raise typer.BadParameter(problem, param_hint="--crop") from None
