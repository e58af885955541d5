"""Compressed chunks, looked at before they are unpacked.

The bitshuffle and blosc filters believe the sizes that a chunk states of itself; where these
are damaged they read and write beyond their memory, and the whole program ends. The layouts
are those of bitshuffle's HDF5 filter and of the header of C-Blosc.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["read_part"]


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
    _require_whole_chunks(dataset, place)
    return np.asarray(dataset[place])


def _require_whole_chunks(dataset: h5py.Dataset, place: tuple[int | slice, ...]) -> None:
    plist = dataset.id.get_create_plist()
    last = plist.get_nfilters() - 1
    if dataset.chunks is None or last < 0:
        return
    code, _, values, _ = plist.get_filter(last)
    is_whole = CHECKS.get(code)
    if is_whole is None:
        return
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    ends = [
        (part.start, part.stop) if isinstance(part, slice) else (part, part + 1) for part in place
    ]
    ends += [(0, length) for length in dataset.shape[len(place) :]]
    steps = zip(ends, dataset.chunks, strict=True)
    for start in product(*(range(low // step * step, high, step) for (low, high), step in steps)):
        if not dataset.id.get_chunk_info_by_coord(start).size:
            continue  # it was never written
        skipped, packed = dataset.id.read_direct_chunk(start)
        if not skipped and not is_whole(packed, size, values):
            raise OSError(f"the compressed chunk at {start} is damaged")


def _is_bitshuffle(packed: bytes, size: int, values: Sequence[int]) -> bool:
    """Size of all, size of a block, then each block behind its own size, then odd bytes."""
    if len(values) < 5 or not values[4]:
        return True  # shuffled alone, which keeps the size
    itemsize = values[2]
    if len(packed) < 12 or itemsize < 1 or size % itemsize:
        return False
    stated, block = struct.unpack_from(">QI", packed)
    length, count = block // itemsize, size // itemsize
    if stated != size or length == 0 or length % 8:
        return False
    place = 12
    for _ in range(count // length + (count % length >= 8)):
        if place + 4 > len(packed):
            return False
        place += 4 + int.from_bytes(packed[place : place + 4], "big")
    rest = count % 8 * itemsize
    return len(packed) == place + rest


def _is_blosc(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    """Two versions, flags, type size, then sizes: unpacked, of a block, packed."""
    if len(packed) < 16:
        return False
    unpacked, block, stated = struct.unpack_from("<III", packed, 4)
    return bool(unpacked == size and 0 < block <= size and stated == len(packed))


CHECKS: Final[dict[int, Callable[[bytes, int, Sequence[int]], bool]]] = {
    32001: _is_blosc,
    32008: _is_bitshuffle,
}
