"""Stacks of pictures that napari browses one frame at a time; nothing is read ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.model import PatternSource

__all__ = ["LazyStack", "log_patterns", "patches_of_points"]

Frames: TypeAlias = NDArray[np.float32]
BATCH_BYTES = 16 * 2**20
"""Where several frames are asked for, they are read in batches of about this size."""


class LazyStack:
    """An array (N, H, W) of float32 whose frames are made when they are asked for.

    It has what napari asks of data (shape, dtype, ndim, size, indexing with integers,
    slices and an ellipsis); one frame costs one frame, whatever N is.

    Parameters
    ----------
    shape : tuple[int, int, int]
        (N, H, W).
    read : callable
        Gives frames `indices` as float32 (len(indices), H, W).
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(
        self, shape: tuple[int, int, int], read: Callable[[NDArray[np.intp]], Frames]
    ) -> None:
        self.shape = shape
        self._read = read

    @property
    def size(self) -> int:
        """Number of values, N·H·W."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Frames]:
        for index in range(len(self)):
            yield self[index]

    def __getitem__(self, key: Any) -> Any:
        which, *inside = _three_indices(key)
        indices = np.arange(self.shape[0])[which]
        if np.ndim(indices) == 0:
            return self._read(np.array([indices]))[0][tuple(inside)]
        # Only what was asked for is kept of each batch: a cut across the frames of a long
        # scan needs no more memory than its answer.
        step = max(1, BATCH_BYTES // (4 * self.shape[1] * self.shape[2]))
        starts = range(0, max(1, len(indices)), step)
        parts = [self._read(indices[start : start + step])[:, *inside] for start in starts]
        return np.concatenate(parts)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("the frames are made when they are read: an array is always a copy")
        return np.asarray(self[:], dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> LazyStack:
        """Itself: frames are read-only, and an open file has no copy."""
        return self


def log_patterns(patterns: PatternSource) -> LazyStack:
    """Patterns as log10(1 + counts)."""

    def read(indices: NDArray[np.intp]) -> Frames:
        return np.log10(1 + patterns.read(indices)).astype(np.float32)

    return LazyStack(patterns.shape, read)


def patches_of_points(
    patches: NDArray[np.complex64],
    indices: NDArray[np.intp],
    part: Callable[[NDArray[np.complex64]], NDArray[np.floating[Any]]],
) -> LazyStack:
    """Patches in the order of the scan, so that frame i and pattern i are the same point.

    Parameters
    ----------
    patches : ndarray, (M, h, w) complex64
        Patches of the points used.
    indices : ndarray, (M,) intp
        Their numbers in the scan.
    part : callable
        ``np.abs`` or ``np.angle``.

    Returns
    -------
    LazyStack
        Up to the last point used; NaN where a point was left out.
    """
    row = np.full(int(indices.max()) + 1, -1)
    row[indices] = np.arange(len(indices))

    def read(points: NDArray[np.intp]) -> Frames:
        frames = part(patches[row[points]]).astype(np.float32)
        frames[row[points] < 0] = np.nan
        return frames

    return LazyStack((len(row), *patches.shape[1:]), read)


def _three_indices(key: Any) -> tuple[Any, Any, Any]:
    """The key as one index per axis.

    Raises
    ------
    IndexError
        Too many indices, or lists of indices inside the frames.
    """
    given: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
    every: tuple[Any, ...] = (slice(None),)
    places = [place for place, part in enumerate(given) if part is Ellipsis]
    if places:
        head, tail = given[: places[0]], given[places[0] + 1 :]
        given = (*head, *every * (3 - len(head) - len(tail)), *tail)
    if len(given) > 3:
        raise IndexError(f"a stack has 3 axes, {len(given)} were indexed")
    first, second, third = (*given, *every * (3 - len(given)))
    for part in (second, third):
        if not isinstance(part, slice | int | np.integer):
            raise IndexError(f"inside a frame only integers and slices are known, not {part!r}")
    return first, second, third
