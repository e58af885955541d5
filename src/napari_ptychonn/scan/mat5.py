"""MATLAB files of versions 5 to 7, which are no HDF5, shown as version 7.3 stores the same.

Behind 128 bytes of header lie elements (:mod:`napari_ptychonn.scan.mat5_elements`), one for each
variable, each of which may be packed. Axes are given in reverse, as in HDF5 (see
:mod:`napari_ptychonn.scan.matlab`), so that all that reads MATLAB's HDF5 reads these too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.dataset_info import MAX_LISTED, DatasetInfo
from napari_ptychonn.scan.mat5_elements import (
    MATRIX,
    PACKED,
    STRUCT,
    Head,
    Values,
    head_of,
    inflated,
    values_of,
)
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.patterns import ArrayPatterns

__all__ = ["MatContainer", "is_mat5", "opened_mat5"]

HEADER_BYTES: Final = 128
TITLE: Final = b"MATLAB 5.0 MAT-file"
ORDERS: Final = {b"IM": "<", b"MI": ">"}
HEAD_BYTES: Final = 4096
"""Of an element, what holds its class, shape and name."""
DAMAGE = (
    zlib.error, struct.error, OSError, ValueError, TypeError, OverflowError, MemoryError,
)  # fmt: skip
"""What damaged files lead to."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a file, its values unread.

    Attributes
    ----------
    head : Head
        Its class, type and shape.
    start, size : int
        Its element in the file without the tag, bytes.
    packed : bool
        Whether it is compressed.
    """

    head: Head
    start: int
    size: int
    packed: bool


@dataclass(frozen=True, slots=True)
class MatContainer:
    """A MATLAB file, its variables and the fields of its structs as named arrays.

    Parameters
    ----------
    path : Path
        The file.
    variables : dict of str to Variable
        What is in it.
    """

    path: Path
    variables: dict[str, Variable]
    _fields: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether there is a variable of numbers or text, or a field ``struct/name``."""
        first, slash, rest = name.strip("/").partition("/")
        found = self.variables.get(first)
        if found is None or (found.head.kind == STRUCT) != bool(slash):
            return False
        return not slash or rest in self._fields_of(first)

    def info(self, name: str) -> DatasetInfo:
        """Shape and type; ScanError where there is no such array."""
        self._require(name)
        first, slash, rest = name.strip("/").partition("/")
        if slash:
            values = self._fields_of(first)[rest]
            return DatasetInfo(name.strip("/"), values.shape, str(values.dtype))
        found = self.variables[first]
        packing = "zlib" if found.packed else None
        return DatasetInfo(first, _shape(found.head), found.head.dtype, None, packing)

    def infos(self) -> list[DatasetInfo]:
        """All arrays of numbers and texts."""
        names: list[str] = []
        for name, found in self.variables.items():
            inner = self._fields_of(name) if found.head.kind == STRUCT else None
            names += [name] if inner is None else [f"{name}/{each}" for each in inner]
        return [self.info(name) for name in names[:MAX_LISTED]]

    def array(self, name: str) -> NDArray[Any]:
        """An array, read whole; ScanError where it cannot be."""
        self._require(name)
        first, slash, rest = name.strip("/").partition("/")
        if slash:
            return self._fields_of(first)[rest]
        with _damage_said(first, self.path):
            values = _read(self.path, self.variables[first])
            if not isinstance(values, np.ndarray):
                raise ValueError("it is no array")
            return values

    def attribute(self, name: str, key: str) -> Any | None:  # noqa: ARG002
        """None: MATLAB's variables have no attributes."""
        return None

    def patterns(self, name: str, bad: NDArray[np.bool_] | None) -> PatternSource:
        """An array as patterns, in memory: MATLAB stores at most 2 GB of one."""
        stack = self.array(name)
        if stack.ndim == 4:
            stack = stack.reshape(-1, *stack.shape[-2:])
        return ArrayPatterns(stack, self.path, name, bad)

    def _require(self, name: str) -> None:
        if not self.has(name):
            remedy = f"choose among: {', '.join(self.variables) or 'nothing'}"
            raise ScanError("dataset", self.path, f"there is no array {name}", remedy=remedy)

    def _fields_of(self, name: str) -> dict[str, NDArray[Any]]:
        if name not in self._fields:
            found: dict[str, NDArray[Any]] = {}
            with _damage_said(name, self.path):
                _flatten(_read(self.path, self.variables[name]), "", found)
            self._fields[name] = found
        return self._fields[name]


def is_mat5(start: bytes) -> bool:
    """Whether a file that begins so, with 128 bytes, is a MATLAB file of version 5 to 7."""
    return start.startswith(TITLE) and start[126:HEADER_BYTES] in ORDERS


@contextmanager
def opened_mat5(path: Path) -> Iterator[MatContainer]:
    """Open a MATLAB file to read.

    Raises
    ------
    ScanError
        It is damaged.
    """
    with _damage_said("its list of variables", path):
        variables = _listed(path)
    yield MatContainer(path, variables)


def _listed(path: Path) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    length = path.stat().st_size
    with path.open("rb") as stream:
        order = ORDERS[stream.read(HEADER_BYTES)[126:]]
        place = HEADER_BYTES
        while place + 8 <= length and len(found) < MAX_LISTED:
            stream.seek(place)
            kind, size = struct.unpack(f"{order}II", stream.read(8))
            if kind not in (MATRIX, PACKED) or place + 8 + size > length:
                raise ValueError(f"the variable at byte {place} is damaged, or ends early")
            start = stream.read(min(size, HEAD_BYTES))
            if kind == PACKED:
                start = zlib.decompressobj().decompress(start, HEAD_BYTES)[8:]
            head = head_of(memoryview(start), order)
            is_shown = head.name and "/" not in head.name and (head.dtype or head.kind == STRUCT)
            if is_shown:
                found.setdefault(head.name, Variable(head, place + 8, size, kind == PACKED))
            place += 8 + size
    return found


def _read(path: Path, variable: Variable) -> Values:
    with path.open("rb") as stream:
        order = ORDERS[stream.read(HEADER_BYTES)[126:]]
        stream.seek(variable.start)
        data = stream.read(variable.size)
    return values_of(memoryview(inflated(data, order) if variable.packed else data), order)


def _shape(head: Head) -> tuple[int, ...]:
    return () if head.dtype.startswith("<U") else head.shape[::-1]


def _flatten(values: Values, prefix: str, found: dict[str, NDArray[Any]]) -> None:
    """The numbers and texts in a struct, under ``field`` and ``field/field``."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            _flatten(value, f"{prefix}/{name}", found)
    elif values is not None and prefix:
        found[prefix[1:]] = values


@contextmanager
def _damage_said(name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        problem = f"{name} cannot be read: {error}"
        remedy = "the MATLAB file is damaged: copy it again, or save it again with -v7.3"
        raise ScanError("dataset", path, problem, remedy=remedy) from None
