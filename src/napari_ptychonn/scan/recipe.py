"""A recipe: what a person said about one file, for the next file of the same layout."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.renaming import Renaming, pinned, renamed, renamings, unnumbered
from napari_ptychonn.scan.sidefiles import WITH_DATASET

__all__ = ["EMPTY", "Fitted", "Layout", "Recipe", "combined", "layout_of", "place_names"]

Layout = tuple[tuple[str, int], ...]
"""Datasets of a file and their ranks, sorted; numbers in the paths are written ``#``."""

NAME = re.compile(r"^\w[\w .()+-]{0,59}$")
LIKE = 0.6
"""Share of the datasets that two files of one beamline have in common at least."""
STEM, NUMBER = "{stem}", "{number}"
"""What stands in a recipe for the scan's name without ending, and for its last number."""
MOST_NAMED = 6
"""Groups that a message lists."""
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

    def ways(self, infos: Sequence[DatasetInfo], said: ScanOptions = EMPTY) -> tuple[Fitted, ...]:
        """The recipe with the datasets of a file, once for each set of groups that has them all.

        Names that are there as they stand win; else groups and datasets may differ in
        digits, see :func:`~napari_ptychonn.scan.renaming.renamings`.

        Parameters
        ----------
        infos : sequence of DatasetInfo
            The file's datasets.
        said : ScanOptions, optional
            What is said besides. Roles for which it brings something are not looked for; a
            dataset that it chooses decides on the groups of the others.
        """
        known, there = set(self.layout), {info.path: len(info.shape) for info in infos}
        # Which datasets were alike in name and shape in the file that the recipe was made of.
        suitable = [path for path, rank in there.items() if (unnumbered(path), rank) in known]
        named, chosen = self._datasets(self.options), self._datasets(said)
        given = pinned(
            pair
            for role in named.keys() & chosen.keys()
            for pair in zip(named[role], chosen[role], strict=False)
        )
        if said.brings_positions:
            named.pop("positions", None)
        needed = [path for role, paths in named.items() if role not in chosen for path in paths]
        likeness = self._likeness(infos)
        return tuple(
            Fitted(replace(self, options=self._renamed(renaming)), renaming, likeness)
            for renaming in renamings(needed, suitable, given)
        )

    def in_file(
        self, path: Path, infos: Sequence[DatasetInfo], said: ScanOptions = EMPTY
    ) -> Recipe:
        """The recipe with the datasets of a file; as it is where the file lacks one.

        Parameters
        ----------
        path : Path
            The scan file.
        infos : sequence of DatasetInfo
            Its datasets.
        said : ScanOptions, optional
            What is said besides, as in :meth:`ways`.

        Raises
        ------
        SettingsError
            Several groups of the file fit.
        """
        ways = self.ways(infos, said)
        if len(ways) > 1:
            groups = _listed(place_names(ways))
            problem = f"{self.name!r} fits several groups of this file: {groups}"
            remedy = "choose one by its patterns, with --dataset patterns=/PATH"
            raise SettingsError("recipe", path, problem, remedy=remedy)
        return ways[0].recipe if ways else self

    def fit(self, infos: Sequence[DatasetInfo]) -> float:
        """How well the layout of a file agrees, 0 (the recipe is not for it) to 1 (the same).

        Parameters
        ----------
        infos : sequence of DatasetInfo
            The file's datasets.
        """
        likeness = self._likeness(infos)
        return likeness if likeness >= LIKE and self.ways(infos) else 0.0

    def _likeness(self, infos: Sequence[DatasetInfo]) -> float:
        here, there = set(layout_of(infos)), set(self.layout)
        return len(here & there) / len(here | there) if here or there else 0.0

    def _datasets(self, options: ScanOptions) -> dict[str, list[str]]:
        """Role to the datasets of the scan file that options name, a background's too."""
        known = {path for path, _ in self.layout}
        named = {role: _parts(name, known) for role, name in options.datasets.items()}
        # Else it is a file, perhaps one that is not there now.
        if isinstance(options.background, str) and unnumbered(options.background) in known:
            named["background"] = [options.background]
        return named

    def _renamed(self, renaming: Renaming) -> ScanOptions:
        if not renaming:
            return self.options
        names = {
            role: ", ".join(renamed(path, renaming) for path in paths)
            for role, paths in self._datasets(self.options).items()
        }
        background = names.pop("background", self.options.background)
        return replace(self.options, datasets=names, background=background)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A recipe for one file.

    Attributes
    ----------
    recipe : Recipe
        With the datasets of the file.
    renaming : Mapping[str, str]
        Groups and datasets of the recipe as it was saved that have another name here.
    likeness : float
        As :meth:`Recipe.fit` gives it.
    """

    recipe: Recipe
    renaming: Mapping[str, str]
    likeness: float

    def text(self) -> str:
        """Say what stands in the place of what; empty where all names are the same."""
        return ", ".join(f"{new} in place of {old}" for old, new in self.renaming.items())


def place_names(ways: Sequence[Fitted]) -> tuple[str, ...]:
    """What tells the ways of one recipe apart: the names that the groups have in each."""
    changed = dict.fromkeys(old for way in ways for old in way.renaming)
    differing = [old for old in changed if len({way.renaming.get(old, old) for way in ways}) > 1]
    return tuple(
        ", ".join(way.renaming.get(old, old) for old in differing) or way.text() for way in ways
    )


def layout_of(infos: Sequence[DatasetInfo]) -> Layout:
    """Paths and ranks of datasets: what files of one beamline have in common."""
    return tuple(sorted({(unnumbered(info.path), len(info.shape)) for info in infos}))


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


def _parts(name: str, known: Collection[str]) -> list[str]:
    """One dataset, or the several that positions and a detector pixel may be."""
    return [name] if unnumbered(name) in known else [part.strip() for part in name.split(",")]


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    rest = len(names) - len(shown)
    return "; ".join(shown) + (f" and {rest} more" if rest else "")


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
