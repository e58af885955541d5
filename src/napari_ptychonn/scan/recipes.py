"""The person's recipes: saved, listed, deleted, and offered for files that they fit.

Each is one JSON file in the person's folder of settings.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_ptychonn.errors import OutputError, SettingsError
from napari_ptychonn.scan.container import DatasetInfo
from napari_ptychonn.scan.recipe import Recipe
from napari_ptychonn.scan.recipe_json import recipe_from_json, recipe_to_json
from napari_ptychonn.scan.tree import list_datasets

__all__ = [
    "RECIPES_VARIABLE",
    "Recipe",
    "Stored",
    "delete",
    "fitting",
    "folder",
    "load",
    "matching",
    "save",
    "stored",
]

RECIPES_VARIABLE = "NAPARI_PTYCHONN_RECIPES"
"""Environment variable that moves the recipes to another folder."""
SUFFIX = ".json"
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in the folder of recipes.

    Attributes
    ----------
    recipes : tuple of Recipe
        By name.
    broken : tuple of SettingsError
        One for each file that cannot be used.
    """

    recipes: tuple[Recipe, ...]
    broken: tuple[SettingsError, ...]


def folder() -> Path:
    """Folder of the recipes; it may not exist yet."""
    chosen = os.environ.get(RECIPES_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_config_dir("napari-ptychonn", appauthor=False)) / "recipes"


def stored() -> Stored:
    """All recipes; a file that is damaged does not hide the others."""
    recipes: list[Recipe] = []
    broken: list[SettingsError] = []
    place = folder()
    for path in sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else []:
        try:
            recipes.append(_read(path))
        except SettingsError as error:
            broken.append(error)
    return Stored(tuple(recipes), tuple(broken))


def load(name: str) -> Recipe:
    """The recipe of a name.

    Raises
    ------
    SettingsError
        There is none, or its file is damaged.
    """
    path = _file(name)
    if path is None:
        names = ", ".join(recipe.name for recipe in stored().recipes)
        remedy = f"choose among: {names}" if names else "save one first; there is none yet"
        raise SettingsError("recipe", None, f"there is no recipe {name!r}", remedy=remedy)
    return _read(path)


def save(recipe: Recipe, *, replace: bool = False) -> Path:
    """Keep a recipe.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    replace : bool
        Whether it may replace another one of its name.

    Returns
    -------
    Path
        Its file.

    Raises
    ------
    SettingsError
        There is another recipe of that name.
    OutputError
        The folder cannot be written to.
    """
    path = _file(recipe.name) or folder() / f"{recipe.name}{SUFFIX}"
    text = recipe_to_json(recipe)
    if path.exists() and not replace and _differs(path, recipe):
        remedy = "choose another name, or delete that one first"
        problem = f"there is another recipe {recipe.name!r}"
        raise SettingsError("recipe", path, problem, remedy=remedy)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        remedy = "choose a folder that you may write to, with " + RECIPES_VARIABLE
        problem = f"cannot be written: {error.strerror}"
        raise OutputError("recipe", path, problem, remedy=remedy) from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def delete(name: str) -> None:
    """Forget a recipe, a damaged one too.

    Raises
    ------
    SettingsError
        There is none of that name.
    OutputError
        Its file cannot be deleted.
    """
    path = _file(name)
    if path is None:
        remedy = "list them with 'napari-ptychonn recipes'"
        raise SettingsError("recipe", None, f"there is no recipe {name!r}", remedy=remedy)
    try:
        path.unlink()
    except OSError as error:
        problem = f"cannot be deleted: {error.strerror}"
        raise OutputError("recipe", path, problem, remedy="delete the file by hand") from None


def matching(path: str | Path) -> tuple[Recipe, ...]:
    """Recipes for a file, the best first.

    Parameters
    ----------
    path : str or Path
        A HDF5 or npz file.

    Raises
    ------
    ScanError
        The file cannot be opened.
    """
    return fitting(stored().recipes, list_datasets(path))


def fitting(recipes: Sequence[Recipe], infos: Sequence[DatasetInfo]) -> tuple[Recipe, ...]:
    """Those of `recipes` that fit a file with these datasets, the best first."""
    fits = [(recipe.fit(infos), recipe) for recipe in recipes]
    fits = [(fit, recipe) for fit, recipe in fits if fit > 0]
    return tuple(recipe for _, recipe in sorted(fits, key=lambda pair: -pair[0]))


def _file(name: str) -> Path | None:
    place = folder()
    # Not a path made of the name, which could lead elsewhere.
    files = place.glob(f"*{SUFFIX}") if place.is_dir() else ()
    return next((path for path in files if path.stem.lower() == name.strip().lower()), None)


def _read(path: Path) -> Recipe:
    try:
        if path.stat().st_size > MAX_BYTES:
            remedy = "delete the file"
            raise SettingsError("recipe", path, "it is too large for a recipe", remedy=remedy)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        remedy = "check its permissions, or delete it"
        raise SettingsError("recipe", path, problem, remedy=remedy) from None
    except UnicodeDecodeError:
        remedy = "delete the file, and save the recipe again"
        raise SettingsError("recipe", path, "it is no text", remedy=remedy) from None
    return recipe_from_json(text, path)


def _differs(path: Path, recipe: Recipe) -> bool:
    try:
        return _read(path) != recipe
    except SettingsError:
        # A damaged file of that name holds nothing that could be lost.
        return False
