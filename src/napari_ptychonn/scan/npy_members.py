"""Arrays in npz and npy files: headers and values, of which a damaged file may claim anything."""

from __future__ import annotations

import lzma
import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError

__all__ = ["opened_zip", "read_header", "read_npy", "read_values"]

MAX_UNPACKED_BYTES = 2**28
MAX_PACKING = 500
"""Larger arrays that shrink by more than this hold next to nothing: zeros were packed to fill
the memory of whoever opens them."""
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, TypeError,
    LookupError, SyntaxError, tokenize.TokenError, RuntimeError, OverflowError, MemoryError,
)  # fmt: skip
"""What zipfile and numpy raise over damaged files, unknown packing and passwords."""


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file to read.

    Raises
    ------
    ScanError
        Its directory is damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        problem = f"it is a damaged npz (zip) file: {error}"
        remedy = "copy it again, or write it again"
        raise ScanError("scan file", path, problem, remedy=remedy) from None
    with archive:
        yield archive


def read_header(
    archive: zipfile.ZipFile, member: str, path: Path
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array; its values are not read.

    Raises
    ------
    ScanError
        The member is damaged, or no array.
    """
    with _damage_said(member.removesuffix(".npy"), path), archive.open(member) as stream:
        shape, _, dtype = _header(stream)
        return shape, dtype


def read_values(archive: zipfile.ZipFile, member: str, path: Path) -> NDArray[Any]:
    """An array, read whole.

    Raises
    ------
    ScanError
        The member is damaged, no array of plain values, or claims more values than it has.
    """
    info = archive.getinfo(member)
    room = info.file_size if info.compress_size <= path.stat().st_size else 0
    with _damage_said(member.removesuffix(".npy"), path), archive.open(member) as stream:
        _require_weight(info)
        return _values(stream, room)


def read_npy(path: Path, subject: str) -> NDArray[Any]:
    """The array of a npy file; `subject` is what it is needed for.

    Raises
    ------
    ScanError
        The file is damaged, or holds no array of plain values.
    """
    with _damage_said("it", path, subject), path.open("rb") as stream:
        return _values(stream, path.stat().st_size)


def _values(stream: IO[bytes], room: int) -> NDArray[Any]:
    """The array of a stream that has no more than `room` bytes."""
    shape, is_fortran, dtype = _header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    size = math.prod(shape) * dtype.itemsize
    if size > room:
        raise ValueError(f"it is too short for the {size} bytes that it claims to have")
    data = bytearray()
    while len(data) < size and (part := stream.read(min(size - len(data), 2**24))):
        data += part
    if len(data) < size:
        raise ValueError(f"it ends after {len(data)} of {size} bytes")
    values = np.frombuffer(data, dtype)
    return values.reshape(shape[::-1]).T if is_fortran else values.reshape(shape)


def _require_weight(info: zipfile.ZipInfo) -> None:
    size = info.file_size
    if size > MAX_UNPACKED_BYTES and size > MAX_PACKING * info.compress_size:
        problem = f"{info.compress_size} bytes would unpack to {size}"
        raise ValueError(f"{problem}; if these are data, store them with numpy.savez, unpacked")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its version is {version}")
    old = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        # Files of Python 2 are read as well as any; that numpy needs longer is no news.
        warnings.simplefilter("ignore", UserWarning)
        shape, is_fortran, dtype = read(stream)
    if any(not 0 <= length < 2**63 for length in shape):
        raise ValueError(f"its shape is {shape}")
    return tuple(int(length) for length in shape), bool(is_fortran), dtype


@contextmanager
def _damage_said(name: str, path: Path, subject: str = "dataset") -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        problem = f"{name} cannot be read: {error}"
        remedy = "copy the file again, or write it again without Python objects"
        raise ScanError(subject, path, problem, remedy=remedy) from None
