"""Rounds of probe refinement: predict, stitch, update the probe, predict again.

Every round starts from the flat object: what an earlier, wrong probe taught would
otherwise stay in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.optics.probe import ProbeUpdate
from napari_ptychonn.optics.propagation import diffract, misfit
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import Message, Metrics, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements, batches
from napari_ptychonn.reconstruction.predict import Prediction, point_probes, predict
from napari_ptychonn.reconstruction.settings import Auto
from napari_ptychonn.reconstruction.stitch import Pass, Stitch

__all__ = ["choose_probe", "object_of_pass", "refine_probe"]

_MOST_ROUNDS = 8
_UPDATES_PER_ROUND = 3
_SETTLED = 0.02


def refine_probe(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    rounds: int | Auto,
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Iterator[Message | Metrics | Tensor]:
    """Refine the probe on all points of `frame`.

    Parameters are those of :func:`predict`; `rounds` is their number, or "auto" for as
    many as lower the misfit by more than 2 % each, at most 8.

    Yields
    ------
    Message or Metrics or Tensor
        Metrics with the misfit after every round, each followed by the probe so far
        (modes, h, w) complex64.
    """
    last = float("inf")
    for number in range(1, (_MOST_ROUNDS if rounds == "auto" else rounds) + 1):
        stitch = Stitch(frame.shape, measurements.device)
        for event in object_of_pass(
            network, measurements, frame, probe, batch_size=batch_size, should_stop=should_stop
        ):
            if isinstance(event, Stitch):
                stitch = event
            else:
                yield event
        if should_stop():
            return
        found = stitch.object()
        value = last
        for _ in range(_UPDATES_PER_ROUND):
            update = ProbeUpdate(probe)
            for points in batches(frame.n_points, batch_size):
                on_device = points.to(measurements.device)
                update.add(
                    cut_windows(found, frame.indices(on_device)),
                    point_probes(probe, frame, on_device),
                    measurements.amplitude(points),
                    measurements.mask,
                    frame.shifts[on_device] if frame.subpixel else None,
                )
                if should_stop():
                    return
            probe, value = update.probe(), update.misfit
        yield Metrics(f"probe round {number}", {"misfit": value})
        yield probe
        if rounds == "auto" and value > (1 - _SETTLED) * last:
            return
        last = value


def object_of_pass(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Iterator[Message | Stitch]:
    """One pass from the flat object; its stitch comes last (not at all when stopped)."""
    first = Pass(frame, measurements.device)
    for event in predict(network, measurements, frame, probe, None, batch_size=batch_size):
        if isinstance(event, Prediction):
            first.add(event.patches, event.weight, event.points)
        else:
            yield event
        if should_stop():
            return
    yield first.stitch()


@torch.inference_mode()
def choose_probe(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    candidates: list[Tensor],
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Iterator[Message | Metrics | Tensor]:
    """Try candidate probes (modes, h, w) by one pass and one update each.

    Yields
    ------
    Message or Metrics or Tensor
        The candidate with the lowest misfit comes last.
    """
    best, lowest = candidates[0], float("inf")
    for number, candidate in enumerate(candidates, start=1):
        probe = candidate
        for event in refine_probe(
            network,
            measurements,
            frame,
            candidate,
            1,
            batch_size=batch_size,
            should_stop=should_stop,
        ):
            if isinstance(event, Tensor):
                probe = event
            elif isinstance(event, Message):
                yield event
        if should_stop():
            break
        value = _misfit(network, measurements, frame, probe, batch_size)
        yield Metrics(f"probe guess {number} of {len(candidates)}", {"misfit": value})
        if value < lowest:
            best, lowest = probe, value
    yield best


def _misfit(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    batch_size: int,
) -> float:
    """R-factor of the stitch of one more pass."""
    stitch = Stitch(frame.shape, measurements.device)
    first = Pass(frame, measurements.device)
    for event in predict(network, measurements, frame, probe, None, batch_size=batch_size):
        if isinstance(event, Prediction):
            first.add(event.patches, event.weight, event.points)
    stitch = first.stitch()
    found = stitch.object()
    values, weights = [], []
    for points in batches(frame.n_points, batch_size):
        on_device = points.to(measurements.device)
        amplitude = measurements.amplitude(points)
        light = point_probes(probe, frame, on_device)
        modelled = diffract(light, cut_windows(found, frame.indices(on_device))).sqrt()
        values.append(misfit(amplitude, modelled, measurements.mask))
        weights.append((amplitude.square() * measurements.mask).sum((-2, -1)))
    weight = torch.cat(weights)
    return float((torch.cat(values) * weight).sum() / weight.sum())
