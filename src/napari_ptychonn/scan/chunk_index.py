"""Where the packed chunks of a dataset lie, and which of them were found to be whole.

To ask HDF5 for one chunk takes as long as to unpack a small one, so places are taken from the
index all at once, bytes from the file itself, and what was learned is kept for as long as the
file stays as it is.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.packings import Filter
from napari_ptychonn.scan.virtual import Spans

__all__ = ["ChunkIndex", "chunk_index"]

MAX_CHUNKS: Final = 2**20
"""Of a dataset with more chunks nothing is kept."""
MAX_KEPT: Final = 2**22
"""Chunks of which something is kept, of all datasets together."""
FEW: Final = 32
"""HDF5 goes through its index for each chunk that it is asked for; after so many of them the
whole of it costs less."""
FRESH_NS: Final = 2 * 10**9
"""Files changed less than this ago may change again without another time of change."""

_remembered: OrderedDict[tuple[object, ...], ChunkIndex] = OrderedDict()
_lock = threading.Lock()


class ChunkIndex:
    """The chunks of one dataset, numbered in the order of its axes.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open, in chunks.

    Attributes
    ----------
    filters : tuple of Filter
        Applied to its chunks, in the order of writing.
    count : int
        Chunks that it has room for.

    Raises
    ------
    OSError
        It declares more chunks than can be counted.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        plist = dataset.id.get_create_plist()
        stored = (plist.get_filter(number) for number in range(plist.get_nfilters()))
        self.filters = tuple(Filter(code, values) for code, _, values, _ in stored)
        self._steps: tuple[int, ...] = dataset.chunks or dataset.shape
        pairs = zip(dataset.shape, self._steps, strict=True)
        self._grid = tuple(-(-length // step) for length, step in pairs)
        self.count = math.prod(self._grid)
        if self.count > np.iinfo(np.int64).max:
            raise OSError(f"a dataset of shape {dataset.shape} has too many chunks")
        self._asked = 0
        self._places: NDArray[np.int64] | None = None
        self._whole = np.zeros(self.count if self.count <= MAX_CHUNKS else 0, np.bool_)

    def unseen(self, spans: Spans) -> NDArray[np.intp]:
        """Numbers of the chunks of a part that were not yet found to be whole."""
        numbers = self.numbers(spans)
        return numbers[~self._whole[numbers]] if self._whole.size else numbers

    def keep(self, numbers: NDArray[np.intp]) -> None:
        """Remember that chunks are whole."""
        if self._whole.size:
            self._whole[numbers] = True

    def numbers(self, spans: Spans) -> NDArray[np.intp]:
        """Numbers of the chunks that a part of the dataset touches."""
        total = np.zeros(1, np.intp)
        for (low, high), step, count in zip(spans, self._steps, self._grid, strict=True):
            along = np.arange(low // step, -(-high // step))
            total = (total[:, None] * count + along).ravel()
        return total

    def start(self, number: int) -> tuple[int, ...]:
        """Where a chunk begins in the dataset."""
        places = np.unravel_index(number, self._grid)
        return tuple(int(place) * step for place, step in zip(places, self._steps, strict=True))

    def stored(
        self, dataset: h5py.Dataset, numbers: NDArray[np.intp]
    ) -> Iterator[tuple[int, int, bytes]]:
        """Chunks as they are stored.

        Parameters
        ----------
        dataset : h5py.Dataset
            The one that this was made of, open.
        numbers : ndarray of int
            The chunks.

        Yields
        ------
        number, skipped, packed : int, int, bytes
            The chunk, which filters were skipped, as bits, and its bytes; empty if it was
            never written.

        Raises
        ------
        OSError
            A chunk cannot be read; h5py raises other errors too.
        """
        self._asked += len(numbers)
        if self._places is None and self._asked > FEW and self._whole.size:
            self._places = self._taken(dataset)
        if self._places is None:
            for number in numbers:
                yield (int(number), *_asked(dataset, self.start(int(number))))
            return
        with open(dataset.file.filename, "rb", buffering=0) as file:  # noqa: PTH123 (bytes, too)
            length = os.fstat(file.fileno()).st_size
            for number, (offset, size, skipped) in zip(
                numbers.tolist(), self._places[numbers].tolist(), strict=True
            ):
                if not size:
                    yield (number, *_asked(dataset, self.start(number)))
                    continue
                if offset + size > length:
                    raise OSError(f"the chunk at {self.start(number)} lies beyond the file's end")
                file.seek(offset)
                yield number, skipped, file.read(size)

    def _taken(self, dataset: h5py.Dataset) -> NDArray[np.int64] | None:
        """Offset, size and skipped filters of all chunks; None where these are not certain."""
        found: list[h5py.h5d.StoreInfo] = []
        dataset.id.chunk_iter(found.append)
        if not found:
            return None
        offsets, skipped, first_bytes, sizes = zip(*found, strict=True)
        starts = np.array(offsets, np.int64)
        cells = starts // np.asarray(self._steps)
        if (starts < 0).any() or (cells >= np.asarray(self._grid)).any():
            return None
        numbers = np.ravel_multi_index(tuple(cells.T), self._grid)
        if len(np.unique(numbers)) < len(found):
            return None  # HDF5 finds one of two, and which is not known
        places = np.zeros((self.count, 3), np.int64)
        places[numbers] = np.array((first_bytes, sizes, skipped), np.int64).T
        return places if self._is_there(dataset, found[0]) else None

    def _is_there(self, dataset: h5py.Dataset, info: h5py.h5d.StoreInfo) -> bool:
        """Whether places are those in the file: not behind a user block, nor in several files."""
        _, packed = dataset.id.read_direct_chunk(info.chunk_offset)
        try:
            with open(dataset.file.filename, "rb") as file:  # noqa: PTH123
                file.seek(info.byte_offset)
                return bool(file.read(len(packed)) == packed)
        except OSError:
            return False


def chunk_index(dataset: h5py.Dataset) -> ChunkIndex:
    """What is known of the chunks of a dataset.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open, not virtual.

    Returns
    -------
    ChunkIndex
        The same as before, where the file is as it was.
    """
    try:
        status = os.stat(dataset.file.filename)  # noqa: PTH116
    except OSError:
        return ChunkIndex(dataset)
    if time.time_ns() - status.st_mtime_ns < FRESH_NS:
        return ChunkIndex(dataset)
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, dataset.name)
    with _lock:
        if key in _remembered:
            _remembered.move_to_end(key)
            return _remembered[key]
        known = ChunkIndex(dataset)
        if known.count > MAX_CHUNKS:
            return known
        _remembered[key] = known
        while len(_remembered) > 1 and sum(one.count for one in _remembered.values()) > MAX_KEPT:
            _remembered.popitem(last=False)
    return known


def _asked(dataset: h5py.Dataset, start: tuple[int, ...]) -> tuple[int, bytes]:
    """Which filters were skipped, and a chunk as stored, from HDF5."""
    # Of a chunk that is not there, h5py takes the size from memory that nobody wrote.
    if not dataset.id.get_chunk_info_by_coord(start).size:
        return 0, b""
    skipped, packed = dataset.id.read_direct_chunk(start)
    return skipped, packed
