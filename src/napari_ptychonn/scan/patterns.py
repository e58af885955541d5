"""Where patterns come from: memory or HDF5, read lazily.

See Also
--------
napari_ptychonn.scan.views : The same patterns turned, cropped or masked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import h5py
import hdf5plugin  # noqa: F401  (registers the detectors' compression filters)
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.counts import require_counts, require_stack
from napari_ptychonn.scan.storage import DAMAGE

__all__ = ["ArrayPatterns", "H5Patterns"]

Looked = TypeVar("Looked")

MAX_RUN_BYTES = 64 * 2**20
"""Frames that lie side by side are read together up to this size."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPatterns:
    """Patterns held in memory.

    Parameters
    ----------
    array : ndarray, (N, H, W)
        Photon counts of any real type, DC at the centre.
    where : str or Path, optional
        The file they came from, for error messages.
    dataset : str
        Its dataset, for error messages.
    bad : ndarray, (H, W) bool, optional
        Pixels that the file marks as bad; they are read as 0, whatever they hold.
    """

    array: NDArray[Any]
    where: str | Path | None = None
    dataset: str = "patterns"
    bad: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no stack of real numbers.

        Raises
        ------
        ScanError
            The array has not three axes, is complex or not numeric, or `bad` is of another
            shape.
        """
        require_stack(self.array.shape, self.array.dtype, self.where, self.dataset)
        _require_fitting(self.bad, self.array.shape[1:], self.where, self.dataset)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        n, height, width = self.array.shape
        return n, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.array.dtype

    def as_stored(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Patterns `indices` as they are stored, (len(indices), H, W), nothing checked."""
        return np.asarray(self.array[np.asarray(indices, dtype=np.intp)])

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts.

        Raises
        ------
        ScanError
            A pattern has NaN or negative counts.
        """
        wanted = np.asarray(indices, dtype=np.intp)
        with np.errstate(over="ignore", invalid="ignore"):
            # What float32 cannot hold is infinite, and so refused.
            frames = np.array(self.array[wanted], dtype=np.float32)
        if self.bad is not None:
            frames[:, self.bad] = 0
        require_counts(frames, wanted, self.where, self.dataset)
        return frames


class H5Patterns:
    """Patterns in an HDF5 dataset, read frame by frame or in runs of neighbours.

    The file is opened for each read and closed after it, so that any number of threads
    and processes can read, and the file can be moved or written again meanwhile.

    Parameters
    ----------
    path : str or Path
        The file.
    dataset : str
        Path of the dataset inside, (N, H, W), or (rows, columns, H, W) for a raster.
    bad : ndarray, (H, W) bool, optional
        Pixels that the file marks as bad; they are read as 0, whatever they hold.

    Raises
    ------
    ScanError
        The dataset cannot be opened, is no stack of real numbers, or `bad` is of another
        shape.
    """

    def __init__(
        self, path: str | Path, dataset: str, *, bad: NDArray[np.bool_] | None = None
    ) -> None:
        self.path = Path(path)
        self.dataset = dataset
        self.bad = bad
        with self._opened() as stored:
            try:
                shape, dtype = stored.shape, stored.dtype
            except DAMAGE as error:
                raise self._gone(error) from None
        require_stack(shape, dtype, self.path, dataset, raster=True)
        _require_fitting(bad, shape[-2:], self.path, dataset)
        self._stored_shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W); the points of a raster are counted row by row."""
        height, width = self._stored_shape[-2:]
        return math.prod(self._stored_shape[:-2]), height, width

    def look_at(self, look: Callable[[h5py.Dataset], Looked]) -> Looked:
        """What `look` finds out about the dataset, which is open for as long as it takes.

        Raises
        ------
        ScanError
            The file cannot be read there.
        """
        with self._opened() as stored:
            try:
                return look(stored)
            except DAMAGE as error:
                raise self._gone(error) from None

    def as_stored(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Patterns `indices` as they are stored, (len(indices), H, W), nothing checked.

        Raises
        ------
        ScanError
            The file cannot be read there.
        """
        with self._opened() as stored:
            blocks = [self._block(stored, int(i), int(i) + 1) for i in indices]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts.

        Raises
        ------
        ScanError
            The file cannot be read there, or a pattern has NaN or negative counts.
        IndexError
            There is no such pattern.
        """
        wanted = np.asarray(indices, dtype=np.intp)
        n, height, width = self.shape
        if wanted.size and (wanted.min() < 0 or wanted.max() >= n):
            raise IndexError(f"patterns {wanted.min()} to {wanted.max()} of {n}")
        frames = np.empty((wanted.size, height, width), np.float32)
        unique, back = np.unique(wanted, return_inverse=True)
        order = np.argsort(back, kind="stable")
        bounds = np.searchsorted(back[order], np.arange(unique.size + 1))
        with self._opened() as stored:
            for first, last in _runs(unique, self._run_length()):
                block = self._block(stored, int(unique[first]), int(unique[last - 1]) + 1)
                rows = order[bounds[first] : bounds[last]]
                with np.errstate(over="ignore", invalid="ignore"):
                    # What float32 cannot hold is infinite, and so refused. Frame by frame:
                    # to choose several makes a copy of them first.
                    for row, number in zip(rows, wanted[rows] - unique[first], strict=True):
                        frames[row] = block[number]
        if self.bad is not None:
            frames[:, self.bad] = 0
        require_counts(frames, wanted, self.path, self.dataset)
        return frames

    @contextmanager
    def _opened(self) -> Iterator[h5py.Dataset]:
        try:
            file = h5py.File(self.path, "r")
        except OSError as error:
            raise self._gone(error) from None
        with file:
            try:
                stored = file[self.dataset]
            except DAMAGE as error:
                raise self._gone(error) from None
            yield stored

    def _gone(self, error: Exception) -> ScanError:
        problem = f"dataset {self.dataset} cannot be opened: {error}"
        remedy = "check that the file is complete and still there"
        return ScanError("patterns", self.path, problem, remedy=remedy)

    def _run_length(self) -> int:
        height, width = self._stored_shape[-2:]
        return max(1, MAX_RUN_BYTES // max(1, height * width * self.dtype.itemsize))

    def _block(self, stored: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
        try:
            if len(self._stored_shape) == 3:
                return read_part(stored, (slice(start, stop),))
            columns = self._stored_shape[1]
            points = [divmod(point, columns) for point in range(start, stop)]
            return np.stack([read_part(stored, point) for point in points])
        except DAMAGE as error:
            if stop - start > 1:
                # To name the one that is to blame, if one alone can be read no more.
                for number in range(start, stop):
                    self._block(stored, number, number + 1)
            frames = f"frame {start}" if stop - start == 1 else f"frames {start} to {stop - 1}"
            raise ScanError(
                "patterns",
                self.path,
                f"{frames} of {self.dataset} cannot be read: {error}",
                remedy="the file is damaged or a compression filter is missing: copy it again, "
                "or install the filter that the message names",
            ) from None


def _require_fitting(
    bad: NDArray[np.bool_] | None, size: tuple[int, ...], where: str | Path | None, dataset: str
) -> None:
    if bad is not None and bad.shape != size:
        problem = f"mask is {bad.shape}, but the patterns of {dataset} are {size}"
        remedy = "choose another dataset with --dataset mask=/PATH"
        raise ScanError("mask", where, problem, remedy=remedy)


def _runs(unique: NDArray[np.intp], longest: int) -> list[tuple[int, int]]:
    """Split sorted numbers into runs of neighbours, as (first, last + 1) into `unique`."""
    breaks = np.flatnonzero(np.diff(unique) != 1) + 1
    edges = [0, *breaks.tolist(), unique.size]
    runs: list[tuple[int, int]] = []
    for low, high in pairwise(edges):
        runs.extend((start, min(start + longest, high)) for start in range(low, high, longest))
    return runs
