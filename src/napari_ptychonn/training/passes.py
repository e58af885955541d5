"""Passes of the probe-aware network over a batch of fields: sweep, improve, sweep again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.optics.propagation import intensity
from napari_ptychonn.optics.sweep import correct
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.training.examples import FieldBatch
from napari_ptychonn.training.graphs import Graphs

__all__ = ["PassState", "SweptFields", "run_pass", "sweep_fields"]


class PassState:
    """Objects of all fields between passes.

    Parameters
    ----------
    batch : FieldBatch
        The fields.
    graphs : Graphs, optional
        Recordings of sweeps, where they are to be replayed on a GPU.
    """

    def __init__(self, batch: FieldBatch, graphs: Graphs | None = None) -> None:
        self.batch, self.graphs = batch, graphs
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
    points = batch.counts.shape[1]
    order = torch.randperm(points).to(batch.counts.device)
    reach = torch.tensor(regularisation, device=batch.counts.device)
    work = partial(_sweep, size=-(-points // subsets))
    given = (state.object, batch.counts, batch.probe, batch.mask, batch.indices, order, reach)
    if state.graphs is not None:
        return SweptFields(*state.graphs.run(work, subsets, given))
    return SweptFields(*work(*given))


def _sweep(
    objects: Tensor,
    counts: Tensor,
    probe: Tensor,
    mask: Tensor,
    indices: Tensor,
    order: Tensor,
    reach: Tensor,
    *,
    size: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Object, mean, light and what is unexplained; `size` points of a field make a subset."""
    fields, _, *pattern = counts.shape
    span = objects.shape[-1]
    canvas = objects.reshape(-1, span).clone()
    mean = canvas.clone()
    unexplained = torch.zeros(canvas.shape, device=canvas.device)
    total = torch.zeros_like(unexplained)
    back = probe.conj()
    power = intensity(probe)
    for number, chosen in enumerate(order.split(size)):
        places = indices[:, chosen]
        shape = places.shape
        waves = (probe * cut_windows(canvas, places)).reshape(-1, 1, *pattern)
        good = mask[:, None].expand(shape).reshape(-1, *pattern)
        found = correct(waves, counts[:, chosen].reshape(-1, *pattern), good)
        pull = torch.zeros_like(canvas)
        add_windows(pull, places, back * found.change.view(shape))
        share = (found.unexplained / found.counted.clamp_min(1.0)).view(fields, -1, 1, 1)
        bright = power[:, None].expand(shape)
        # Light and error go the same way: as one complex number they go together.
        seen = torch.zeros_like(canvas)
        add_windows(seen, places, torch.complex(bright.contiguous(), share * bright))
        light = seen.real
        total += light
        unexplained += seen.imag
        peak = light.view(fields, -1).amax(1).repeat_interleave(span)[:, None].clamp_min(1e-6)
        canvas = canvas + pull / ((1 - reach) * light + reach * peak)
        mean.lerp_(canvas, 2 / (number + 2))
    canvas, mean, total, unexplained = (
        part.view(objects.shape) for part in (canvas, mean, total, unexplained)
    )
    return canvas, mean, total, unexplained
