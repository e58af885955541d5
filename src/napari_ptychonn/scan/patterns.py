"""Where patterns come from: memory or HDF5, read lazily, oriented and cropped on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the detectors' compression filters)
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.counts import require_counts, require_stack
from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.orientation import to_convention
from napari_ptychonn.scan.storage import DAMAGE

__all__ = [
    "ArrayPatterns",
    "CroppedPatterns",
    "H5Patterns",
    "MaskedPatterns",
    "OrientedPatterns",
]

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
            raise ScanError(
                "patterns",
                self.path,
                f"frames {start} to {stop - 1} of {self.dataset} cannot be read: {error}",
                remedy="the file is damaged or a compression filter is missing: copy it again, "
                "or install the filter that the message names",
            ) from None


@dataclass(frozen=True, slots=True, eq=False)
class OrientedPatterns:
    """Patterns brought to the convention: DC at the centre, axes along the positions.

    Parameters
    ----------
    source : PatternSource
        The patterns as stored.
    dc_at_corner : bool
        Whether they have DC at pixel [0, 0]; it is moved to (H // 2, W // 2) first.
    code : int
        Orientation 0..7 (see :mod:`napari_ptychonn.scan.orientation`).
    """

    source: PatternSource
    dc_at_corner: bool = False
    code: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W) after the turn."""
        n, height, width = self.source.shape
        return (n, width, height) if self.code & 4 else (n, height, width)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        return to_convention(self.source.read(indices), self.dc_at_corner, self.code)


@dataclass(frozen=True, slots=True, eq=False)
class CroppedPatterns:
    """Patterns cut, or padded with zeros, around their DC pixel.

    Parameters
    ----------
    source : PatternSource
        Patterns with DC at the centre, or at `centre`.
    size : tuple[int, int]
        (H, W) wanted.
    centre : tuple[int, int], optional
        The DC pixel (y, x) of `source` that is to lie at (H // 2, W // 2);
        None: (H // 2, W // 2) of the source.
    """

    source: PatternSource
    size: tuple[int, int]
    centre: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W) after the cut."""
        return self.source.shape[0], self.size[0], self.size[1]

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        wanted = np.asarray(indices, dtype=np.intp)
        cut = np.empty((wanted.size, *self.size), np.float32)
        # What a window is cut from may be many times as large.
        _, height, width = self.source.shape
        batch = max(1, MAX_RUN_BYTES // (4 * height * width))
        for start in range(0, wanted.size, batch):
            frames = self.source.read(wanted[start : start + batch])
            cut[start : start + batch] = crop_or_pad(frames, self.size, centre=self.centre)
        return cut


@dataclass(frozen=True, slots=True, eq=False)
class MaskedPatterns:
    """Patterns whose bad pixels are 0, so that no sum over a pattern meets a hot one.

    Parameters
    ----------
    source : PatternSource
        The patterns.
    mask : ndarray, (H, W) bool
        True = good pixel.
    unmeasured : ndarray, (H, W) bool, optional
        Pixels that no mask can make good, since `source` has no counts there: those that
        the file marks, and those that patterns were padded with. None: all bad ones.
    """

    source: PatternSource
    mask: NDArray[np.bool_]
    unmeasured: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        frames = self.source.read(indices)
        frames[:, ~self.mask] = 0
        return frames


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
