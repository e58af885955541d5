"""Windows of the object: cut patches out, and add patches back, all at once."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "add_windows",
    "cut_windows",
    "first_indices",
    "inner_indices",
    "window_indices",
]


def window_indices(corners: Tensor, shape: tuple[int, int], width: int) -> Tensor:
    """Flat indices of windows in a row-major array.

    Parameters
    ----------
    corners : Tensor, (B, 2) int64
        Row and column of every window's first pixel.
    shape : tuple of int
        Window (h, w).
    width : int
        Columns of the array.

    Returns
    -------
    Tensor, (B, h, w) int64
    """
    inside = inner_indices(shape, width, corners.device)
    return first_indices(corners, width)[:, None, None] + inside


def first_indices(corners: Tensor, width: int) -> Tensor:
    """Flat indices (B,) of the windows' first pixels; their rows and columns are (B, 2)."""
    return corners[:, 0] * width + corners[:, 1]


def inner_indices(shape: tuple[int, int], width: int, device: torch.device) -> Tensor:
    """Flat indices (h, w) of a window's pixels, counted from its first one."""
    rows = torch.arange(shape[0], device=device)
    columns = torch.arange(shape[1], device=device)
    return rows[:, None] * width + columns


def cut_windows(array: Tensor, indices: Tensor) -> Tensor:
    """Patches (B, h, w) of an (H, W) array at :func:`window_indices`."""
    return torch.take(array, indices)


def add_windows(array: Tensor, indices: Tensor, patches: Tensor) -> None:
    """Add patches (B, h, w) to an (H, W) array in place; overlaps sum up."""
    array.view(-1).index_add_(0, indices.reshape(-1), patches.reshape(-1))
