"""Files that a HDF5 file points to: virtual datasets and links that lead from file to file.

HDF5 reads zeros where a source of a virtual dataset is missing, so every source is looked at
before anything is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.heaps import GuardedFile
from napari_ptychonn.words import counted

__all__ = [
    "BLOCK",
    "MAX_DEPTH",
    "UNLIMITED",
    "blocks",
    "broken_link",
    "numbered",
    "require_sources",
]

MAX_DEPTH = 16
"""Links or virtual datasets that lead from one to the next; more are a circle."""
MAX_OPENED = 256
"""Of more sources than these some, evenly spread, are opened; that all files exist is checked."""
BLOCK = re.compile(r"%(0?\d*)b")
"""Stands for the number of a block in names of sources: data_%b.h5."""
UNLIMITED = 2**32


def require_sources(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a virtual dataset of which something is missing.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open; one that is not virtual passes.
    name : str
        Its name, for the error.
    path : Path
        The scan file.

    Raises
    ------
    ScanError
        A file, a dataset in it, or frames of it are missing, however many virtual datasets
        lie in between; or frames belong to no source.
    """
    _require(dataset, name, path, 0)


def broken_link(path: Path, name: str, depth: int = 0) -> tuple[str, str] | None:
    """Follow `name` through links, and find the first that leads nowhere.

    Parameters
    ----------
    path : Path
        A HDF5 file.
    name : str
        Path of a dataset in it.
    depth : int
        Links followed until here.

    Returns
    -------
    problem, remedy : str
        Or None, where no link is to blame.
    """
    if depth > MAX_DEPTH:
        return f"{name} is a link that leads in a circle", "write the file again"
    parts = [part for part in name.split("/") if part]
    with GuardedFile(path) as file:
        group: h5py.Group = file
        for number, part in enumerate(parts):
            here, rest = "/" + "/".join(parts[: number + 1]), parts[number + 1 :]
            if part not in group:
                if not depth:
                    return None
                problem = f"a link leads to {here} in {path.name}, which is missing"
                return problem, "choose another dataset with --dataset"
            link = group.get(part, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                target = path.resolve().parent / link.filename
                if not target.is_file():
                    chain = f" in {path.name}" if depth else ""
                    problem = f"{here}{chain} is a link to {link.filename}, which is missing"
                    return problem, f"copy {link.filename} into {target.parent}"
                return broken_link(target, "/".join([link.path, *rest]), depth + 1)
            if isinstance(link, h5py.SoftLink):
                start = "" if link.path.startswith("/") else "/".join(parts[:number]) + "/"
                return broken_link(path, "/".join([start + link.path, *rest]), depth + 1)
            found = group[part]
            if not isinstance(found, h5py.Group):
                break
            group = found
    return None


def blocks(folder: Path, file: str) -> Iterator[tuple[str, int]]:
    """Files that a name stands for, with their numbers.

    Parameters
    ----------
    folder : Path
        Of the file that holds the virtual dataset.
    file : str
        A name in it; with ``%b``, files that are there.
    """
    if not BLOCK.search(file):
        yield file, 0
        return
    place = folder / file
    wanted = re.compile(r"(\d+)".join(map(re.escape, BLOCK.split(place.name)[::2])))
    if not place.parent.is_dir():
        return
    for beside in sorted(place.parent.iterdir()):
        if match := wanted.fullmatch(beside.name):
            yield str(beside.relative_to(folder)), int(match[1])


def numbered(name: str, number: int) -> str:
    """A name in which every ``%b`` is the number of a block."""
    return BLOCK.sub(lambda match: f"{number:{match[1]}d}", name)


def _require(dataset: h5py.Dataset, name: str, path: Path, depth: int) -> None:
    if not dataset.is_virtual:
        return
    if depth > MAX_DEPTH:
        remedy = "write the file again"
        raise ScanError("dataset", path, f"{name} is made of itself", remedy=remedy)
    # External names are relative to the file that holds the dataset.
    own = Path(dataset.file.filename).resolve()
    sources = dataset.virtual_sources()
    files = sorted({source.file_name for source in sources})
    missing = [file for file in files if file != "." and not _present(own.parent, file)]
    if missing:
        first = _first_missing(own.parent, missing[0])
        problem = f"{first}, the file that {name} is made of, is missing"
        if len(files) > 1:
            verb = "is missing:" if len(missing) == 1 else "are missing, the first is"
            problem = f"{len(missing)} of the {len(files)} files that {name} is made of "
            problem += f"{verb} {first}"
        remedy = f"copy {first if len(missing) == 1 else 'the missing files'} into {own.parent}"
        raise ScanError("dataset", path, problem, remedy=remedy)
    taken: dict[tuple[str, str], list[h5py.VDSmap]] = {}
    for source in sources:
        for file, number in blocks(own.parent, source.file_name):
            inside = numbered(source.dset_name, number)
            taken.setdefault((file, inside), []).append(source)
    step = 1 + len(taken) // MAX_OPENED
    for (file, inside), maps in list(taken.items())[::step]:
        place = own if file == "." else own.parent / file
        _require_source(place, inside, maps, (name, path), depth)
    _require_frames(dataset, sources, name, path)


def _require_source(
    place: Path, inside: str, maps: list[h5py.VDSmap], said: tuple[str, Path], depth: int
) -> None:
    name, path = said
    remedy = f"copy {place.name} again, or write {name} again"
    try:
        with GuardedFile(place) as file:
            found = file.get(inside)
            if not isinstance(found, h5py.Dataset):
                link = broken_link(place, inside)
                problem = f"{name} is made of {inside} in {place.name}, which is missing"
                if link is not None:
                    problem, remedy = f"{name} cannot be put together: {link[0]}", link[1]
                raise ScanError("dataset", path, problem, remedy=remedy)
            for source in maps:
                _require_extent(found, source, f"{inside} in {place.name}", said)
            _require(found, f"{inside} in {place.name}", path, depth + 1)
    except OSError as error:
        problem = f"{place.name}, which {name} is made of, cannot be opened: {error}"
        raise ScanError("dataset", path, problem, remedy=remedy) from None


def _require_extent(
    found: h5py.Dataset, source: h5py.VDSmap, where: str, said: tuple[str, Path]
) -> None:
    """Refuse a source that is smaller than what is taken of it."""
    name, path = said
    needed = _end(source.src_space)
    if needed is not None:
        enough = len(needed) == found.ndim and bool((np.asarray(found.shape) >= needed).all())
    else:
        # All of the source is taken, or all that there will be.
        space = source.vspace
        enough = _end(space) is None or found.size >= space.get_select_npoints()
    if not enough:
        problem = f"{name} takes more of {where} than its {found.shape}"
        remedy = "copy the files again: one was not written to its end"
        raise ScanError("dataset", path, problem, remedy=remedy)


def _require_frames(
    dataset: h5py.Dataset, sources: list[h5py.VDSmap], name: str, path: Path
) -> None:
    """Refuse frames that no source has; parts of a frame may be gaps between modules."""
    spans: list[tuple[int, int]] = []
    for source in sources:
        end = _end(source.vspace)
        if end is None or not dataset.ndim:
            return
        spans.append((int(source.vspace.get_select_bounds()[0][0]), int(end[0])))
    n_frames = dataset.shape[0] if dataset.ndim else 1
    reached, gaps = 0, []
    for start, stop in (*sorted(spans), (n_frames, n_frames)):
        if start > reached:
            gaps.append((reached, start))
        reached = max(reached, stop)
    if gaps:
        count = sum(stop - start for start, stop in gaps)
        problem = f"{name} has no source for {counted(count, 'frame')}, the first is {gaps[0][0]}"
        raise ScanError("dataset", path, problem, remedy="write the file again with all frames")


def _end(space: h5py.h5s.SpaceID) -> NDArray[np.int64] | None:
    """One beyond the last selected place along each axis; None where there is no end."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return None
    try:
        last = space.get_select_bounds()[1]
    except (RuntimeError, ValueError):
        return None
    if max(last, default=0) >= UNLIMITED:
        return None
    return np.asarray(last, np.int64) + 1


def _present(folder: Path, file: str) -> bool:
    if not BLOCK.search(file):
        return (folder / file).is_file()
    return _first_missing(folder, file) is None


def _first_missing(folder: Path, file: str) -> str | None:
    """The file that is missing first; of blocks, one before another that is there, or 0."""
    if not BLOCK.search(file):
        return file
    numbers = {number for _, number in blocks(folder, file)}
    expected = range(max(numbers, default=0) + 1)
    absent = next((number for number in expected if number not in numbers), None)
    if absent is None:
        return None
    return numbered(file, absent)
