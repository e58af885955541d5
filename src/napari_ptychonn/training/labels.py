"""Labels: a reconstructed object on the pixel grid of a scan's patches."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["cut_at", "cut_labels", "label_on"]


def label_on(
    label: ObjectResult, frame: Frame, pixel: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """A reconstruction on a frame's grid.

    Parameters
    ----------
    label : ObjectResult
        In the coordinates, and the unit, of the scan
        (:func:`~napari_ptychonn.scan.results.place.placed_on`).
    frame : Frame
        The grid.
    pixel : tuple of float
        Its pixel (y, x), in the scan's unit.

    Returns
    -------
    object : Tensor, (H, W) complex64
        Interpolated by cubic splines; 0 where it is not known.
    known : Tensor, (H, W) bool
        Where every pixel interpolated from is known.
    """
    axes = [
        ((frame.corner_px[axis] + np.arange(frame.shape[axis])) * pixel[axis] - label.corner[axis])
        / label.pixel[axis]
        for axis in range(2)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    finite = np.isfinite(label.object)
    values = np.where(finite, label.object, 0)
    found = sum(
        unit * ndimage.map_coordinates(part, places, order=3, mode="constant")
        for unit, part in ((1, values.real), (1j, values.imag))
    )
    sure = ndimage.map_coordinates(finite.astype(np.float32), places, order=1, mode="constant")
    known = sure > 0.999
    placed: NDArray[np.complex64] = np.where(known, found, 0).astype(np.complex64)
    device = frame.corners.device
    return torch.from_numpy(placed).to(device), torch.from_numpy(known).to(device)


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
