"""A pass of the network over all points, in subsets that each see what the last one found.

A subset is spread over the whole scan. The first one gives a picture of everything at a
fraction of the cost, and what it found is the estimate for the next: a pass moves the
object as often as there are subsets (as ordered subsets do in tomography, Hudson & Larkin
1994, doi:10.1109/42.363108). The pass's result averages all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.points import interleave
from napari_ptychonn.reconstruction.predict import Prediction
from napari_ptychonn.reconstruction.stitch import Pass, Stitch

__all__ = ["PassStep", "Predictor", "network_pass", "subsets_of"]

Predictor = Callable[[Tensor, Tensor | None], Iterator[Prediction | Message]]
"""Points (M,) int64 and the object so far (H, W), or None, to predictions."""

_COVER_PER_SUBSET = 0.8
_PHOTONS_PER_SUBSET = 50.0
_MOST_SUBSETS = 12
_MOMENTUM = 0.5


@dataclass(frozen=True, slots=True)
class PassStep:
    """Where a pass is.

    Attributes
    ----------
    points : int
        Points that were predicted since the last step.
    found : Tensor, (H, W) complex64, or None
        The object so far, where it has changed.
    stitch : Stitch or None
        All subsets so far; with the last step, the result of the pass.
    prediction : Prediction or None
        The patches of this step, in phases of their own.
    phases : Tensor, (N,) complex64, or None
        With a subset's last step: factors that bring the patches of its points into the
        object's phase.
    subset : Tensor, (N,) int64, or None
        Those points.
    """

    points: int
    found: Tensor | None = None
    stitch: Stitch | None = None
    prediction: Prediction | None = None
    phases: Tensor | None = None
    subset: Tensor | None = None


def subsets_of(frame: Frame, weight: Tensor) -> list[Tensor]:
    """Points in subsets that each still cover the scan, and bring light enough.

    Light enough is 50 photons on each object pixel: in less, what a subset finds is
    mostly noise, and fewer subsets are better.

    Parameters
    ----------
    frame : Frame
        Places of the points.
    weight : Tensor, (h, w) float
        Light |P|² of one point, photons.

    Returns
    -------
    list of Tensor
        Numbers of the points, each once.
    """
    lit = float(weight.sum() / weight.max())
    corners = frame.corners.cpu().double()
    spans = corners.amax(0) - corners.amin(0) + lit**0.5
    covered = frame.n_points * lit / float(spans.prod())
    photons = covered * float(weight.max())
    count = min(covered / _COVER_PER_SUBSET, photons / _PHOTONS_PER_SUBSET, _MOST_SUBSETS)
    count = max(1, min(int(count), frame.n_points // 2))
    return [torch.from_numpy(part) for part in interleave(corners.numpy(), count)]


def network_pass(
    predictor: Predictor,
    frame: Frame,
    subsets: list[Tensor],
    start: Tensor | None,
    *,
    should_stop: ShouldStop,
) -> Iterator[PassStep | Message]:
    """Go once over all points.

    Parameters
    ----------
    predictor : callable
        Predicts patches.
    frame : Frame
        Places of all points.
    subsets : list of Tensor
        What :func:`subsets_of` gave.
    start : Tensor, (H, W) complex64, or None
        Object so far; None: flat.
    should_stop : callable
        Asked at every batch.

    Yields
    ------
    PassStep or Message
        A step per batch. The last one of every subset carries the object so far and the
        stitch of all subsets; a pass that was stopped ends with what it had. While nothing
        is known yet, steps with a growing picture come in between; they name no subset.
    """
    device = frame.corners.device
    total = Stitch(frame.shape, device)
    found = start
    change: Tensor | None = None
    for subset in subsets:
        part = Pass(frame, device)
        stopping = False
        seen, next_picture = 0, 1
        for event in predictor(subset, found):
            if isinstance(event, Message):
                yield event
                continue
            part.add(event.patches, event.weight, event.points)
            yield PassStep(len(event.points), prediction=event)
            stopping = should_stop()
            if stopping:
                break
            seen += len(event.points)
            if found is None and next_picture <= seen < len(subset):
                # The first batch, then twice as many points each time: pictures stay cheap.
                preview = part.stitch()
                yield PassStep(0, preview.object(), preview)
                next_picture = 2 * seen
        # The slopes of new patches are better than the estimate's, so their phases were
        # free; only the subset as a whole is turned to what stood there.
        stitch = part.stitch()
        turn = _common_turn(stitch, found)
        total.merge(stitch, turn)
        if found is None:
            found = stitch.object()
        else:
            change = _change(found, stitch, turn, change)
            found = found + change
        phases = torch.from_numpy(part.phases().conj()).to(device) * turn
        yield PassStep(0, found, total, None, phases, part.points())
        if stopping:
            return


def _common_turn(stitch: Stitch, found: Tensor | None) -> Tensor:
    if found is None:
        return torch.ones((), dtype=torch.complex64, device=stitch.weight.device)
    agreement = (stitch.weight * stitch.object().conj() * found).sum()
    return torch.polar(torch.ones_like(agreement.real), agreement.angle())


def _change(found: Tensor, stitch: Stitch, turn: Tensor, last: Tensor | None) -> Tensor:
    """What a subset changes, with momentum: smooth phase moves little in one step."""
    share = stitch.weight / (stitch.weight + 0.1 * stitch.typical_weight)
    change = share * (stitch.object() * turn - found)
    return change if last is None else change + _MOMENTUM * last
