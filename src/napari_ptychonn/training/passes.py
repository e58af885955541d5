"""Passes of the probe-aware network over a batch of fields, stitched in between."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.optics.slope import slope_ramp
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.training.examples import FieldBatch

__all__ = ["run_passes", "stitch_fields"]

_SYNCHRONISATIONS = 4


def run_passes(
    network: ProbeAwareNet,
    batch: FieldBatch,
    passes: int,
    *,
    autocast: bool,
    start: Tensor | None = None,
) -> list[Tensor]:
    """Predictions (B, S, S) of every pass; each starts from what the last one stitched.

    The first starts from `start` (B, S, S), or from a flat object.

    No gradient flows through the stitching: every pass learns from its own loss.
    """
    estimate = torch.ones_like(batch.truth) if start is None else start
    predictions: list[Tensor] = []
    for _ in range(passes):
        predicted = network.patches(
            batch.amplitude, batch.probe, estimate, batch.mask, autocast=autocast
        )
        # The slope is fitted in use too; the network need not learn what the data tell.
        predicted = predicted * slope_ramp(predicted, batch.probe, batch.amplitude, batch.mask)
        predictions.append(predicted)
        with torch.no_grad():
            estimate = stitch_fields(predicted.detach(), batch)
    return predictions


def stitch_fields(patches: Tensor, batch: FieldBatch) -> Tensor:
    """Windows (B, S, S) of the phase-synchronised, probe-weighted stitch of each field."""
    weight = batch.probe.abs().square().sum(1)
    weight = weight / weight.amax((-2, -1), keepdim=True)
    total = torch.zeros(batch.canvas, device=patches.device)
    add_windows(total, batch.indices, weight)
    share = weight / (cut_windows(total, batch.indices) + 1e-3)
    turned = patches
    for round_ in range(_SYNCHRONISATIONS + 1):
        canvas = torch.zeros(batch.canvas, dtype=patches.dtype, device=patches.device)
        add_windows(canvas, batch.indices, weight * turned)
        stitched = cut_windows(canvas / (total + 1e-3), batch.indices)
        if round_ < _SYNCHRONISATIONS:
            cross = (share * patches.conj() * stitched).sum((-2, -1), keepdim=True)
            turned = patches * torch.polar(torch.ones_like(cross.real), cross.angle())
    # Where hardly any light fell the stitch is nothing: the mean object stands in.
    mean = (weight * stitched).sum((-2, -1), keepdim=True) / weight.sum((-2, -1), keepdim=True)
    unlit = 1e-3 / (cut_windows(total, batch.indices) + 1e-3)
    return stitched + unlit * mean
