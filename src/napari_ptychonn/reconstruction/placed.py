"""A reconstructed object on the pixel grid of a scan's points: a label, or a start."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["object_on"]


def object_on(
    result: ObjectResult, frame: Frame, pixel: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """A reconstruction on a frame's grid.

    Parameters
    ----------
    result : ObjectResult
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
    steps = [pixel[axis] / result.pixel[axis] for axis in range(2)]
    first = [
        (frame.corner_px[axis] * pixel[axis] - result.corner[axis]) / result.pixel[axis]
        for axis in range(2)
    ]

    def resampled(values: NDArray[np.float32], order: int) -> NDArray[np.float32]:
        # Given steps, not a matrix, it goes axis by axis, without coordinates of every pixel.
        return ndimage.affine_transform(
            values, steps, first, output_shape=frame.shape, order=order, mode="constant"
        )

    finite = np.isfinite(result.object)
    # Splines ring at a jump, and the mean is a smaller one than 0.
    mean = result.object[finite].mean() if finite.any() else 0
    values = np.where(finite, result.object, mean).astype(np.complex64)
    found = resampled(values.real, 3) + 1j * resampled(values.imag, 3)
    known = resampled(finite.astype(np.float32), 1) > 0.999
    placed: NDArray[np.complex64] = np.where(known, found, 0).astype(np.complex64)
    device = frame.corners.device
    return torch.from_numpy(placed).to(device), torch.from_numpy(known).to(device)
