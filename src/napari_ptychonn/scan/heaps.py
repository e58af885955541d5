"""HDF5 files opened so that damage cannot make HDF5 turn in a circle.

Texts of any length, and what a virtual dataset is made of, lie in global heap collections. A
free object of no length in one of them is read for ever: HDF5 adds its length to the place
where it reads (1.8 to 2.0 do so), and nothing ends that but the end of the program. HDF5 reads
a collection from its start, in one piece, so a file that it reads through Python can look at
each before HDF5 does.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import h5py

__all__ = ["GuardedFile"]

MAX_LINKS = 16
"""Followed from one to the next; more are a circle."""
_SIGNATURE = b"GCOL"
_UNOPENED = (OSError, RuntimeError, LookupError, ValueError, OverflowError, MemoryError)


class GuardedFile(h5py.File):  # type: ignore[misc]  # h5py has no types
    """A HDF5 file to read, whose damaged heap collections are errors.

    External links lead to guarded files too.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    OSError
        It is not there, is no HDF5 file, or is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        # Opened plainly too: for virtual datasets, and since this one knows no locks.
        self._plain = h5py.File(path, "r")
        self._folders = dict.fromkeys((Path(path).absolute().parent, Path(path).resolve().parent))
        self._targets: dict[Path, GuardedFile] = {}
        self._own: set[str] = set()
        self._stream = _CheckedStream(path)
        try:
            access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
            access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
            access.set_fileobj_driver(h5py.h5fd.fileobj_driver, self._stream)
            # The name is where HDF5 starts from to follow external links.
            file = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, access)
        except _UNOPENED as error:
            self._stream.close()
            self._plain.close()
            raise OSError(f"Unable to open file ({error})") from None
        self._stream.length_bytes = file.get_create_plist().get_sizes()[1]
        super().__init__(file)

    def __getitem__(self, name: Any) -> Any:
        """Group or dataset `name`, through links of all kinds.

        Raises
        ------
        KeyError, OSError, RuntimeError
            There is none, or the file is damaged.
        """
        file, inside = self._behind_links(name, 0)
        if file is not self:
            return file[inside]
        found = super().__getitem__(inside)
        return self._virtual(found) if isinstance(found, h5py.Dataset) else found

    def get(self, name: Any, default: Any = None, *, getlink: bool = False) -> Any:
        """Group or dataset `name`, or the link of that name; `default` where there is none.

        Raises
        ------
        OSError, RuntimeError
            The file is damaged.
        """
        try:
            if not getlink:
                return self[name]
            before, _, last = str(name).strip("/").rpartition("/")
            file, inside = self._behind_links(before or "/", 0)
            return super(GuardedFile, file).get(f"{inside}/{last}", default, getlink=True)
        except KeyError:
            return default

    @property
    def is_damaged(self) -> bool:
        """Whether a collection that HDF5 asked for is damaged, here or behind a link."""
        return self._stream.is_damaged or any(one.is_damaged for one in self._targets.values())

    def close(self) -> None:
        """Close it, and all files that its links led to."""
        for target in self._targets.values():
            target.close()
        self._targets.clear()
        self._plain.close()
        super().close()
        self._stream.close()

    def _behind_links(self, name: str, depth: int) -> tuple[GuardedFile, str]:
        """The file that holds `name`, and what it is called there."""
        parts = [part for part in name.split("/") if part]
        for number in range(1, len(parts) + 1):
            here, rest = "/".join(parts[:number]), parts[number:]
            if here in self._own:
                continue
            stored = here.encode("utf-8", "surrogateescape")
            if not self.id.links.exists(stored):
                raise KeyError(f"there is no {here}")
            if self.id.links.get_info(stored).type == h5py.h5l.TYPE_HARD:
                self._own.add(here)
                continue
            link = super().get(here, getlink=True)
            if isinstance(link, h5py.ExternalLink | h5py.SoftLink) and depth >= MAX_LINKS:
                raise KeyError(f"{here} is a link that leads in a circle")
            if isinstance(link, h5py.ExternalLink):
                inside = "/".join([link.path, *rest])
                return self._target(link)._behind_links(inside, depth + 1)
            if isinstance(link, h5py.SoftLink):
                start = [] if link.path.startswith("/") else parts[: number - 1]
                return self._behind_links("/".join([*start, link.path, *rest]), depth + 1)
        return self, "/" + "/".join(parts)

    def _virtual(self, dataset: h5py.Dataset) -> h5py.Dataset:
        """The same dataset, as HDF5 opens it by itself where it is virtual.

        HDF5 opens the sources as it opened this file: as the bytes of this file. It was
        looked at here once, so that all of the heap that belongs to it is whole.
        """
        if not dataset.is_virtual:
            return dataset
        for _ in dataset.attrs.values():
            pass  # each is read once, here
        return self._plain[dataset.name]

    def _target(self, link: h5py.ExternalLink) -> GuardedFile:
        """The file that a link names, beside this one also where it had another folder."""
        names = (Path(link.filename), Path(link.filename).name)
        places = (folder / name for name in names for folder in self._folders)
        target = next((place for place in places if place.is_file()), None)
        if target is None:
            raise KeyError(f"{link.filename} is missing")
        if target not in self._targets:
            self._targets[target] = GuardedFile(target)
        return self._targets[target]


class _CheckedStream(io.FileIO):
    """The bytes of a file; of a heap collection that HDF5 would hang on, none."""

    length_bytes = 8
    """Size of the lengths in the file."""
    is_damaged = False
    """Whether a collection was found that must not be read."""

    def readinto(self, buffer: Any) -> int:
        """Fill the whole `buffer`, whose signature is blanked where it must not be read."""
        view = memoryview(buffer).cast("B")
        start, filled = self.tell(), 0
        while filled < len(view):
            count = super().readinto(view[filled:])
            if not count:
                raise OSError(f"the file ends {len(view) - filled} bytes early")
            filled += count
        if view[:4] == _SIGNATURE and not self._is_whole(view, start):
            view[:4] = bytes(4)
            self.is_damaged = True
        return filled

    def _is_whole(self, view: memoryview, start: int) -> bool:
        """Whether the objects of a collection fill it, each of some length."""
        size = int.from_bytes(view[8 : 8 + self.length_bytes], "little")
        data: bytes | memoryview = view
        if size > len(view):
            if size > os.fstat(self.fileno()).st_size - start:
                return False
            self.seek(start)
            data = self.read(size)
        header = _padded(8 + self.length_bytes)
        place = header
        while place + header <= size:
            length = int.from_bytes(data[place + 8 : place + 8 + self.length_bytes], "little")
            is_free = not any(data[place : place + 2])
            step = length if is_free else header + _padded(length)
            if not step:
                return False
            place += step
        return place <= size


def _padded(length: int) -> int:
    return -(-length // 8) * 8
