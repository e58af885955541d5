"""Rounds of probe refinement: predict, stitch, update the probe, predict again.

Every round starts from the flat object: what an earlier, wrong probe taught would
otherwise stay in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.optics.probe import ProbeUpdate
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements, batches
from napari_ptychonn.reconstruction.passes import network_pass, subsets_of
from napari_ptychonn.reconstruction.predict import Prediction, point_probes, predict
from napari_ptychonn.reconstruction.settings import Auto

__all__ = ["ProbeRound", "choose_probe", "refine_probe"]

_MOST_ROUNDS = 8
_UPDATES_PER_ROUND = 3
_SETTLED = 0.02


@dataclass(frozen=True, slots=True)
class ProbeRound:
    """Outcome of a round.

    Attributes
    ----------
    probe : Tensor, (modes, h, w) complex64
        The refined probe.
    misfit : float
        R-factor with the object of the round, before the last update.
    number : int
        Number of the round, or of the candidate.
    """

    probe: Tensor
    misfit: float
    number: int


def refine_probe(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    rounds: int | Auto,
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Iterator[Message | ProbeRound]:
    """Refine the probe on all points of `frame`.

    Parameters are those of :func:`predict`; `rounds` is their number, or "auto" for as
    many as lower the misfit by more than 2 % each, at most 8.

    Yields
    ------
    Message or ProbeRound
        The probe after every round.
    """
    last = float("inf")
    for number in range(1, (_MOST_ROUNDS if rounds == "auto" else rounds) + 1):
        subsets = subsets_of(frame, probe.abs().square().sum(0))

        def predictor(
            points: Tensor, estimate: Tensor | None, light: Tensor = probe
        ) -> Iterator[Prediction | Message]:
            return predict(
                network, measurements, frame, light, points, estimate, batch_size=batch_size
            )

        found: Tensor | None = None
        for event in network_pass(predictor, frame, subsets, None, should_stop=should_stop):
            if isinstance(event, Message):
                yield event
            elif event.found is not None:
                found = event.found
        if found is None or should_stop():
            return
        value = last
        for _ in range(_UPDATES_PER_ROUND):
            probe, value = _updated(probe, found, measurements, frame, batch_size)
            if should_stop():
                return
        yield ProbeRound(probe, value, number)
        if rounds == "auto" and value > (1 - _SETTLED) * last:
            return
        last = value


@torch.inference_mode()
def choose_probe(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    candidates: list[Tensor],
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Iterator[Message | ProbeRound]:
    """Try candidate probes (modes, h, w), each for a round.

    Yields
    ------
    Message or ProbeRound
        A round per candidate; the best one comes once more at the end.
    """
    best: ProbeRound | None = None
    for number, candidate in enumerate(candidates, start=1):
        for event in refine_probe(
            network,
            measurements,
            frame,
            candidate,
            1,
            batch_size=batch_size,
            should_stop=should_stop,
        ):
            if isinstance(event, Message):
                yield event
                continue
            tried = ProbeRound(event.probe, event.misfit, number)
            if best is None or tried.misfit < best.misfit:
                best = tried
            yield tried
        if should_stop():
            break
    if best is not None:
        yield best


@torch.inference_mode()
def _updated(
    probe: Tensor, found: Tensor, measurements: Measurements, frame: Frame, batch_size: int
) -> tuple[Tensor, float]:
    """Probe after one update, and the misfit before it."""
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
    return update.probe(), update.misfit
