"""Which parts of other datasets a part of a virtual dataset is read from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import overload

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.sources import BLOCK, MAX_DEPTH, UNLIMITED, numbered

__all__ = ["Source", "Spans", "parts_of_sources", "rows_of_sources"]

Spans = Sequence[tuple[int, int]]
"""First and one beyond the last place along each axis."""


def parts_of_sources(
    dataset: h5py.Dataset, spans: Spans, depth: int = 0
) -> Iterator[tuple[h5py.Dataset, Spans]]:
    """Datasets, none of them virtual, that hold the values of a part of a virtual one.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open and virtual, in a file that is not guarded.
    spans : sequence of (int, int)
        The part.
    depth : int
        Virtual datasets that led to this one.

    Yields
    ------
    source : h5py.Dataset
        Open until the next one is asked for.
    spans : sequence of (int, int)
        What is read of it, or more: only rows along the first axis are told from each other,
        and only where they are rows of the source too.

    Raises
    ------
    OSError
        A source cannot be opened.
    """
    if depth > MAX_DEPTH:
        raise OSError(f"{dataset.name} is made of itself")
    own = Path(dataset.file.filename).resolve()
    about = own.stat()
    for each in _mappings(str(own), dataset.name, about.st_mtime_ns, about.st_size):
        for file, inside, numbers, _ in each.sources_for(spans[0]):
            with h5py.File(own if file == "." else own.parent / file, "r") as opened:
                source = opened[inside]
                part = each.part_of(source.shape, len(spans), numbers)
                if source.is_virtual:
                    yield from parts_of_sources(source, part, depth + 1)
                else:
                    yield source, part


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that a virtual one is made of.

    Attributes
    ----------
    file : Path
        Its file.
    inside : str
        Its name there.
    """

    file: Path
    inside: str

    @contextmanager
    def opened(self) -> Iterator[h5py.Dataset]:
        """Open it to read.

        Raises
        ------
        OSError
            It cannot be opened; h5py raises other errors too.
        """
        with h5py.File(self.file, "r") as file:
            yield file[self.inside]


def rows_of_sources(
    dataset: h5py.Dataset, depth: int = 0
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp] | None, Source]]:
    """Which rows of a virtual dataset lie in which rows of its sources.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open and virtual, in a file that is not guarded.
    depth : int
        Virtual datasets that led to this one.

    Yields
    ------
    rows : ndarray of int
        Along the first axis.
    source_rows : ndarray of int, or None
        As many, if the source has the same axes; None where they are not told apart.
    source : Source
        May come again with other rows. What selects no rows that repeat is left out.

    Raises
    ------
    OSError
        The dataset is made of itself.
    """
    if depth > MAX_DEPTH:
        raise OSError(f"{dataset.name} is made of itself")
    own = Path(dataset.file.filename).resolve()
    about = own.stat()
    length = dataset.shape[0]
    for each in _mappings(str(own), dataset.name, about.st_mtime_ns, about.st_size):
        if each.rows is None:
            continue
        for file, inside, (first, last), before in each.sources_for((0, length)):
            source = Source(own if file == "." else own.parent / file, inside)
            numbers = np.arange(first, last, dtype=np.intp)
            rows = each.rows.row(numbers + before)
            told = each.source_rows if each.is_row_by_row else None
            yield rows, None if told is None else told.row(numbers), source


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a regular selection along the first axis."""

    start: int
    stride: int
    count: int
    block: int

    @property
    def total(self) -> int:
        """Number of selected rows."""
        return self.count * self.block

    def before(self, row: int) -> int:
        """How many selected rows lie before `row`."""
        blocks_before, rest = divmod(max(0, row - self.start), self.stride)
        return min(blocks_before * self.block + min(rest, self.block), self.total)

    @overload
    def row(self, number: int) -> int: ...
    @overload
    def row(self, number: NDArray[np.intp]) -> NDArray[np.intp]: ...
    def row(self, number: int | NDArray[np.intp]) -> int | NDArray[np.intp]:
        """The selected row of that number, or rows of several."""
        return self.start + number // self.block * self.stride + number % self.block


@dataclass(frozen=True, slots=True)
class _Mapping:
    """What a virtual dataset takes from a source, or from a numbered series of them."""

    file: str
    inside: str
    rows: _Rows | None
    source_rows: _Rows | None

    def sources_for(self, span: tuple[int, int]) -> Iterator[tuple[str, str, tuple[int, int], int]]:
        """File and dataset of each source of `span`, and which of its selected rows, counted.

        Last comes how many selected rows of the virtual dataset lie in sources before it.
        """
        if self.rows is None:
            yield self.file, self.inside, (0, UNLIMITED), 0
            return
        first, last = (self.rows.before(row) for row in span)
        if first == last:
            return
        if not BLOCK.search(self.file) and not BLOCK.search(self.inside):
            yield self.file, self.inside, (first, last), 0
            return
        ends = [self.rows.row(number) - self.rows.start for number in (first, last - 1)]
        for number in range(ends[0] // self.rows.stride, ends[1] // self.rows.stride + 1):
            taken = number * self.rows.block
            mine = max(0, first - taken), min(self.rows.block, last - taken)
            yield numbered(self.file, number), numbered(self.inside, number), mine, taken

    @property
    def is_row_by_row(self) -> bool:
        """Whether as many rows are selected in the source as in the virtual dataset."""
        if self.rows is None or self.source_rows is None:
            return False
        totals = {each.total for each in (self.rows, self.source_rows)}
        return len({total for total in totals if total < UNLIMITED}) <= 1

    def part_of(self, shape: tuple[int, ...], rank: int, numbers: tuple[int, int]) -> Spans:
        """Rows `numbers` of the selection in a source of `shape`; all of it where it differs."""
        whole = [(0, length) for length in shape]
        if len(shape) != rank or self.source_rows is None or not self.is_row_by_row:
            return whole
        first, last = (self.source_rows.row(number) for number in (numbers[0], numbers[1] - 1))
        return [(first, min(last + 1, shape[0])), *whole[1:]]


@lru_cache(maxsize=8)  # of thousands of sources, and asked for with every frame
def _mappings(path: str, name: str, *about: int) -> tuple[_Mapping, ...]:  # noqa: ARG001
    with h5py.File(path, "r") as file:
        sources = file[name].virtual_sources()
        return tuple(_mapping(source) for source in sources)


def _mapping(source: h5py.VDSmap) -> _Mapping:
    rows, source_rows = _rows(source.vspace), _rows(source.src_space)
    return _Mapping(source.file_name, source.dset_name, rows, source_rows)


def _rows(space: h5py.h5s.SpaceID) -> _Rows | None:
    """Rows of a selection; None where it has none that repeat."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return _Rows(0, 1, UNLIMITED, 1)
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    start, stride, count, block = (each[0] for each in space.get_regular_hyperslab())
    # Of a single block any stride may be stated.
    block = min(block, UNLIMITED)
    return _Rows(start, max(stride, block, 1), min(count, UNLIMITED), block)
