"""Weighing: what all patterns say of an object against what its network made of it.

A network's answer is right in what its surroundings show and errs slowly: sweeps pass slow
errors on by a probe's width each, and where photons or points are few there are not enough
sweeps to end them. Here the correction of the object's logarithm is found that is most
probable (maximum a posteriori) when all patterns are Poisson counts and the network's answer
errs by fields like those of natural images, whose power falls as 1 / q² (Field, J. Opt. Soc.
Am. A 4, 2379, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.reconstruction.device import sums_in
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.likelihood import Likelihood, StoppedError
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.sweeping import cover_of

__all__ = ["Weighing", "weigh"]

_FINE_PX = 1.0
"""What is finer than this, the network left out because noise hides it."""
_SLOPE_SHARE = 0.06
"""Share of the light's squared radius over which a pattern tells phase by its slope alone."""
_EDGE = 8
_SAID = 1.0
"""A turn that gains less than this factor e of likelihood is the last."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """How an object is weighed.

    Attributes
    ----------
    stiffness : float
        λ, half the inverse variance of the slope of log amplitude and phase, per pixel, that the
        network's answer is expected to be wrong by: how stiffly it is held.
    turns : int
        Turns of the minimisation at most; each takes 1.2 looks at all patterns. Passes gain no
        more from ten than from five.
    """

    stiffness: float
    turns: int


def weigh(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    *,
    how: Weighing,
    batch_size: int,
    should_stop: ShouldStop,
) -> Iterator[int | Message | Tensor]:
    """Correct the object by what all patterns say.

    Minimised is the Poisson deviance of the counts, halved, plus
    Σ_q λ q² (1 + ℓ² q²) |g_q|², where O·exp(g) is the object sought.

    Parameters
    ----------
    measurements, frame : Measurements, Frame
        Counts, which are photons, and places of the points.
    object_ : Tensor, (H, W) complex64
        What the network made; it is not changed.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    how : Weighing
        How stiffly the object is held, and for how long.
    batch_size : int
        Patterns at a time; halved, with a message, where memory runs out.
    should_stop : callable
        Asked at every batch; when true, nothing more comes.

    Yields
    ------
    int or Message
        Looks at all patterns since the last.
    Tensor, (H, W) complex64
        Last, where it was not stopped: the object.
    """
    task = Likelihood(measurements, frame, object_.clone(), probe, batch_size, should_stop)
    prior = _Prior.of(frame, probe, how.stiffness)
    hidden = torch.zeros(prior.shape, device=probe.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [hidden], max_iter=1, max_eval=25, history_size=5, line_search_fn="strong_wolfe"
    )
    seen: list[_Seen] = []

    @torch.no_grad()
    def look() -> float:
        # A turn looks first at where the last one ended: at what was seen already.
        for here in seen:
            if torch.equal(here.place, hidden):
                hidden.grad = here.slope.clone()
                return here.value
        missed, pull = task.missed(prior.correction(hidden))
        slope = prior.slope(hidden) + prior.pulled(pull)
        seen.append(_Seen(hidden.detach().clone(), missed + prior.penalty(hidden), slope))
        hidden.grad = slope.clone()
        return seen[-1].value

    latest = math.inf
    for _ in range(how.turns):
        before = task.looks
        try:
            optimizer.step(look)
        except StoppedError:
            return
        yield from task.take_messages()
        yield task.looks - before
        seen[:] = [min(seen, key=lambda here: here.value)]
        if not latest - seen[0].value > _SAID:
            break
        latest = seen[0].value
    yield task.corrected(prior.correction(seen[0].place))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A place, what is minimised there, and its gradient."""

    place: Tensor
    value: float
    slope: Tensor


@dataclass(frozen=True, slots=True)
class _Prior:
    """What corrections are expected, and the coordinates in which all directions are alike.

    A correction is two real fields, log amplitude and phase, laid out with an edge that keeps
    opposite sides apart. Coordinates are the fields with every frequency divided by its
    `scale`, about the deviation that prior and patterns leave to it.
    """

    frame: tuple[int, int]
    shape: tuple[int, int, int]
    scale: Tensor
    weight: Tensor

    @classmethod
    def of(cls, frame: Frame, probe: Tensor, stiffness: float) -> _Prior:
        height, width = (16 * math.ceil((side + 2 * _EDGE) / 16) for side in frame.shape)
        down = 2 * math.pi * torch.fft.fftfreq(height, device=probe.device)[:, None]
        right = 2 * math.pi * torch.fft.rfftfreq(width, device=probe.device)
        q2 = down.square() + right.square()
        light = probe.abs().square().sum(0)
        area = light.sum().square() / light.square().sum()
        lit = 2 * light.sum() * cover_of(frame, probe) / area
        weight = stiffness * q2 * (1 + _FINE_PX**2 * q2)
        slopes = q2 * (_SLOPE_SHARE * area / (2 * math.pi))
        certain = torch.stack((lit.expand_as(q2), lit * slopes / (1 + slopes)))
        scale = (weight + certain).clamp_min(1e-6 * lit).rsqrt()
        scale[1, 0, 0] = 0  # No pattern knows the phase of everything.
        return cls(frame.shape, (2, height, width), scale, weight)

    def correction(self, place: Tensor) -> Tensor:
        """Fields (2, H, W) on the object's frame."""
        height, width = self.frame
        return self._scaled(place)[:, _EDGE : _EDGE + height, _EDGE : _EDGE + width]

    def pulled(self, pull: Tensor) -> Tensor:
        """Gradient in coordinates from that (2, H, W) of the correction."""
        height, width = self.shape[1:]
        below, aside = height - pull.shape[1] - _EDGE, width - pull.shape[2] - _EDGE
        return self._scaled(torch.nn.functional.pad(pull, (_EDGE, aside, _EDGE, below)))

    def penalty(self, place: Tensor) -> float:
        """Σ λ q² (1 + ℓ² q²) |g_q|²."""
        return 0.5 * float((self.slope(place) * place).sum(dtype=sums_in(place.device)))

    def slope(self, place: Tensor) -> Tensor:
        """Gradient of the penalty."""
        return self._times(place, 2 * self.weight * self.scale.square())

    def _scaled(self, fields: Tensor) -> Tensor:
        return self._times(fields, self.scale)

    def _times(self, fields: Tensor, factors: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(fields) * factors, s=self.shape[1:])
