"""The options that say how a scan is to be opened, the same for every command that opens one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ptychonn.commands.orientation import SEARCH, OrientationOption, as_option
from napari_ptychonn.commands.recipes import RecipeOption
from napari_ptychonn.commands.usage import SCAN_PANEL, number_or_auto, usage_errors

if TYPE_CHECKING:
    from napari_ptychonn.scan.options import ScanOptions

__all__ = ["ScanFlags", "SearchFlags"]

_DETECTOR = "The detector"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFlags:
    """What the shell was told about a scan and its detector, as it was typed.

    Each attribute is the option of its name; a command takes them all with
    :func:`~napari_ptychonn.commands.option_groups.spread_groups`.
    """

    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            metavar="ROLE=PATH",
            help="Dataset for patterns, positions (also 'Y, X'), probe, mask, energy, distance or "
            "detector_pixel; may be given several times.",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = None
    positions: Annotated[
        Path | None,
        typer.Option(
            "--positions",
            metavar="FILE",
            readable=False,
            help="Positions (y, x) from another file: CSV, npy, npz, MDA or HDF5 (FILE:/dataset).",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = None
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            metavar="FILE",
            readable=False,
            help="Probe from another file: npy, npz or HDF5 (FILE:/dataset).",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = None
    positions_unit: Annotated[
        str | None,
        typer.Option(
            metavar="m|mm|um|nm|px", help="Unit of the positions.", rich_help_panel=SCAN_PANEL
        ),
    ] = None
    positions_columns: Annotated[
        str | None,
        typer.Option(
            "--positions-columns",
            metavar="Y,X",
            help="Columns of --positions, by number from 0 or by heading; a minus before it turns "
            "the sign around.",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = None
    raster: Annotated[
        str | None,
        typer.Option(
            "--raster",
            metavar="ROWS,COLUMNS,STEP",
            help="Positions of a raster where no file has them; the step in --positions-unit.",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = None
    dc: Annotated[
        str,
        typer.Option(
            metavar="centre|corner|auto",
            help="Where the direct beam is in the patterns.",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = "auto"
    orientation: Annotated[
        str,
        typer.Option(
            metavar="auto|0..7", help="How the detector stands.", rich_help_panel=SCAN_PANEL
        ),
    ] = "auto"
    energy_ev: Annotated[
        float | None,
        typer.Option(metavar="E", help="Photon energy, eV.", rich_help_panel=SCAN_PANEL),
    ] = None
    distance_m: Annotated[
        float | None,
        typer.Option(metavar="Z", help="Sample to detector, metres.", rich_help_panel=SCAN_PANEL),
    ] = None
    detector_pixel_m: Annotated[
        float | None,
        typer.Option(metavar="P", help="Detector pixel, metres.", rich_help_panel=SCAN_PANEL),
    ] = None
    pixel_m: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="Object pixel, metres, instead of energy, distance and detector pixel.",
            rich_help_panel=SCAN_PANEL,
        ),
    ] = None
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            metavar="FILE",
            readable=False,
            help="Mask of the detector as stored, 0 = good: npy, TIFF, PNG, npz or HDF5 "
            "(FILE:/dataset).",
            rich_help_panel=_DETECTOR,
        ),
    ] = None
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="COUNTS|FILE",
            help="Subtract so many counts, or a dark pattern: a file, FILE:/dataset, or a /dataset "
            "of the scan.",
            rich_help_panel=_DETECTOR,
        ),
    ] = None
    saturation: Annotated[
        float | None,
        typer.Option(
            "--saturation",
            metavar="COUNTS",
            help="Counts from which a pixel is saturated.",
            rich_help_panel=_DETECTOR,
        ),
    ] = None
    crop: Annotated[
        str | None,
        typer.Option(
            "--crop",
            metavar="N|H,W",
            help="Use a window of the detector around the direct beam, pixels.",
            rich_help_panel=_DETECTOR,
        ),
    ] = None
    binning: Annotated[
        int,
        typer.Option(
            "--binning",
            metavar="B",
            help="Sum B × B detector pixels to one.",
            rich_help_panel=_DETECTOR,
        ),
    ] = 1

    def options(self) -> ScanOptions:
        """Turn them into those of :func:`~napari_ptychonn.scan.open.open_scan`.

        Raises
        ------
        BadParameter
            One of them is wrong.
        """
        from napari_ptychonn.scan.options import ScanOptions

        with usage_errors():
            return ScanOptions(
                datasets=_datasets(self.dataset or ()),
                positions_file=self.positions,
                probe_file=self.probe,
                positions_unit=self.positions_unit,  # type: ignore[arg-type]  # checked by ScanOptions
                positions_columns=_columns(self.positions_columns),
                raster=_raster(self.raster),
                dc=self.dc,  # type: ignore[arg-type]
                orientation=number_or_auto(self.orientation, "--orientation"),
                energy_ev=self.energy_ev,
                distance_m=self.distance_m,
                detector_pixel_m=self.detector_pixel_m,
                pixel_m=self.pixel_m,
                mask_file=self.mask,
                background=_background(self.background),
                saturation=self.saturation,
                crop=_crop(self.crop),
                binning=self.binning,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFlags(ScanFlags):
    """Those of a command that can search for the orientation, and knows recipes."""

    orientation: OrientationOption = "auto"
    recipe: RecipeOption = None

    def options(self) -> ScanOptions:
        """Those that open the scan first; to search, as its format says."""
        if self.orientation != SEARCH:
            number_or_auto(self.orientation, "--orientation", SEARCH)
        first = replace(self, orientation=as_option(self.orientation))
        # By its name: a dataclass with slots is another class than the one super() knows.
        return ScanFlags.options(first)


def _datasets(choices: Iterable[str]) -> dict[str, str]:
    datasets = {}
    for choice in choices:
        role, equals, name = choice.partition("=")
        if not (role and equals and name):
            raise typer.BadParameter(f"{choice!r} is not ROLE=PATH", param_hint="--dataset")
        datasets[role] = name
    return datasets


def _columns(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    y, _, x = text.partition(",")
    if not (y.strip() and x.strip()) or "," in x:
        raise typer.BadParameter(f"{text!r} is not Y,X", param_hint="--positions-columns")
    return y.strip(), x.strip()


def _raster(text: str | None) -> tuple[int, int, float] | None:
    if text is None:
        return None
    try:
        rows, columns, step = text.split(",")
        return int(rows), int(columns), float(step)
    except ValueError:
        problem = f"{text!r} is not ROWS,COLUMNS,STEP"
        raise typer.BadParameter(problem, param_hint="--raster") from None


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
