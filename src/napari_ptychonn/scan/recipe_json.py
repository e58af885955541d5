"""A recipe as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from napari_ptychonn.errors import PtychonnError, SettingsError
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.recipe import EMPTY, Recipe

__all__ = ["recipe_from_json", "recipe_to_json"]

VERSION = 1
WORDS = ("positions_file", "probe_file", "mask_file", "background", "positions_unit", "dc")
NUMBERS = ("energy_ev", "distance_m", "saturation", "background")
LENGTHS = ("detector_pixel_m", "pixel_m")


def recipe_to_json(recipe: Recipe) -> str:
    """A recipe as JSON; options that say nothing are left out."""
    said = {
        one.name: _plain(getattr(recipe.options, one.name))
        for one in fields(ScanOptions)
        if getattr(recipe.options, one.name) != getattr(EMPTY, one.name)
    }
    facts = {
        "version": VERSION,
        "options": said,
        "layout": [list(pair) for pair in recipe.layout],
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def recipe_from_json(text: str, where: Path) -> Recipe:
    """Read what :func:`recipe_to_json` wrote.

    Parameters
    ----------
    text : str
        JSON.
    where : Path
        Its file, which has the recipe's name.

    Raises
    ------
    SettingsError
        It is no JSON, lacks something, or an option is not known or out of range.
    """
    try:
        facts = json.loads(text)
        if facts["version"] != VERSION:
            raise _damaged(where, f"it is of version {facts['version']!r}, not {VERSION}")
        layout = tuple(sorted((str(path), int(rank)) for path, rank in facts["layout"]))
        options = _options(facts["options"])
        return Recipe(where.stem, layout, options)
    except SettingsError as error:
        raise error if error.where else _damaged(where, error.problem) from None
    except PtychonnError as error:
        raise _damaged(where, error.problem) from None
    except KeyError as error:
        raise _damaged(where, f"{error} is missing") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(where, f"it cannot be understood: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, Path) else value


def _options(stored: Mapping[str, Any]) -> ScanOptions:
    known = {one.name for one in fields(ScanOptions)}
    given: dict[str, Any] = {}
    for name, value in stored.items():
        if name not in known:
            raise ValueError(f"{name!r} is no option")
        given[name] = _typed(name, value)
    return ScanOptions(**given)


def _typed(name: str, value: Any) -> Any:
    match name, value:
        case "datasets", dict() if all(isinstance(path, str) for path in value.values()):
            return value
        case "positions_columns", [str() | int() as y, str() | int() as x]:
            return (y, x)
        case "raster", [int() as rows, int() as columns, int() | float() as step]:
            return (rows, columns, float(step))
        case "crop", [int() as height, int() as width]:
            return (height, width)
        case "orientation", int() | "auto":
            return value
        case "binning", int():
            return value
        case _, [int() | float() as y, int() | float() as x] if name in LENGTHS:
            return (float(y), float(x))
        case _, int() | float() if name in (*NUMBERS, *LENGTHS):
            return float(value)
        case _, str() if name in WORDS:
            return value
    raise ValueError(f"{name} is {value!r}")


def _damaged(where: Path, problem: str) -> SettingsError:
    remedy = "delete the file, and save the recipe again"
    return SettingsError("recipe", where, problem, remedy=remedy)
