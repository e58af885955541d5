"""Parts of HDF5 datasets, read so that damaged chunks are errors and not the program's end.

HDF5 takes what a filter returns for a whole chunk, however short it is, and filters take the
sizes that a chunk states of itself for true; with either wrong they read and write beyond their
memory. So each chunk is looked at first (:mod:`napari_ptychonn.scan.packings`). What only
unpacking can tell, as of gzip, is unpacked here, so that it is done once.
"""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.chunk_index import ChunkIndex, chunk_index
from napari_ptychonn.scan.packings import DEFLATE, SHUFFLE, Filter, check_of, inflated
from napari_ptychonn.scan.virtual import Spans, parts_of_sources

__all__ = ["read_part", "require_whole_chunks"]


def read_part(dataset: h5py.Dataset, place: tuple[int | slice, ...] = ()) -> NDArray[Any]:
    """Read a part of a dataset, unless a filter would crash on it.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open.
    place : tuple of int or slice
        Along the first axes, not negative, slices with both ends; all of the others.

    Raises
    ------
    OSError
        A chunk is damaged, or cannot be read; h5py raises other errors too.
    """
    if dataset.is_virtual:
        for source, part in parts_of_sources(dataset, _spans(dataset.shape, place)):
            require_whole_chunks(source, part)
        return np.asarray(dataset[place])
    if dataset.chunks is None:
        return np.asarray(dataset[place])
    index = chunk_index(dataset)
    if not index.filters:
        return np.asarray(dataset[place])
    spans = _spans(dataset.shape, place)
    if _is_plain_gzip(dataset, index.filters):
        unpacked = _unpacked(dataset, index, spans)
        return unpacked[tuple(slice(None) if isinstance(part, slice) else 0 for part in place)]
    _require_whole(dataset, index, spans)
    return np.asarray(dataset[place])


def require_whole_chunks(dataset: h5py.Dataset, spans: Spans) -> None:
    """Look at all chunks of a part of a dataset.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open; one whose chunks are not packed passes.
    spans : sequence of (int, int)
        The part.

    Raises
    ------
    OSError
        A chunk is damaged, or cannot be read; h5py raises other errors too.
    """
    if dataset.chunks is not None:
        index = chunk_index(dataset)
        if index.filters:
            _require_whole(dataset, index, spans)


def _require_whole(dataset: h5py.Dataset, index: ChunkIndex, spans: Spans) -> None:
    usual = check_of(index.filters)
    if usual is None:
        return
    unseen = index.unseen(spans)
    if not unseen.size:
        return
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    for number, skipped, packed in index.stored(dataset, unseen):
        check = check_of(_applied(index.filters, skipped)) if skipped else usual
        if packed and check is not None and not check(packed, size):
            raise _damaged(index.start(number))
    index.keep(unseen)


def _spans(shape: tuple[int, ...], place: tuple[int | slice, ...]) -> list[tuple[int, int]]:
    if len(place) > len(shape):
        raise IndexError(f"{len(place)} places in {len(shape)} axes")
    spans = []
    for part, length in zip(place, shape, strict=False):
        if isinstance(part, slice):
            spans.append((min(part.start, length), min(part.stop, length)))
        elif part < length:
            spans.append((part, part + 1))
        else:
            raise IndexError(f"place {part} of {length}")
    return [*spans, *((0, length) for length in shape[len(place) :])]


def _applied(filters: tuple[Filter, ...], skipped: int) -> tuple[Filter, ...]:
    return tuple(one for number, one in enumerate(filters) if not skipped >> number & 1)


def _is_plain_gzip(dataset: h5py.Dataset, filters: tuple[Filter, ...]) -> bool:
    """Whether chunks are gzip, shuffled or not, of numbers that numpy has as they are stored."""
    *before, last = filters
    if last.code != DEFLATE or dataset.dtype.kind not in "uif":
        return False
    if before and before != [Filter(SHUFFLE, (dataset.dtype.itemsize,))]:
        return False
    return bool(h5py.h5t.py_create(dataset.dtype) == dataset.id.get_type())


def _unpacked(dataset: h5py.Dataset, index: ChunkIndex, spans: Spans) -> NDArray[Any]:
    part = np.empty([high - low for low, high in spans], dataset.dtype)
    for number, skipped, packed in index.stored(dataset, index.numbers(spans)):
        start = index.start(number)
        here, inside = _common(spans, start, dataset.chunks)
        if packed:
            codes = {one.code for one in _applied(index.filters, skipped)}
            part[here] = _values(packed, codes, dataset, start)[inside]
        else:
            part[here] = dataset.fillvalue
    return part


def _common(
    spans: Spans, start: tuple[int, ...], steps: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a part and the chunk at `start` overlap: in the part, and in the chunk."""
    here, inside = [], []
    for (low, high), first, step in zip(spans, start, steps, strict=True):
        least, most = max(low, first), min(high, first + step)
        here.append(slice(least - low, most - low))
        inside.append(slice(least - first, most - first))
    return tuple(here), tuple(inside)


def _values(
    packed: bytes, codes: set[int], dataset: h5py.Dataset, start: tuple[int, ...]
) -> NDArray[Any]:
    steps, dtype = dataset.chunks, dataset.dtype
    size = math.prod(steps) * dtype.itemsize
    raw = inflated(packed, size) if DEFLATE in codes else packed
    if raw is None or len(raw) != size:  # the second where the filter was skipped
        raise _damaged(start)
    if SHUFFLE in codes:
        apart = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
        together = np.empty(apart.shape[::-1], np.uint8)
        for number, each in enumerate(apart):  # many times as fast as all at once
            together[:, number] = each
        return together.view(dtype).reshape(steps)
    return np.frombuffer(raw, dtype).reshape(steps)


def _damaged(start: tuple[int, ...]) -> OSError:
    return OSError(f"the compressed chunk at {start} is damaged")
