"""What HDF5 hides: missing link targets, missing virtual sources, missing filters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the detectors' compression filters)

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.sources import broken_link, require_sources

__all__ = [
    "DAMAGE", "lost_link", "names_in", "reading", "require_readable", "require_small", "resolve",
]  # fmt: skip

DAMAGE = (
    OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError, MemoryError
)  # fmt: skip
"""What h5py raises over damaged files, types that numpy lacks, and names badly encoded."""
MAX_CHUNK_BYTES = 2**28
"""Each read of one frame unpacks a whole chunk, and needs up to twice this."""
MAX_LINKS = 5000
"""Names of a file that are looked at, to find a link that leads nowhere."""
MAX_SMALL_BYTES = 2**28
"""Nothing but patterns, which are read in pieces, is larger than this."""


@contextmanager
def reading(name: str, path: Path) -> Iterator[None]:
    """Say as one error whatever reading `name` of a file leads to.

    Raises
    ------
    ScanError
        The file is damaged there, or holds a type that cannot be read.
    """
    try:
        yield
    except DAMAGE as error:
        problem = f"{name} cannot be read: {error}"
        remedy = "the file is damaged, or of a kind that is not known: copy it again, or choose "
        raise ScanError(
            "dataset", path, problem, remedy=f"{remedy}another dataset with --dataset ROLE=/PATH"
        ) from None


def names_in(group: h5py.Group) -> list[str]:
    """Names in a group; those that are badly encoded, which h5py gives as bytes, are left out."""
    return [name for name in group if isinstance(name, str)]


def resolve(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """Dataset `name` of an open file.

    Raises
    ------
    ScanError
        There is none, it is a group, or a link on the way leads nowhere.
    """
    try:
        found = file[name]
    except DAMAGE:
        raise _missing(file, name, path) from None
    if not isinstance(found, h5py.Dataset):
        remedy = "choose a dataset inside it" + _offer(found)
        raise ScanError("dataset", path, f"{name} is a group", remedy=remedy)
    return found


def lost_link(file: h5py.File, path: Path) -> ScanError | None:
    """What to say of the first link of a file that leads nowhere; None where all lead on."""
    seen: set[int] = set()
    waiting = ["/"]
    for _ in range(MAX_LINKS):
        if not waiting:
            return None
        name = waiting.pop(0)
        try:
            item = file[name]
        except DAMAGE:
            return _missing(file, name, path)
        if isinstance(item, h5py.Group):
            # Hard links can form a circle; what is behind others belongs to another file.
            place = h5py.h5o.get_info(item.id).addr
            if place in seen or item.file != file:
                continue
            seen.add(place)
            waiting += [f"{name.rstrip('/')}/{each}" for each in names_in(item)]
    return None


def require_readable(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a dataset that cannot be read, or would silently read as zeros.

    Raises
    ------
    ScanError
        A compression filter or a source of a virtual dataset is missing, or its chunks are
        too large for reading a part of it.
    """
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_CHUNK_BYTES:
        problem = f"{name} is stored in chunks of {dataset.chunks}, too large to be read in parts"
        remedy = "store it again with one frame a chunk (h5repack -l CHUNK=1xHxW)"
        raise ScanError("dataset", path, problem, remedy=remedy)
    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, label = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            title = label.decode("utf-8", "replace") or "unnamed"
            raise ScanError(
                "dataset",
                path,
                f"{name} is compressed with filter {code} ({title}), which is not installed",
                remedy="install the HDF5 plugin of this filter, or store the data uncompressed",
            )
    require_sources(dataset, name, path)


def require_small(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse a dataset that is too large to be read whole.

    Raises
    ------
    ScanError
        It has more than 256 MB, whether they were written or only declared.
    """
    if math.prod(dataset.shape or ()) * dataset.dtype.itemsize > MAX_SMALL_BYTES:
        problem = f"{name} has shape {dataset.shape}, which only patterns can have"
        remedy = "choose another dataset with --dataset ROLE=/PATH"
        raise ScanError("dataset", path, problem, remedy=remedy)


def _missing(file: h5py.File, name: str, path: Path) -> ScanError:
    try:
        broken = broken_link(path, name)
    except DAMAGE as error:
        problem = f"{name} is damaged, or leads to a file that is: {error}"
        return ScanError("dataset", path, problem, remedy="copy the files again")
    if broken is not None:
        problem, remedy = broken
        return ScanError("dataset", path, problem, remedy=remedy)
    remedy = "choose another one with --dataset ROLE=/PATH" + _offer(file)
    return ScanError("dataset", path, f"there is no {name}", remedy=remedy)


def _offer(group: h5py.Group, most: int = 8) -> str:
    found: list[str] = []

    def note(name: str, item: object) -> bool | None:
        if isinstance(item, h5py.Dataset) and item.ndim:
            found.append(f"{group.name.rstrip('/')}/{name} {item.shape}")
        return True if len(found) >= most else None

    with suppress(*DAMAGE):  # of a damaged group, what was found until then
        group.visititems(note)
    return "; the file has " + ", ".join(found) if found else ""
