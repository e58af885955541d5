"""Positions in the columns of a table or of an array: which are y and x, and in what unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.table_layouts import TableLayout, layout_of
from napari_ptychonn.scan.tables import Table, axis_columns, heading_unit

__all__ = ["SidePositions", "pairs_of", "positions_in"]


@dataclass(frozen=True, slots=True, eq=False)
class SidePositions:
    """Positions of another file.

    Attributes
    ----------
    positions : ndarray, (M, 2) float64
        (y, x) as stored, in `unit`.
    unit : str or None
        Where the file says it.
    used : str
        File and dataset or columns, for the provenance.
    numbers : ndarray, (M,) int64, or None
        Which pattern each belongs to, as the file counts; None: they are in order.
    notes : tuple of str
        Sentences for the provenance.
    """

    positions: NDArray[np.float64]
    unit: str | None
    used: str
    numbers: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def positions_in(
    table: Table, columns: tuple[str | int, str | int] | None, layout: TableLayout | None
) -> SidePositions:
    """Positions in the columns of a table.

    Parameters
    ----------
    table : Table
        What the file holds.
    columns : (y, x), or None
        Columns to take, as for :func:`~napari_ptychonn.scan.sidefiles.read_positions`.
    layout : TableLayout or None
        What the columns of a file without headings are at this beamline.

    Raises
    ------
    ScanError
        A column is missing, or which are y and x is not said.
    """
    if layout is None or not _is_of(table, layout):
        layout = layout_of(table.headings)
    notes: list[str] = []
    scale, numbers = (1.0, 1.0), None
    if layout is not None:
        chosen = columns or (layout.y, layout.x)
        scale = layout.scale
        notes.append(layout.note)
        if layout.number is not None:
            numbers = table.column(layout.number).astype(np.int64)
    else:
        chosen = columns or _likely_columns(table, notes)
    pairs = np.stack([table.column(column) for column in chosen], -1) * np.asarray(scale)
    places = [table.place(_bare(column)) for column in chosen]
    unit = _unit(table, places) or (layout.unit if layout else None)
    used = f"{table.file}, columns {places[0]} and {places[1]}"
    return SidePositions(pairs, unit, used, numbers, tuple(notes))


def pairs_of(
    stored: NDArray[Any],
    file: Path,
    name: str,
    columns: tuple[str | int, str | int] | None = None,
) -> NDArray[np.float64]:
    """Positions (M, 2) float64, (y, x) in the unit of the file, of a stored array.

    Parameters
    ----------
    stored : ndarray
        What the file holds.
    file : Path
        The file, for the error.
    name : str
        What the array is called, for the error.
    columns : (y, x), optional
        Columns to take, by number; a minus turns the sign around.

    Raises
    ------
    ScanError
        It is no array of pairs of numbers, or has no such columns.
    """
    if stored.ndim != 2 or stored.dtype.kind not in "uif":
        raise _no_pairs(stored, file, name)
    if columns is not None:
        places = [_bare(column) for column in columns]
        if any(isinstance(place, str) and not place.isdecimal() for place in places) or any(
            int(place) >= stored.shape[1] for place in places
        ):
            problem = f"{name} has the columns 0 to {stored.shape[1] - 1}, not {columns}"
            remedy = "choose two of them by number with --positions-columns Y,X"
            raise ScanError("positions", file, problem, remedy=remedy)
        signs = [-1.0 if str(column).strip().startswith("-") else 1.0 for column in columns]
        stored = stored[:, [int(place) for place in places]] * np.asarray(signs)
    if stored.shape[1] != 2:
        raise _no_pairs(stored, file, name)
    return np.asarray(stored, dtype=np.float64)


def _is_of(table: Table, layout: TableLayout) -> bool:
    """Whether a file without telling headings may be of a beamline's layout."""
    is_told = axis_columns(table.headings) is not None
    if is_told or table.values.shape[1] < layout.min_columns:
        return False
    numbers = table.values[np.isfinite(table.values)]
    return not layout.is_whole or bool((numbers == np.rint(numbers)).all())


def _likely_columns(table: Table, notes: list[str]) -> tuple[int, int]:
    told = axis_columns(table.headings[: table.stages])
    if told is not None:
        return told
    if table.axes is not None:
        outer, inner = (table.headings[place] for place in table.axes)
        notes.append(f"the outer axis, {outer}, is taken as y and the inner one, {inner}, as x")
        return table.axes
    n_columns = table.values.shape[1]
    if n_columns != 2 or table.stages is not None:
        problem = f"it has {n_columns} columns, and which are y and x is not said"
        raise ScanError("positions", table.file, problem, remedy=table.offer())
    notes.append(f"the columns of {table.file.name} are taken as (y, x)")
    return 0, 1


def _unit(table: Table, places: list[int]) -> str | None:
    if not table.headings:
        return None
    first, second = (heading_unit(table.headings[place]) for place in places)
    if first and second and first != second:
        problem = f"y is in {first}, but x is in {second}"
        remedy = "write both in one unit"
        raise ScanError("positions", table.file, problem, remedy=remedy)
    return first or second


def _bare(column: str | int) -> str | int:
    return column.strip().lstrip("-") if isinstance(column, str) else column


def _no_pairs(stored: NDArray[Any], file: Path, name: str) -> ScanError:
    problem = f"{name} has shape {stored.shape} and type {stored.dtype}"
    remedy = "two columns of numbers, (y, x), are needed; choose them with --positions-columns Y,X"
    return ScanError("positions", file, problem, remedy=remedy)
