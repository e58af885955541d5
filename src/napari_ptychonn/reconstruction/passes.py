"""A pass: the patterns are brought onto the object, and the network turns it into the likeliest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.optics.sweep import Sweep, SweepSettings
from napari_ptychonn.reconstruction.device import runs_bfloat16
from napari_ptychonn.reconstruction.events import Message, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.pass_plan import sweeps_of_a_pass
from napari_ptychonn.reconstruction.sweeping import cover_of, run_sweep, subsets_of

__all__ = ["PassStep", "Swept", "improve_object", "network_pass", "sweep_pass"]

_REGULARISATIONS = (0.05, 0.1, 0.2)
_SETTLING = 1.0
_SEEDS_PER_PASS = 8
_TILE, _SMALLEST_TILE = 1024, 128


@dataclass(frozen=True, slots=True)
class PassStep:
    """Where a pass is.

    Attributes
    ----------
    points : float
        Points taken in since the last step; a point that a pass sweeps twice counts half each time.
    object : Tensor, (H, W) complex64
        The object so far.
    probe : Tensor, (modes, h, w) complex64
        The probe so far.
    light : Tensor, (H, W) float32
        Photons that this pass brought to each pixel so far.
    complete : bool
        Whether the network has answered: the last step of a pass.
    misfit : float
        R-factor met in the last sweep; NaN before the last step: to ask a GPU waits for it.
    beyond_noise : float
        Share of the misfit of the first sweep that photon noise does not explain; likewise.
    """

    points: float
    object: Tensor
    probe: Tensor
    light: Tensor
    complete: bool
    misfit: float = math.nan
    beyond_noise: float = math.nan


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweeps of a pass leave to the network.

    Attributes
    ----------
    after, before : Tensor, (H, W) complex64
        Object after and before the sweeps of the pass.
    light, unexplained : Tensor, (H, W) float32
        As the sweep summed them.
    probe : Tensor, (modes, h, w) complex64
        The probe, refined where that was asked for.
    misfit : float
        R-factor met in the last sweep.
    beyond_noise : float
        Share of the misfit of the first sweep that photon noise does not explain.
    """

    after: Tensor
    before: Tensor
    light: Tensor
    unexplained: Tensor
    probe: Tensor
    misfit: float
    beyond_noise: float


def network_pass(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    *,
    number: int,
    update_probe: bool,
    seed: int,
    batch_size: int,
    should_stop: ShouldStop,
    momentum: float = 0.0,
    settles: bool = False,
    views: int = 1,
) -> Iterator[PassStep | Message]:
    """Sweep over all points, then ask the network.

    Where points lie far apart, one sweep brings little, and costs little: then a pass has
    several (see :func:`~napari_ptychonn.reconstruction.pass_plan.sweeps_of_a_pass`).

    Parameters
    ----------
    network : ProbeAwareNet
        On the device of the measurements.
    measurements, frame : Measurements, Frame
        Counts and places of all points.
    object_ : Tensor, (H, W) complex64
        Object so far; it is not changed.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    number : int
        Number of the pass, from 1: early ones move far, later ones average more.
    update_probe : bool
        Whether the probe is refined along.
    seed : int
        Of the order of the subsets.
    batch_size : int
        Patterns at a time.
    should_stop : callable
        Asked at every batch; a pass that is stopped ends without a complete step.
    momentum : float
        Of the sweeps; see :func:`~napari_ptychonn.reconstruction.sweeping.run_sweep`.
    settles : bool
        Whether it is the last pass, whose sweeps average as much as they can.
    views : int
        As in :func:`improve_object`.

    Yields
    ------
    PassStep or Message
    """
    for step in sweep_pass(
        measurements, frame, object_, probe, number=number, update_probe=update_probe, seed=seed,
        batch_size=batch_size, should_stop=should_stop, momentum=momentum, settles=settles,
    ):  # fmt: skip
        if not isinstance(step, Swept):
            yield step
            continue
        found = improve_object(
            network, step.after, step.before, step.light, step.unexplained, views=views
        )
        yield PassStep(0, found, step.probe, step.light, True, step.misfit, step.beyond_noise)


def sweep_pass(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    *,
    number: int,
    update_probe: bool,
    seed: int,
    batch_size: int,
    should_stop: ShouldStop,
    momentum: float = 0.0,
    settles: bool = False,
) -> Iterator[PassStep | Message | Swept]:
    """The sweeps of a pass, which bring the patterns onto the object.

    Parameters are those of :func:`network_pass`.

    Yields
    ------
    PassStep or Message
        While it goes on.
    Swept
        Last, where it was not stopped: what the network is told.
    """
    reach = _REGULARISATIONS[min(number, len(_REGULARISATIONS)) - 1]
    settings = SweepSettings(
        object_regularisation=_SETTLING if settles else reach, update_probe=update_probe
    )
    wanted = sweeps_of_a_pass(cover_of(frame, probe), number)
    beyond_noise, before = 0.0, object_
    for turn in range(wanted):
        sweep = Sweep(object_.clone(), probe, measurements.mask, settings)
        for taken in run_sweep(
            sweep, measurements, frame, subsets_of(frame, probe, _SEEDS_PER_PASS * seed + turn),
            batch_size=batch_size, should_stop=should_stop, momentum=momentum,
        ):  # fmt: skip
            if isinstance(taken, Message):
                batch_size = taken.size if isinstance(taken, SmallerBatches) else batch_size
                yield taken
                continue
            yield PassStep(taken / wanted, sweep.object, sweep.probe, sweep.light, False)
            if should_stop():
                return
        beyond_noise = beyond_noise if turn else _beyond_noise(sweep)
        # The first moves so far that its average lags behind.
        averaged = number > 1 and turn == wanted - 1
        object_, probe = sweep.mean if averaged else sweep.object, sweep.probe
        light, unexplained, misfit = sweep.light, sweep.unexplained, sweep.misfit
        del sweep  # What it sums is as large as the object, twice.
    yield Swept(object_, before, light, unexplained, probe, misfit, beyond_noise)


@torch.inference_mode()
def improve_object(
    network: ProbeAwareNet,
    after: Tensor,
    before: Tensor,
    light: Tensor,
    unexplained: Tensor,
    *,
    views: int = 1,
) -> Tensor:
    """The network's answer for a whole object, in tiles where it is large.

    Parameters
    ----------
    network : ProbeAwareNet
        On the object's device.
    after, before : Tensor, (H, W) complex64
        Object after and before the sweep.
    light, unexplained : Tensor, (H, W) float32
        As the sweep summed them.
    views : int
        Quarter turns under which the network sees the object, 1 to 4. Physics is the same for
        all of them, the network is not: the mean of its answers is nearer to the truth.
    """
    found = _improved(network, after, before, light, unexplained)
    for turns in range(1, views):
        turned = (part.rot90(turns) for part in (after, before, light, unexplained))
        found += _improved(network, *turned).rot90(-turns)
    return found.div_(views) if views > 1 else found


def _improved(
    network: ProbeAwareNet, after: Tensor, before: Tensor, light: Tensor, unexplained: Tensor
) -> Tensor:
    tile = _TILE
    while True:
        try:
            return _improved_in_tiles(network, after, before, light, unexplained, tile)
        except torch.OutOfMemoryError:
            if tile <= _SMALLEST_TILE:
                raise
        tile //= 2
        torch.cuda.empty_cache()


def _improved_in_tiles(
    network: ProbeAwareNet,
    after: Tensor,
    before: Tensor,
    light: Tensor,
    unexplained: Tensor,
    tile: int,
) -> Tensor:
    height, width = after.shape
    found = torch.empty_like(after)
    margin = network.reach_px
    peak, autocast = light.amax()[None, None, None], runs_bfloat16(after.device)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows = slice(max(0, top - margin), min(height, top + tile + margin))
            columns = slice(max(0, left - margin), min(width, left + tile + margin))
            error = object_error(light[rows, columns], unexplained[rows, columns])
            parts = [
                *(_padded(part[rows, columns]) for part in (after, before, light)),
                _padded(error),
            ]
            answer = network.improve(*parts, peak=peak, autocast=autocast)[0]
            down, right = top - rows.start, left - columns.start
            tall, wide = min(tile, height - top), min(tile, width - left)
            inner = answer[down : down + tall, right : right + wide]
            found[top : top + tall, left : left + wide] = inner
    return found


def _beyond_noise(sweep: Sweep) -> float:
    unexplained = float(sweep.unexplained.sum() / sweep.light.sum().clamp_min(1e-30))
    return unexplained / max(sweep.misfit, 1e-30)


def _padded(part: Tensor) -> Tensor:
    """(1, H, W) with H and W made multiples of 8 by repeating the edge."""
    height, width = part.shape
    rows = torch.arange(-(-height // 8) * 8, device=part.device).clamp_max(height - 1)
    columns = torch.arange(-(-width // 8) * 8, device=part.device).clamp_max(width - 1)
    return part[rows][:, columns][None]
