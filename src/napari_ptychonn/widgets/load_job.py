"""Looks into a scan file: what is in it, what it looks like, its layers, its recipes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.reconstruction.events import Event, Finished, Progress, ShouldStop
from napari_ptychonn.scan import recipes
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.describe import describe_text
from napari_ptychonn.scan.formats import known_formats
from napari_ptychonn.scan.formats.entry_data import EntryData
from napari_ptychonn.scan.formats.generic import Generic
from napari_ptychonn.scan.glimpse import DatasetGlimpse, Glimpse, glimpse_dataset, glimpse_scan
from napari_ptychonn.scan.guesses import Guess, guesses
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.recipe import Fitted
from napari_ptychonn.scan.sidefiles import column_names, position_datasets
from napari_ptychonn.scan.tree import Entry, list_entries
from napari_ptychonn.widgets.layers import scan_layers
from napari_ptychonn.widgets.window_words import in_the_window
from napari_ptychonn.words import counted

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

__all__ = ["Look", "Opened", "look_at", "look_into"]

LOOKED_AT = 64
"""Patterns that the mean is made of, spread over the scan."""
BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A scan that could be opened.

    Attributes
    ----------
    scan : Scan
        The scan.
    text : str
        What was recognised.
    mean : ndarray, (H, W) float64
        Mean of `averaged` patterns, counts, DC at the centre, as oriented.
    averaged : int
        How many.
    layers : list of LayerDataTuple
        What the viewer shows of it.
    """

    scan: Scan
    text: str
    mean: NDArray[np.float64]
    averaged: int
    layers: list[LayerDataTuple]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was found in a file.

    Attributes
    ----------
    path : Path
        The file.
    entries : tuple of Entry
        Everything in it.
    columns : tuple of str
        Of the positions file.
    places : tuple of DatasetInfo
        Datasets of the positions file that may be the positions.
    recipes : tuple of Fitted
        Those that fit the file, the best first; one more than once where several groups fit.
    broken : tuple of SettingsError
        One for each recipe that cannot be used.
    guessed : Mapping[str, Guess]
        Role to what was guessed for it, where nothing was chosen and the file is of no
        known format: the scan, the glimpse and the problem are those of the guesses.
    opened : Opened or None
        The scan.
    glimpse : Glimpse
        Patterns and positions, where there is no scan.
    chosen : str
        What is taken as what, in words, where there is no scan.
    problem, subject : str
        Why there is none, and what is wrong.
    """

    path: Path
    entries: tuple[Entry, ...]
    columns: tuple[str, ...] = ()
    places: tuple[DatasetInfo, ...] = ()
    recipes: tuple[Fitted, ...] = ()
    broken: tuple[SettingsError, ...] = ()
    guessed: Mapping[str, Guess] = field(default_factory=dict)
    opened: Opened | None = None
    glimpse: Glimpse = field(default_factory=Glimpse)
    chosen: str = ""
    problem: str = ""
    subject: str = ""


def look_into(path: Path, options: ScanOptions, should_stop: ShouldStop) -> Iterator[Event[Look]]:
    """Open a scan file and read a few of its patterns.

    Where it cannot be opened, no format knows it and no dataset is chosen, the likely ones are
    tried.

    Yields
    ------
    Event
        Progress, and last Finished with the :class:`Look`. A scan that cannot be opened
        with these options is a finding, since other options may help.

    Raises
    ------
    ScanError
        Nothing can be read from the file.
    """
    entries = list_entries(path)
    infos = [entry.info for entry in entries]
    stored = recipes.stored()
    fitting = recipes.ways(stored.recipes, infos)
    columns, places = _side_file(options)
    look = Look(path, entries, columns, places, fitting, stored.broken)
    guessed = {} if options.datasets else guesses(infos)
    if options.brings_positions:
        guessed.pop("positions", None)
    try:
        opened = yield from _open(path, options, should_stop)
        yield Finished(replace(look, opened=opened), stopped=should_stop())
        return
    except ScanError as error:
        look = replace(look, problem=in_the_window(error), subject=error.subject)
    chosen = {role: guess.dataset for role, guess in guessed.items()}
    likely = replace(options, datasets=chosen) if guessed else options
    known = _known_as(path, guessed)
    if guessed and known is None and not should_stop():
        options = likely
        look = replace(look, guessed=guessed)
        try:
            opened = yield from _open(path, options, should_stop)
            look = replace(look, opened=opened, problem="", subject="")
        except ScanError as error:
            look = replace(look, problem=in_the_window(error), subject=error.subject)
    if look.opened is None and not should_stop():
        chosen_text = _chosen(look, options, known)
        look = replace(look, glimpse=glimpse_scan(path, likely), chosen=chosen_text)
    yield Finished(look, stopped=should_stop())


def look_at(path: Path, name: str, _should_stop: ShouldStop) -> Iterator[Event[DatasetGlimpse]]:
    """Look at one dataset of a file.

    Yields
    ------
    Event
        Finished with the :class:`DatasetGlimpse`.

    Raises
    ------
    ScanError
        It cannot be read.
    """
    yield Finished(glimpse_dataset(path, name), stopped=False)


def _known_as(path: Path, guessed: Mapping[str, Guess]) -> str | None:
    """Name of the format that knows what is what in a file; None: guesses may say more.

    A format knows what no name says (units, conventions, series), which guesses would hide.
    """
    with open_container(path) as container:
        for known in known_formats():
            try:
                if not known.detect(container):
                    continue
            except ScanError:
                continue  # a name that is there and leads nowhere
            by_name = isinstance(known, Generic)
            frames_only = isinstance(known, EntryData) and "positions" in guessed
            return None if by_name or frames_only else known.name
    return None


def _chosen(look: Look, options: ScanOptions, known: str | None) -> str:
    what = f"{known}, " if known else ""
    lines = [f"{look.path}: {what}{counted(len(look.entries), 'dataset')}, no scan yet"]
    lines += [f"{role.replace('_', ' '):<14} {name}" for role, name in options.datasets.items()]
    return "\n".join(lines)


def _side_file(options: ScanOptions) -> tuple[tuple[str, ...], tuple[DatasetInfo, ...]]:
    """Columns and datasets of the positions file."""
    if options.positions_file is None:
        return (), ()
    places: tuple[DatasetInfo, ...] = ()
    try:
        places = position_datasets(options.positions_file)
        return column_names(options.positions_file), places
    except ScanError:
        # Opening the scan says what is wrong with the file, or with the dataset.
        return (), places


def _open(
    path: Path, options: ScanOptions, should_stop: ShouldStop
) -> Generator[Event[Look], None, Opened]:
    scan = open_scan(path, options)
    total, averaged = np.zeros(scan.pattern_shape), 0
    chosen = np.unique(np.linspace(0, scan.n_points - 1, LOOKED_AT).round().astype(np.intp))
    for start in range(0, len(chosen), BATCH):
        patterns = scan.patterns.read(chosen[start : start + BATCH])
        total += patterns.sum(0, dtype=np.float64)
        averaged += len(patterns)
        yield Progress("reading", averaged, len(chosen))
        if should_stop():
            break
    return Opened(scan, describe_text(scan), total / averaged, averaged, scan_layers(scan))
