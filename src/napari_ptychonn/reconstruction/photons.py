"""What an object would count under a probe: the scale that fits, the light, how much is noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector
from napari_ptychonn.optics.sweep import correct
from napari_ptychonn.optics.windows import add_windows, cut_windows
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements, batches
from napari_ptychonn.reconstruction.points import spread_evenly
from napari_ptychonn.reconstruction.sweeping import point_probes

__all__ = ["is_mostly_noise", "light_on", "photon_gain"]

_SURVEYED = 200
_MOSTLY_SIGNAL = 0.8
"""Where a flat object is below this, a first sweep from it meets less than 0.4, the limit of the
passes (0.79 to 0.81, whichever the sample)."""


def photon_gain(
    object_: Tensor,
    covered: Tensor,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    *,
    batch_size: int,
) -> float | None:
    """Factor of an object at which, under a probe, it explains as many photons as were counted.

    Parameters
    ----------
    object_ : Tensor, (H, W) complex64
        On the frame.
    covered : Tensor, (M,) bool
        Points that may be asked, of which 200 are.
    measurements, frame : Measurements, Frame
        Counts and places of the points.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    batch_size : int
        Patterns at a time.

    Returns
    -------
    float or None
        None: no factor does, since one of the two is dark.
    """
    rows = np.flatnonzero(covered.cpu().numpy())
    corners = frame.corners.cpu().numpy()[rows].astype(np.float64)
    points = torch.from_numpy(rows[spread_evenly(corners, _SURVEYED)])
    modelled, measured = 0.0, 0.0
    for part in points.split(batch_size):
        waves, counts = _seen(object_, measurements, frame, probe, part)
        # As many photons, not the least misfit: where the probe errs, that factor is too small.
        modelled += float((intensity(to_detector(waves)) * measurements.mask).sum())
        measured += float((counts * measurements.mask).sum())
    gain = math.sqrt(measured / modelled) if modelled > 0 else math.inf
    return gain if 0 < gain < math.inf else None


def light_on(frame: Frame, probe: Tensor, *, batch_size: int) -> Tensor:
    """Photons (H, W) on each pixel from all points of a frame, under a probe (modes, h, w)."""
    light = torch.zeros(frame.shape, device=probe.device)
    power = intensity(probe[None])
    for points in batches(frame.n_points, batch_size):
        indices = frame.indices(points.to(probe.device))
        add_windows(light, indices, power.expand(indices.shape))
    return light


def is_mostly_noise(
    measurements: Measurements, frame: Frame, probe: Tensor, *, batch_size: int
) -> bool:
    """Whether what a flat object misses is mostly photon noise, judged at some points."""
    flat = torch.ones((), dtype=torch.complex64, device=probe.device).expand(frame.shape)
    corners = frame.corners.cpu().numpy().astype(np.float64)
    points = torch.from_numpy(spread_evenly(corners, _SURVEYED))
    unexplained, missed = 0.0, 0.0
    for part in points.split(batch_size):
        waves, counts = _seen(flat, measurements, frame, probe, part)
        found = correct(waves, counts, measurements.mask)
        unexplained += float(found.unexplained.sum())
        missed += float(found.missed.sum())
    return unexplained <= _MOSTLY_SIGNAL * missed


@torch.inference_mode()
def _seen(
    object_: Tensor, measurements: Measurements, frame: Frame, probe: Tensor, points: Tensor
) -> tuple[Tensor, Tensor]:
    """Exit waves (B, modes, h, w) of points, and their counts (B, h, w)."""
    there = points.to(probe.device)
    light = point_probes(probe, frame, there)
    light = light if light.dim() == 4 else light[None]
    waves = exit_waves(light, cut_windows(object_, frame.indices(there)))
    return waves, measurements.counts(points, there)
