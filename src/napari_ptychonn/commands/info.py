"""``info``: what a scan file holds, and what had to be assumed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from napari_ptychonn.commands import usage
from napari_ptychonn.commands.option_groups import spread_groups
from napari_ptychonn.commands.orientation import (
    SEARCH,
    check_scale,
    search_orientation,
)
from napari_ptychonn.commands.recipes import (
    SaveRecipeOption,
    keep_recipe,
    options_with,
)
from napari_ptychonn.commands.scan_flags import SearchFlags

__all__ = ["info"]


@spread_groups
def info(
    scan: usage.ScanArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, lengths in metres.")] = False,
    *,
    flags: SearchFlags,
    save_recipe: SaveRecipeOption = None,
) -> None:
    """Say what a scan file holds: format, shapes, geometry, probe, assumptions."""
    options = options_with(flags.recipe, scan, flags.options())
    from napari_ptychonn.scan.describe import describe, describe_text
    from napari_ptychonn.scan.open import open_scan

    opened = open_scan(scan, options)
    keep_recipe(save_recipe, scan, options)
    search = scale = None
    if flags.orientation == SEARCH:
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
