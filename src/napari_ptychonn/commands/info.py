"""``info``: what a scan file holds, and what had to be assumed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from napari_ptychonn.commands import detector, usage
from napari_ptychonn.commands.orientation import (
    SEARCH,
    OrientationOption,
    as_option,
    check_scale,
    search_orientation,
)
from napari_ptychonn.commands.recipes import (
    RecipeOption,
    SaveRecipeOption,
    keep_recipe,
    options_with,
)

__all__ = ["info"]


def info(
    scan: usage.ScanArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, lengths in metres.")] = False,
    dataset: usage.DatasetsOption = None,
    positions: usage.PositionsOption = None,
    probe: usage.ProbeOption = None,
    positions_unit: usage.UnitOption = None,
    positions_columns: usage.ColumnsOption = None,
    raster: usage.RasterOption = None,
    dc: usage.DcOption = "auto",
    orientation: OrientationOption = "auto",
    energy_ev: usage.EnergyOption = None,
    distance_m: usage.DistanceOption = None,
    detector_pixel_m: usage.DetectorPixelOption = None,
    pixel_m: usage.PixelOption = None,
    mask: detector.MaskOption = None,
    background: detector.BackgroundOption = None,
    saturation: detector.SaturationOption = None,
    crop: detector.CropOption = None,
    binning: detector.BinningOption = 1,
    recipe: RecipeOption = None,
    save_recipe: SaveRecipeOption = None,
) -> None:
    """Say what a scan file holds: format, shapes, geometry, probe, assumptions."""
    options = usage.scan_options(
        dataset=dataset,
        positions=positions,
        probe=probe,
        positions_unit=positions_unit,
        positions_columns=positions_columns,
        raster=raster,
        dc=dc,
        orientation=as_option(orientation),
        energy_ev=energy_ev,
        distance_m=distance_m,
        detector_pixel_m=detector_pixel_m,
        pixel_m=pixel_m,
    )
    options = detector.with_detector(
        options,
        mask=mask,
        background=background,
        saturation=saturation,
        crop=crop,
        binning=binning,
    )
    options = options_with(recipe, scan, options)
    from napari_ptychonn.scan.describe import describe, describe_text
    from napari_ptychonn.scan.open import open_scan

    opened = open_scan(scan, options)
    keep_recipe(save_recipe, scan, options)
    search = scale = None
    if orientation == SEARCH:
        search = search_orientation(opened, device="auto", quiet=False)
        if search.sure:
            scale = check_scale(opened, search.best, device="auto", quiet=False)
    if as_json:
        found = {} if search is None else {"orientation_search": search.as_dict()}
        if scale is not None:
            found["position_scale"] = scale.as_dict()
        typer.echo(json.dumps(describe(opened) | found, indent=2, ensure_ascii=False))
        return
    typer.echo(describe_text(opened))
    if search is not None:
        typer.echo(f"found       {search.text()}")
    if scale is not None:
        typer.echo(f"scale       {scale.text()}")
