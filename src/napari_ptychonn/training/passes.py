"""Passes of the probe-aware network over a batch of fields: sweep, improve, sweep again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.optics.sweep import correct
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.training.examples import FieldBatch

__all__ = ["PassState", "SweptFields", "run_pass", "sweep_fields"]


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


@dataclass(frozen=True, slots=True)
class SweptFields:
    """What one sweep over every field left, (F, C, C) each.

    Attributes
    ----------
    object : Tensor, complex
        Objects after it.
    mean : Tensor, complex
        Mean of them over the subsets, later ones weighing more.
    light, unexplained : Tensor, float
        As :class:`~napari_ptychonn.optics.sweep.Sweep` sums them.
    """

    object: Tensor
    mean: Tensor
    light: Tensor
    unexplained: Tensor


def run_pass(
    network: ProbeAwareNet,
    state: PassState,
    *,
    subsets: int,
    sweeps: int,
    regularisation: float,
    autocast: bool,
    averaged: bool = True,
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
    averaged : bool
        Whether the network sees the mean of the last sweep, as after the first pass of a job.
    turn : Tensor, (F, 1, 1) complex, optional
        Unit factors under which the network sees the objects.
    """
    with torch.no_grad():
        before = state.object
        for _ in range(sweeps):
            swept = sweep_fields(state, subsets, regularisation)
            state.object = swept.object
        after = swept.mean if averaged else swept.object
        error = object_error(swept.light, swept.unexplained)
        if turn is not None:
            after, before = after * turn, before * turn
    found = network.improve(after, before, swept.light, error, autocast=autocast)
    if turn is not None:
        found = found * turn.conj()
    state.object = found.detach()
    return found


def sweep_fields(state: PassState, subsets: int, regularisation: float) -> SweptFields:
    """One sweep over every field at once."""
    batch = state.batch
    fields, points, size = batch.counts.shape[:3]
    span = batch.truth.shape[-1]
    canvas = state.object.reshape(-1, span).clone()
    mean = canvas.clone()
    unexplained = torch.zeros(canvas.shape, device=canvas.device)
    total = torch.zeros_like(unexplained)
    probe = batch.probe[:, :1]
    back = probe.conj()
    power = probe[:, 0].abs().square()
    order = torch.randperm(points).to(canvas.device)
    for number, chosen in enumerate(order.split(-(-points // subsets))):
        count = len(chosen)
        indices = batch.indices[:, chosen]
        waves = probe * cut_windows(canvas, indices)
        counts = batch.counts[:, chosen].reshape(-1, size, size)
        mask = batch.mask[:, None].expand(-1, count, -1, -1).reshape(-1, size, size)
        found = correct(waves.reshape(-1, 1, size, size), counts, mask)
        pull = torch.zeros_like(canvas)
        add_windows(pull, indices, back * found.change.view(fields, count, size, size))
        bright = power[:, None].expand(-1, count, -1, -1)
        share = (found.unexplained / found.counted.clamp_min(1.0)).view(fields, count, 1, 1)
        # Light and error go the same way: as one complex number they go together.
        seen = torch.zeros_like(canvas)
        add_windows(seen, indices, torch.complex(bright.contiguous(), share * bright))
        light = seen.real
        total += light
        unexplained += seen.imag
        peak = light.view(fields, -1).amax(1).repeat_interleave(span)[:, None].clamp_min(1e-6)
        canvas = canvas + pull / ((1 - regularisation) * light + regularisation * peak)
        mean.lerp_(canvas, 2 / (number + 2))
    shape = (fields, span, span)
    return SweptFields(*(part.view(shape) for part in (canvas, mean, total, unexplained)))
