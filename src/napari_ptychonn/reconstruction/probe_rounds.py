"""Rounds of probe refinement: predict, stitch, update the probe, predict again.

The probe moves after every subset of a pass. Every round starts from the flat object:
what an earlier, wrong probe taught would otherwise stay in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.optics.probe import ProbeUpdate
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.passes import network_pass, subsets_of
from napari_ptychonn.reconstruction.predict import Prediction, point_probes, predict
from napari_ptychonn.reconstruction.settings import Auto

__all__ = ["ProbeRound", "choose_probe", "refine_probe", "update_probe"]

_MOST_ROUNDS = 6
_SETTLED = 0.05


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
    many as lower the misfit by more than 5 % each, at most 6.

    Yields
    ------
    Message or ProbeRound
        The probe after every round.
    """

    def predictor(points: Tensor, estimate: Tensor | None) -> Iterator[Prediction | Message]:
        # `probe` is the one of the moment: it moves after every subset.
        return predict(network, measurements, frame, probe, points, estimate, batch_size=batch_size)

    last = float("inf")
    for number in range(1, (_MOST_ROUNDS if rounds == "auto" else rounds) + 1):
        subsets = subsets_of(frame, probe.abs().square().sum(0))
        values: list[float] = []
        for event in network_pass(predictor, frame, subsets, None, should_stop=should_stop):
            if isinstance(event, Message):
                yield event
            elif event.found is not None and event.subset is not None:
                update = update_probe(
                    probe, event.found, measurements, frame, event.subset, batch_size
                )
                probe = update.probe()
                values.append(update.misfit)
        if should_stop():
            return
        value = values[-1]
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
        A round per candidate; the best one comes once more at the end, as number 0.
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
        yield replace(best, number=0)


@torch.inference_mode()
def update_probe(
    probe: Tensor,
    found: Tensor,
    measurements: Measurements,
    frame: Frame,
    wanted: Tensor,
    batch_size: int,
) -> ProbeUpdate:
    """Update of the probe from the points `wanted`."""
    update = ProbeUpdate(probe)
    for on_device in wanted.split(batch_size):
        update.add(
            cut_windows(found, frame.indices(on_device)),
            point_probes(probe, frame, on_device),
            measurements.amplitude(on_device.cpu()),
            measurements.mask,
            frame.shifts[on_device] if frame.subpixel else None,
        )
    return update
