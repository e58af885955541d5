"""The phase slope of a patch, as its measured pattern tells it.

A phase ramp over a patch moves its pattern on the detector and does nothing else
(differential phase contrast), so the slope error of a predicted patch is the distance
between its modelled and its measured pattern. It is found by least squares on
amplitudes, √I − A ≈ −d·∇A, since their noise is the same in every pixel; unlike a centre of
mass, that needs no complete detector, and background does not pull it. Photon noise and
the pointing of the beam move patterns too: the slopes of a batch are believed as far as
they scatter more than these two do (empirical Bayes; James & Stein 1961).
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract

__all__ = ["slope_ramp"]

_NOISE = 0.25
_POINTING_PX = 0.025
_MOST_PX = 1.5


@torch.no_grad()
def slope_ramp(
    patches: Tensor, probe: Tensor, amplitude: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Phase ramps with which the patterns of patches lie on the measured ones.

    Parameters
    ----------
    patches : Tensor, (B, H, W) complex
        Predicted patches.
    probe : Tensor, (modes, H, W) or (B, modes, H, W) complex
        Probe, √photons.
    amplitude : Tensor, (B, H, W) float
        Measured √I, DC at the corner.
    mask : Tensor, (H, W) or (B, H, W) bool, optional
        Good pixels.

    Returns
    -------
    Tensor, (B, H, W) complex
        Unit factors, 1 at the centre of the light, to multiply the patches with.
    """
    modelled = diffract(probe, patches).sqrt()
    down = (modelled.roll(-1, -2) - modelled.roll(1, -2)) / 2
    right = (modelled.roll(-1, -1) - modelled.roll(1, -1)) / 2
    missing = amplitude - modelled
    if mask is not None:
        missing, down, right = missing * mask, down * mask, right * mask
    yy = down.square().sum((-2, -1)) + 1e-3
    xx = right.square().sum((-2, -1)) + 1e-3
    yx = (down * right).sum((-2, -1))
    to_y = -(missing * down).sum((-2, -1))
    to_x = -(missing * right).sum((-2, -1))
    determinant = yy * xx - yx.square()
    move = torch.stack((xx * to_y - yx * to_x, yy * to_x - yx * to_y)) / determinant
    noise = _NOISE * torch.stack((xx, yy)) / determinant + _POINTING_PX**2
    # Precise slopes tell more of how far all of them scatter.
    trust = noise.reciprocal().square()
    signal = ((trust * (move.square() - noise)).sum() / trust.sum()).clamp_min(0)
    move_y, move_x = (move * signal / (signal + noise)).clamp(-_MOST_PX, _MOST_PX)
    height, width = patches.shape[-2:]
    y = torch.arange(height, device=patches.device, dtype=move_y.dtype)
    x = torch.arange(width, device=patches.device, dtype=move_y.dtype)
    light = probe.abs().square().sum(-3)
    light = light / light.sum((-2, -1), keepdim=True)
    middle_y = (light.sum(-1) * y).sum(-1)
    middle_x = (light.sum(-2) * x).sum(-1)
    turn_y = 2 * torch.pi / height * move_y[:, None] * (y - middle_y[..., None])
    turn_x = 2 * torch.pi / width * move_x[:, None] * (x - middle_x[..., None])
    angle = turn_y[:, :, None] + turn_x[:, None, :]
    return torch.polar(torch.ones_like(angle), angle)
