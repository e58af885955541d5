"""Parts of HDF5 datasets, read so that damaged chunks are errors and not the program's end.

HDF5 takes what a filter returns for a whole chunk, however short it is, and filters take the
sizes that a chunk states of itself for true; with either wrong they read and write beyond their
memory. So each chunk is looked at first (:mod:`napari_ptychonn.scan.packings`). What only
unpacking can tell, as of gzip, is unpacked here, so that it is done once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

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
    filters = _filters(dataset)
    if dataset.chunks is None or not filters:
        return np.asarray(dataset[place])
    spans = _spans(dataset.shape, place)
    if _is_plain_gzip(dataset, filters):
        unpacked = _unpacked(dataset, filters, spans)
        return unpacked[tuple(slice(None) if isinstance(part, slice) else 0 for part in place)]
    require_whole_chunks(dataset, spans)
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
    filters, steps = _filters(dataset), dataset.chunks
    if steps is None or not filters:
        return
    size = math.prod(steps) * dataset.dtype.itemsize
    usual = check_of(filters)
    if usual is None:
        return
    for start in _starts(spans, steps):
        skipped, packed = _chunk(dataset, start)
        check = check_of(_applied(filters, skipped)) if skipped else usual
        if packed and check is not None and not check(packed, size):
            raise _damaged(start)


def _filters(dataset: h5py.Dataset) -> tuple[Filter, ...]:
    plist = dataset.id.get_create_plist()
    stored = (plist.get_filter(number) for number in range(plist.get_nfilters()))
    return tuple(Filter(code, values) for code, _, values, _ in stored)


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


def _starts(spans: Spans, chunks: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    steps = zip(spans, chunks, strict=True)
    return product(*(range(low // step * step, high, step) for (low, high), step in steps))


def _chunk(dataset: h5py.Dataset, start: tuple[int, ...]) -> tuple[int, bytes]:
    """Which filters were skipped, as bits, and the chunk as stored; empty if never written."""
    # Of a chunk that is not there, h5py takes the size from memory that nobody wrote.
    if not dataset.id.get_chunk_info_by_coord(start).size:
        return 0, b""
    skipped, packed = dataset.id.read_direct_chunk(start)
    return skipped, packed


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


def _unpacked(dataset: h5py.Dataset, filters: tuple[Filter, ...], spans: Spans) -> NDArray[Any]:
    steps = dataset.chunks
    part = np.empty([high - low for low, high in spans], dataset.dtype)
    for start in _starts(spans, steps):
        here, inside = _common(spans, start, steps)
        skipped, packed = _chunk(dataset, start)
        if packed:
            codes = {one.code for one in _applied(filters, skipped)}
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
