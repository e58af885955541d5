"""Patterns made of other patterns: several stacks in a row, and amplitudes squared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.counts import require_counts
from napari_ptychonn.scan.model import PatternSource

__all__ = ["ConcatenatedPatterns", "SquaredPatterns"]


@dataclass(frozen=True, slots=True, eq=False)
class ConcatenatedPatterns:
    """Several stacks read as one, in the order in which they are given.

    Parameters
    ----------
    sources : sequence of PatternSource
        Stacks (N_i, H, W) of one pattern size; datasets of one file, or of many.
    where : str or Path, optional
        The file that lists them, for error messages.
    """

    sources: Sequence[PatternSource]
    where: str | Path | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no stack.

        Raises
        ------
        ScanError
            There is no source, or patterns of the sources differ in size.
        """
        object.__setattr__(self, "sources", tuple(self.sources))
        if not self.sources:
            remedy = "choose the dataset with --dataset patterns=/PATH"
            raise ScanError("patterns", self.where, "there is no stack of them", remedy=remedy)
        sizes = [source.shape[1:] for source in self.sources]
        for number, size in enumerate(sizes):
            if size != sizes[0]:
                problem = (
                    f"part {number} has patterns of {size[0]} × {size[1]} pixels, "
                    f"part 0 of {sizes[0][0]} × {sizes[0][1]}"
                )
                remedy = "choose one dataset with --dataset patterns=/PATH"
                raise ScanError("patterns", self.where, problem, remedy=remedy)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W); N is the sum over the sources."""
        _, height, width = self.sources[0].shape
        return int(self._edges()[-1]), height, width

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts.

        Raises
        ------
        ScanError
            A pattern cannot be read.
        IndexError
            There is no such pattern.
        """
        wanted = np.asarray(indices, dtype=np.intp)
        n, height, width = self.shape
        if wanted.size and (wanted.min() < 0 or wanted.max() >= n):
            raise IndexError(f"patterns {wanted.min()} to {wanted.max()} of {n}")
        edges = self._edges()
        # An edge that several (empty) sources share belongs to the last of them.
        parts = np.searchsorted(edges, wanted, side="right") - 1
        frames = np.empty((wanted.size, height, width), np.float32)
        for part in np.unique(parts):
            rows = np.flatnonzero(parts == part)
            frames[rows] = self.sources[part].read(wanted[rows] - edges[part])
        return frames

    def _edges(self) -> NDArray[np.intp]:
        lengths = [source.shape[0] for source in self.sources]
        return np.cumsum([0, *lengths], dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class SquaredPatterns:
    """Stored amplitudes (square roots of counts), read as counts: value².

    Parameters
    ----------
    source : PatternSource
        (N, H, W) amplitudes.
    where : str or Path, optional
        Their file, for error messages.
    dataset : str
        Their dataset, for error messages.
    """

    source: PatternSource
    where: str | Path | None = None
    dataset: str = "patterns"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts.

        Raises
        ------
        ScanError
            A pattern cannot be read, or its squares are too large to be counts.
        IndexError
            There is no such pattern.
        """
        with np.errstate(over="ignore"):
            counts = np.square(self.source.read(indices))
        require_counts(counts, indices, self.where, self.dataset)
        return counts
