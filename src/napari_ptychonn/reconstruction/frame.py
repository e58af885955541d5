"""The frame of the object: where every patch lies on its pixel grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.optics.windows import first_indices, inner_indices

__all__ = ["Frame", "make_frame"]

_ON_GRID = 0.01


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
    subpixel : bool
        Whether any position lies off the grid by more than a hundredth of a pixel.
    """

    shape: tuple[int, int]
    corner_px: tuple[float, float]
    patch_shape: tuple[int, int]
    corners: Tensor
    shifts: Tensor
    subpixel: bool = field(init=False)
    _first: Tensor = field(init=False, repr=False)
    _inside: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out once what every batch asks for: on a GPU each question would hold it up."""
        width = self.shape[1]
        laid_out = {
            "subpixel": bool((self.shifts.abs() > _ON_GRID).any()),
            "_first": first_indices(self.corners, width),
            "_inside": inner_indices(self.patch_shape, width, self.corners.device),
        }
        for name, value in laid_out.items():
            object.__setattr__(self, name, value)

    @property
    def n_points(self) -> int:
        """Number of points M."""
        return len(self.corners)

    def indices(self, points: Tensor) -> Tensor:
        """Flat object indices (B, h, w) of the windows of `points` (B,) int64."""
        return self._first[points][:, None, None] + self._inside

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
