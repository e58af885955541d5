"""How a `ptychonn-probe` network is taught a scan.

A room is reconstructed with the network as it is now, and what each pass told the network
is kept; on crops of that the network learns for a while, and then the room is seen anew.
Without labels it learns from patterns that the sweeps did not use: their photons are
independent of those in its input, so that copying noise does not pay (as in Noise2Noise,
Lehtinen et al. 2018, arXiv:1803.04189). All points share one object here, so overlapping
patches agree by construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.device import runs_bfloat16
from napari_ptychonn.reconstruction.events import Message, ShouldStop
from napari_ptychonn.reconstruction.placed import object_on
from napari_ptychonn.reconstruction.points import spread_evenly
from napari_ptychonn.reconstruction.sweeping import point_probes
from napari_ptychonn.training.crops import Crop, draw_crop
from napari_ptychonn.training.finetune_events import Standing
from napari_ptychonn.training.lesson import Check, bright, phase_correlation, shown_patch, view_of
from napari_ptychonn.training.losses import deviance, patch_error, tile_error
from napari_ptychonn.training.rooms import PassRecord, Room, make_room, run_passes
from napari_ptychonn.training.taught import TaughtScan, fit_label

__all__ = ["ProbeLesson"]

_LEFT_OUT = 0.2
_CHECKED = 0.25
_SETTLING_LOOKS = 3
_SETTLED = 0.01
_MOST_PASSES = 8
"""Later ones are like those before, and a look is to cost little."""
_TILE = 32
_FLOOR = 1e-5


class ProbeLesson:
    """Teaches on rooms of scans, in turn.

    Parameters
    ----------
    scans : list of TaughtScan
        With labels: all of them have one.
    batch_size : int
        Patterns that a step looks at.
    """

    def __init__(self, scans: list[TaughtScan], batch_size: int) -> None:
        self._scans = scans
        self.batch_size = batch_size
        self.is_log = True
        self.pace = 1
        self._autocast = runs_bfloat16(scans[0].prepared.device)
        self._checked = [make_room(scan.prepared, scan.held_out, None) for scan in scans]
        self._seen: _Seen | None = None

    def settle(self, network: nn.Module, *, should_stop: ShouldStop) -> Iterator[Message]:
        """Refine guessed probes in the passes, until the misfit settles; then they stay.

        Labels get the scale that belongs to their probe.
        """
        assert isinstance(network, ProbeAwareNet)
        for scan in self._scans:
            if not scan.probe_settled:
                yield from self._settle_probe(network, scan, should_stop)
            if should_stop():
                return
            said = None if scan.label is None else fit_label(scan)
            if said is not None:
                yield said

    def _settle_probe(
        self, network: ProbeAwareNet, scan: TaughtScan, should_stop: ShouldStop
    ) -> Iterator[Message]:
        last = float("inf")
        for look in range(_SETTLING_LOOKS):
            room = make_room(scan.prepared, scan.teaching, None)
            assert scan.probe is not None
            for event in run_passes(
                network, room.measurements, room.frame, scan.probe, update_probe=True,
                seed=look, batch_size=scan.prepared.batch_size, should_stop=should_stop,
                most=_MOST_PASSES,
            ):  # fmt: skip
                if isinstance(event, Message):
                    yield event
                    continue
                record = event
            if should_stop():
                return
            if record.swept.misfit > (1 - _SETTLED) * last:
                break
            scan.take_probe(record.swept.probe)
            last = record.swept.misfit
        scan.probe_settled = True

    def look(
        self, network: nn.Module, rng: np.random.Generator, *, should_stop: ShouldStop
    ) -> Iterator[Message]:
        """Reconstruct a room, and keep what each pass told the network."""
        assert isinstance(network, ProbeAwareNet)
        scan = self._scans[int(rng.integers(len(self._scans)))]
        room = make_room(scan.prepared, scan.teaching, rng)
        left_out = np.zeros(room.n_points, bool)
        if scan.label is None:
            count = max(1, round(_LEFT_OUT * room.n_points))
            left_out[rng.choice(room.n_points, count, replace=False)] = True
        records: list[PassRecord] = []
        for event in _passes(network, scan, room, ~left_out, int(rng.integers(2**31)), should_stop):
            if isinstance(event, Message):
                yield event
            else:
                records.append(event)
        if records and not should_stop():
            self._seen = _Seen(scan, room, records, left_out)

    def loss(self, network: nn.Module, rng: np.random.Generator) -> Tensor:
        """Log of the error that the network leaves on a crop of one pass."""
        assert isinstance(network, ProbeAwareNet)
        seen = self._seen
        assert seen is not None
        told = seen.passes[int(rng.integers(len(seen.passes)))]
        centre = seen.places[int(rng.choice(seen.asked))]
        crop = draw_crop(seen.room.frame.shape, centre, seen.radius, rng)
        answer = _answer(network, told, crop, rng, autocast=self._autocast)
        if seen.label is None:
            whole = told.found.clone()
            whole[crop.inner] = answer[crop.inside]
            return self._pattern_loss(seen, whole, crop, rng)
        truth, known = (values[crop.inner] for values in seen.label)
        weight = bright(told.light)[crop.inner] * known
        return label_loss(answer[crop.inside], truth, weight)

    def _pattern_loss(
        self, seen: _Seen, object_: Tensor, crop: Crop, rng: np.random.Generator
    ) -> Tensor:
        """Log of the left-out patterns' deviance over their photons."""
        places = torch.from_numpy(np.asarray(seen.places)[seen.asked])
        points = torch.from_numpy(seen.asked)[crop.holds(places, seen.radius)]
        if len(points) > self.batch_size:
            points = points[torch.from_numpy(rng.permutation(len(points))[: self.batch_size])]
        found = pattern_errors(seen.scan, seen.room, object_, points)
        return ((found.deviance.sum() + 1e-3) / found.counted.sum().clamp_min(1)).log()

    def check(self, network: nn.Module, *, should_stop: ShouldStop) -> Check | None:
        """How well the network does on the held-out points; None where it was stopped."""
        assert isinstance(network, ProbeAwareNet)
        losses, misfits, phases, views = [], [], [], []
        patch = None
        for number, (scan, room) in enumerate(zip(self._scans, self._checked, strict=True)):
            asked = np.zeros(room.n_points, bool)
            if scan.label is None:
                corners = room.frame.corners.cpu().numpy().astype(np.float64)
                asked[spread_evenly(corners, max(1, round(_CHECKED * room.n_points)))] = True
            records = [
                event
                for event in _passes(network, scan, room, ~asked, 0, should_stop)
                if isinstance(event, PassRecord)
            ]
            if should_stop():
                return None
            found, light = records[-1].found.clone(), records[-1].swept.light
            with torch.no_grad():
                errors = pattern_errors(scan, room, found, torch.arange(room.n_points))
            misfits.append(float(errors.missed.sum() / errors.counted.sum()))
            label = None
            if scan.label is None:
                rows = torch.from_numpy(asked)
                losses.append(float(errors.deviance[rows].sum() / errors.counted[rows].sum()))
            else:
                label = object_on(scan.label, room.frame, scan.prepared.pixel)
                weight = bright(light) * label[1]
                losses.append(float(label_loss(found, label[0], weight).exp()))
                phases.append(phase_correlation(found, label[0], weight))
            views.append(view_of(found, light, room.frame, number))
            if patch is None:
                row = room.n_points // 2
                indices = room.frame.indices(torch.tensor([row], device=found.device))
                wanted = None if label is None else cut_windows(label[0], indices)
                patch = shown_patch(scan, room, row, cut_windows(found, indices), wanted)
        standing = Standing(
            loss=float(np.exp(np.mean(np.log(np.maximum(losses, 1e-12))))),
            misfit=float(np.mean(misfits)),
            phase_correlation=float(np.mean(phases)) if phases else None,
        )
        return Check(standing, tuple(views), patch)


@dataclass(frozen=True, slots=True)
class PatternErrors:
    """How far patterns are from an object.

    Attributes
    ----------
    deviance, missed, counted : Tensor, (B,) float
        Poisson deviance over four, Σ(√I − |F(P·O)|)², and ΣI, photons.
    """

    deviance: Tensor
    missed: Tensor
    counted: Tensor


def pattern_errors(scan: TaughtScan, room: Room, object_: Tensor, points: Tensor) -> PatternErrors:
    """Compare an object (H, W) on a room's frame with the patterns of some of its points.

    They are taken in batches where no gradient is asked for.
    """
    assert scan.probe is not None
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    size = max(1, len(points)) if object_.requires_grad else scan.prepared.batch_size
    mask = room.measurements.mask
    for part in points.split(size):
        on_device = part.to(object_.device)
        light = point_probes(scan.probe, room.frame, on_device)
        waves = exit_waves(light, cut_windows(object_, room.frame.indices(on_device)))
        modelled, counts = intensity(to_detector(waves)), room.measurements.counts(part)
        with torch.no_grad():
            missed = ((counts.sqrt() - modelled.sqrt()) * mask).square().sum((-2, -1))
        counted = (counts * mask).sum((-2, -1))
        parts.append((deviance(counts, modelled, mask), missed, counted))
    return PatternErrors(*(torch.cat(values) for values in zip(*parts, strict=True)))


def label_loss(found: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Log of the root error against a label, as a whole and in tiles, each at its best phase.

    Relative to the label's own power; all are (H, W).
    """
    tile = max(1, min(_TILE, *found.shape))
    rows, columns = (slice(length % tile // 2, length - (length % tile + 1) // 2)
                     for length in found.shape)  # fmt: skip
    answer, wanted, light = (values[None, rows, columns] for values in (found, truth, weight))
    power = patch_error(torch.zeros_like(answer), wanted, light).clamp_min(1e-6)
    whole = patch_error(answer, wanted, light).clamp_min(0) / power
    tiles = tile_error(answer, wanted, light, tile).clamp_min(0) / power
    return 0.25 * ((whole + _FLOOR).log() + (tiles + _FLOOR).log()).sum()


@dataclass(frozen=True, slots=True)
class _Told:
    """What one pass told the network, (H, W) each, and the object it found."""

    after: Tensor
    before: Tensor
    light: Tensor
    error: Tensor
    found: Tensor


class _Seen:
    """What the last look saw; copies, since inference leaves no gradient behind."""

    def __init__(
        self, scan: TaughtScan, room: Room, records: list[PassRecord], left_out: NDArray[np.bool_]
    ) -> None:
        self.scan, self.room = scan, room
        self.passes = [
            _Told(
                swept.after.clone(), swept.before.clone(), swept.light.clone(),
                object_error(swept.light, swept.unexplained).clone(), found.clone(),
            )
            for swept, found in ((record.swept, record.found) for record in records)
        ]  # fmt: skip
        frame = room.frame
        middle = np.asarray(frame.patch_shape) // 2
        corners = frame.corners.cpu().numpy() + frame.shifts.cpu().numpy()
        self.places = [(float(y), float(x)) for y, x in corners + middle]
        weight = scan.weight
        self.radius = float((weight.sum().square() / weight.square().sum() / np.pi).sqrt())
        # With labels every point is as good as another to look about.
        self.asked = np.flatnonzero(left_out) if scan.label is None else np.arange(room.n_points)
        self.label = None
        if scan.label is not None:
            self.label = object_on(scan.label, frame, scan.prepared.pixel)


def _passes(
    network: ProbeAwareNet,
    scan: TaughtScan,
    room: Room,
    used: NDArray[np.bool_],
    seed: int,
    should_stop: ShouldStop,
) -> Iterator[PassRecord | Message]:
    """Passes over the points of a room that are used, with the probe as it is."""
    assert scan.probe is not None
    rows = torch.from_numpy(np.flatnonzero(used))
    return run_passes(
        network, room.measurements.part(rows), room.frame.subset(rows.to(scan.probe.device)),
        scan.probe, update_probe=False, seed=seed, batch_size=scan.prepared.batch_size,
        should_stop=should_stop, most=_MOST_PASSES,
    )  # fmt: skip


def _answer(
    network: ProbeAwareNet, told: _Told, crop: Crop, rng: np.random.Generator, *, autocast: bool
) -> Tensor:
    """The network's object on a crop, seen turned over and under another global phase."""
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turned(values: Tensor) -> Tensor:
        values = values[crop.outer]
        return (values.flip(-1) if mirrored else values).rot90(turns, (-2, -1))[None]

    angle = torch.tensor(rng.uniform(0, 2 * np.pi), dtype=torch.float32)
    phase = torch.polar(torch.ones(()), angle).to(told.after.device)
    found = network.improve(
        turned(told.after) * phase, turned(told.before) * phase,
        turned(told.light), turned(told.error),
        peak=told.light.amax()[None, None, None], autocast=autocast,
    )  # fmt: skip
    back = (found[0] * phase.conj()).rot90(-turns, (-2, -1))
    return back.flip(-1) if mirrored else back
