"""Batched sweeps over object and probe.

The regularised ptychographic iterative engine (rPIE; Maiden, Johnson & Li 2017,
doi:10.1364/OPTICA.4.000736) with the updates of a batch of points summed before they are
applied, so that one batch is two batched transforms.

Exit waves follow the Poisson likelihood, ψ′ = ψ + ½ (I / |Fψ|² − 1) ψ on the detector
(Thibault & Guizar-Sicairos 2012, doi:10.1088/1367-2630/14/6/063004): it is unbiased where
few photons are counted, where √I / |Fψ| sets every empty pixel to zero. A small count c
under both keeps dim pixels finite, and what surpasses √I / |Fψ| by more than noise can is
cut off: there the model is wrong, and the likelihood would pull without end. Where the probe
is still wrong, or the patterns may lie turned over, amplitudes are the better judge: they
trust dim pixels, where a wrong model errs most, less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from napari_ptychonn.optics.probe import move_back
from napari_ptychonn.optics.propagation import (
    exit_waves,
    intensity,
    shift_probe,
    to_detector,
    to_object,
)
from napari_ptychonn.optics.windows import add_windows, cut_windows

__all__ = ["Correction", "Statistics", "Sweep", "SweepBatch", "SweepSettings", "correct"]

Statistics = Literal["poisson", "amplitude"]

OFFSET, AMPLITUDE_OFFSET = 0.02, 0.2
"""c, photons."""
_MOST_BEYOND = 1.0
"""What of (√I − |Fψ|)² is believed to be noise, photons; its mean is about ¼."""
_PART = 2**20
"""Pixels."""


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """How far a sweep goes.

    Attributes
    ----------
    object_regularisation, probe_regularisation : float
        α and β of rPIE, 0 (Gauss-Newton) to 1 (gradient).
    update_probe : bool
        Whether the probe is refined along.
    statistics : {"poisson", "amplitude"}
        What exit waves follow; see :func:`correct`.
    """

    object_regularisation: float = 0.2
    probe_regularisation: float = 0.5
    update_probe: bool = False
    statistics: Statistics = "poisson"


@dataclass(frozen=True, slots=True)
class SweepBatch:
    """Points of one batch.

    Attributes
    ----------
    indices : Tensor, (B, h, w) int64
        Their windows on the object.
    shifts : Tensor, (B, 2) float32, or None
        Fractions of a pixel by which their probe is moved.
    counts : Tensor, (B, h, w) float32
        Measured counts I, DC at the corner.
    """

    indices: Tensor
    shifts: Tensor | None
    counts: Tensor


@dataclass(frozen=True, slots=True)
class Correction:
    """What patterns say about exit waves.

    Attributes
    ----------
    change : Tensor, (B, modes, h, w) complex
        ψ′ − ψ.
    missed : Tensor, (B,) float
        Σ (√(I + c) − √(|Fψ|² + c))² over the good pixels, photons.
    unexplained : Tensor, (B,) float
        What of it photon noise does not explain; may be negative.
    counted : Tensor, (B,) float
        Σ I over the good pixels.
    """

    change: Tensor
    missed: Tensor
    unexplained: Tensor
    counted: Tensor


class Sweep:
    """One sweep: add the batches of a subset, apply them, go on with the next subset.

    Parameters
    ----------
    object_ : Tensor, (H, W) complex64
        Changed in place.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons; however it is refined, Σ|P|² stays.
    mask : Tensor, (h, w) bool
        Good pixels, DC at the corner.
    settings : SweepSettings
        How far to go.

    Attributes
    ----------
    object, probe : Tensor
        As they are now.
    mean : Tensor, (H, W) complex64
        Average of the objects after each subset, later ones weighing more: a subset's own
        noise is averaged out of it.
    light : Tensor, (H, W) float32
        Photons on each pixel from all points so far.
    unexplained : Tensor, (H, W) float32
        Misfit beyond photon noise, as a share of their photons, of the patterns that
        have light on each pixel, summed with that light. It was met before the pattern
        itself was used.
    """

    def __init__(
        self, object_: Tensor, probe: Tensor, mask: Tensor, settings: SweepSettings
    ) -> None:
        self.object, self.probe = object_, probe
        self.mean = object_.clone()
        self._applied = 0
        self.light = torch.zeros(object_.shape, device=object_.device)
        self.unexplained = torch.zeros_like(self.light)
        self._mask, self._settings = mask, settings
        self._pull = torch.zeros_like(object_)
        self._seen = torch.zeros_like(object_)
        self._probe_pull = torch.zeros_like(probe)
        self._probe_seen = torch.zeros(probe.shape[-2:], device=probe.device)
        self._photons = _photons(probe)
        self._missed = torch.zeros((), device=object_.device)
        self._counted = torch.zeros((), device=object_.device)

    @property
    def misfit(self) -> float:
        """R-factor met on the way, Σ(√I − |F(P·O)|)² / ΣI, with c under the roots."""
        return float(self._missed / self._counted.clamp_min(1e-30))

    @torch.inference_mode()
    def add(self, batch: SweepBatch) -> None:
        """Take what the patterns of a batch say."""
        patches = cut_windows(self.object, batch.indices)
        local = self.probe[None] if batch.shifts is None else shift_probe(self.probe, batch.shifts)
        waves = exit_waves(local, patches)
        found = correct(waves, batch.counts, self._mask, self._settings.statistics)
        power = intensity(local).expand_as(batch.counts)
        pull = local.conj() * found.change
        pull = pull.squeeze(1) if len(self.probe) == 1 else pull.sum(1)
        share = (found.unexplained / found.counted.clamp_min(1.0))[:, None, None]
        # Light and error go the same way: as one complex number they go together.
        seen = torch.complex(power, share * power)
        # Where memory runs out, the batch comes again in parts: until all of it is computed,
        # nothing may be added.
        if self._settings.update_probe:
            back = patches.conj().unsqueeze(1) * found.change
            back = back.sum(0) if batch.shifts is None else move_back(back, batch.shifts)
            self._probe_seen += intensity(patches.unsqueeze(1)).sum(0)
            self._probe_pull += back
        add_windows(self._pull, batch.indices, pull)
        add_windows(self._seen, batch.indices, seen)
        self._missed += found.missed.sum()
        self._counted += found.counted.sum()

    @torch.inference_mode()
    def apply(self) -> None:
        """Move object and probe by what was added since the last time."""
        alpha, beta = self._settings.object_regularisation, self._settings.probe_regularisation
        light = self._seen.real
        highest = alpha * light.max()
        # In place and in parts: of a large object, complex over real would make another one.
        parts = zip(self._pull.view(-1).split(_PART), light.view(-1).split(_PART), strict=True)
        for pull, here in parts:
            pull.div_(((1 - alpha) * here + highest).clamp_min(1e-30))
        self.object += self._pull
        self._applied += 1
        self.mean.lerp_(self.object, 2 / (self._applied + 1))
        self.light += light
        self.unexplained += self._seen.imag
        self._pull.zero_()
        self._seen.zero_()
        if self._settings.update_probe:
            reach = (1 - beta) * self._probe_seen + beta * self._probe_seen.max()
            moved = self.probe + self._probe_pull / reach.clamp_min(1e-30)
            # Object and probe could pass a factor to and fro; the photons of the beam fix it.
            self.probe = moved * (self._photons / _photons(moved)).sqrt()
            self._probe_pull.zero_()
            self._probe_seen.zero_()


def correct(
    waves: Tensor, counts: Tensor, mask: Tensor, statistics: Statistics = "poisson"
) -> Correction:
    """Change of exit waves towards what their patterns say.

    Parameters
    ----------
    waves : Tensor, (B, modes, h, w) complex
        Exit waves ψ.
    counts : Tensor, (B, h, w) float
        Measured counts, DC at the corner.
    mask : Tensor, (h, w) or (B, h, w) bool
        Good pixels; the others keep what is modelled.
    statistics : {"poisson", "amplitude"}
        ½ (x − 1) or √x − 1 times the wave, where x = (I + c) / (|Fψ|² + c), with c = 0.02 or
        0.2 photons; the first is cut off where it surpasses the second by more than noise can.
    """
    poisson = statistics == "poisson"
    offset = OFFSET if poisson else AMPLITUDE_OFFSET
    far = to_detector(waves)
    floor = intensity(far) + offset
    inverse = floor.rsqrt()
    ratio = ((counts + offset).sqrt() * inverse - 1) * mask
    square = ratio.square()
    missed = (square * floor).sum((-2, -1))
    modelled = floor - offset
    if poisson:
        # ½ (x − 1) is ½ (√x − 1)² more than √x − 1.
        ratio.add_(torch.minimum(square, _MOST_BEYOND * inverse.square()), alpha=0.5)
        noise = _noise(modelled)
    else:
        noise = modelled / (1.6 + 4 * modelled)
    # As real numbers and in place: complex times real would make the real one complex first.
    torch.view_as_real(far).mul_(ratio.unsqueeze(-3).unsqueeze(-1))
    unexplained = missed - (noise * mask).sum((-2, -1))
    return Correction(to_object(far), missed, unexplained, (counts * mask).sum((-2, -1)))


def _noise(expected: Tensor) -> Tensor:
    """Mean of (√(I + c) − √(m + c))² for Poisson counts I of mean m, with c = 0.02.

    A rational function fitted to the sum over all counts, within 6 % of it for any m.
    """
    above = expected * (0.798 + 0.635 * expected)
    return above / (1 + expected * (0.502 + 2.54 * expected))


def _photons(probe: Tensor) -> Tensor:
    return torch.view_as_real(probe).square().sum().clamp_min(1e-30)
