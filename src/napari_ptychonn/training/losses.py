"""Losses between complex patches whose global phase is free."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["patch_error"]


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
    return (own - 2 * agreement) / weight.sum((-2, -1))


def _power(values: Tensor) -> Tensor:
    return torch.view_as_real(values).square().sum(-1)
