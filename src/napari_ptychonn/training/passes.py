"""Passes of the probe-aware network over a batch of fields: sweep, improve, sweep again."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.optics.sweep import correct
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.training.examples import FieldBatch

__all__ = ["PassState", "run_pass", "sweep_fields"]


class PassState:
    """Objects of all fields between passes.

    Parameters
    ----------
    batch : FieldBatch
        The fields.
    """

    def __init__(self, batch: FieldBatch) -> None:
        self.batch = batch
        self.object = torch.ones_like(batch.truth)


def run_pass(
    network: ProbeAwareNet,
    state: PassState,
    *,
    subsets: int,
    sweeps: int,
    regularisation: float,
    autocast: bool,
    turn: Tensor | None = None,
) -> Tensor:
    """Go on by one pass; return its objects (F, C, C) with their graph.

    No gradient flows through the sweeps: every pass learns from its own loss.

    Parameters
    ----------
    network : ProbeAwareNet
        In training, or not.
    state : PassState
        Moved on, without a graph.
    subsets, sweeps : int
        Subsets of a sweep, and sweeps before the network.
    regularisation : float
        α of the sweeps.
    autocast : bool
        Run convolutions in bfloat16.
    turn : Tensor, (F, 1, 1) complex, optional
        Unit factors under which the network sees the objects.
    """
    with torch.no_grad():
        for _ in range(sweeps):
            before = state.object
            after, light, unexplained = sweep_fields(state, subsets, regularisation)
            state.object = after
        error = object_error(light, unexplained)
        if turn is not None:
            after, before = after * turn, before * turn
    found = network.improve(after, before, light, error, autocast=autocast)
    if turn is not None:
        found = found * turn.conj()
    state.object = found.detach()
    return found


def sweep_fields(
    state: PassState, subsets: int, regularisation: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One sweep over every field at once.

    Returns
    -------
    object : Tensor, (F, C, C) complex
        Objects after it.
    light, unexplained : Tensor, (F, C, C) float
        As :class:`~napari_ptychonn.optics.sweep.Sweep` sums them.
    """
    batch = state.batch
    fields, points, size = batch.counts.shape[:3]
    span = batch.truth.shape[-1]
    canvas = state.object.reshape(-1, span).clone()
    unexplained = torch.zeros(canvas.shape, device=canvas.device)
    total = torch.zeros(canvas.shape, device=canvas.device)
    probe = batch.probe
    power = probe.abs().square().sum(1)
    order = torch.randperm(points)
    for chosen in order.split(-(-points // subsets)):
        count = len(chosen)
        indices = batch.indices[:, chosen].reshape(-1, size, size)
        local = probe.repeat_interleave(count, 0)
        mask = batch.mask.repeat_interleave(count, 0)
        patches = cut_windows(canvas, indices)
        waves = local * patches.unsqueeze(1)
        found = correct(waves, batch.counts[:, chosen].reshape(-1, size, size), mask)
        pull = torch.zeros_like(canvas)
        light = torch.zeros(canvas.shape, device=canvas.device)
        bright = power.repeat_interleave(count, 0)
        add_windows(pull, indices, (local.conj() * found.change).sum(1))
        add_windows(light, indices, bright)
        share = (found.unexplained / found.counted.clamp_min(1.0))[:, None, None]
        add_windows(unexplained, indices, share * bright)
        total += light
        peak = light.view(fields, -1).amax(1).repeat_interleave(span)[:, None].clamp_min(1e-6)
        canvas = canvas + pull / ((1 - regularisation) * light + regularisation * peak)
    shape = (fields, span, span)
    return canvas.view(shape), total.view(shape), unexplained.view(shape)
