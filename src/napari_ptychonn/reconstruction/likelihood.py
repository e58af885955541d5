"""How well all patterns agree with an object, as Poisson counts, and where to they pull it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector, to_object
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.reconstruction.device import sums_in
from napari_ptychonn.reconstruction.events import Message, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.sweeping import point_probes

__all__ = ["Likelihood", "StoppedError"]

_DARK = 1e-3
"""Photons that a model may miss in a pixel where it says that there are none, at least."""
_BLOCK, _DARKEST, _SURVEYED = 8, 0.1, 256
"""Pixels a side of the blocks of a detector, the share of them that tells of a background, and the
patterns they are summed over."""


class StoppedError(Exception):
    """The person wants no more."""


class Likelihood:
    """Half the Poisson deviance of all patterns, as a correction of an object's logarithm goes.

    To what the object explains comes a background, alike in all pixels: what the darkest tenth
    of the detector has too many, since where little is expected every photon counts much.

    Parameters
    ----------
    measurements, frame : Measurements, Frame
        Counts, which are photons, and places of the points.
    object_ : Tensor, (H, W) complex64
        The object; it is not changed.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    batch_size : int
        Patterns at a time; halved, with a message, where memory runs out.
    should_stop : callable
        Asked at every batch.

    Attributes
    ----------
    looks : int
        How often all patterns were looked at.
    """

    def __init__(
        self,
        measurements: Measurements,
        frame: Frame,
        object_: Tensor,
        probe: Tensor,
        batch_size: int,
        should_stop: ShouldStop,
    ) -> None:
        self._measurements, self._frame = measurements, frame
        self._object, self._probe = object_, probe
        self._batch_size, self._should_stop = batch_size, should_stop
        self._messages: list[Message] = []
        self._background: float | None = None
        self.looks = 0

    def take_messages(self) -> list[Message]:
        """What there is to say since the last time."""
        said, self._messages = self._messages, []
        return said

    def corrected(self, correction: Tensor) -> Tensor:
        """O·exp(g), of a correction (2, H, W): log amplitude and phase."""
        return self._object * torch.complex(correction[0], correction[1]).exp()

    @torch.inference_mode()
    def missed(self, correction: Tensor) -> tuple[float, Tensor]:
        """Half the deviance of all patterns, and its gradient (2, H, W).

        Raises
        ------
        StoppedError
            Where it is to stop.
        """
        if self._background is None:
            self._background = self._survey()
        object_ = self.corrected(correction)
        pull = torch.zeros_like(object_)
        value = torch.zeros((), dtype=sums_in(object_.device), device=object_.device)

        def add(points: Tensor) -> None:
            value.add_(self._add(points, object_, pull))

        self._go_over(torch.arange(self._frame.n_points), add)
        self.looks += 1
        turned = 2 * pull.conj() * object_
        return float(value), torch.stack((turned.real, -turned.imag))

    def _survey(self) -> float:
        """Photons a pixel that the object does not explain where the detector is darkest."""
        count = self._frame.n_points
        chosen = torch.linspace(0, count - 1, min(count, _SURVEYED)).round().long()
        mask = self._measurements.mask
        surplus = torch.zeros(mask.shape, device=mask.device)

        def add(points: Tensor) -> None:
            seen = self._seen(points, self._object)
            surplus.add_((seen.counts - intensity(seen.far)).sum(0))

        self._go_over(chosen, add)
        found, known = torch.nn.functional.avg_pool2d(
            torch.stack((surplus * mask, mask.to(surplus))), _BLOCK, ceil_mode=True
        )
        blocks = (found / known)[known > 0.5]
        if not len(blocks):
            return _DARK
        return max(_DARK, float(torch.quantile(blocks, _DARKEST)) / len(chosen))

    def _go_over(self, points: Tensor, take: Callable[[Tensor], None]) -> None:
        start = 0
        while start < len(points):
            if self._should_stop():
                raise StoppedError
            batch = points[start : start + self._batch_size]
            try:
                take(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
            else:
                start += len(batch)
                continue
            self._batch_size = len(batch) // 2
            torch.cuda.empty_cache()
            self._messages.append(SmallerBatches.of(self._batch_size))

    def _add(self, points: Tensor, object_: Tensor, pull: Tensor) -> Tensor:
        assert self._background is not None
        seen = self._seen(points, object_)
        counts, modelled = seen.counts, intensity(seen.far) + self._background
        ratio = counts / modelled
        mask = self._measurements.mask
        surplus = torch.xlogy(counts, ratio) - counts + modelled
        value = (surplus * mask).sum(dtype=sums_in(surplus.device))
        far = seen.far * ((1 - ratio) * mask).unsqueeze(-3)
        # Last: what a full memory cut short is done again, and must not count twice.
        add_windows(pull, seen.indices, (seen.light.conj() * to_object(far)).sum(-3))
        return value

    def _seen(self, points: Tensor, object_: Tensor) -> _Patterns:
        on_device = points.to(self._measurements.device)
        indices = self._frame.indices(on_device)
        light = point_probes(self._probe, self._frame, on_device)
        light = light if light.dim() == 4 else light[None]
        counts = self._measurements.counts(points, on_device)
        far = to_detector(exit_waves(light, cut_windows(object_, indices)))
        return _Patterns(counts, far, light, indices)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Counts (n, h, w), waves on the detector (n, modes, h, w), probes and windows of points."""

    counts: Tensor
    far: Tensor
    light: Tensor
    indices: Tensor
