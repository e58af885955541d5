"""What photon counts must be, checked on every read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError

__all__ = ["require_counts", "require_stack"]

MAX_COUNT = 1e30
"""Sums of patterns with larger values would leave float32."""
MAX_FRAME_PIXELS = 20_000_000
"""The largest detectors have 19 million."""


def require_stack(
    shape: tuple[int, ...] | None,
    dtype: np.dtype[Any],
    where: str | Path | None,
    dataset: str,
    *,
    raster: bool = False,
) -> None:
    """Refuse a dataset that is no stack of patterns.

    Raises
    ------
    ScanError
        Wrong number of axes, an empty axis, or values that are not real numbers.
    """
    remedy = "choose another dataset with --dataset patterns=/PATH"
    if shape is None:
        raise ScanError("patterns", where, f"{dataset} holds nothing", remedy=remedy)
    if len(shape) != 3 and not (raster and len(shape) == 4):
        problem = f"{dataset} has shape {shape}, patterns are (N, H, W)"
        raise ScanError("patterns", where, problem, remedy=remedy)
    if min(shape) == 0:
        raise ScanError("patterns", where, f"{dataset} is empty: shape {shape}", remedy=remedy)
    if shape[-2] * shape[-1] > MAX_FRAME_PIXELS:
        problem = f"{dataset} has patterns of {shape[-2]} × {shape[-1]} pixels, more than detectors"
        remedy = "choose another dataset with --dataset patterns=/PATH, or crop them in the file"
        raise ScanError("patterns", where, f"{problem} have", remedy=remedy)
    if np.dtype(dtype).kind not in "uif":
        problem = f"{dataset} holds {dtype}, counts are real numbers"
        raise ScanError("patterns", where, problem, remedy=remedy)


def require_counts(
    frames: NDArray[np.float32],
    indices: NDArray[np.intp],
    where: str | Path | None,
    dataset: str,
) -> None:
    """Refuse patterns (M, H, W) that are no photon counts.

    Raises
    ------
    ScanError
        A pattern has NaN, infinite, negative or absurdly large counts; names the first
        such frame.
    """
    if not frames.size:
        return
    # One pass for the common case: NaN makes both comparisons false.
    if frames.min() >= 0 and frames.max() < MAX_COUNT:
        return
    bad = ~((frames >= 0) & (frames < MAX_COUNT))
    first = int(np.flatnonzero(bad.any(axis=(-2, -1)))[0])
    value = float(frames[first][bad[first]][0])
    kind = "negative" if value < 0 else "too large" if value < np.inf else "not finite"
    count = int(bad[first].sum())
    raise ScanError(
        "patterns",
        where,
        f"frame {int(indices[first])} of {dataset} has {count} counts that are {kind} "
        f"(the first is {value:g})",
        remedy="leave these pixels out with --mask FILE, or correct them in the file (negative "
        "integers are often unsigned counts stored as signed ones)",
    )
