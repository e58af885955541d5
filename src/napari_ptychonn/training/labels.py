"""Labels: patches of a reconstructed object at the exact positions of points."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_ptychonn.reconstruction.frame import Frame

__all__ = ["cut_at", "cut_labels"]


def cut_labels(values: Tensor, frame: Frame, points: Tensor) -> Tensor:
    """Patches (B, h, w) of an (H, W) array at the exact positions of points, bicubic.

    A window's own grid lies up to half a pixel off the position.
    """
    return cut_at(values, frame.corners[points] + frame.shifts[points], frame.patch_shape)


def cut_at(values: Tensor, corners: Tensor, shape: tuple[int, int]) -> Tensor:
    """Patches (B, h, w) of an (H, W) array from corners (B, 2) between pixels on, bicubic."""
    height, width = values.shape
    rows = torch.arange(shape[0], device=values.device)
    columns = torch.arange(shape[1], device=values.device)
    y = (corners[:, 0, None] + rows) * (2 / (height - 1)) - 1
    x = (corners[:, 1, None] + columns) * (2 / (width - 1)) - 1
    grid = torch.stack(
        (x[:, None, :].expand(-1, len(rows), -1), y[:, :, None].expand(-1, -1, len(columns))), -1
    ).float()
    real = torch.view_as_real(values) if values.is_complex() else values.float()[..., None]
    planes = real.permute(2, 0, 1)[None].expand(len(corners), -1, -1, -1)
    cut = torch.nn.functional.grid_sample(
        planes, grid, mode="bicubic", padding_mode="border", align_corners=True
    ).permute(0, 2, 3, 1)
    return torch.view_as_complex(cut.contiguous()) if values.is_complex() else cut[..., 0]
