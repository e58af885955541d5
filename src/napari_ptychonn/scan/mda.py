"""Positions in MDA files, as EPICS' saveData writes them.

The layout is that of ``saveData_fileFormat.txt`` of synApps' sscan module: XDR (big-endian, in
words of 4 bytes), a header, then a scan, and for each point of it the scan that lies within.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.tables import Table

__all__ = ["read_mda"]

MAX_BYTES = 256 * 2**20
MAX_RANK = 4
"""A sscan record has no more axes."""
MAX_COLUMNS = 100
"""It has 4 positioners and 70 detectors."""
VERSIONS = (1.2, 1.4)


def read_mda(file: Path) -> Table:
    """Read what positioners and detectors of a scan read, a row for each point.

    Parameters
    ----------
    file : Path
        A scan of one to four axes. Points that were not reached are left out; what was read
        at a point of an outer axis stands in every row within it.

    Returns
    -------
    Table
        First positioners, from the outer axis to the inner, then detectors. Where two axes have
        a positioner each, the outer one is taken as y.

    Raises
    ------
    ScanError
        It is no such file, is damaged, or has no point.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise _unread(file, f"it is larger than {MAX_BYTES >> 20} MB")
        words = _Words(file.read_bytes())
    except OSError as error:
        raise _unread(file, f"cannot be read: {error}") from None
    try:
        axes = _axes(words)
    except (struct.error, ValueError) as error:
        raise _unread(file, f"it is no MDA file, or a damaged one: {error}") from None
    rows = len(axes[0].values) if axes else 0
    if not rows:
        raise _unread(file, "no point of it was measured")
    positioners = [axis.values[:, : axis.positioners] for axis in axes]
    detectors = [axis.values[:, axis.positioners :] for axis in axes]
    headings = [name for axis in axes for name in axis.headings[: axis.positioners]]
    headings += [name for axis in axes for name in axis.headings[axis.positioners :]]
    # Which of two positioners on one axis is y cannot be told.
    is_told = [axis.positioners for axis in axes if axis.positioners] == [1, 1]
    return Table(
        file,
        tuple(headings),
        np.concatenate((*positioners, *detectors), axis=1),
        np.arange(1, rows + 1),
        stages=sum(axis.positioners for axis in axes),
        axes=(0, 1) if is_told else None,
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """What was read at the points of one axis, a row (rows, columns) for each innermost point."""

    headings: tuple[str, ...]
    positioners: int
    values: NDArray[np.float64]


class _Words:
    """XDR, read from bytes one after the other."""

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.place = 0

    def count(self, most: int) -> int:
        (found,) = self.take("i")
        if not 0 <= found <= most:
            raise ValueError(f"{found} at byte {self.place - 4}, where at most {most} is possible")
        return int(found)

    def text(self) -> str:
        """A counted string: its length and, unless that is 0, the length again and letters."""
        if not self.count(len(self.packed)):
            return ""
        length = self.count(len(self.packed) - self.place)
        (found,) = self.take(f"{length}s")
        self.place += -length % 4
        return " ".join(found.decode("latin-1").split())

    def take(self, layout: str) -> tuple[Any, ...]:
        layout = f">{layout}"
        found = struct.unpack_from(layout, self.packed, self.place)
        self.place += struct.calcsize(layout)
        return found

    def numbers(self, count: int, layout: str) -> NDArray[np.float64]:
        found = np.frombuffer(self.packed, layout, count, self.place)
        self.place += found.nbytes
        with np.errstate(invalid="ignore"):  # of NaN that signal
            return found.astype(np.float64)


def _axes(words: _Words) -> list[_Axis]:
    (version,) = words.take("f")
    if not VERSIONS[0] - 0.01 < version < VERSIONS[1] + 0.01:
        raise ValueError(f"its version would be {version:g}")
    words.take("i")  # the number of the scan
    rank = words.count(MAX_RANK)
    # Its sizes, whether all lines have as many points, and where the extra variables are.
    words.take(f"{rank + 2}i")
    return _scan(words, rank, set()) if rank else []


def _scan(words: _Words, rank: int, seen: set[int]) -> list[_Axis]:
    """The scan that begins here, and all within it: the outer axis first, none without a point."""
    if words.place in seen:
        raise ValueError("two points share what lies within them")
    seen.add(words.place)
    if words.count(MAX_RANK) != rank:
        raise ValueError(f"no scan of {rank} axes is where one should be")
    size = words.count(len(words.packed) // 4)
    reached = min(words.count(2**31 - 1), size)
    below = words.take(f"{size}i")[:reached] if rank > 1 else ()
    words.text()  # the name of the scan
    words.text()  # its time
    n_positioners, n_detectors = words.count(MAX_COLUMNS), words.count(MAX_COLUMNS)
    n_triggers = words.count(MAX_COLUMNS)
    headings = [_positioner(words) for _ in range(n_positioners)]
    headings += [_detector(words) for _ in range(n_detectors)]
    for _ in range(n_triggers):
        words.take("i")
        words.text()
        words.take("f")
    columns = [words.numbers(size, ">f8") for _ in range(n_positioners)]
    columns += [words.numbers(size, ">f4") for _ in range(n_detectors)]
    values = np.stack(columns, -1)[:reached] if columns else np.zeros((reached, 0))
    if rank == 1:
        return [_Axis(tuple(headings), n_positioners, values)]
    lines = []
    for place in below:
        words.place = place
        lines.append(_scan(words, rank - 1, seen) if place > 0 else [])
    lengths = [len(line[0].values) if line else 0 for line in lines]
    if sum(lengths) > len(words.packed) // 4:
        # Lines without a reading take no room, and so may claim any number of points.
        raise ValueError(f"it claims {sum(lengths)} points, which it has no room for")
    own = np.repeat(values, lengths, axis=0)
    whole = [line for line in lines if line]
    if not whole:
        return []
    return [_Axis(tuple(headings), n_positioners, own), *map(_joined, zip(*whole, strict=True))]


def _positioner(words: _Words) -> str:
    words.take("i")
    name, description, _, unit = (words.text() for _ in range(4))
    _, read_description, read_unit = (words.text() for _ in range(3))
    # The numbers are those of the readback, where there is one.
    return _heading(read_description or description or name, read_unit or unit)


def _detector(words: _Words) -> str:
    words.take("i")
    name, description, unit = (words.text() for _ in range(3))
    return _heading(description or name, unit)


def _heading(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _joined(lines: tuple[_Axis, ...]) -> _Axis:
    first = lines[0]
    if any(line.headings != first.headings for line in lines):
        raise ValueError("its lines have different positioners or detectors")
    values = np.concatenate([line.values for line in lines])
    return _Axis(first.headings, first.positioners, values)


def _unread(file: Path, problem: str) -> ScanError:
    remedy = "export the positions to CSV, as with mda2ascii, and give that with --positions"
    return ScanError("positions", file, problem, remedy=remedy)
