"""Losses between complex images whose global phase is free."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["deviance", "patch_error", "tile_error"]

_OFFSET = 0.2


def patch_error(patches: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted squared error of every patch at its best global phase.

    min over φ of Σ w |O·e^{iφ} − T|² / Σ w, in closed form
    (Σ w(|O|² + |T|²) − 2 |Σ w O* T|) / Σ w.

    Parameters
    ----------
    patches, truth : Tensor, (B, H, W) complex
        Prediction O and truth T.
    weight : Tensor, (B, H, W) float
        Weight w, usually |P|².

    Returns
    -------
    Tensor, (B,) float
    """
    own = (weight * (_power(patches) + _power(truth))).sum((-2, -1))
    # The modulus as a root of squares: the gradient of abs() is undefined at zero.
    cross = (weight * patches.conj() * truth).sum((-2, -1))
    agreement = (_power(cross) + 1e-12).sqrt()
    return (own - 2 * agreement) / weight.sum((-2, -1)).clamp_min(1e-6)


def tile_error(found: Tensor, truth: Tensor, weight: Tensor, side: int) -> Tensor:
    """Weighted squared error of every image, each of its tiles at its own best phase.

    It sees detail where slow phase is still wrong. Parameters are those of
    :func:`patch_error`, with H and W multiples of `side`.

    Returns
    -------
    Tensor, (B,) float
    """
    tiles = [_tiles(values, side) for values in (found, truth, weight)]
    light = tiles[2].sum((-2, -1))
    errors = (patch_error(*tiles) * light).view(len(found), -1)
    return errors.sum(1) / light.view(len(found), -1).sum(1).clamp_min(1e-6)


def deviance(counts: Tensor, expected: Tensor, mask: Tensor) -> Tensor:
    """Poisson deviance of every pattern, over four, with an offset c against empty pixels.

    ½ Σ [m − I + (I + c) log((I + c) / (m + c))], which has its mean's least value where the
    model m is the mean of the counts I, at any dose; where there are many photons it is
    Σ (√I − √m)², the numerator of the R-factor.

    Parameters
    ----------
    counts, expected : Tensor, (B, h, w) float
        Measured counts I, and those expected, m ≥ 0.
    mask : Tensor, (h, w) or (B, h, w) bool
        Good pixels.

    Returns
    -------
    Tensor, (B,) float
        Photons.
    """
    above, below = counts + _OFFSET, expected + _OFFSET
    each = expected - counts + above * (above.log() - below.log())
    return 0.5 * (each * mask).sum((-2, -1))


def _tiles(values: Tensor, side: int) -> Tensor:
    batch, height, width = values.shape
    parts = values.view(batch, height // side, side, width // side, side)
    return parts.transpose(2, 3).reshape(-1, side, side)


def _power(values: Tensor) -> Tensor:
    return torch.view_as_real(values).square().sum(-1)
