"""The measured counts of the points in use, batch by batch, on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.scan.model import Scan

__all__ = ["HeldOut", "Measurements", "batches"]

_CACHE_BYTES = 512 * 2**20


def batches(n_points: int, size: int) -> Iterator[Tensor]:
    """Numbers 0 … n_points − 1 in order, `size` at a time."""
    yield from torch.arange(n_points).split(size)


class Measurements:
    """Photon counts of the chosen points, DC at the corner.

    Small scans are read once and kept; large ones are read again for every pass, so
    that memory does not grow with the number of patterns.

    Parameters
    ----------
    scan : Scan
        The scan.
    chosen : ndarray, (M,) intp
        Numbers of the points in use.
    device : torch.device
        Where batches go.
    """

    def __init__(self, scan: Scan, chosen: NDArray[np.intp], device: torch.device) -> None:
        self.chosen = chosen
        self.device = device
        self._scan = scan
        self.shape = (len(chosen), *scan.pattern_shape)
        mask = np.fft.ifftshift(scan.mask)
        self.mask = torch.from_numpy(np.ascontiguousarray(mask)).to(device)
        self._kept: Tensor | None = None
        self._held: NDArray[np.bool_] | None = None
        if 4 * int(np.prod(self.shape)) <= _cache_bytes(device):
            self._kept = torch.empty(self.shape, dtype=torch.float32, device=device)
            self._held = np.zeros(len(chosen), bool)

    def counts(self, points: Tensor) -> Tensor:
        """Photon counts (B, H, W) float32 of `points`, on the device; bad pixels are 0."""
        numbers = points.cpu().numpy()
        if self._kept is None or self._held is None:
            return self._read(numbers).to(self.device, non_blocking=True)
        missing = numbers[~self._held[numbers]]
        if len(missing):
            self._kept[torch.from_numpy(missing)] = self._read(missing).to(self.device)
            self._held[missing] = True
        return self._kept[points.to(self.device)]

    def part(self, points: Tensor) -> Measurements:
        """Those of `points` (K,) alone; counts that are kept here are not kept twice."""
        if self._kept is None:
            return Measurements(self._scan, self.chosen[points.cpu().numpy()], self.device)
        return _Part(self, points.cpu())

    def held_out(self, share: float, seed: int) -> HeldOut | None:
        """Split every count by a binomial draw; None where values are not photon counts."""
        return HeldOut(self, share, seed) if self.are_photons() else None

    def are_photons(self) -> bool:
        """Whether values are whole numbers, as far as the first patterns tell."""
        first = self.counts(torch.arange(min(4, len(self.chosen))))
        return bool((first == first.round()).all())

    def _read(self, numbers: NDArray[np.intp]) -> Tensor:
        patterns = self._scan.patterns.read(self.chosen[numbers])
        shifted = np.fft.ifftshift(patterns, axes=(1, 2))
        return torch.from_numpy(np.ascontiguousarray(shifted)) * self.mask.cpu()


class _Part(Measurements):
    """Some points of other measurements."""

    def __init__(self, whole: Measurements, points: Tensor) -> None:
        self.chosen = whole.chosen[points.numpy()]
        self.device, self.mask = whole.device, whole.mask
        self.shape = (len(points), *whole.shape[1:])
        self._kept = whole._kept
        self._whole, self._points = whole, points

    def counts(self, points: Tensor) -> Tensor:
        return self._whole.counts(self._points[points.cpu()])


def _cache_bytes(device: torch.device) -> int:
    """Patterns are kept where they are used: a quarter of a GPU's memory, 512 MB of others."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1] // 4)
    return _CACHE_BYTES


class HeldOut:
    """Two independent measurements made of one by binomial thinning.

    A Poisson count of mean λ split by a binomial draw gives two independent Poisson
    counts of means (1 − s)λ and sλ: one to fit, one to test on.

    Parameters
    ----------
    measurements : Measurements
        What is split.
    share : float
        Share s of the photons that is held out.
    seed : int
        Seed of the draw; a point's draw does not depend on the batch it is in.
    """

    def __init__(self, measurements: Measurements, share: float, seed: int) -> None:
        self.measurements = measurements
        self.share = share
        self._seed = seed
        fits = 4 * int(np.prod(measurements.shape)) <= _CACHE_BYTES // 2
        self._fitted = torch.empty(measurements.shape) if fits else None
        self._drawn = np.zeros(measurements.shape[0], bool)

    def split(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Counts (B, H, W) to fit and counts held out, on the device."""
        counts = self.measurements.counts(points).cpu()
        if self._fitted is None:
            fitted = self._draw(points, counts)
        else:
            new = torch.from_numpy(~self._drawn[points.numpy()])
            self._fitted[points[new]] = self._draw(points[new], counts[new])
            self._drawn[points.numpy()] = True
            fitted = self._fitted[points]
        device = self.measurements.device
        return fitted.to(device), (counts - fitted).to(device)

    def _draw(self, points: Tensor, counts: Tensor) -> Tensor:
        fitted = torch.empty_like(counts)
        for row, point in enumerate(points.tolist()):
            rng = np.random.default_rng((self._seed, point))
            whole = counts[row].numpy().astype(np.int64)
            fitted[row] = torch.from_numpy(rng.binomial(whole, 1 - self.share).astype(np.float32))
        return fitted
