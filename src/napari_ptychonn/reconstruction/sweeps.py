"""Physics sweeps after the network: as many as the dose allows.

Sweeps mend what the network left, slow errors first of all, and bring photon noise with
them; the network can take that noise out again. How far to go is judged by photons that
the sweeps do not see: counts are split by binomial thinning, and sweeps on trial fit the
larger part as long as the other part is not clearly unlikelier for it than it ever was. Slow
errors are hardly seen by photons, while noise is, so that to stop where they are likeliest
would be too early. The last sweeps are then done again with all photons, and the network
has the last word, unless held-out photons clearly prefer what the sweeps left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.sweep import Sweep, SweepSettings
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.device import sums_in
from napari_ptychonn.reconstruction.events import Message, Metrics, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import HeldOut, Measurements
from napari_ptychonn.reconstruction.points import spread_evenly
from napari_ptychonn.reconstruction.settings import Auto
from napari_ptychonn.reconstruction.sweeping import point_probes, run_sweep, subsets_of

__all__ = ["Polish", "SweepState", "sweep_object"]

_MOST_SWEEPS = 20
_PATIENCE = 3
_ALMOST = 1.004
_FEWEST_SWEEPS = 3
"""Before, what the passes made of the held-out photons is still in the picture."""
_SPOILT = 1.05
"""Largest deviance that is taken, over the start's: its network saw the held-out photons too, which
is up to 2.5 % of it."""
_CLEARLY_LIKELIER = 1.01
"""What sweeps without the network must be, over the network's answer to them: held-out photons are
hardly less likely for a noisy picture (dendrite-128 with a fifth of the points: 0.2698 for an NRMSE
of 0.0485, and 0.2708 for the network's 0.0445)."""
_DONE_AGAIN = 2
_HELD_SHARE = 0.1
_JUDGED_POINTS = 600
_JUDGED_BATCH, _JUDGED_ON_GPU = 32, 128
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
    light, unexplained : Tensor, (H, W) float32, or None
        As the last sweep summed them; None: before the first.
    polished : bool
        Whether the network had the last word.
    """

    object: Tensor
    probe: Tensor
    sweeps: int
    light: Tensor | None = None
    unexplained: Tensor | None = None
    polished: bool = False


Polish = Callable[[SweepState, Tensor], Tensor]
"""The network's answer to a state, given the object that the sweeps started from."""


def sweep_object(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    sweeps: int | Auto,
    *,
    update_probe: bool,
    seed: int,
    batch_size: int,
    should_stop: ShouldStop,
    regularisation: float = 0.2,
    momentum: float = 0.0,
    polish: Polish | None = None,
) -> Iterator[Message | Metrics | SweepState]:
    """Sweep from `object_` and `probe`; the last :class:`SweepState` is the one to keep.

    Parameters
    ----------
    measurements, frame : Measurements, Frame
        Counts and places of the points.
    object_ : Tensor, (H, W) complex64
        Where to start; it is not changed.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    sweeps : int or "auto"
        How many.
    update_probe : bool
        Whether the probe is refined along.
    seed : int
        Of the order of the subsets, and of the photons held out.
    batch_size : int
        Patterns at a time.
    should_stop : callable
        Asked at every batch; whole sweeps are kept.
    regularisation : float
        α of rPIE: 0.2 moves far, as from a flat object; 1 brings half the noise.
    momentum : float
        Of the sweeps; see :func:`~napari_ptychonn.reconstruction.sweeping.run_sweep`.
    polish : callable, optional
        With "auto": what the network makes of swept objects, used unless photons are clearly
        against it.

    Yields
    ------
    Message or Metrics or SweepState
        A state after every sweep that is to be seen; with "auto", at least the start.
    """
    sweeper = _Sweeper(
        measurements, frame, update_probe=update_probe, regularisation=regularisation,
        momentum=momentum, seed=seed, batch_size=batch_size, should_stop=should_stop,
    )  # fmt: skip
    start = SweepState(object_, probe, 0)
    wanted, polishes = sweeps, False
    if wanted == "auto":
        held = measurements.held_out(_HELD_SHARE, seed)
        if held is None:
            wanted = _WITHOUT_PHOTONS
            yield Message(
                "The patterns are not photon counts, so no photons can be held out: "
                f"{wanted} sweeps are done."
            )
        else:
            wanted, before = 0, start
            for event in _tried(sweeper, start, held, polish):
                if isinstance(event, _Trial):
                    wanted, before, polishes = event.wanted, event.before, event.polished
                else:
                    yield event
            if not should_stop():
                start, wanted = before, wanted - before.sweeps
    state = start
    for step in sweeper.run(start, wanted):
        yield step
        if isinstance(step, SweepState):
            state = step
    if not state.sweeps:
        yield start
    elif polish is not None and polishes and not should_stop():
        yield replace(state, object=polish(state, object_), polished=True)


@dataclass(frozen=True, slots=True)
class _Trial:
    """How many sweeps are wanted, the state before the last of them, or the start, and a polish."""

    wanted: int
    before: SweepState
    polished: bool = False


def _tried(
    sweeper: _Sweeper, start: SweepState, held: HeldOut, polish: Polish | None
) -> Iterator[Message | Metrics | _Trial]:
    """Sweep on a part of the photons as long as the others are not clearly unlikelier for it.

    Or for the network's answer to it, where there is one that is not clearly unlikelier.
    """
    # The part that is fitted is dimmer, and so is its probe.
    dim = float(np.sqrt(1 - held.share))
    judge = _Judge(held, sweeper.frame, sweeper.batch_size)
    at_first = judge.deviance(start)
    best, lowest = _Trial(0, start), float("inf")
    yield Metrics("held-out photons", {"deviance": at_first, "sweeps": 0})
    latest: deque[SweepState] = deque([start], maxlen=_DONE_AGAIN + 1)
    dimmed = SweepState(start.object, start.probe * dim, 0)
    for event in sweeper.run(dimmed, _MOST_SWEEPS, held.fitted):
        if isinstance(event, Message):
            yield event
        if not isinstance(event, SweepState):
            continue
        state = replace(event, probe=event.probe / dim)
        latest.append(replace(state, light=None, unexplained=None))
        found, polishes = judge.deviance(state), False
        if polish is not None:
            answer = judge.deviance(replace(state, object=polish(state, start.object)))
            polishes = answer < _CLEARLY_LIKELIER * found
            found = answer if polishes else found
        lowest = min(lowest, found)
        yield Metrics(f"trial sweep {state.sweeps}", {"deviance": found})
        if found <= min(_ALMOST * lowest, _SPOILT * at_first):
            if state.sweeps >= _FEWEST_SWEEPS:
                best = _Trial(state.sweeps, latest[0], polishes)
        elif state.sweeps - best.wanted >= _PATIENCE:
            break
    yield best


@dataclass(frozen=True, slots=True)
class _Sweeper:
    """Sweeps over all points of a scan, one after the other."""

    measurements: Measurements
    frame: Frame
    update_probe: bool
    regularisation: float
    momentum: float
    seed: int
    batch_size: int
    should_stop: ShouldStop

    def run(
        self,
        start: SweepState,
        wanted: int,
        counts_of: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Iterator[Message | Metrics | SweepState]:
        """Sweep `wanted` times more, or until it is to stop; a state after every sweep."""
        settings = SweepSettings(
            object_regularisation=self.regularisation, update_probe=self.update_probe
        )
        object_, probe, batch_size = start.object, start.probe, self.batch_size
        for number in range(start.sweeps + 1, start.sweeps + wanted + 1):
            sweep = Sweep(object_.clone(), probe, self.measurements.mask, settings)
            subsets = subsets_of(self.frame, probe, self.seed + number)
            for event in run_sweep(
                sweep, self.measurements, self.frame, subsets, batch_size=batch_size,
                should_stop=self.should_stop, counts_of=counts_of, momentum=self.momentum,
            ):  # fmt: skip
                if isinstance(event, SmallerBatches):
                    batch_size = event.size
                if isinstance(event, Message):
                    yield event
            if self.should_stop():
                # A part of a sweep would have moved a part of the object.
                return
            object_, probe, misfit = sweep.object, sweep.probe, sweep.misfit
            state = SweepState(sweep.mean, probe, number, sweep.light, sweep.unexplained)
            del sweep  # What it sums is twice as large as the object.
            yield Metrics(f"sweep {number}", {"misfit": misfit})
            yield state


class _Judge:
    """Poisson deviance of held-out photons at some hundred points spread over the scan."""

    def __init__(self, held: HeldOut, frame: Frame, batch_size: int) -> None:
        corners = frame.corners.cpu().numpy().astype(np.float64)
        points = torch.from_numpy(spread_evenly(corners, _JUDGED_POINTS))
        device = held.measurements.device
        # A cache full on a CPU; on a GPU what counts is that there are few batches.
        size = _JUDGED_BATCH if device.type == "cpu" else min(batch_size, _JUDGED_ON_GPU)
        self._mask = held.measurements.mask
        self._held = [(part.to(device), held.split(part)[1]) for part in points.split(size)]
        self._frame = frame
        self._share = held.share
        counted = sum(float((counts * self._mask).sum()) for _, counts in self._held)
        self._photons = max(counted, 1.0)

    @torch.inference_mode()
    def deviance(self, state: SweepState) -> float:
        """Mean deviance of the points' held-out photons, over their mean number in a point."""
        device = state.object.device
        found = torch.zeros((), dtype=sums_in(device), device=device)
        for points, counts in self._held:
            light = point_probes(state.probe, self._frame, points)
            patches = cut_windows(state.object, self._frame.indices(points))
            expected = self._share * diffract(light, patches)
            # A model may say that no photon falls where stray ones do.
            expected = expected + 1e-4 * counts.mean()
            surplus = torch.xlogy(counts, counts / expected) - counts + expected
            found += (2 * surplus * self._mask).sum(dtype=sums_in(device))
        return float(found) / self._photons
