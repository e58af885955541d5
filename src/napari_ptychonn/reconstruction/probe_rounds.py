"""Rounds of probe refinement: sweep object and probe together, forget the object, repeat.

Every round starts from the flat object, or from one that was known before: what an earlier,
wrong probe taught would otherwise stay in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_ptychonn.optics.sweep import Sweep, SweepSettings
from napari_ptychonn.reconstruction.events import Message, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.settings import Auto
from napari_ptychonn.reconstruction.sweeping import run_sweep, subsets_of

__all__ = ["ProbeRound", "choose_probe", "refine_probe"]

_MOST_ROUNDS = 6
_SETTLED = 0.05
_SWEEPS = 2
_SETTINGS = SweepSettings(update_probe=True, statistics="amplitude")


@dataclass(frozen=True, slots=True)
class ProbeRound:
    """Outcome of a round.

    Attributes
    ----------
    probe : Tensor, (modes, h, w) complex64
        The refined probe.
    misfit : float
        R-factor met in its last sweep.
    number : int
        Number of the round, or of the candidate.
    """

    probe: Tensor
    misfit: float
    number: int


def refine_probe(
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    rounds: int | Auto,
    *,
    batch_size: int,
    should_stop: ShouldStop,
    start: Tensor | None = None,
) -> Iterator[Message | ProbeRound]:
    """Refine the probe on all points of `frame`.

    Parameters
    ----------
    measurements, frame : Measurements, Frame
        Counts and places of the points.
    probe : Tensor, (modes, h, w) complex64
        Where to start, √photons.
    rounds : int or "auto"
        How many; "auto": as many as lower the misfit by more than 5 % each, at most 6.
    batch_size : int
        Patterns at a time.
    should_stop : callable
        Asked at every batch.
    start : Tensor, (H, W) complex64, optional
        Object that every round starts from; it is not changed. None: a flat one.

    Yields
    ------
    Message or ProbeRound
        The probe after every round.
    """
    last = float("inf")
    for number in range(1, (_MOST_ROUNDS if rounds == "auto" else rounds) + 1):
        if start is None:
            found = torch.ones(frame.shape, dtype=torch.complex64, device=probe.device)
        else:
            found = start.clone()
        for turn in range(_SWEEPS):
            sweep = Sweep(found, probe, measurements.mask, _SETTINGS)
            for taken in run_sweep(
                sweep, measurements, frame, subsets_of(frame, probe, turn),
                batch_size=batch_size, should_stop=should_stop,
            ):  # fmt: skip
                if isinstance(taken, SmallerBatches):
                    batch_size = taken.size
                if isinstance(taken, Message):
                    yield taken
            probe = sweep.probe
            if should_stop():
                return
        yield ProbeRound(probe, sweep.misfit, number)
        if rounds == "auto" and sweep.misfit > (1 - _SETTLED) * last:
            return
        last = sweep.misfit


def choose_probe(
    measurements: Measurements,
    frame: Frame,
    candidates: list[Tensor],
    *,
    batch_size: int,
    should_stop: ShouldStop,
    start: Tensor | None = None,
) -> Iterator[Message | ProbeRound]:
    """Try candidate probes (modes, h, w), each for a round.

    Yields
    ------
    Message or ProbeRound
        A round per candidate; the best one comes once more at the end, as number 0.
    """
    best: ProbeRound | None = None
    for number, candidate in enumerate(candidates, start=1):
        for event in refine_probe(
            measurements, frame, candidate, 1,
            batch_size=batch_size, should_stop=should_stop, start=start,
        ):  # fmt: skip
            if isinstance(event, Message):
                yield event
                continue
            tried = replace(event, number=number)
            if best is None or tried.misfit < best.misfit:
                best = tried
            yield tried
        if should_stop():
            break
    if best is not None:
        yield replace(best, number=0)
