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
_MOST_PIECES = 2**13


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
    # Pieces hold every pixel four times over: of a large object only some rows of them at a time.
    edge = (_STEP, _STEP, _STEP, _STEP)
    parts = (objects.real, objects.imag, variance)
    padded = torch.stack([nn.functional.pad(part, edge, mode="reflect") for part in parts], 1)
    rows, columns = (side // _STEP - 1 for side in padded.shape[-2:])
    band = max(1, _MOST_PIECES // (len(objects) * columns))
    found = torch.zeros_like(padded[:, 0], dtype=objects.dtype)
    for first in range(0, rows, band):
        taken = slice(_STEP * first, _STEP * (min(first + band, rows) + 1))
        found[:, taken] += _shrunk(padded[:, :, taken])
    return found[:, _STEP:-_STEP, _STEP:-_STEP]


def _shrunk(padded: Tensor) -> Tensor:
    """Sum of the shrunk pieces of (B, 3, H, W): real and imaginary part, and variance."""
    sine = torch.sin(math.pi / _SIDE * (torch.arange(_SIDE, device=padded.device) + 0.5))
    # Squares of windows half a side apart add up to 1.
    window = sine[:, None] * sine
    real, imaginary, variance = padded.unfold(2, _SIDE, _STEP).unfold(3, _SIDE, _STEP).unbind(1)
    pieces = torch.complex(real, imaginary)
    noise = (variance * window**2).sum((-2, -1), keepdim=True)
    mean = (pieces * window**2).sum((-2, -1), keepdim=True) / (window**2).sum()
    spectrum = torch.fft.fft2((pieces - mean) * window)
    power = torch.view_as_real(spectrum).square().sum(-1)
    kept = (1 - noise / _smoothed(power).clamp_min(1e-20)).clamp_min(0)
    cleaned = power * kept**2
    kept = cleaned / (cleaned + noise).clamp_min(1e-20)
    pieces = (torch.fft.ifft2(spectrum * kept) + mean * window) * window
    flat = (
        torch.view_as_real(pieces).permute(0, 5, 3, 4, 1, 2).reshape(2 * len(padded), _SIDE**2, -1)
    )
    folded = nn.functional.fold(flat, padded.shape[-2:], _SIDE, stride=_STEP)[:, 0]
    both = folded.unflatten(0, (len(padded), 2))
    return torch.complex(both[:, 0].contiguous(), both[:, 1].contiguous())


def _smoothed(power: Tensor) -> Tensor:
    """Mean over neighbouring frequencies: of one alone noise cannot be told."""
    for axis in (-2, -1):
        power = (power + power.roll(1, axis) + power.roll(-1, axis)) / 3
    return power
