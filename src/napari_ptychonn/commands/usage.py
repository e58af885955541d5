"""What several commands understand alike: scan options, numbers or auto, wrong usage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_ptychonn.errors import ScanError, SettingsError

if TYPE_CHECKING:
    from napari_ptychonn.scan.options import ScanOptions

__all__ = [
    "SCAN_PANEL",
    "ColumnsOption",
    "DatasetsOption",
    "DcOption",
    "DetectorPixelOption",
    "DistanceOption",
    "EnergyOption",
    "OrientationOption",
    "PixelOption",
    "PositionsOption",
    "ProbeOption",
    "QuietOption",
    "RasterOption",
    "ScanArgument",
    "UnitOption",
    "number_or_auto",
    "refuse_overwriting",
    "scan_options",
    "usage_errors",
]

SCAN_PANEL = "What the file does not say"
"""Heading of the options of a scan in a command's help."""

ScanArgument = Annotated[
    Path,
    typer.Argument(metavar="SCAN", show_default=False, help="The scan: a HDF5, CXI or npz file."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        metavar="ROLE=PATH",
        help="Dataset for patterns, positions (also 'Y, X'), probe, mask, energy, distance or "
        "detector_pixel; may be given several times.",
        rich_help_panel=SCAN_PANEL,
    ),
]
PositionsOption = Annotated[
    Path | None,
    typer.Option(
        "--positions",
        metavar="FILE",
        help="Positions (y, x) from another file: CSV, npy, npz or HDF5 (FILE:/dataset).",
        rich_help_panel=SCAN_PANEL,
    ),
]
ProbeOption = Annotated[
    Path | None,
    typer.Option(
        "--probe",
        metavar="FILE",
        help="Probe from another file: npy, npz or HDF5 (FILE:/dataset).",
        rich_help_panel=SCAN_PANEL,
    ),
]
UnitOption = Annotated[
    str | None,
    typer.Option(
        metavar="m|mm|um|nm|px", help="Unit of the positions.", rich_help_panel=SCAN_PANEL
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--positions-columns",
        metavar="Y,X",
        help="Columns of --positions, by number from 0 or by heading; a minus before it turns "
        "the sign around.",
        rich_help_panel=SCAN_PANEL,
    ),
]
RasterOption = Annotated[
    str | None,
    typer.Option(
        "--raster",
        metavar="ROWS,COLUMNS,STEP",
        help="Positions of a raster where no file has them; the step in --positions-unit.",
        rich_help_panel=SCAN_PANEL,
    ),
]
DcOption = Annotated[
    str,
    typer.Option(
        metavar="centre|corner|auto",
        help="Where the direct beam is in the patterns.",
        rich_help_panel=SCAN_PANEL,
    ),
]
OrientationOption = Annotated[
    str,
    typer.Option(metavar="auto|0..7", help="How the detector stands.", rich_help_panel=SCAN_PANEL),
]
EnergyOption = Annotated[
    float | None,
    typer.Option(metavar="E", help="Photon energy, eV.", rich_help_panel=SCAN_PANEL),
]
DistanceOption = Annotated[
    float | None,
    typer.Option(metavar="Z", help="Sample to detector, metres.", rich_help_panel=SCAN_PANEL),
]
DetectorPixelOption = Annotated[
    float | None,
    typer.Option(metavar="P", help="Detector pixel, metres.", rich_help_panel=SCAN_PANEL),
]
PixelOption = Annotated[
    float | None,
    typer.Option(
        metavar="D",
        help="Object pixel, metres, instead of energy, distance and detector pixel.",
        rich_help_panel=SCAN_PANEL,
    ),
]


@contextmanager
def usage_errors() -> Iterator[None]:
    """Make what an option is refused for a usage error: exit code 2, not 1."""
    try:
        yield
    except (ScanError, SettingsError) as error:
        raise typer.BadParameter(str(error)) from None


def scan_options(
    *,
    dataset: list[str] | None,
    positions: Path | None,
    probe: Path | None,
    positions_unit: str | None,
    dc: str,
    orientation: str,
    energy_ev: float | None,
    distance_m: float | None,
    detector_pixel_m: float | None,
    pixel_m: float | None,
    positions_columns: str | None = None,
    raster: str | None = None,
) -> ScanOptions:
    """Turn the shell's options into those of :func:`~napari_ptychonn.scan.open.open_scan`.

    Raises
    ------
    BadParameter
        One of them is wrong.
    """
    from napari_ptychonn.scan.options import ScanOptions

    datasets = {}
    for choice in dataset or ():
        role, equals, name = choice.partition("=")
        if not (role and equals and name):
            raise typer.BadParameter(f"{choice!r} is not ROLE=PATH", param_hint="--dataset")
        datasets[role] = name
    with usage_errors():
        return ScanOptions(
            datasets=datasets,
            positions_file=positions,
            probe_file=probe,
            positions_unit=positions_unit,  # type: ignore[arg-type]  # checked by ScanOptions
            positions_columns=_columns(positions_columns),
            raster=_raster(raster),
            dc=dc,  # type: ignore[arg-type]
            orientation=number_or_auto(orientation, "--orientation"),
            energy_ev=energy_ev,
            distance_m=distance_m,
            detector_pixel_m=detector_pixel_m,
            pixel_m=pixel_m,
        )


def number_or_auto(text: str, option: str) -> int | Literal["auto"]:
    """Read ``auto`` or a whole number.

    Raises
    ------
    BadParameter
        It is neither.
    """
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither auto nor a whole number", param_hint=option
        ) from None


def refuse_overwriting(source: Path, output: Path) -> None:
    """Refuse to write a result over the file that it is made from.

    Raises
    ------
    BadParameter
        Both are the same file.
    """
    if source.exists() and output.exists() and source.samefile(output):
        raise typer.BadParameter(f"{output} is the input itself", param_hint="--output")


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
