"""Predictions of networks that see raw patterns alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.preprocess import StackStatistics, transform
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.reconstruction.events import Message
from napari_ptychonn.reconstruction.predict import Prediction, runs_bfloat16
from napari_ptychonn.scan.model import Scan

__all__ = ["centre_weight", "predict_directly"]


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
            size = size // 2
            torch.cuda.empty_cache()
            yield Message(f"The device's memory is full: going on with batches of {size} patterns.")
            continue
        yield Prediction(points.to(device), patches, weight[None])
        start += len(numbers)


def centre_weight(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Weight (h, w) where no probe is known: a Gaussian of a tenth of the side.

    The published stitching keeps the central 12 of 64 pixels, since the light, and so
    the knowledge, is there; this does the same without a cut.
    """
    y, x = (np.arange(side) - side // 2 for side in shape)
    fall = (y[:, None] / (0.1 * shape[0])) ** 2 + (x[None, :] / (0.1 * shape[1])) ** 2
    return np.exp(-fall / 2).astype(np.float32)
