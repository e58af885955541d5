"""Training examples made on the fly: small fields of overlapping scan points.

A field is one random sample under one random probe, seen at a few overlapping points
under one random dose, so that passes can be stitched between as they are in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import add_windows, cut_windows, window_indices
from napari_ptychonn.simulation.probes import (
    PROBE_KINDS,
    make_probe,
    probe_from_pupil,
    random_pupil,
)
from napari_ptychonn.simulation.samples import random_sample

__all__ = [
    "DrawnFields",
    "ExampleSettings",
    "FieldBatch",
    "Sampler",
    "draw_fields",
    "expose",
]

Sampler = Callable[[tuple[int, int], np.random.Generator], NDArray[np.complex64]]
"""Gives a complex sample of a shape."""

_AT_ONCE = 16
"""Points of every field that are measured at a time."""
_MOST_PHOTONS = 1e9
"""On a pixel."""


@dataclass(frozen=True, slots=True)
class ExampleSettings:
    """What training examples look like.

    Attributes
    ----------
    size : int
        Pattern side, pixels.
    fields : int
        Fields in a batch.
    side : int
        Each has side × side scan points.
    photons : tuple[float, float]
        Range of photons in a pattern with no sample, drawn log-uniformly.
    wrong_probe : float
        Share of fields whose probe is told with an error.
    gaps : float
        Share of fields seen by a detector with dead lines.
    background : float
        Share of fields with stray counts.
    second_mode : float
        Share of fields with a second, incoherent probe mode that is not told.
    """

    size: int = 64
    fields: int = 8
    side: int = 6
    photons: tuple[float, float] = (5e1, 1e7)
    wrong_probe: float = 0.25
    gaps: float = 0.1
    background: float = 0.15
    second_mode: float = 0.1

    @property
    def points(self) -> int:
        """Scan points of a field."""
        return self.side**2


@dataclass(frozen=True, slots=True)
class FieldBatch:
    """Fields of points, on one tall canvas (field below field); S pattern side, C canvas side.

    Attributes
    ----------
    counts : Tensor, (F, N, S, S) float32
        Counts of every field's points, DC at the corner.
    probe : Tensor, (F, 1, S, S) complex64
        The probe as told, √photons.
    mask : Tensor, (F, S, S) bool
        Good pixels, DC at the corner.
    truth : Tensor, (F, C, C) complex64
        True objects.
    indices : Tensor, (F, N, S, S) int64
        Windows of the points on the canvas (F · C, C).
    """

    counts: Tensor
    probe: Tensor
    mask: Tensor
    truth: Tensor
    indices: Tensor

    @property
    def light(self) -> Tensor:
        """Photons that all points bring to each pixel, as told, (F, C, C) float."""
        power = self.probe.abs().square().sum(1, keepdim=True).expand(self.counts.shape)
        light = torch.zeros_like(self.truth.real)
        add_windows(light.view(-1, light.shape[-1]), self.indices, power)
        return light


class DrawnFields(NamedTuple):
    """Fields before they are measured: what a processor draws while a GPU computes.

    Attributes
    ----------
    truth : Tensor, (F, C, C) complex64
        True objects.
    corners : Tensor, (F, N, 2) int64
        First pixels of the points' windows on each field's own canvas.
    waves : Tensor, (F, modes, S, S) complex64
        The light as it is, √photons.
    probe : Tensor, (F, 1, S, S) complex64
        The probe as told, √photons.
    background : Tensor, (F, 1, 1, 1) float32
        Stray photons on every pixel.
    mask : Tensor, (F, S, S) bool
        Good pixels, DC at the centre.
    seed : int
        Of the photon noise.
    """

    truth: Tensor
    corners: Tensor
    waves: Tensor
    probe: Tensor
    background: Tensor
    mask: Tensor
    seed: int


def draw_fields(
    settings: ExampleSettings,
    rng: np.random.Generator,
    *,
    sample: Sampler = random_sample,
    kinds: tuple[str, ...] = PROBE_KINDS,
) -> DrawnFields:
    """Draw samples, probes, points and detectors of one batch.

    Parameters
    ----------
    settings : ExampleSettings
        What it looks like.
    rng : Generator
        Source of everything random.
    sample : callable
        Gives a complex sample of a shape.
    kinds : tuple of str
        Probes to draw from.
    """
    size, fields = settings.size, settings.fields
    span = 2 * size
    truth = np.empty((fields, span, span), np.complex64)
    corners = np.empty((fields, settings.points, 2), np.int64)
    waves = np.zeros((fields, 2, size, size), np.complex64)
    told = np.empty((fields, 1, size, size), np.complex64)
    background = np.zeros((fields, 1, 1, 1), np.float32)
    mask = np.ones((fields, size, size), bool)
    for field in range(fields):
        truth[field] = sample((span, span), rng)
        low, high = np.log(settings.photons)
        photons = np.exp(rng.uniform(low, high))
        right, wrong = _probe_pair(size, rng, kinds, rng.random() < settings.wrong_probe)
        waves[field, 0] = right * np.sqrt(photons)
        told[field, 0] = wrong * np.sqrt(photons)
        corners[field] = _corners(right, settings.side, span - size, rng)
        if rng.random() < settings.second_mode:
            share = rng.uniform(0.02, 0.15)
            axis = np.arange(size) - size // 2
            tilt = axis[:, None] * rng.normal() + axis[None, :] * rng.normal()
            mode = right * tilt
            waves[field, 1] = mode * np.sqrt(photons * share / (np.abs(mode) ** 2).sum())
        if rng.random() < settings.background:
            background[field] = photons / size**2 * np.exp(rng.uniform(np.log(1e-4), np.log(1e-2)))
        if rng.random() < settings.gaps:
            mask[field] = _gaps(size, rng)
    return DrawnFields(
        truth=torch.from_numpy(truth),
        corners=torch.from_numpy(corners),
        waves=torch.from_numpy(waves),
        probe=torch.from_numpy(told),
        background=torch.from_numpy(background),
        mask=torch.from_numpy(mask),
        seed=int(rng.integers(2**62)),
    )


@torch.no_grad()
def expose(drawn: DrawnFields, device: torch.device) -> FieldBatch:
    """Measure drawn fields on a device: the same photons for the same kind of device."""
    fields, points = drawn.corners.shape[:2]
    size, span = drawn.probe.shape[-1], drawn.truth.shape[-1]
    truth, corners, waves, probe, background, mask = (part.to(device) for part in drawn[:6])
    first = corners.clone()
    first[..., 0] += span * torch.arange(fields, device=device)[:, None]
    indices = window_indices(first.view(-1, 2), (size, size), span)
    good = torch.fft.ifftshift(mask, dim=(1, 2))
    generator = torch.Generator(device).manual_seed(drawn.seed)
    counts = torch.empty((fields, points, size, size), device=device)
    indices = indices.view(counts.shape)
    canvas = truth.view(-1, span)
    for start in range(0, points, _AT_ONCE):
        part = indices[:, start : start + _AT_ONCE]
        patches = cut_windows(canvas, part.reshape(-1, size, size))
        light = waves.repeat_interleave(part.shape[1], 0)
        expected = diffract(light, patches).view(part.shape) + background
        counts[:, start : start + _AT_ONCE] = torch.poisson(
            expected.clamp(0, _MOST_PHOTONS), generator
        )
    return FieldBatch(counts * good[:, None], probe, good, truth, indices)


def _probe_pair(
    size: int, rng: np.random.Generator, kinds: tuple[str, ...], err: bool
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """A probe, and the probe as told: the same, or with wrong optics and scale."""
    kind = str(rng.choice(kinds))
    if kind == "pinhole":
        probe = make_probe(kind, size, rng)
        return probe, probe
    pupil = random_pupil(kind, rng)
    probe = probe_from_pupil(pupil, size)
    if not err:
        return probe, probe
    wrong = replace(
        pupil,
        defocus=pupil.defocus * rng.uniform(0.9, 1.1),
        astigmatism=pupil.astigmatism + rng.normal(0, 0.004),
        coma=pupil.coma + rng.normal(0, 0.004),
        stop=pupil.stop * rng.uniform(0.7, 1.3),
    )
    scale = np.float32(np.exp(rng.normal(0, 0.03)))
    return probe, probe_from_pupil(wrong, size) * scale


def _corners(
    probe: NDArray[np.complex64], side: int, room: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Window corners of a jittered grid, closer or farther for a smaller or larger probe.

    They come in random order.
    """
    power = np.abs(probe) ** 2
    # Diameter of a disc of even light with the same participation ratio.
    diameter = 2 * np.sqrt(power.sum() ** 2 / (power**2).sum() / np.pi)
    overlap = 1 - np.exp(rng.uniform(np.log(0.1), np.log(1.1)))
    step = np.clip((1 - overlap) * diameter, 1.5, room / (side - 1))
    rows, columns = np.divmod(rng.permutation(side * side), side)
    grid = np.stack((rows, columns), 1) - (side - 1) / 2
    jitter = rng.normal(0, 0.15, grid.shape)
    return np.clip(np.rint(room / 2 + (grid + jitter) * step), 0, room).astype(np.int64)


def _gaps(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    mask = np.ones((size, size), bool)
    for axis in range(2):
        if rng.random() < 0.7:
            start, thick = int(rng.integers(0, size)), int(rng.integers(1, max(2, size // 20)))
            lines = [slice(None), slice(None)]
            lines[axis] = slice(start, start + thick)
            mask[tuple(lines)] = False
    mask[rng.random((size, size)) < 0.002] = False
    return mask
