"""The patterns of a room as a raw-pattern network is shown them, kept where it learns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.network.card import Preprocessing
from napari_ptychonn.network.preprocess import (
    StackStatistics,
    levels,
    processed_shape,
    transform,
)
from napari_ptychonn.scan.model import Scan

__all__ = ["Inputs", "make_inputs"]

_READ = 512
_SHARE_OF_MEMORY = 4


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of a network, measured and computed ones.

    Attributes
    ----------
    scan : Scan
        Where the patterns are.
    numbers : ndarray, (M,) intp
        Numbers of the points in the scan.
    preprocessing : Preprocessing
        Of the network's card.
    statistics : StackStatistics or None
        Of the scan, where the card asks for them.
    offset : Tensor, (h, w) or () float32
        What is subtracted from computed counts, which are neither cut nor shrunk.
    factor : float
        What they are multiplied by then.
    mask : Tensor, (H, W) bool
        Good pixels of a raw pattern.
    kept : Tensor, (M, h, w) float32, or None
        All inputs, on the device; None: they are read as they are asked for.
    """

    scan: Scan
    numbers: NDArray[np.intp]
    preprocessing: Preprocessing
    statistics: StackStatistics | None
    offset: Tensor
    factor: float
    mask: Tensor
    kept: Tensor | None

    def measured(self, points: Tensor) -> Tensor:
        """Inputs (B, h, w) of `points` (B,) int64 of the room, all on the device."""
        if self.kept is not None:
            return self.kept[points]
        return self._read(self.numbers[points.cpu().numpy()]).to(self.mask.device)

    def computed(self, patterns: Tensor) -> Tensor:
        """Inputs (B, h, w) of computed patterns (B, H, W), photons with DC at the corner."""
        counts = torch.fft.fftshift(patterns, dim=(-2, -1)) * self.mask
        if self.preprocessing.threshold > 0:
            counts = counts * (counts >= self.preprocessing.threshold)
        return (counts - self.offset) * self.factor

    def _read(self, numbers: NDArray[np.intp]) -> Tensor:
        raw = self.scan.patterns.read(numbers)
        return torch.from_numpy(
            transform(raw, self.preprocessing, self.statistics, mask=self.scan.mask)
        )


def make_inputs(
    scan: Scan,
    numbers: NDArray[np.intp],
    preprocessing: Preprocessing,
    statistics: StackStatistics | None,
    device: torch.device,
    *,
    keep: bool,
) -> Inputs:
    """Inputs of the points `numbers` (M,) of a scan, attributes as in :class:`Inputs`.

    With `keep` they are all read now, if a GPU has four times the memory that they take.
    """
    offset, factor = levels(preprocessing, statistics)
    found = Inputs(
        scan, numbers, preprocessing, statistics,
        offset=torch.from_numpy(np.asarray(offset, np.float32)).to(device), factor=factor,
        mask=torch.from_numpy(scan.mask).to(device), kept=None,
    )  # fmt: skip
    shape = (len(numbers), *processed_shape(preprocessing, scan.pattern_shape))
    if not keep or not _fits(4 * int(np.prod(shape)), device):
        return found
    kept = torch.empty(shape, dtype=torch.float32, device=device)
    for start in range(0, len(numbers), _READ):
        part = slice(start, start + _READ)
        kept[part] = found._read(numbers[part]).to(device)
    return Inputs(scan, numbers, preprocessing, statistics, found.offset, factor, found.mask, kept)


def _fits(count: int, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    return count * _SHARE_OF_MEMORY <= torch.cuda.mem_get_info(device)[0]
