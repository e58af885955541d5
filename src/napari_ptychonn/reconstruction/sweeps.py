"""Physics sweeps after the network: as many as the dose allows.

Sweeps sharpen what the network found, and, at low dose, fit noise. Their number is
chosen by photons that they do not see: counts are split by binomial thinning, sweeps fit
the larger part, and go on as long as the other part gets more likely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.sweep import SweepBatch, SweepSettings, sweep
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import Message, Metrics, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import HeldOut, Measurements
from napari_ptychonn.reconstruction.points import spread_evenly
from napari_ptychonn.reconstruction.predict import point_probes
from napari_ptychonn.reconstruction.settings import Auto

__all__ = ["SweepState", "sweep_object"]

_MOST_SWEEPS = 60
_PATIENCE = 5
_WORTH_A_WAIT = 0.005
_HELD_SHARE = 0.1
_JUDGED_POINTS = 300
_BATCH = 32
_WITHOUT_PHOTONS = 20


@dataclass(frozen=True, slots=True)
class SweepState:
    """Object and probe after some sweeps.

    Attributes
    ----------
    object : Tensor, (H, W) complex64
        Object.
    probe : Tensor, (modes, h, w) complex64
        Probe.
    sweeps : int
        Sweeps that led here.
    """

    object: Tensor
    probe: Tensor
    sweeps: int


def sweep_object(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    sweeps: int | Auto,
    *,
    update_probe: bool,
    seed: int,
    should_stop: ShouldStop,
) -> Iterator[Message | Metrics | SweepState]:
    """Sweep from `object_` and `probe`; the last :class:`SweepState` is the one to keep.

    Yields
    ------
    Message or Metrics or SweepState
        A state after every sweep; with "auto", last the best one once more.
    """
    settings = SweepSettings(update_probe=update_probe)
    state = SweepState(object_.clone(), probe, 0)
    held = measurements.held_out(_HELD_SHARE, seed) if sweeps == "auto" else None
    if sweeps == "auto" and held is None:
        yield Message(
            f"The patterns are not photon counts, so no photons can be held out: {_WITHOUT_PHOTONS}"
            " sweeps are done."
        )
    if held is None:
        wanted = _WITHOUT_PHOTONS if sweeps == "auto" else sweeps
        for _ in range(wanted):
            state, value = _one_sweep(measurements, frame, state, settings, None, seed, should_stop)
            yield Metrics(f"sweep {state.sweeps}", {"misfit": value})
            yield state
            if should_stop():
                return
        return
    # The part that is fitted is dimmer, and so is its probe.
    dim = float(np.sqrt(1 - _HELD_SHARE))
    judge = _Judge(held, frame)
    best, lowest = state, judge.deviance(state)
    mark, since = lowest, 0
    yield Metrics("held-out photons", {"deviance": lowest, "sweeps": 0})
    # Sweeps change their object in place, and the one before them may stay the best.
    state = SweepState(state.object.clone(), state.probe * dim, 0)
    while state.sweeps < _MOST_SWEEPS and since < _PATIENCE:
        state, value = _one_sweep(measurements, frame, state, settings, held, seed, should_stop)
        if should_stop():
            break
        bright = SweepState(state.object.clone(), state.probe / dim, state.sweeps)
        score = judge.deviance(bright)
        yield Metrics(f"sweep {state.sweeps}", {"misfit": value, "deviance": score})
        yield bright
        if score < lowest:
            best, lowest = bright, score
        since += 1
        if score < mark * (1 - _WORTH_A_WAIT):
            mark, since = score, 0
    yield best


def _one_sweep(
    measurements: Measurements,
    frame: Frame,
    state: SweepState,
    settings: SweepSettings,
    held: HeldOut | None,
    seed: int,
    should_stop: ShouldStop,
) -> tuple[SweepState, float]:
    rng = np.random.default_rng((seed, state.sweeps))
    order = torch.from_numpy(rng.permutation(frame.n_points))

    def batches() -> Iterator[SweepBatch]:
        for points in order.split(min(_BATCH, max(1, frame.n_points // 8))):
            if should_stop():
                return
            on_device = points.to(measurements.device)
            yield SweepBatch(
                indices=frame.indices(on_device),
                shifts=frame.shifts[on_device] if frame.subpixel else None,
                amplitude=(
                    measurements.amplitude(points) if held is None else held.split(points)[0].sqrt()
                ),
            )

    found = state.object
    probe, value = sweep(found, state.probe, batches(), measurements.mask, settings)
    return SweepState(found, probe, state.sweeps + 1), value


class _Judge:
    """Poisson deviance of held-out photons at a few hundred points spread over the scan."""

    def __init__(self, held: HeldOut, frame: Frame) -> None:
        corners = frame.corners.cpu().numpy().astype(np.float64)
        points = torch.from_numpy(spread_evenly(corners, _JUDGED_POINTS))
        device = held.measurements.device
        self._mask = held.measurements.mask
        self._held = [(part.to(device), held.split(part)[1]) for part in points.split(_BATCH)]
        self._frame = frame
        self._share = held.share

    @torch.inference_mode()
    def deviance(self, state: SweepState) -> float:
        """Mean deviance per held-out photon of the model's prediction for them."""
        total, photons = 0.0, 0.0
        for points, counts in self._held:
            light = point_probes(state.probe, self._frame, points)
            patches = cut_windows(state.object, self._frame.indices(points))
            expected = self._share * diffract(light, patches)
            # A model may say that no photon falls where stray ones do.
            expected = expected + 1e-4 * counts.mean()
            surplus = torch.xlogy(counts, counts / expected) - counts + expected
            total += float((2 * surplus * self._mask).sum())
            photons += float((counts * self._mask).sum())
        return total / max(photons, 1.0)
