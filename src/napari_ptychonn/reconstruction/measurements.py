"""The measured counts of the points in use, batch by batch, on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.scan.model import PatternSource, Scan
from napari_ptychonn.scan.patterns import ArrayPatterns

__all__ = ["HeldOut", "Measurements", "batches"]

_CACHE_BYTES = 512 * 2**20
_ROOM_BYTES = 2 * 2**30
"""For kept patterns and what lies beside them; patterns of large objects take far longer to
transform than to read."""
_PIXELS_AT_ONCE = 2**23
"""Of patterns that are read or drawn at once."""
_SMALL_TYPES = {
    np.dtype(np.uint8): (torch.uint8, 0xFF),
    np.dtype(np.uint16): (torch.int16, 0xFFFF),
}
"""As what torch takes such counts, since it does little with unsigned ones, and all their bits."""


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
    beside : int
        Bytes that the job takes beside them.
    """

    def __init__(
        self, scan: Scan, chosen: NDArray[np.intp], device: torch.device, *, beside: int = 0
    ) -> None:
        self.chosen = chosen
        self.device = device
        self._scan = scan
        self.shape = (len(chosen), *scan.pattern_shape)
        mask = np.fft.ifftshift(scan.mask)
        self.mask = torch.from_numpy(np.ascontiguousarray(mask)).to(device)
        self._kept = _room(self.shape, device, beside)
        self._held = np.zeros(len(chosen), bool)
        self._missing = len(chosen)

    def counts(self, points: Tensor, on_device: Tensor | None = None) -> Tensor:
        """Photon counts (B, H, W) float32 of `points`, on the device; bad pixels are 0.

        Parameters
        ----------
        points : Tensor, (B,) int64
            Numbers of the points.
        on_device : Tensor, (B,) int64, optional
            The same on the device, where they are there already: to bring them over would
            wait for all that a GPU was given before.
        """
        if self._kept is None:
            return self._read(points.cpu().numpy())
        if on_device is None:
            on_device = points.to(self.device)
        if self._missing:
            numbers = points.cpu().numpy()
            missing = numbers[~self._held[numbers]]
            if len(missing) == len(numbers):
                counts = self._read(numbers)
                self._kept[on_device] = counts
                self._take_in(numbers)
                return counts
            if len(missing):
                self._kept[torch.from_numpy(missing).to(self.device)] = self._read(missing)
                self._take_in(missing)
        return self._kept[on_device]

    def whole(self) -> Tensor | None:
        """Counts (M, H, W) of all points, where they are kept; not to be changed."""
        if self._kept is not None and self._missing:
            for points in torch.from_numpy(np.flatnonzero(~self._held)).split(_at_once(self.shape)):
                self.counts(points)
        return self._kept

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

    def _take_in(self, numbers: NDArray[np.intp]) -> None:
        self._held[numbers] = True
        self._missing = len(self._held) - int(np.count_nonzero(self._held))

    def _read(self, numbers: NDArray[np.intp]) -> Tensor:
        if self.device.type == "cuda":
            stored = _staged(self._scan.patterns, self.chosen[numbers], self.device)
            return torch.fft.ifftshift(stored, dim=(1, 2)) * self.mask
        patterns = self._scan.patterns.read(self.chosen[numbers])
        shifted = np.fft.ifftshift(patterns, axes=(1, 2))
        return (torch.from_numpy(np.ascontiguousarray(shifted)) * self.mask.cpu()).to(self.device)


class _Part(Measurements):
    """Some points of other measurements."""

    def __init__(self, whole: Measurements, points: Tensor) -> None:
        self.chosen = whole.chosen[points.numpy()]
        self.device, self.mask = whole.device, whole.mask
        self.shape = (len(points), *whole.shape[1:])
        self._kept = whole._kept
        self._whole, self._points = whole, points
        self._on_device = points.to(whole.device)

    def counts(self, points: Tensor, on_device: Tensor | None = None) -> Tensor:
        there = None if on_device is None else self._on_device[on_device]
        return self._whole.counts(self._points[points.cpu()], there)

    def whole(self) -> Tensor | None:
        everything = self._whole.whole()
        return None if everything is None else everything[self._on_device]


def _room(shape: tuple[int, ...], device: torch.device, beside: int = 0) -> Tensor | None:
    """Memory for counts where they are used; None where they would take too much of it."""
    if 4 * math.prod(shape) > _cache_bytes(device, beside):
        return None
    try:
        return torch.empty(shape, dtype=torch.float32, device=device)
    except torch.OutOfMemoryError:
        return None


def _at_once(shape: tuple[int, ...]) -> int:
    """Patterns of an (M, H, W) stack that are read or drawn at once."""
    return max(1, _PIXELS_AT_ONCE // (shape[1] * shape[2]))


def _cache_bytes(device: torch.device, beside: int) -> int:
    """At most a quarter of a GPU's memory, and half of what is free.

    Of others 512 MB, or what `beside` leaves of 2 GB.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(min(total // 4, (free + idle) // 2))
    return min(_CACHE_BYTES, _ROOM_BYTES - beside)


def _staged(source: PatternSource, numbers: NDArray[np.intp], device: torch.device) -> Tensor:
    """Patterns (B, H, W) float32 on a GPU, DC at the centre.

    They go by way of pinned memory, which the GPU fetches by itself while the CPU goes on.
    Small whole numbers in memory travel as they are: half the bytes, and nothing to check.
    """
    pinned = device.type == "cuda"
    small = _SMALL_TYPES.get(source.dtype) if isinstance(source, ArrayPatterns) else None
    if not isinstance(source, ArrayPatterns) or small is None or source.bad is not None:
        values = torch.from_numpy(source.read(numbers))
        return (values.pin_memory() if pinned else values).to(device, non_blocking=True)
    signed, every_bit = small
    staged = torch.empty((len(numbers), *source.shape[1:]), dtype=signed, pin_memory=pinned)
    source.array.take(numbers, axis=0, out=staged.numpy().view(source.dtype), mode="clip")
    return (staged.to(device, non_blocking=True).int() & every_bit).float()


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
        self._on_gpu = self._drawn_on_gpu() if measurements.device.type == "cuda" else None
        fits = 4 * math.prod(measurements.shape) <= _CACHE_BYTES // 2
        self._fitted = torch.empty(measurements.shape) if fits and self._on_gpu is None else None
        self._drawn = np.zeros(measurements.shape[0], bool)

    def fitted(self, points: Tensor, on_device: Tensor) -> Tensor:
        """Counts (B, H, W) to fit, on the device; see :meth:`Measurements.counts`."""
        return self.split(points)[0] if self._on_gpu is None else self._on_gpu[on_device]

    def split(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Counts (B, H, W) to fit and counts held out, on the device."""
        if self._on_gpu is not None:
            fitted = self._on_gpu[points.to(self._on_gpu.device)]
            return fitted, self.measurements.counts(points) - fitted
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

    def _drawn_on_gpu(self) -> Tensor | None:
        """Counts (M, H, W) to fit, all drawn at once on the GPU, where both halves fit there."""
        whole = self.measurements.whole()
        drawn = None if whole is None else _room(tuple(whole.shape), whole.device)
        if whole is None or drawn is None:
            return None
        generator = torch.Generator(whole.device).manual_seed(self._seed)
        share = torch.tensor(1 - self.share, device=whole.device)
        size = _at_once(tuple(whole.shape))
        blocks = zip(drawn.split(size), whole.split(size), strict=True)
        for block, counts in blocks:
            block.copy_(torch.binomial(counts, share.expand_as(counts), generator=generator))
        return drawn

    def _draw(self, points: Tensor, counts: Tensor) -> Tensor:
        fitted = torch.empty_like(counts)
        for row, point in enumerate(points.tolist()):
            rng = np.random.default_rng((self._seed, point))
            whole = counts[row].numpy().astype(np.int64)
            fitted[row] = torch.from_numpy(rng.binomial(whole, 1 - self.share).astype(np.float32))
        return fitted
