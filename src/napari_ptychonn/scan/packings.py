"""What the chunks of HDF5's compression filters say of themselves, checked against their size.

The layouts are those of the filters that hdf5plugin and HDF5 bring: bitshuffle and LZ4 (sizes
big-endian, then blocks, each behind its own size), C-Blosc (a header of 16 bytes), zstd (RFC
8878), szip (the size before the data).
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

__all__ = ["DEFLATE", "SHUFFLE", "Filter", "check_of", "inflated"]

DEFLATE: Final = 1
SHUFFLE: Final = 2
FLETCHER32: Final = 3
_CHECKSUM_BYTES: Final = 4
_BLOCK_SIZE: Final = struct.Struct(">I")
_ZSTD: Final = 0xFD2FB528


class Filter(NamedTuple):
    """A filter of a dataset.

    Attributes
    ----------
    code : int
        Its registered number.
    values : tuple of int
        What the dataset tells it.
    """

    code: int
    values: tuple[int, ...]


Check: TypeAlias = Callable[[bytes, int], bool]
"""Whether a chunk as stored can be unpacked, without harm, into so many bytes."""


def check_of(filters: Sequence[Filter]) -> Check | None:
    """How to look at the chunks of a dataset.

    Parameters
    ----------
    filters : sequence of Filter
        Applied to its chunks, in the order of writing.

    Returns
    -------
    callable or None
        Takes a chunk as stored, and its size when it is unpacked; False where it is damaged
        and its filter would not notice. None for filters of which nothing is known here.
    """
    left = list(filters)
    summed = bool(left) and left[-1].code == FLETCHER32
    if summed:
        left.pop()
    last = left.pop() if left and left[-1].code != SHUFFLE else None
    # Below it, what keeps the size alone can be checked from outside.
    if any(one.code != SHUFFLE for one in left):
        return None
    check = _is_of_size if last is None else CHECKS.get(last.code)
    if check is None:
        return None
    looked, values = check, () if last is None else last.values
    if summed:
        return lambda packed, size: looked(packed[:-_CHECKSUM_BYTES], size, values)
    return lambda packed, size: looked(packed, size, values)


def inflated(packed: bytes, size: int) -> bytes | None:
    """What `packed` with gzip is unpacked; None where it is damaged, or not `size` bytes long."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(packed, size + 1)
    except zlib.error:
        return None
    return raw if stream.eof and len(raw) == size else None


def _is_of_size(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    return len(packed) == size


def _is_gzip(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    return inflated(packed, size) is not None


def _is_bzip2(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    try:
        return len(bz2.BZ2Decompressor().decompress(packed, size + 1)) == size
    except OSError:
        return False


def _is_bitshuffle(packed: bytes, size: int, values: Sequence[int]) -> bool:
    """Size of all, size of a block, then each block behind its own size, then odd bytes."""
    if len(values) < 3 or values[2] < 1 or size % values[2]:
        return False
    if len(values) < 5 or not values[4]:
        return len(packed) == size  # shuffled alone
    if len(packed) < 12:
        return False
    stated, block = struct.unpack_from(">QI", packed)
    length, count = block // values[2], size // values[2]
    if stated != size or length == 0 or length % 8:
        return False
    blocks = count // length + (count % length >= 8)
    end = _end_of_blocks(packed, blocks)
    return end is not None and end + count % 8 * values[2] <= len(packed)


def _is_lz4(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    if len(packed) < 12:
        return False
    stated, block = struct.unpack_from(">QI", packed)
    return stated == size and block > 0 and _end_of_blocks(packed, -(-size // block)) is not None


def _end_of_blocks(packed: bytes, count: int) -> int | None:
    """Where the last of `count` blocks ends, None where that is beyond the chunk."""
    place, end, size_at = 12, len(packed), _BLOCK_SIZE.unpack_from
    for _ in range(count):
        if place + 4 > end:
            return None
        place += 4 + size_at(packed, place)[0]
    return place if place <= end else None


def _is_blosc(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    """Two versions, flags, type size, then sizes: unpacked, of a block, packed."""
    if len(packed) < 16:
        return False
    unpacked, block, stated = struct.unpack_from("<III", packed, 4)
    return bool(unpacked == size and 0 < block <= size and 16 <= stated <= len(packed))


def _is_zstd(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    """A frame that states the size of its content."""
    if len(packed) < 6 or int.from_bytes(packed[:4], "little") != _ZSTD:
        return False
    has_no_window, code = packed[4] >> 5 & 1, packed[4] >> 6
    if not has_no_window and not code:
        return False
    place = 5 + (1 - has_no_window) + (0, 1, 2, 4)[packed[4] & 3]
    width = 1 << code
    stated = int.from_bytes(packed[place : place + width], "little") + (256 if code == 1 else 0)
    return stated == size


def _is_szip(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    return len(packed) > 4 and int.from_bytes(packed[:4], "little") == size


def _is_lzf(packed: bytes, size: int, values: Sequence[int]) -> bool:  # noqa: ARG001
    """The filter takes as much memory as the dataset tells it, not as the chunk has."""
    return len(values) > 2 and values[2] >= size


CHECKS: Final[dict[int, Callable[[bytes, int, Sequence[int]], bool]]] = {
    DEFLATE: _is_gzip,
    4: _is_szip,
    307: _is_bzip2,
    32000: _is_lzf,
    32001: _is_blosc,
    32004: _is_lz4,
    32008: _is_bitshuffle,
    32015: _is_zstd,
}
