"""A recipe: what a person said about one file, for the next file of the same layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.container import DatasetInfo
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.sidefiles import WITH_DATASET

__all__ = ["EMPTY", "Layout", "Recipe", "combined", "layout_of"]

Layout = tuple[tuple[str, int], ...]
"""Datasets of a file and their ranks, sorted; numbers in the paths are written ``#``."""

NAME = re.compile(r"^\w[\w .()+-]{0,59}$")
LIKE = 0.6
"""Share of the datasets that two files of one beamline have in common at least."""
STEM, NUMBER = "{stem}", "{number}"
"""What stands in a recipe for the scan's name without ending, and for its last number."""
EMPTY = ScanOptions()
"""Options that say nothing."""
FILE_FIELDS = ("positions_file", "probe_file", "mask_file", "background")
GEOMETRY_NUMBERS = {
    "energy": "energy_ev", "distance": "distance_m", "detector_pixel": "detector_pixel_m"
}  # fmt: skip
"""Role of a dataset, and the option that says the same as a number."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Options under a name, and the layout of the files that they are for.

    Attributes
    ----------
    name : str
        Letters, digits, blanks and ``_ . ( ) + -``, at most 60.
    layout : tuple of (str, int)
        As :func:`layout_of` gives it: dataset paths and ranks, no sizes.
    options : ScanOptions
        What was said. Another file (positions, probe, mask, background) whose name holds
        that of the scan, or its number, is written with ``{stem}`` or ``{number}`` in its
        place, and is looked for beside the scan where it lay beside it.
    """

    name: str
    layout: Layout
    options: ScanOptions

    def __post_init__(self) -> None:
        """Refuse a name that is no file name everywhere.

        Raises
        ------
        SettingsError
            The name is empty, too long, or has other characters.
        """
        if not NAME.match(self.name) or self.name != self.name.rstrip(" ."):
            remedy = "use letters, digits, blanks and _ . ( ) + -, at most 60"
            raise SettingsError("recipe", None, f"{self.name!r} is no name", remedy=remedy)

    @classmethod
    def of_file(
        cls, name: str, path: Path, infos: Sequence[DatasetInfo], options: ScanOptions
    ) -> Recipe:
        """The recipe of what was said about a file.

        Parameters
        ----------
        name : str
            Of the recipe.
        path : Path
            The scan file.
        infos : sequence of DatasetInfo
            Its datasets.
        options : ScanOptions
            What was said.

        Raises
        ------
        SettingsError
            Nothing was said, or the name is no name.
        """
        if options == EMPTY:
            remedy = "choose datasets or fill in what the file does not say, then save"
            raise SettingsError("recipe", path, "nothing was chosen", remedy=remedy)
        files = {one: _generalised(file, path) for one, file in _files(options).items()}
        return cls(name, layout_of(infos), _with_files(options, files))

    def options_for(self, path: str | Path) -> ScanOptions:
        """The options for a scan file, with the files beside it by their names."""
        files = _files(self.options).items()
        specialised = {one: _specialised(file, Path(path)) for one, file in files}
        return _with_files(self.options, specialised)

    def fit(self, infos: Sequence[DatasetInfo]) -> float:
        """How well the layout of a file agrees, 0 (the recipe is not for it) to 1 (the same).

        Parameters
        ----------
        infos : sequence of DatasetInfo
            The file's datasets.
        """
        ranks = {info.path: len(info.shape) for info in infos}
        chosen = {
            part.strip()
            for name in self.options.datasets.values()
            for part in ([name] if name in ranks else name.split(","))
        }
        here, there = set(layout_of(infos)), set(self.layout)
        if not chosen <= set(ranks) or not here | there:
            return 0.0
        if not {(_unnumbered(path), ranks[path]) for path in chosen} <= there:
            return 0.0
        likeness = len(here & there) / len(here | there)
        return likeness if likeness >= LIKE else 0.0


def layout_of(infos: Sequence[DatasetInfo]) -> Layout:
    """Paths and ranks of datasets: what files of one beamline have in common."""
    return tuple(sorted({(_unnumbered(info.path), len(info.shape)) for info in infos}))


def combined(recipe: ScanOptions, said: ScanOptions) -> ScanOptions:
    """Options of a recipe, overridden by what was said besides.

    Parameters
    ----------
    recipe, said : ScanOptions
        Positions that `said` brings, of whatever kind, replace those of the recipe, and
        their unit with them.
    """
    changed: dict[str, Any] = {
        one.name: getattr(said, one.name)
        for one in fields(ScanOptions)
        if getattr(said, one.name) != getattr(EMPTY, one.name)
    }
    dropped: set[str] = set()
    datasets = {**recipe.datasets, **said.datasets}
    if said.brings_positions or "positions" in said.datasets:
        dropped |= {"positions_file", "positions_columns", "raster", "positions_unit"}
        if "positions" not in said.datasets:
            datasets.pop("positions", None)
    dropped |= {f"{role}_file" for role in ("probe", "mask") if role in said.datasets}
    for role, number in GEOMETRY_NUMBERS.items():
        if role in said.datasets:
            dropped |= {number, "pixel_m"}
        if number in changed:
            dropped.add("pixel_m")
    cleared: dict[str, Any] = dict.fromkeys(dropped)
    return replace(recipe, **{**cleared, **changed, "datasets": datasets})


def _unnumbered(path: str) -> str:
    return re.sub(r"\d+", "#", path)


def _files(options: ScanOptions) -> dict[str, str]:
    """Options that are files, by name; a background may be a number or a dataset, too."""
    files = {one: getattr(options, one) for one in FILE_FIELDS}
    found = {one: str(file) for one, file in files.items() if isinstance(file, str | Path)}
    dark = found.get("background", "")
    if dark.startswith("/") and not (Path(dark).is_file() or STEM in dark or NUMBER in dark):
        del found["background"]
    return found


def _with_files(options: ScanOptions, files: dict[str, str]) -> ScanOptions:
    changed: dict[str, Any] = dict(files)
    return replace(options, **changed)


def _generalised(file: str, scan: Path) -> str:
    match = WITH_DATASET.match(file)
    own, dataset = (match["file"], f":{match['dataset']}") if match else (file, "")
    side, beside = Path(own).expanduser().absolute(), scan.expanduser().absolute()
    number = _last_number(scan)
    if beside.stem in side.name:
        side = side.with_name(side.name.replace(beside.stem, STEM))
    elif number and re.search(rf"(?<!\d){number}(?!\d)", side.name):
        side = side.with_name(re.sub(rf"(?<!\d){number}(?!\d)", NUMBER, side.name, count=1))
    folder = beside.parent
    shown = side.relative_to(folder) if side.is_relative_to(folder) else side
    return f"{shown.as_posix()}{dataset}"


def _specialised(file: str, scan: Path) -> str:
    name = file.replace(STEM, scan.stem).replace(NUMBER, _last_number(scan))
    # An absolute path stays what it is.
    return str(scan.parent / name)


def _last_number(scan: Path) -> str:
    numbers = re.findall(r"\d+", scan.stem)
    return numbers[-1] if numbers else ""
