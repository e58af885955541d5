"""One sweep over all points, in subsets that each see what the last one found.

A subset is spread over the whole scan, so that the first one gives a picture of everything,
and a sweep moves the object as often as there are subsets (as ordered subsets do in
tomography, Hudson & Larkin 1994, doi:10.1109/42.363108).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import shift_probe
from napari_ptychonn.optics.sweep import Sweep, SweepBatch
from napari_ptychonn.reconstruction.events import Message, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.points import interleave

__all__ = ["cover_of", "point_probes", "run_sweep", "subsets_of"]

_COVER_PER_SUBSET = 0.6
_FEWEST_SUBSETS = 40
_SUBSETS_PER_PUSH = 10


def cover_of(frame: Frame, probe: Tensor) -> float:
    """How often a typical pixel of the scanned area is seen, by the probe's lit area."""
    weight = probe.abs().square().sum(0)
    lit = float(weight.sum().square() / weight.square().sum())
    corners = frame.corners.float()
    spans = corners.amax(0) - corners.amin(0) + lit**0.5
    return frame.n_points * lit / float(spans.prod())


def subsets_of(frame: Frame, probe: Tensor, seed: int) -> list[Tensor]:
    """Split the points into subsets whose light covers about 0.6 of the scan each, or less.

    Parameters
    ----------
    frame : Frame
        Places of the points.
    probe : Tensor, (modes, h, w) complex
        Its light tells how much of the object a point sees.
    seed : int
        Of the order of the subsets.

    Returns
    -------
    list of Tensor
        Numbers of the points, each once.
    """
    count = max(round(cover_of(frame, probe) / _COVER_PER_SUBSET), _FEWEST_SUBSETS)
    corners = frame.corners.cpu().numpy().astype(np.float64)
    parts = interleave(corners, min(count, max(1, frame.n_points // 2)))
    order = np.random.default_rng(seed).permutation(len(parts))
    return [torch.from_numpy(parts[place]) for place in order]


def run_sweep(
    sweep: Sweep,
    measurements: Measurements,
    frame: Frame,
    subsets: list[Tensor],
    *,
    batch_size: int,
    should_stop: ShouldStop,
    counts_of: Callable[[Tensor, Tensor], Tensor] | None = None,
    momentum: float = 0.0,
) -> Iterator[int | Message]:
    """Go once over all points.

    Parameters
    ----------
    sweep : Sweep
        What is swept, and how.
    measurements : Measurements
        Counts.
    frame : Frame
        Places.
    subsets : list of Tensor
        What :func:`subsets_of` gave.
    batch_size : int
        Patterns at a time; halved, with a message, where memory runs out.
    should_stop : callable
        Asked at every batch; what was taken in by then is still applied.
    counts_of : callable, optional
        Counts of points, on the device, from their numbers on the CPU and there; None: those
        of `measurements`.
    momentum : float
        Every tenth subset the object goes on by this share of the way that it has come since
        the last time, and of the way before that in turn (Maiden, Johnson & Li 2017,
        doi:10.1364/OPTICA.4.000736); 0: not at all.

    Yields
    ------
    int or Message
        Points taken in, after every subset.
    """
    counts_of = counts_of or measurements.counts
    size = batch_size
    push = _Push(sweep.object, momentum) if momentum else None
    # All at once: a GPU has done everything before it takes numbers over.
    there = torch.cat(subsets).to(measurements.device).split([len(part) for part in subsets])
    for number, (subset, subset_there) in enumerate(zip(subsets, there, strict=True), start=1):
        start = 0
        while start < len(subset) and not should_stop():
            points = subset[start : start + size]
            on_device = subset_there[start : start + size]
            try:
                sweep.add(
                    SweepBatch(
                        indices=frame.indices(on_device),
                        shifts=frame.shifts[on_device] if frame.subpixel else None,
                        counts=counts_of(points, on_device),
                    )
                )
            except torch.OutOfMemoryError:
                if len(points) == 1:
                    raise
                is_full = True
            else:
                is_full = False
                start += len(points)
            if is_full:
                # Only here nothing refers to what was computed any more. A subset may be
                # smaller than a batch: what did not fit is what is halved.
                size = len(points) // 2
                torch.cuda.empty_cache()
                yield SmallerBatches.of(size)
        sweep.apply()
        if push is not None and number % _SUBSETS_PER_PUSH == 0:
            push.carry_on(sweep.object)
        yield start
        if should_stop():
            return


class _Push:
    """Momentum of an object (H, W) that sweeps move."""

    def __init__(self, object_: Tensor, momentum: float) -> None:
        self._momentum = momentum
        self._here = object_.clone()
        self._way = torch.zeros_like(object_)

    @torch.inference_mode()
    def carry_on(self, object_: Tensor) -> None:
        """Move the object, in place, on along the way that it has come."""
        self._way.mul_(self._momentum).add_(self._here.neg_().add_(object_))
        object_ += self._here.copy_(self._way).mul_(self._momentum)
        self._here.copy_(object_)


def point_probes(probe: Tensor, frame: Frame, points: Tensor) -> Tensor:
    """Probe of every point: (modes, h, w) for all, or (B, modes, h, w) moved by fractions."""
    return shift_probe(probe, frame.shifts[points]) if frame.subpixel else probe
