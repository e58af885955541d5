"""Shrinkage: what noise alone would make of small pieces of an object is taken out of them.

In windows of 8×8 pixels that overlap by half, every spatial frequency is kept as far as it
stands above the noise (Wiener 1949, with the spectrum found from the piece itself; taken a
second time with what the first left, as in Dabov et al., IEEE Trans. Image Process. 16, 2080,
2007). What repeats or has edges stands far above, and stays.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["shrink"]

_SIDE = 8
_STEP = _SIDE // 2


def shrink(objects: Tensor, variance: Tensor) -> Tensor:
    """Objects less what noise would make of them.

    Parameters
    ----------
    objects : Tensor, (B, H, W) complex64
        Objects; H and W multiples of 8.
    variance : Tensor, (B, H, W) float32
        Mean of |noise|² at each pixel.

    Returns
    -------
    Tensor, (B, H, W) complex64
    """
    count, height, width = objects.shape
    sine = torch.sin(math.pi / _SIDE * (torch.arange(_SIDE, device=objects.device) + 0.5))
    # Squares of windows half a side apart add up to 1.
    window = sine[:, None] * sine
    pieces = torch.complex(_pieces(objects.real), _pieces(objects.imag))
    noise = (_pieces(variance) * window**2).sum((-2, -1), keepdim=True)
    mean = (pieces * window**2).sum((-2, -1), keepdim=True) / (window**2).sum()
    spectrum = torch.fft.fft2((pieces - mean) * window)
    power = torch.view_as_real(spectrum).square().sum(-1)
    kept = (1 - noise / _smoothed(power).clamp_min(1e-20)).clamp_min(0)
    cleaned = power * kept**2
    kept = cleaned / (cleaned + noise).clamp_min(1e-20)
    pieces = (torch.fft.ifft2(spectrum * kept) + mean * window) * window
    flat = torch.view_as_real(pieces).permute(0, 5, 3, 4, 1, 2).reshape(2 * count, _SIDE**2, -1)
    sides = (height + 2 * _STEP, width + 2 * _STEP)
    folded = nn.functional.fold(flat, sides, _SIDE, stride=_STEP)[:, 0]
    inner = folded[:, _STEP:-_STEP, _STEP:-_STEP].unflatten(0, (count, 2))
    return torch.complex(inner[:, 0].contiguous(), inner[:, 1].contiguous())


def _pieces(values: Tensor) -> Tensor:
    """(B, h, w, 8, 8): the windows of (B, H, W), those at the edge with what is mirrored there."""
    edge = (_STEP, _STEP, _STEP, _STEP)
    padded = nn.functional.pad(values[:, None], edge, mode="reflect")[:, 0]
    return padded.unfold(1, _SIDE, _STEP).unfold(2, _SIDE, _STEP)


def _smoothed(power: Tensor) -> Tensor:
    """Mean over neighbouring frequencies: of one alone noise cannot be told."""
    for axis in (-2, -1):
        power = (power + power.roll(1, axis) + power.roll(-1, axis)) / 3
    return power
