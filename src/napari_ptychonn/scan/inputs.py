"""All files that a scan is read from, those that it only points to among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import h5py

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.beside import numbered_series, positions_beside
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.formats import ptychi
from napari_ptychonn.scan.formats.entry_data import DATA
from napari_ptychonn.scan.heaps import GuardedFile
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.sidefiles import WITH_DATASET
from napari_ptychonn.scan.sources import blocks
from napari_ptychonn.scan.storage import DAMAGE, names_in

__all__ = ["files_behind", "scan_files"]

MAX_FILES = 4096
"""Files that are opened to see where they lead; what the last of them name still counts."""
MAX_ITEMS = 20_000
"""Groups and datasets of one file that are looked at, from the root downwards."""


def scan_files(path: str | Path, options: ScanOptions | None = None) -> Iterator[Path]:
    """Files that a scan is, or may be, read from.

    Parameters
    ----------
    path : str or Path
        The scan file.
    options : ScanOptions, optional
        What is said about it; the files of positions, probe, mask and background count.

    Yields
    ------
    Path
        Files that are there: `path`, its partner of a pair, its parts and series, positions
        beside it, those of `options`, and all that these lead to.
    """
    chosen = options or ScanOptions()
    said = (chosen.positions_file, chosen.probe_file, chosen.mask_file, chosen.background)
    sides = [str(file) for file in said if isinstance(file, str | Path)]
    matches = [WITH_DATASET.match(side) for side in sides]
    named = [
        Path(match["file"] if match else side) for match, side in zip(matches, sides, strict=True)
    ]
    yield from files_behind(*_beside(Path(path)), *named)


def files_behind(*paths: Path) -> Iterator[Path]:
    """Files, and those that their external links, virtual and external datasets lead to.

    Parameters
    ----------
    *paths : Path
        Files of any kind; those that are missing are left out.

    Yields
    ------
    Path
        Each file once, however the files lead to each other.
    """
    waiting = list(dict.fromkeys(path for path in paths if path.is_file()))
    seen = {path.resolve() for path in waiting}
    n_opened = 0
    while waiting:
        path = waiting.pop(0)
        yield path
        if n_opened >= MAX_FILES or not h5py.is_hdf5(path):
            continue
        n_opened += 1
        for found in _led_to(path):
            if (place := found.resolve()) not in seen:
                seen.add(place)
                waiting.append(found)


def _beside(path: Path) -> Iterator[Path]:
    """The scan file, and the files beside it that belong to it."""
    yield path
    if not path.is_file():
        return
    others = (ptychi.partner(path), positions_beside(path))
    yield from (other for other in others if other is not None)
    folder = path.resolve().parent
    # Chunks of ptypy, of which the links may hold the path of another day.
    yield from folder.glob(f"{_literal(path.name)}.part[0-9]*")
    if _has_frames(path):
        yield from (
            file for series in numbered_series(path) for file in series if _has_frames(file)
        )


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _has_frames(path: Path) -> bool:
    """Whether a file is one of a beamline's series, which one scan may be spread over."""
    try:
        with open_container(path) as container:
            return container.has(DATA)
    except ScanError:
        return False


def _led_to(path: Path) -> Iterator[Path]:
    """Files that one HDF5 file names; of a damaged one, those before the damage."""
    with suppress(*DAMAGE), ExitStack() as stack:
        file = stack.enter_context(GuardedFile(path))
        places: set[int] = set()
        waiting = ["/"]
        n_items = 0
        while waiting and n_items < MAX_ITEMS:
            name = waiting.pop(0)
            n_items += 1
            with suppress(*DAMAGE):
                link = file.get(name, getlink=True) if name != "/" else None
                if isinstance(link, h5py.ExternalLink):
                    yield from _at(path, link.filename)
                if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
                    continue
                item = file[name]
                if isinstance(item, h5py.Dataset):
                    yield from _sources(path, item)
                elif isinstance(item, h5py.Group):
                    # Hard links can form a circle.
                    place = h5py.h5o.get_info(item.id).addr
                    if place not in places:
                        places.add(place)
                        waiting += [f"{name.rstrip('/')}/{each}" for each in names_in(item)]


def _sources(path: Path, dataset: h5py.Dataset) -> Iterator[Path]:
    if dataset.is_virtual:
        names = dict.fromkeys(source.file_name for source in dataset.virtual_sources())
        for name in names:
            if name != ".":
                for file, _ in blocks(path.resolve().parent, name):
                    yield from _at(path, file)
    for name, _, _ in dataset.external or ():
        yield from _at(path, name)


def _at(path: Path, name: str) -> Iterator[Path]:
    """Where HDF5 looks for a file that another one names, as far as there is one."""
    folders = dict.fromkeys((path.absolute().parent, path.resolve().parent, Path.cwd()))
    places = (folder / each for each in (name, Path(name).name) for folder in folders)
    yield from (place for place in dict.fromkeys(places) if place.is_file())
