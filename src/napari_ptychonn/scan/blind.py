"""Pixels that a stack has no counts for, since the detector or a person marks them.

Pilatus detectors write −1 into gaps and −2 into bad pixels; programs that store floating
point numbers write NaN.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.combined import ConcatenatedPatterns, SquaredPatterns
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.patterns import ArrayPatterns, H5Patterns
from napari_ptychonn.scan.selected import SelectedPatterns
from napari_ptychonn.scan.views import MaskedPatterns

__all__ = ["blind_pixels", "bytes_per_count", "largest_count", "leave_out"]

MAX_STACKS = 6
"""Of a stack made of many files, so many are looked into."""
MAX_FRAMES = 6
MAX_PIXELS = 2**25
"""Of all frames of a stack looked at, of which there are at least two."""
FLAGS = (-1, -2)


def blind_pixels(patterns: PatternSource) -> NDArray[np.bool_]:
    """Pixels that hold −1, −2 or NaN in every pattern looked at.

    Parameters
    ----------
    patterns : PatternSource
        (N, H, W), as a format made it.

    Returns
    -------
    ndarray, (H, W) bool
        True = no counts. Patterns that hold nothing else do not count.
    """
    size = patterns.shape[1:]
    blind: NDArray[np.bool_] | None = None
    leaves = list(_leaves(patterns))
    for number in np.unique(np.linspace(0, len(leaves) - 1, MAX_STACKS).astype(int)):
        leaf = leaves[number] if leaves else None
        if leaf is None or leaf.dtype.kind == "u" or leaf.shape[1:] != size:
            return np.zeros(size, np.bool_)
        share = max(1, MAX_FRAMES // min(len(leaves), MAX_STACKS))
        share = min(share, max(2, MAX_PIXELS // (size[0] * size[1])))
        last = leaf.shape[0] - 1
        chosen = np.unique(np.linspace(0, last, min(share, last + 1)).astype(np.intp))
        for place in chosen:
            flagged = _flagged(leaf.as_stored(np.array([place]))[0])
            if not flagged.all():
                blind = flagged if blind is None else blind & flagged
                if not blind.any():
                    return blind  # whatever the other patterns hold
    return np.zeros(size, np.bool_) if blind is None else blind


def leave_out(patterns: PatternSource, bad: NDArray[np.bool_]) -> PatternSource:
    """The same patterns with pixels read as 0 whatever the file holds there.

    Parameters
    ----------
    patterns : PatternSource
        (N, H, W).
    bad : ndarray, (H, W) bool
        True = to be left out, besides those that already are.
    """
    match patterns:
        case ArrayPatterns():
            return replace(patterns, bad=_joined(patterns.bad, bad))
        case H5Patterns():
            other = copy.copy(patterns)
            other.bad = _joined(patterns.bad, bad)
            return other
        case ConcatenatedPatterns():
            return replace(patterns, sources=[leave_out(one, bad) for one in patterns.sources])
        case SquaredPatterns() | SelectedPatterns():
            return replace(patterns, source=leave_out(patterns.source, bad))
    return MaskedPatterns(patterns, ~bad)


def largest_count(patterns: PatternSource) -> float | None:
    """Largest number that the type of the stored counts can hold; None for real numbers."""
    kinds = {leaf.dtype for leaf in _leaves(patterns)}
    if len(kinds) != 1 or isinstance(patterns, SquaredPatterns):
        return None
    kind = kinds.pop()
    return float(np.iinfo(kind).max) if kind.kind in "ui" else None


def bytes_per_count(patterns: PatternSource) -> int:
    """Size of a stored count, the largest if there are several kinds; 4 where nothing is stored."""
    return max((leaf.dtype.itemsize for leaf in _leaves(patterns)), default=4)


def _leaves(patterns: PatternSource) -> Iterator[ArrayPatterns | H5Patterns]:
    """The stacks behind patterns, where these have the same pixels."""
    match patterns:
        case ArrayPatterns() | H5Patterns():
            yield patterns
        case ConcatenatedPatterns():
            for source in patterns.sources:
                yield from _leaves(source)
        case SquaredPatterns() | SelectedPatterns():
            yield from _leaves(patterns.source)


def _flagged(frame: NDArray[Any]) -> NDArray[np.bool_]:
    flagged = np.isin(frame, FLAGS)
    return flagged | ~np.isfinite(frame) if frame.dtype.kind == "f" else flagged


def _joined(bad: NDArray[np.bool_] | None, more: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return more if bad is None else bad | more
