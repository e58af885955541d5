"""How far patterns lie beside where they are modelled.

A phase ramp over a patch moves its pattern on the detector and does nothing else
(differential phase contrast), so that distance is the slope that the object's phase lacks
under the probe. It is found by least squares on amplitudes, √I − A ≈ −d·∇A, whose noise is
the same in every pixel; unlike a centre of mass, that needs no complete detector, and
neither background nor amplitude contrast pulls it.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["pattern_moves"]

_NOISE = 0.25
_MOST_PX = 4.0


def pattern_moves(modelled: Tensor, counts: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of measured patterns from modelled ones, and its variance.

    Parameters
    ----------
    modelled : Tensor, (B, h, w) float
        Modelled intensities, DC at the corner, photons.
    counts : Tensor, (B, h, w) float
        Measured ones.
    mask : Tensor, (h, w) bool
        Good pixels.

    Returns
    -------
    move : Tensor, (B, 2) float
        Rows and columns, pixels; longer ones than 4 px are cut, since what is linear
        in them no longer holds.
    variance : Tensor, (B, 2) float
        What photon noise makes of it, pixels².
    """
    amplitude = modelled.sqrt()
    down = (amplitude.roll(-1, -2) - amplitude.roll(1, -2)) * (0.5 * mask)
    right = (amplitude.roll(-1, -1) - amplitude.roll(1, -1)) * (0.5 * mask)
    missing = counts.sqrt() - amplitude
    yy = down.square().sum((-2, -1)) + 1e-3
    xx = right.square().sum((-2, -1)) + 1e-3
    yx = (down * right).sum((-2, -1))
    to_y = -(missing * down).sum((-2, -1))
    to_x = -(missing * right).sum((-2, -1))
    determinant = yy * xx - yx.square()
    move = torch.stack((xx * to_y - yx * to_x, yy * to_x - yx * to_y), -1)
    variance = _NOISE * torch.stack((xx, yy), -1)
    below = determinant[:, None]
    return (move / below).clamp(-_MOST_PX, _MOST_PX), variance / below
