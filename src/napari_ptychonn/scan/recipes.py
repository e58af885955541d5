"""The person's recipes: saved, listed, deleted, and offered for files that they fit.

Each is one JSON file in the person's folder of settings.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_ptychonn.errors import OutputError, SettingsError
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.recipe import EMPTY, Fitted, Recipe, combined
from napari_ptychonn.scan.recipe_json import recipe_from_json, recipe_to_json
from napari_ptychonn.scan.tree import list_datasets

__all__ = [
    "RECIPES_VARIABLE",
    "Recipe",
    "Stored",
    "delete",
    "folder",
    "load",
    "matching",
    "options_of",
    "save",
    "stored",
    "ways",
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
    """Recipes for a file, the best first, with the names that their datasets have in it.

    Parameters
    ----------
    path : str or Path
        A HDF5 or npz file.

    Returns
    -------
    tuple of Recipe
        Without those that fit several groups of the file; :func:`ways` has them.

    Raises
    ------
    ScanError
        The file cannot be opened.
    """
    found = ways(stored().recipes, list_datasets(path))
    often = Counter(one.recipe.name for one in found)
    return tuple(one.recipe for one in found if often[one.recipe.name] == 1)


def ways(recipes: Sequence[Recipe], infos: Sequence[DatasetInfo]) -> tuple[Fitted, ...]:
    """Recipes that fit a file with these datasets, the best first.

    Where several groups of the file fit a recipe (two scans of one layout), each is one way.
    """
    fitting = [recipe for recipe in recipes if recipe.fit(infos) > 0]
    found = [way for recipe in fitting for way in recipe.ways(infos)]
    return tuple(sorted(found, key=lambda way: -way.likeness))


def options_of(name: str, path: str | Path, said: ScanOptions = EMPTY) -> ScanOptions:
    """The options of a recipe for a scan file, overridden by what is said besides.

    Parameters
    ----------
    name : str
        Of the recipe.
    path : str or Path
        The scan file.
    said : ScanOptions, optional
        What is said besides. A dataset that it chooses decides on the groups of the others,
        where several fit.

    Raises
    ------
    SettingsError
        There is no such recipe, it is damaged, or several groups of the file fit.
    ScanError
        The file cannot be opened.
    """
    recipe = load(name)
    fitted = recipe.in_file(Path(path), list_datasets(path), said)
    return combined(fitted.options_for(path), said)


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
