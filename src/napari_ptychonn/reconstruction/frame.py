"""The frame of the object: where every patch lies on its pixel grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.optics.windows import window_indices

__all__ = ["Frame", "make_frame"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Pixel grid of the object, and the windows of the points on it.

    Attributes
    ----------
    shape : tuple[int, int]
        Object (H, W), pixels.
    corner_px : tuple[float, float]
        Scan coordinates (y, x), in object pixels, of the centre of pixel [0, 0].
    patch_shape : tuple[int, int]
        Window (h, w).
    corners : Tensor, (M, 2) int64
        First pixel (row, column) of every point's window.
    shifts : Tensor, (M, 2) float32
        What is left of the position, −0.5 to 0.5 px: the probe is moved by it.
    """

    shape: tuple[int, int]
    corner_px: tuple[float, float]
    patch_shape: tuple[int, int]
    corners: Tensor
    shifts: Tensor

    @property
    def n_points(self) -> int:
        """Number of points M."""
        return len(self.corners)

    @property
    def subpixel(self) -> bool:
        """Whether any position lies off the grid by more than a hundredth of a pixel."""
        return bool(self.shifts.abs().max() > 0.01)

    def indices(self, points: Tensor) -> Tensor:
        """Flat object indices (B, h, w) of the windows of `points` (B,) int64."""
        return window_indices(self.corners[points], self.patch_shape, self.shape[1])

    def subset(self, points: Tensor) -> Frame:
        """Same grid with only `points`."""
        return Frame(
            self.shape, self.corner_px, self.patch_shape, self.corners[points], self.shifts[points]
        )

    def to(self, device: torch.device) -> Frame:
        """Same frame with its tensors on `device`."""
        return Frame(
            self.shape,
            self.corner_px,
            self.patch_shape,
            self.corners.to(device),
            self.shifts.to(device),
        )


def make_frame(positions_px: NDArray[np.float64], patch_shape: tuple[int, int]) -> Frame:
    """Lay the smallest grid that holds every window.

    Parameters
    ----------
    positions_px : ndarray, (M, 2) float64
        Probe centres (y, x) in object pixels; the probe's centre is pixel h // 2, w // 2.
    patch_shape : tuple of int
        Window (h, w).
    """
    half = np.asarray([side // 2 for side in patch_shape])
    first = np.rint(positions_px).astype(np.int64)
    corner = first.min(0) - half
    corners = first - half - corner
    shape = corners.max(0) + np.asarray(patch_shape)
    return Frame(
        shape=(int(shape[0]), int(shape[1])),
        corner_px=(float(corner[0]), float(corner[1])),
        patch_shape=patch_shape,
        corners=torch.from_numpy(corners),
        shifts=torch.from_numpy((positions_px - first).astype(np.float32)),
    )
