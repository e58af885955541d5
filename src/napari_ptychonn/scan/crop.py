"""Cutting and padding around the DC pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["crop_or_pad"]


def crop_or_pad(
    array: NDArray[Any],
    size: tuple[int, int],
    *,
    centre: tuple[int, int] | None = None,
) -> NDArray[Any]:
    """Cut or zero-pad the last two axes so that `centre` lies at (H // 2, W // 2) of `size`.

    Parameters
    ----------
    array : ndarray, (..., h, w)
        Patterns, mask or probe; padding is 0, False.
    size : tuple[int, int]
        (H, W) wanted.
    centre : tuple[int, int], optional
        Pixel (y, x) of `array`; None: (h // 2, w // 2).

    Returns
    -------
    ndarray, (..., H, W)
    """
    stored = array.shape[-2:]
    middle = centre or (stored[0] // 2, stored[1] // 2)
    starts = [middle[axis] - size[axis] // 2 for axis in range(2)]
    if tuple(stored) == tuple(size) and starts == [0, 0]:
        return array
    cut = np.zeros((*array.shape[:-2], *size), array.dtype)
    source, target = [], []
    for start, have, want in zip(starts, stored, size, strict=True):
        low, high = max(start, 0), min(start + want, have)
        source.append(slice(low, max(high, low)))
        target.append(slice(low - start, max(high, low) - start))
    cut[..., target[0], target[1]] = array[..., source[0], source[1]]
    return cut
