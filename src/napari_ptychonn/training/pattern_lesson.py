"""How a `ptychonn` network, which sees raw patterns alone, is taught a scan.

From labels: patches of a reconstruction, cut at the exact positions, weighted with the light
and compared at the best global phase, or by the published recipe. Where the probe is known,
a part of a batch are patterns computed from the label, turned and mirrored. From the patterns
themselves: the patches' own diffraction patterns against the measured ones, and the
agreement of each patch with what all patches together say, stitched anew with every look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.preprocess import (
    StackStatistics,
    gather_statistics,
    needs_statistics,
)
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.reconstruction.device import runs_bfloat16
from napari_ptychonn.reconstruction.direct import Prediction, predict_directly
from napari_ptychonn.reconstruction.events import Message, ShouldStop, never
from napari_ptychonn.reconstruction.stitch import Pass
from napari_ptychonn.training.finetune_events import Standing
from napari_ptychonn.training.inputs import Inputs, make_inputs
from napari_ptychonn.training.lesson import Check, phase_correlation, shown_patch, view_of
from napari_ptychonn.training.losses import patch_error
from napari_ptychonn.training.pattern_target import (
    Target,
    label_on,
    patch_misfit,
    published_error,
)
from napari_ptychonn.training.rooms import Room, all_of, make_room
from napari_ptychonn.training.taught import TaughtScan

__all__ = ["Mix", "PatternLesson"]

_AGREEMENT = 0.3
"""Weight of the agreement with the stitched object beside the misfit of the patterns."""
_FLOOR = 1e-4
_ROOM, _ROOM_ON_GPU = 256, 512
"""Points of a room: this network is slow, and a look and a check are to cost little."""
_PACE_ON_GPU = 32


@dataclass(frozen=True, slots=True)
class Mix:
    """What of a batch is computed from a label, where the probe is known.

    Attributes
    ----------
    computed : float
        Share of computed patterns; the others are measured.
    free : float
        Share, of the computed ones, that is turned by any angle and zoomed.
    """

    computed: float = 0.5
    free: float = 0.0

    def counts(self, batch: int) -> tuple[int, int]:
        """How many of a batch are computed, and how many of those are turned freely."""
        computed = int(self.computed * batch)
        return computed, int(self.free * computed)


class PatternLesson:
    """Teaches on batches of patterns.

    Parameters
    ----------
    scans : list of TaughtScan
        With labels, or with probes and the same grid for patches and patterns.
    card : NetworkCard
        How the network wants its patterns.
    batch_size : int
        Patterns per step.
    published : bool
        Mean absolute errors of amplitude and phase, as in the paper.
    mix : Mix
        How much of a batch is computed.
    by_labels : bool
        Whether the scans have, or are about to have, labels.
    """

    def __init__(
        self,
        scans: list[TaughtScan],
        card: NetworkCard,
        batch_size: int,
        *,
        published: bool,
        mix: Mix | None = None,
        by_labels: bool = True,
    ) -> None:
        self._scans, self._card = scans, card
        self.batch_size = batch_size
        self.is_log = not published
        device = scans[0].prepared.device
        self._on_gpu = device.type == "cuda"
        self.pace = _PACE_ON_GPU if self._on_gpu and by_labels else 1
        self._mix = Mix() if mix is None else mix
        self._autocast = runs_bfloat16(device)
        self._generator = torch.Generator(device)
        most = _ROOM_ON_GPU if self._on_gpu else _ROOM
        self._checked = [make_room(scan.prepared, scan.held_out, None, most) for scan in scans]
        self._statistics: dict[int, StackStatistics] = {}
        self._labels: dict[int, Target] = {}
        self._held_out_labels: dict[int, Target] = {}
        self._target: Target | None = None

    def settle(self, _network: nn.Module, /, *, should_stop: ShouldStop) -> Iterator[Message]:
        """Gather what the network's preprocessing must know of the scans."""
        for number in range(len(self._scans)):
            self._statistics_of(number, should_stop)
        yield from ()

    def look(
        self, network: nn.Module, rng: np.random.Generator, *, should_stop: ShouldStop
    ) -> Iterator[Message]:
        """Choose a scan; without labels, stitch what the network makes of a room of it."""
        assert isinstance(network, PtychoNN)
        self._generator.manual_seed(int(rng.integers(2**63)))
        number = int(rng.integers(len(self._scans)))
        scan = self._scans[number]
        if scan.label is not None:
            if number not in self._labels:
                room = all_of(scan.prepared, scan.teaching)
                inputs = self._inputs(number, room)
                label = Target(scan, inputs, room, *label_on(scan, room.frame))
                self._labels[number] = replace(
                    label, photons=room.measurements.are_photons(), gain=label.brightness()
                )
            self._target = self._labels[number]
            return
        room = make_room(scan.prepared, scan.teaching, rng, _ROOM)
        part = Pass(room.frame, scan.prepared.device)
        for event in self._predictions(network, number, room):
            if isinstance(event, Message):
                yield event
            else:
                part.add(event.patches.clone(), event.weight, event.points)
            if should_stop():
                return
        stitched = part.stitch()
        inputs = self._inputs(number, room)
        self._target = Target(scan, inputs, room, stitched.object().clone(), stitched.lit.clone())

    def loss(self, network: nn.Module, _rng: np.random.Generator) -> Tensor:
        """Error of a batch of patches: its logarithm, or the published one.

        What is random comes from the device, seeded by the last look.
        """
        assert isinstance(network, PtychoNN)
        target = self._target
        assert target is not None
        room = target.room
        count = min(self.batch_size, room.n_points)
        device = target.scan.prepared.device
        points = torch.randperm(room.n_points, generator=self._generator, device=device)[:count]
        # Which of the points are measured ones is as random as the points.
        computes = self.is_log and target.gives_patterns
        computed, free = self._mix.counts(count) if computes else (0, 0)
        inputs = target.inputs.measured(points[computed:])
        wanted, weight = target.patches(points[computed:])
        if computed:
            patterns, turned, light = target.computed(points[:computed], self._generator, free)
            inputs = torch.cat((target.inputs.computed(patterns), inputs))
            wanted, weight = torch.cat((turned, wanted)), torch.cat((light, weight))
        patches = self._answer(network, inputs)
        if not self.is_log:
            return published_error(patches, wanted, weight > 0)
        error = (patch_error(patches, wanted, weight).clamp_min(0) + _FLOOR).sqrt().mean()
        if target.scan.label is not None:
            return error.log()
        found = patch_misfit(target.scan, room, patches, points)
        return (found.deviance.sum() / found.counted.sum().clamp_min(1) + _AGREEMENT * error).log()

    def _answer(self, network: PtychoNN, inputs: Tensor) -> Tensor:
        """What the network makes of its inputs (B, h, w)."""
        batch = inputs[:, None].contiguous(memory_format=torch.channels_last)
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=self._autocast):
            return network.patches(batch)

    def _inputs(self, number: int, room: Room) -> Inputs:
        """Inputs of a room's points, all kept where they are many times looked at."""
        scan = self._scans[number]
        return make_inputs(
            scan.scan, room.numbers, self._card.preprocessing, self._statistics_of(number),
            scan.prepared.device, keep=self._on_gpu or room.n_points <= _ROOM,
        )  # fmt: skip

    @torch.no_grad()
    def check(self, network: nn.Module, *, should_stop: ShouldStop) -> Check | None:
        """How well the network does on the held-out points; None where it was stopped."""
        assert isinstance(network, PtychoNN)
        losses, misfits, phases, views = [], [], [], []
        shown = None
        for number, (scan, room) in enumerate(zip(self._scans, self._checked, strict=True)):
            target = self._held_out_label(number)
            part, errors, missed = Pass(room.frame, scan.prepared.device), [], []
            for event in self._predictions(network, number, room):
                if should_stop():
                    return None
                if isinstance(event, Message):
                    continue
                patches = event.patches.clone()
                part.add(patches, event.weight, event.points)
                if scan.probe is not None:
                    missed.append(patch_misfit(scan, room, patches, event.points.cpu()))
                wanted = None
                if target is not None:
                    wanted, weight = target.patches(event.points)
                    errors.append(self._error(patches, wanted, weight))
                if shown is None:
                    shown = shown_patch(scan, room, int(event.points[0]), patches, wanted)
            stitched = part.stitch()
            views.append(view_of(stitched.object(), stitched.weight, room.frame, number))
            if missed:
                total = [sum(float(each[k].sum()) for each in missed) for k in range(3)]
                misfits.append(total[1] / max(total[2], 1e-30))
            if target is None:
                losses.append(total[0] / max(total[2], 1e-30))
            else:
                losses.append(float(torch.cat(errors).mean()))
                seen = stitched.weight * target.known
                phases.append(phase_correlation(stitched.object(), target.object, seen))
        standing = Standing(
            loss=float(np.exp(np.mean(np.log(np.maximum(losses, 1e-12))))),
            misfit=float(np.mean(misfits)) if misfits else None,
            phase_correlation=float(np.mean(phases)) if phases else None,
        )
        return Check(standing, tuple(views), shown)

    def _held_out_label(self, number: int) -> Target | None:
        scan, room = self._scans[number], self._checked[number]
        if scan.label is None:
            return None
        if number not in self._held_out_labels:
            inputs = self._inputs(number, room)
            self._held_out_labels[number] = Target(scan, inputs, room, *label_on(scan, room.frame))
        return self._held_out_labels[number]

    def _error(self, patches: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
        if not self.is_log:
            return published_error(patches, wanted, weight > 0)[None]
        return (patch_error(patches, wanted, weight).clamp_min(0) + _FLOOR).sqrt()

    def _predictions(
        self, network: PtychoNN, number: int, room: Room
    ) -> Iterator[Prediction | Message]:
        scan = self._scans[number]
        return predict_directly(
            network, self._card, scan.scan, room.numbers, torch.arange(room.n_points),
            self._statistics_of(number), scan.weight, batch_size=scan.prepared.batch_size,
        )  # fmt: skip

    def _statistics_of(
        self, number: int, should_stop: ShouldStop = never
    ) -> StackStatistics | None:
        preprocessing = self._card.preprocessing
        if not needs_statistics(preprocessing):
            return None
        if number not in self._statistics:
            scan = self._scans[number]
            self._statistics[number] = gather_statistics(
                scan.scan.patterns, preprocessing, indices=scan.prepared.chosen,
                mask=scan.scan.mask, should_stop=should_stop,
            )  # fmt: skip
        return self._statistics[number]
