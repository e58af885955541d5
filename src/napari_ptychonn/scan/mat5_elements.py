"""Elements of MATLAB files of versions 5 to 7: tags, headers, values.

Known from MathWorks' "MAT-File Format". They are read here, and not by SciPy, whose reader
(1.17) ends the program on damaged files.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.npy_members import MAX_PACKING, MAX_UNPACKED_BYTES

__all__ = ["MATRIX", "PACKED", "STRUCT", "Head", "Values", "head_of", "inflated", "values_of"]

MATRIX: Final = 14
PACKED: Final = 15
"""Kinds of elements: a variable, and one that is compressed."""
STRUCT: Final = 2
TEXT: Final = 4
NUMBERS: Final = {
    6: "float64", 7: "float32", 8: "int8", 9: "uint8", 10: "int16", 11: "uint16", 12: "int32",
    13: "uint32", 14: "int64", 15: "uint64",
}  # fmt: skip
"""Classes of variables that are numbers; cells, functions and objects are left out."""
STORED: Final = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""How values are stored: whole numbers of any class in the smallest type that holds them."""
ENCODINGS: Final = {
    1: "latin-1",
    2: "latin-1",
    4: "utf-16",
    16: "utf-8",
    17: "utf-16",
    18: "utf-32",
}
LOGICAL, COMPLEX = 0x200, 0x800
MAX_AXES = 32
MAX_DEPTH = 8
MAX_FIELDS = 5000

Values: TypeAlias = "NDArray[Any] | dict[str, Values] | None"
"""Numbers or text, the fields of a struct, or nothing where it is neither."""


class Head(NamedTuple):
    """What a variable says of itself.

    Attributes
    ----------
    name : str
        Its name; empty inside a struct.
    kind : int
        MATLAB's number of its class.
    dtype : str
        Its type in numpy; empty for what is neither numbers, text nor a struct.
    shape : tuple of int
        In MATLAB's order.
    values_at : int
        Where its values begin.
    """

    name: str
    kind: int
    dtype: str
    shape: tuple[int, ...]
    values_at: int


def head_of(body: memoryview, order: str) -> Head:
    """The header of a variable, from the start of its element behind the tag.

    Raises
    ------
    ValueError, struct.error
        It is damaged.
    """
    flags, place = _part(body, 0, order)[1:]
    sizes, place = _part(body, place, order)[1:]
    name, place = _part(body, place, order)[1:]
    (word,) = struct.unpack_from(f"{order}I", flags)
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if not 2 <= len(shape) <= MAX_AXES or min(shape) < 0:
        raise ValueError(f"a variable of shape {shape}")
    kind = word & 0xFF
    dtype = "bool" if word & LOGICAL and kind in NUMBERS else NUMBERS.get(kind, "")
    if word & COMPLEX and dtype:
        dtype = "complex64" if dtype == "float32" else "complex128"
    if kind == TEXT:
        dtype = f"<U{max(1, math.prod(shape))}"
    return Head(bytes(name).decode("latin-1"), kind, dtype, shape, place)


def inflated(data: bytes, order: str) -> bytes:
    """A compressed element, unpacked, without its tag.

    Raises
    ------
    ValueError, zlib.error, struct.error
        It is damaged, or holds next to nothing but would fill the memory.
    """
    stream = zlib.decompressobj()
    kind, size = struct.unpack(f"{order}II", stream.decompress(data, 8))
    if kind != MATRIX:
        raise ValueError("a packed element is no variable")
    if size > MAX_UNPACKED_BYTES and size > MAX_PACKING * len(data):
        raise ValueError(f"{len(data)} bytes would unpack to {size}")
    body = stream.decompress(stream.unconsumed_tail, size) if size else b""
    if len(body) < size:
        raise ValueError(f"it unpacks to {len(body)} of {size} bytes")
    return body


def values_of(body: memoryview, order: str, depth: int = 0) -> Values:
    """The values of a variable, axes in reverse.

    Parameters
    ----------
    body : memoryview
        Its element behind the tag.
    order : str
        ``"<"`` or ``">"``, the order of bytes.
    depth : int
        Structs around it.

    Raises
    ------
    ValueError, struct.error
        It is damaged.
    """
    head = head_of(body, order)
    if head.kind == STRUCT:
        return _fields(body, head, order, depth)
    if not head.dtype:
        return None
    code, data, place = _part(body, head.values_at, order)
    if head.kind == TEXT:
        return np.asarray(_text(data, code, order))
    values = _numbers(data, code, order).astype(head.dtype, copy=False)
    if head.dtype.startswith("complex"):
        code, data, _ = _part(body, place, order)
        values = np.array(values)
        values.imag = _numbers(data, code, order)
    if values.size != math.prod(head.shape):
        raise ValueError(f"{values.size} values for shape {head.shape}")
    return values.reshape(head.shape[::-1])


def _fields(body: memoryview, head: Head, order: str, depth: int) -> Values:
    if depth > MAX_DEPTH or math.prod(head.shape) != 1:
        return None
    width_of, place = _part(body, head.values_at, order)[1:]
    names, place = _part(body, place, order)[1:]
    (width,) = struct.unpack(f"{order}i", width_of)
    if width < 1 or len(names) // width > MAX_FIELDS:
        raise ValueError(f"names of fields of {width} letters")
    found: dict[str, Values] = {}
    for start in range(0, len(names) - width + 1, width):
        name = bytes(names[start : start + width]).partition(b"\0")[0].decode("latin-1")
        code, data, place = _part(body, place, order)
        if code != MATRIX:
            raise ValueError(f"the field {name!r} is no variable")
        # An empty field may have no header at all.
        found[name] = values_of(data, order, depth + 1) if data else None
    return found


def _numbers(data: memoryview, code: int, order: str) -> NDArray[Any]:
    if code not in STORED:
        raise ValueError(f"numbers are stored in an unknown way ({code})")
    return np.frombuffer(data, order + STORED[code])


def _text(data: memoryview, code: int, order: str) -> str:
    if code not in ENCODINGS:
        raise ValueError(f"text is stored in an unknown way ({code})")
    end = {"<": "-le", ">": "-be"}[order] if ENCODINGS[code] in ("utf-16", "utf-32") else ""
    return bytes(data).decode(ENCODINGS[code] + end, "replace")


def _part(body: memoryview, place: int, order: str) -> tuple[int, memoryview, int]:
    """Kind and bytes of a part, and where the next begins; up to four bytes share its tag."""
    code, size = struct.unpack_from(f"{order}II", body, place)
    start, after = place + 8, place + 8 + -(-size // 8) * 8
    if code >> 16:
        code, size, start, after = code & 0xFFFF, code >> 16, place + 4, place + 8
    if start + size > len(body):
        raise ValueError("a part of a variable ends early")
    return code, body[start : start + size], after
