"""``recipes``, and the options ``--recipe`` and ``--save-recipe``: what was said, kept by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ptychonn.commands.usage import SCAN_PANEL

if TYPE_CHECKING:
    from napari_ptychonn.scan.options import ScanOptions

__all__ = ["RecipeOption", "SaveRecipeOption", "keep_recipe", "options_with", "recipes"]

RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="Take what was said about another file of this kind; options given besides win.",
        rich_help_panel=SCAN_PANEL,
    ),
]
SaveRecipeOption = Annotated[
    str | None,
    typer.Option(
        "--save-recipe",
        metavar="NAME",
        help="Keep these options for the next file of this kind.",
        rich_help_panel=SCAN_PANEL,
    ),
]
_NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]

recipes = typer.Typer(help="List, show and delete saved recipes for files of unknown formats.")


@recipes.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List, show and delete saved recipes for files of unknown formats."""
    if context.invoked_subcommand is None:
        list_()


@recipes.command("list")
def list_(
    scan: Annotated[
        Path | None,
        typer.Argument(metavar="[SCAN]", help="Only those that fit this file.", show_default=False),
    ] = None,
) -> None:
    """List your recipes."""
    from napari_ptychonn.scan.recipes import stored, ways
    from napari_ptychonn.scan.tree import list_datasets

    found = stored()
    if scan is None:
        shown = found.recipes
    else:
        # Of a recipe that fits several groups there are several lines, which name them.
        shown = tuple(way.recipe for way in ways(found.recipes, list_datasets(scan)))
    width = max((len(recipe.name) for recipe in shown), default=0)
    for recipe in shown:
        chosen = ", ".join(f"{role} {name}" for role, name in recipe.options.datasets.items())
        typer.echo(f"{recipe.name:<{width}}  {chosen}".rstrip())
    for error in found.broken:
        typer.echo(f"Cannot be used: {' '.join(str(error).split())}", err=True)
    if not shown:
        which = "There is no recipe" if scan is None else f"No recipe fits {scan}"
        typer.echo(f"{which}; save one with 'napari-ptychonn info SCAN … --save-recipe NAME'.")


@recipes.command()
def show(name: _NameArgument) -> None:
    """Show what a recipe says, as JSON."""
    from napari_ptychonn.scan.recipe_json import recipe_to_json
    from napari_ptychonn.scan.recipes import load

    said = json.loads(recipe_to_json(load(name)))["options"]
    typer.echo(json.dumps(said, indent=2, ensure_ascii=False))


@recipes.command()
def delete(name: _NameArgument) -> None:
    """Delete a recipe."""
    from napari_ptychonn.scan import recipes as shelf

    shelf.delete(name)


def options_with(name: str | None, scan: Path, said: ScanOptions) -> ScanOptions:
    """Options of a recipe, overridden by what was said besides; those alone without a name.

    Raises
    ------
    SettingsError
        There is no such recipe, it is damaged, or several groups of the file fit.
    ScanError
        The file cannot be opened.
    """
    if name is None:
        return said
    from napari_ptychonn.scan.recipes import options_of

    return options_of(name, scan, said)


def keep_recipe(name: str | None, scan: Path, options: ScanOptions) -> None:
    """Save the options that opened a scan; nothing without a name.

    Raises
    ------
    SettingsError
        The name is no name or is taken, or no option was given.
    OutputError
        It cannot be written.
    """
    if name is None:
        return
    from napari_ptychonn.scan.recipes import Recipe, save
    from napari_ptychonn.scan.tree import list_datasets

    save(Recipe.of_file(name, scan, list_datasets(scan), options))
