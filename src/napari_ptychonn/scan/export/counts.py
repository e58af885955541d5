"""Patterns copied into a dataset batch by batch, as whole numbers where they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_ptychonn.scan.model import PatternSource

__all__ = ["OnProgress", "write_counts"]

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with (patterns written, patterns in all)."""

BATCH_BYTES = 16 * 2**20
"""Patterns are read and written in batches of about this size (as float32)."""


def write_counts(
    group: h5py.Group,
    name: str,
    patterns: PatternSource,
    *,
    dtype: DTypeLike | None = None,
    filters: Mapping[str, Any],
    on_progress: OnProgress | None = None,
) -> h5py.Dataset:
    """Copy patterns into a new dataset, one pattern a chunk.

    Parameters
    ----------
    group : h5py.Group
        Where the dataset shall be.
    name : str
        Its name.
    patterns : PatternSource
        (N, H, W) counts.
    dtype : dtype-like, optional
        Type to store; it must hold the counts. None: int32 where all counts are whole
        numbers, else float32.
    filters : Mapping
        Compression, as keywords of h5py.
    on_progress : callable, optional
        Called after each batch.

    Returns
    -------
    h5py.Dataset
    """
    if dtype is None:
        try:
            return _copy(group, name, patterns, np.dtype(np.int32), filters, on_progress)
        except _Fractions:
            # Only the last pattern can tell; what was written is written again.
            del group[name]
            dtype = np.float32
    return _copy(group, name, patterns, np.dtype(dtype), filters, on_progress)


class _Fractions(ValueError):
    """Counts that no whole number holds."""


def _copy(
    group: h5py.Group,
    name: str,
    patterns: PatternSource,
    dtype: np.dtype[Any],
    filters: Mapping[str, Any],
    on_progress: OnProgress | None,
) -> h5py.Dataset:
    number, height, width = patterns.shape
    frames = group.create_dataset(
        name, shape=(number, height, width), dtype=dtype, chunks=(1, height, width), **filters
    )
    batch = max(1, BATCH_BYTES // (4 * height * width))
    for start in range(0, number, batch):
        indices: NDArray[np.intp] = np.arange(start, min(start + batch, number))
        counts = patterns.read(indices)
        if dtype.kind in "iu" and not _fits(counts, dtype):
            raise _Fractions(f"{dtype} does not hold the counts of patterns {start} and on")
        frames[start : start + indices.size] = counts.astype(dtype)
        if on_progress is not None:
            on_progress(start + indices.size, number)
    return frames


def _fits(counts: NDArray[np.float32], dtype: np.dtype[Any]) -> bool:
    # float32 rounds the largest int32 up to one that it does not hold.
    most = float(np.iinfo(dtype).max)
    return bool(np.array_equal(counts, np.rint(counts)) and counts.max(initial=0) < most)
