"""Frames of HDF5 datasets that were never written: HDF5 reads its fill value there.

A detector's software makes room for all frames of an acquisition; where that ends early, or a
writer cannot follow, chunks are missing, and nothing in the values tells them from dark frames.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.combined import ConcatenatedPatterns, SquaredPatterns
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.patterns import H5Patterns
from napari_ptychonn.scan.selected import SelectedPatterns
from napari_ptychonn.scan.virtual import Source, rows_of_sources
from napari_ptychonn.words import counted

__all__ = ["leave_out_unwritten", "written_frames"]

MAX_FRAMES = 2**26
"""Of more frames, which no scan has, nothing is found out."""


def leave_out_unwritten(contents: Contents, path: Path) -> Contents:
    """Leave out the last patterns, with their positions, where they were never written.

    Parameters
    ----------
    contents : Contents
        With positions, if there are any.
    path : Path
        The scan file.

    Returns
    -------
    Contents
        The same where every pattern was written.

    Raises
    ------
    ScanError
        No pattern was written, or some before one that was, or that cannot be found out.
    """
    written = _written(contents.patterns)
    if written is None or written.all():
        return contents
    name = contents.datasets.get("patterns", "patterns")
    if not written.any():
        problem = f"none of the {counted(written.size, 'frame')} of {name} was ever written"
        remedy = "copy the file again, or choose another dataset with --dataset patterns=/PATH"
        raise ScanError("patterns", path, problem, remedy=remedy)
    kept = int(np.flatnonzero(written)[-1]) + 1
    holes = np.flatnonzero(~written[:kept])
    if holes.size:
        frames = counted(holes.size, "frame")
        problem = f"{name} has no data, or not all, for {frames}, the first is {holes[0]}: "
        problem += "chunks were never written"
        remedy = "write the file again with all frames, or without these and their positions"
        raise ScanError("patterns", path, problem, remedy=remedy)
    lost = written.size - kept
    last, verb = ("last", "is") if lost == 1 else (f"last {lost}", "are")
    note = (
        f"the {last} of the {written.size} frames of {name}, from {kept} on, {verb} left out with "
        f"their positions: chunks were never written; if they were measured, copy or write the "
        "file again"
    )
    positions = contents.positions
    if positions is not None and len(positions) == written.size:
        positions = positions[:kept]
    return replace(
        contents,
        patterns=SelectedPatterns(contents.patterns, np.arange(kept, dtype=np.intp)),
        positions=positions,
        assumptions=(*contents.assumptions, note),
    )


def written_frames(dataset: h5py.Dataset) -> NDArray[np.bool_]:
    """Which frames of a dataset were written, as far as its chunks tell.

    Parameters
    ----------
    dataset : h5py.Dataset
        Open, (N, H, W) or (rows, columns, H, W), in a file that is not guarded.

    Returns
    -------
    ndarray, (N,) bool
        False where a frame lacks a chunk that lies where other frames have one.

    Raises
    ------
    OSError
        The chunks, or a source of a virtual dataset, cannot be looked at; h5py raises other
        errors too.
    """
    n_axes = max(0, dataset.ndim - 2)
    if not dataset.is_virtual:
        return _stored(dataset, n_axes).reshape(-1)
    rows = _of_virtual(dataset)
    return np.repeat(rows, math.prod(dataset.shape[1:n_axes]))


def _written(patterns: PatternSource) -> NDArray[np.bool_] | None:
    """Which patterns were written; None where all are."""
    match patterns:
        case H5Patterns():
            if patterns.shape[0] > MAX_FRAMES:
                return None
            found = patterns.look_at(written_frames)
            return None if found.all() else found
        case ConcatenatedPatterns():
            parts = [_written(source) for source in patterns.sources]
            if all(part is None for part in parts):
                return None
            return np.concatenate(
                [
                    np.ones(source.shape[0], np.bool_) if part is None else part
                    for source, part in zip(patterns.sources, parts, strict=True)
                ]
            )
        case SquaredPatterns():
            return _written(patterns.source)
        case SelectedPatterns():
            inner = _written(patterns.source)
            return None if inner is None else inner[patterns.chosen]
    return None


def _of_virtual(dataset: h5py.Dataset, depth: int = 0) -> NDArray[np.bool_]:
    """Rows along the first axis of a virtual dataset whose sources were written."""
    touched, lacking = np.zeros((2, dataset.shape[0]), np.bool_)
    known: dict[Source, tuple[int, NDArray[np.bool_]]] = {}
    for rows, source_rows, source in rows_of_sources(dataset, depth):
        if source not in known:
            with source.opened() as found:
                by_row = _of_virtual(found, depth + 1) if found.is_virtual else _stored(found, 1)
                known[source] = found.ndim, by_row
        rank, whole = known[source]
        if source_rows is None or rank != dataset.ndim:
            written = np.full(len(rows), whole.any())
        else:
            fits = source_rows < len(whole)
            rows, written = rows[fits], whole[source_rows[fits]]
        touched[rows[written]] = True
        lacking[rows[~written]] = True
    # What all frames lack is a gap, as of a module that is off.
    return touched if lacking.all() else ~lacking


def _stored(dataset: h5py.Dataset, n_axes: int) -> NDArray[np.bool_]:
    """Which places along the first axes of a dataset that is not virtual were written."""
    shape = dataset.shape[:n_axes]
    if not dataset.size:
        return np.ones(shape, np.bool_)
    if dataset.chunks is None:
        layout = dataset.id.get_create_plist().get_layout()
        is_missing = (
            layout == h5py.h5d.CONTIGUOUS
            and dataset.external is None
            and dataset.id.get_space_status() == h5py.h5d.SPACE_STATUS_NOT_ALLOCATED
        )
        return np.full(shape, not is_missing)
    steps = dataset.chunks
    grid = tuple(-(-length // step) for length, step in zip(dataset.shape, steps, strict=True))
    if dataset.id.get_num_chunks() >= math.prod(grid):
        return np.ones(shape, np.bool_)
    starts: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda info: starts.append(info.chunk_offset))
    cells = np.array(starts, np.int64).reshape(-1, dataset.ndim) // np.asarray(steps)
    cells = cells[((cells >= 0) & (cells < np.asarray(grid))).all(1)]
    if not len(cells):
        return np.zeros(shape, np.bool_)
    # A detector's gaps may lie in chunks that no frame has.
    n_needed = len(np.unique(cells[:, n_axes:], axis=0))
    firsts, counts = np.unique(np.unique(cells, axis=0)[:, :n_axes], axis=0, return_counts=True)
    complete = np.zeros(grid[:n_axes], np.bool_)
    complete[tuple(firsts[counts >= n_needed].T)] = True
    for axis, step in enumerate(steps[:n_axes]):
        complete = np.repeat(complete, min(step, shape[axis]), axis)
    return complete[tuple(slice(length) for length in shape)]
