"""Training examples made on the fly: small fields of overlapping scan points.

A field is one random sample under one random probe, seen at a few overlapping points
under one random dose, so that passes can be stitched between as they are in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows, window_indices
from napari_ptychonn.simulation.probes import (
    PROBE_KINDS,
    make_probe,
    probe_from_pupil,
    random_pupil,
)
from napari_ptychonn.simulation.samples import random_sample

__all__ = ["ExampleSettings", "FieldBatch", "half_known", "make_fields"]


@dataclass(frozen=True, slots=True)
class ExampleSettings:
    """What training examples look like.

    Attributes
    ----------
    size : int
        Pattern side, pixels.
    fields, points : int
        Fields in a batch, and scan points in each.
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
    fields: int = 10
    points: int = 7
    photons: tuple[float, float] = (1e2, 1e7)
    wrong_probe: float = 0.25
    gaps: float = 0.1
    background: float = 0.15
    second_mode: float = 0.1


@dataclass(frozen=True, slots=True)
class FieldBatch:
    """Fields of points, on one tall canvas (field below field).

    Attributes
    ----------
    amplitude : Tensor, (B, S, S) float32
        √counts, DC at the corner; B = fields · points.
    probe : Tensor, (B, 1, S, S) complex64
        The probe as told, √photons.
    mask : Tensor, (B, S, S) bool
        Good pixels, DC at the corner.
    truth : Tensor, (B, S, S) complex64
        True patches.
    weight : Tensor, (B, S, S) float32
        True illumination, mean 1 over each patch.
    indices : Tensor, (B, S, S) int64
        Windows of the patches on the canvas.
    canvas : tuple[int, int]
        Shape of the canvas.
    fields, points : int
        Fields, and points in each.
    """

    amplitude: Tensor
    probe: Tensor
    mask: Tensor
    truth: Tensor
    weight: Tensor
    indices: Tensor
    canvas: tuple[int, int]
    fields: int
    points: int

    def to(self, device: torch.device | str) -> FieldBatch:
        """Move every tensor."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("amplitude", "probe", "mask", "truth", "weight", "indices")
        }
        return FieldBatch(**moved, canvas=self.canvas, fields=self.fields, points=self.points)


def make_fields(
    settings: ExampleSettings,
    rng: np.random.Generator,
    *,
    sample: Callable[[tuple[int, int], np.random.Generator], NDArray[np.complex64]] = random_sample,
    kinds: tuple[str, ...] = PROBE_KINDS,
) -> FieldBatch:
    """Make one batch.

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
    size = settings.size
    span = size + size // 2
    canvas = (settings.fields * span, span)
    objects = np.empty(canvas, np.complex64)
    corners = np.empty((settings.fields, settings.points, 2), np.int64)
    seen = np.empty((settings.fields, 1, size, size), np.complex64)
    told = np.empty_like(seen)
    second = np.zeros_like(seen)
    background = np.zeros((settings.fields, 1, 1), np.float32)
    mask = np.ones((settings.fields, size, size), bool)
    for field in range(settings.fields):
        objects[field * span : (field + 1) * span] = sample((span, span), rng)
        low, high = np.log(settings.photons)
        photons = np.exp(rng.uniform(low, high))
        right, wrong = _probe_pair(size, rng, kinds, rng.random() < settings.wrong_probe)
        seen[field, 0] = right * np.sqrt(photons)
        told[field, 0] = wrong * np.sqrt(photons)
        corners[field] = _corners(right, settings.points, span - size, rng)
        corners[field, :, 0] += field * span
        if rng.random() < settings.second_mode:
            share = rng.uniform(0.02, 0.15)
            axis = np.arange(size) - size // 2
            tilt = axis[:, None] * rng.normal() + axis[None, :] * rng.normal()
            mode = right * tilt
            second[field, 0] = mode * np.sqrt(photons * share / (np.abs(mode) ** 2).sum())
        if rng.random() < settings.background:
            background[field] = photons / size**2 * np.exp(rng.uniform(np.log(1e-4), np.log(1e-2)))
        if rng.random() < settings.gaps:
            mask[field] = _gaps(size, rng)
    indices = window_indices(torch.from_numpy(corners.reshape(-1, 2)), (size, size), span)
    truth = cut_windows(torch.from_numpy(objects), indices)
    probe = _per_point(seen, settings.points)
    both = torch.cat((probe, _per_point(second, settings.points)), 1)
    expected = diffract(both, truth).numpy() + np.repeat(background, settings.points, 0)
    counts = rng.poisson(np.clip(expected, 0, 1e9)).astype(np.float32)
    good = torch.from_numpy(np.fft.ifftshift(mask, (1, 2))).repeat_interleave(settings.points, 0)
    amplitude = torch.from_numpy(np.sqrt(counts)) * good
    weight = probe[:, 0].abs().square()
    return FieldBatch(
        amplitude=amplitude,
        probe=_per_point(told, settings.points),
        mask=good,
        truth=truth,
        weight=weight / weight.mean((-2, -1), keepdim=True),
        indices=indices,
        canvas=canvas,
        fields=settings.fields,
        points=settings.points,
    )


def half_known(batch: FieldBatch, rng: np.random.Generator) -> Tensor:
    """Estimates (B, S, S) such as a stitch has after a few passes, made from the truth.

    Blurred, with smooth errors of phase, with noise, or not yet far from flat: what
    later passes start from, at the cost of none.
    """
    span = batch.canvas[1]
    canvas = torch.ones(batch.canvas, dtype=torch.complex64)
    canvas.view(-1)[batch.indices.reshape(-1)] = batch.truth.reshape(-1)
    known = canvas.view(batch.fields, span, span)
    often = np.asarray((0.7, 0.7, 0.5, 0.3))[:, None, None, None]
    chance = torch.from_numpy(rng.random((4, batch.fields, 1, 1)) < often)
    size = torch.from_numpy(rng.random((4, batch.fields, 1, 1)).astype(np.float32))
    blur = _low_pass(span, 0.5 * 16 ** size[0])
    known = torch.where(chance[0], torch.fft.ifft2(torch.fft.fft2(known) * blur), known)
    error = _noise(known.shape, _low_pass(span, 4 + 20 * size[3]), rng).real
    error = error * (0.05 * 24 ** size[1])
    known = torch.where(chance[1], known * torch.polar(torch.ones_like(error), error), known)
    grain = _noise(known.shape, _low_pass(span, 0.3 + 1.2 * size[3]), rng)
    known = torch.where(chance[2], known + grain * (0.01 * 30 ** size[2]), known)
    known = torch.where(chance[3], 1 + (known - 1) * (0.2 + 0.7 * size[0]), known)
    return cut_windows(known.reshape(batch.canvas), batch.indices)


def _low_pass(span: int, sigma: Tensor) -> Tensor:
    """Transfer (F, span, span) of Gaussian blurs of `sigma` (F, 1, 1) pixels."""
    frequency = torch.fft.fftfreq(span)
    squared = frequency[:, None] ** 2 + frequency[None, :] ** 2
    return torch.exp(-2 * torch.pi**2 * sigma**2 * squared)


def _noise(shape: torch.Size, transfer: Tensor, rng: np.random.Generator) -> Tensor:
    """Complex noise of unit variance in each part, filtered by `transfer`."""
    white = rng.standard_normal((*shape, 2), dtype=np.float32)
    filtered = torch.fft.ifft2(torch.view_as_complex(torch.from_numpy(white)) * transfer)
    # In a field smaller than the filter only the mean is left, which does not vary.
    return filtered / filtered.real.std((-2, -1), keepdim=True).clamp_min(1e-6)


def _per_point(fields: NDArray[np.complex64], points: int) -> Tensor:
    return torch.from_numpy(fields).repeat_interleave(points, 0)


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
    probe: NDArray[np.complex64], points: int, room: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Window corners around a centre, closer or farther for a smaller or larger probe."""
    power = np.abs(probe) ** 2
    axis = np.arange(len(probe)) - len(probe) // 2
    spread = np.sqrt((power * (axis[:, None] ** 2 + axis[None, :] ** 2)).sum())
    side = int(np.ceil(np.sqrt(points)))
    step = np.clip(spread * np.exp(rng.uniform(np.log(0.2), np.log(1.8))), 1.5, room / (side - 1))
    rows, columns = np.divmod(rng.permutation(side * side)[:points], side)
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
