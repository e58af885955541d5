"""Some of the patterns of a stack: those that have a position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.words import counted

__all__ = ["SelectedPatterns", "match_numbers"]


@dataclass(frozen=True, slots=True, eq=False)
class SelectedPatterns:
    """Patterns of another source, chosen by number.

    Parameters
    ----------
    source : PatternSource
        All patterns.
    chosen : ndarray, (M,) intp
        Numbers of the patterns to give, in this order.
    """

    source: PatternSource
    chosen: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, H, W)."""
        return (len(self.chosen), *self.source.shape[1:])

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices` of the chosen ones, shape (len(indices), H, W), float32 counts."""
        return self.source.read(self.chosen[np.asarray(indices, dtype=np.intp)])


def match_numbers(
    patterns: PatternSource,
    positions: NDArray[np.float64],
    numbers: NDArray[np.int64],
    where: Path,
) -> tuple[PatternSource, NDArray[np.float64], tuple[str, ...]]:
    """Pair patterns with positions that say which pattern they belong to.

    Parameters
    ----------
    patterns : PatternSource
        (N, H, W).
    positions : ndarray, (M, 2)
        Several may belong to one pattern: a fly scan reads the stage during the exposure.
    numbers : ndarray, (M,)
        Number of the pattern of each position; counted from 1 where they run from 1 to N
        exactly, from 0 otherwise.
    where : Path
        File of the positions.

    Returns
    -------
    patterns : PatternSource, (K, H, W)
        Those that have a position, in the order of their numbers.
    positions : ndarray, (K, 2)
        The mean of each pattern's positions.
    notes : tuple of str
        What was left out, and what had to be assumed.

    Raises
    ------
    ScanError
        No two patterns have a position.
    """
    n_patterns = patterns.shape[0]
    known, rows = np.unique(numbers, return_inverse=True)
    notes: list[str] = []
    if known.size and known[0] == 1 and known[-1] == n_patterns:
        known = known - 1
        notes.append("the numbers of the points are counted from 1")
    readings = np.bincount(rows, minlength=known.size).astype(np.float64)
    sums = [np.bincount(rows, weights=column, minlength=known.size) for column in positions.T]
    means = np.stack(sums, -1) / readings[:, None]
    fits = (known >= 0) & (known < n_patterns)
    if fits.sum() < 2:
        span = f"{known[0]} to {known[-1]}" if known.size else "nothing"
        problem = f"its points are numbered {span}, but the patterns are 0 to {n_patterns - 1}"
        raise ScanError("positions", where, problem, remedy="give the positions of this scan")
    if readings.max() > 1:
        notes.append(f"positions are means of up to {readings.max():g} readings each")
    without, unused = n_patterns - int(fits.sum()), int((~fits).sum())
    if without:
        verbs = ("has", "is") if without == 1 else ("have", "are")
        notes.append(
            f"{without} of {n_patterns} patterns {verbs[0]} no position and {verbs[1]} left out"
        )
    if unused:
        one = "numbered point has no pattern and is left out"
        many = "numbered points have no pattern and are left out"
        notes.append(counted(unused, one, many))
    if without:
        patterns = SelectedPatterns(patterns, known[fits].astype(np.intp))
    return patterns, np.asarray(means[fits], dtype=np.float64), tuple(notes)
