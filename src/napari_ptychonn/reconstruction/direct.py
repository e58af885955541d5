"""Predictions of networks that see raw patterns alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.preprocess import (
    StackStatistics,
    gather_statistics,
    needs_statistics,
    transform,
)
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.reconstruction.device import runs_bfloat16
from napari_ptychonn.reconstruction.events import Message, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.prepare import Prepared
from napari_ptychonn.reconstruction.stitch import Pass, Stitch
from napari_ptychonn.scan.model import Scan

__all__ = ["DirectStep", "Prediction", "centre_weight", "direct_pass", "predict_directly"]


@dataclass(frozen=True, slots=True)
class DirectStep:
    """Where a pass over raw patterns is.

    Attributes
    ----------
    points : int
        Points predicted since the last step.
    stitch : Stitch or None
        All patches so far, where they were stitched anew.
    """

    points: int
    stitch: Stitch | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Patches of one batch.

    Attributes
    ----------
    points : Tensor, (B,) int64
        Numbers of the points.
    patches : Tensor, (B, h, w) complex64
        Object patches.
    weight : Tensor, (1, h, w) float32
        Weight of their pixels in the stitch.
    """

    points: Tensor
    patches: Tensor
    weight: Tensor


def direct_pass(
    network: PtychoNN,
    job: Prepared,
    probe: Tensor | None,
    room: NDArray[np.complex64] | None,
    *,
    should_stop: ShouldStop,
) -> Iterator[DirectStep | Message]:
    """Predict every point's patch, and stitch.

    Parameters
    ----------
    network : PtychoNN
        On the job's device.
    job : Prepared
        What to work on.
    probe : Tensor, (modes, h, w) complex64, or None
        Its light weighs the patches; None: a Gaussian does.
    room : ndarray, (M, h, w) complex64, or None
        Where patches are to be kept, in the object's phase.
    should_stop : callable
        Asked at every batch; what came by then is stitched.

    Yields
    ------
    DirectStep or Message
        Now and then with a growing picture; the last one has everything.
    """
    card = job.network.card
    statistics = None
    if needs_statistics(card.preprocessing):
        statistics = gather_statistics(
            job.scan.patterns, card.preprocessing,
            indices=job.chosen, mask=job.scan.mask, should_stop=should_stop,
        )  # fmt: skip
        if should_stop():
            return
    weight = (
        torch.from_numpy(centre_weight(job.frame.patch_shape)).to(job.device)
        if probe is None
        else probe.abs().square().sum(0)
    )
    everything = torch.arange(job.frame.n_points)
    part = Pass(job.frame, job.device)
    seen, next_picture = 0, 1
    for event in predict_directly(
        network, card, job.scan, job.chosen, everything, statistics, weight,
        batch_size=job.batch_size,
    ):  # fmt: skip
        if isinstance(event, Message):
            yield event
            continue
        part.add(event.patches, event.weight, event.points)
        if room is not None:
            room[event.points.cpu().numpy()] = event.patches.cpu().numpy()
        seen += len(event.points)
        # The first batch, then twice as many points each time: pictures stay cheap.
        shown = next_picture <= seen < len(everything)
        yield DirectStep(len(event.points), part.stitch() if shown else None)
        next_picture = 2 * seen if shown else next_picture
        if should_stop():
            break
    if not seen:
        return
    stitch = part.stitch()
    if room is not None:
        room[part.points().cpu().numpy()] *= part.phases().conj()[:, None, None]
    yield DirectStep(0, stitch)


@torch.inference_mode()
def predict_directly(
    network: PtychoNN,
    card: NetworkCard,
    scan: Scan,
    chosen: NDArray[np.intp],
    wanted: Tensor,
    statistics: StackStatistics | None,
    weight: Tensor,
    *,
    batch_size: int,
) -> Iterator[Prediction | Message]:
    """Patches of the points `wanted`, in their order.

    Parameters
    ----------
    network, card
        Network, on the device of `weight`, and its card.
    scan : Scan
        Where the patterns are.
    chosen : ndarray, (M,) intp
        Points in use, by their numbers in the scan.
    wanted : Tensor, (K,) int64
        Which of those, by their place in `chosen`.
    statistics : StackStatistics or None
        Of the scan, where the card asks for them.
    weight : Tensor, (h, w) float32
        Weight of a patch's pixels in the stitch.
    batch_size : int
        Patterns at a time; halved, with a message, where memory runs out.
    """
    device = weight.device
    start, size = 0, batch_size
    while start < len(wanted):
        points = wanted[start : start + size]
        numbers = chosen[points.numpy()]
        patterns = transform(
            scan.patterns.read(numbers), card.preprocessing, statistics, mask=scan.mask
        )
        try:
            inputs = torch.from_numpy(patterns)[:, None].to(device)
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=runs_bfloat16(device)):
                patches = network.patches(inputs)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            is_full = True
        else:
            is_full = False
            yield Prediction(points.to(device), patches, weight[None])
            start += len(numbers)
        if is_full:
            size = size // 2
            torch.cuda.empty_cache()
            yield SmallerBatches.of(size)


def centre_weight(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Weight (h, w) where no probe is known: a Gaussian of a tenth of the side.

    The published stitching keeps the central 12 of 64 pixels, since the light, and so
    the knowledge, is there; this does the same without a cut.
    """
    y, x = (np.arange(side) - side // 2 for side in shape)
    fall = (y[:, None] / (0.1 * shape[0])) ** 2 + (x[None, :] / (0.1 * shape[1])) ** 2
    return np.exp(-fall / 2).astype(np.float32)
