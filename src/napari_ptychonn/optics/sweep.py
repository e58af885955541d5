"""Batched sweeps over object and probe (rPIE).

The regularised ptychographic iterative engine (Maiden, Johnson & Li 2017,
doi:10.1364/OPTICA.4.000736) with the updates of a batch of random points summed before
they are applied, so that one batch is two batched transforms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.optics.probe import move_back, replace_modulus
from napari_ptychonn.optics.propagation import exit_waves, shift_probe
from napari_ptychonn.optics.windows import add_windows, cut_windows

__all__ = ["SweepBatch", "SweepSettings", "sweep"]


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """How far a sweep goes.

    Attributes
    ----------
    object_regularisation, probe_regularisation : float
        α and β of rPIE, 0 (Gauss-Newton) to 1 (gradient).
    update_probe : bool
        Whether the probe is refined along.
    """

    object_regularisation: float = 0.2
    probe_regularisation: float = 0.5
    update_probe: bool = False


@dataclass(frozen=True, slots=True)
class SweepBatch:
    """Points of one batch.

    Attributes
    ----------
    indices : Tensor, (B, h, w) int64
        Their windows on the object.
    shifts : Tensor, (B, 2) float32, or None
        Fractions of a pixel by which their probe is moved.
    amplitude : Tensor, (B, h, w) float32
        Measured √I, DC at the corner.
    """

    indices: Tensor
    shifts: Tensor | None
    amplitude: Tensor


@torch.inference_mode()
def sweep(
    object_: Tensor,
    probe: Tensor,
    batches: Iterable[SweepBatch],
    mask: Tensor,
    settings: SweepSettings,
) -> tuple[Tensor, float]:
    """Go once over all batches.

    Parameters
    ----------
    object_ : Tensor, (H, W) complex64
        Changed in place.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    batches : iterable of SweepBatch
        All points, in random order.
    mask : Tensor, (h, w) bool
        Good pixels, DC at the corner.
    settings : SweepSettings
        How far to go.

    Returns
    -------
    probe : Tensor, (modes, h, w) complex64
        The refined probe (the given one where it is not updated).
    misfit : float
        R-factor met on the way, Σ(√I − |F(P·O)|)² / ΣI.
    """
    missed = torch.zeros((), device=object_.device)
    counted = torch.zeros((), device=object_.device)
    light = torch.empty(object_.shape, device=object_.device)
    pull = torch.empty_like(object_)
    for batch in batches:
        patches = cut_windows(object_, batch.indices)
        local = probe if batch.shifts is None else shift_probe(probe, batch.shifts)
        change, modelled = replace_modulus(exit_waves(local, patches), batch.amplitude, mask)
        missed += ((batch.amplitude - modelled).square() * mask).sum()
        counted += (batch.amplitude.square() * mask).sum()
        power = local.abs().square().sum(-3)
        pull.zero_()
        light.zero_()
        add_windows(pull, batch.indices, (local.conj() * change).sum(-3))
        add_windows(light, batch.indices, power.expand_as(modelled))
        alpha = settings.object_regularisation
        object_ += pull / ((1 - alpha) * light + alpha * light.max())
        if settings.update_probe:
            back = patches.conj().unsqueeze(1) * change
            summed = back.sum(0) if batch.shifts is None else move_back(back, batch.shifts)
            seen = patches.abs().square().sum(0)
            beta = settings.probe_regularisation
            probe = probe + summed / ((1 - beta) * seen + beta * seen.max())
    return probe, float(missed / counted)
