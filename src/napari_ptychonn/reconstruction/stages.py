"""The stages of a reconstruction, in order."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.reconstruction.direct import direct_pass
from napari_ptychonn.reconstruction.events import (
    Message,
    Metrics,
    Progress,
    ShouldStop,
    SmallerBatches,
    Snapshot,
)
from napari_ptychonn.reconstruction.judge_stage import judge
from napari_ptychonn.reconstruction.pass_plan import PassPlan, PassTurn, sweeps_of_a_pass
from napari_ptychonn.reconstruction.passes import network_pass
from napari_ptychonn.reconstruction.photons import is_mostly_noise, light_on
from napari_ptychonn.reconstruction.prepare import Prepared
from napari_ptychonn.reconstruction.probe_stage import find_probe
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.reconstruction.slow_errors import SlowErrors
from napari_ptychonn.reconstruction.state import JobState
from napari_ptychonn.reconstruction.sweep_stage import level, sweep
from napari_ptychonn.reconstruction.sweeping import cover_of
from napari_ptychonn.reconstruction.transmission import bound_transmission
from napari_ptychonn.reconstruction.weighing import Weighing
from napari_ptychonn.reconstruction.work import Work

__all__ = ["Stages"]

JobEvent = Progress | Snapshot | Metrics | Message

_BETWEEN_PICTURES_S = 0.05
_FULL = (
    "The device's memory is full, even with one pattern at a time: the job ends with the best "
    "so far."
)


class Stages:
    """Runs the stages of one job and keeps what they found.

    Parameters
    ----------
    prepared : Prepared
        What to work on.
    should_stop : callable
        Asked at every batch.
    """

    def __init__(self, prepared: Prepared, should_stop: ShouldStop) -> None:
        self._job = prepared
        self._should_stop = should_stop
        self._state = JobState(prepared)
        self._is_full = False
        self._shown = -math.inf
        self._slow_errors = SlowErrors(prepared.measurements, prepared.frame, should_stop)
        self._mostly_noise = False
        self._weighed = False
        self._work = Work(prepared)

    def run(self) -> Iterator[JobEvent]:
        """Do all stages, or those that there was time for."""
        yield self._work.progress("starting", 0)
        for stage in (
            self._find_probe,
            self._begin,
            self._passes,
            self._sweep,
            self._bound,
            self._judge,
        ):
            for event in self._unless_full(stage()):
                if isinstance(event, SmallerBatches):
                    self._state.batch_size = event.size
                if isinstance(event, Message):
                    self._state.messages.append(event.text)
                yield event
                del event  # A snapshot is as large as the object.
            if self._should_stop() or self._is_full:
                return

    def result(self, seconds: float) -> Reconstruction:
        """What was found, partial where the job was stopped."""
        job, state = self._job, self._state
        if job.start is not None and state.probe is not None and not state.light.any():
            # Stopped while the probe was looked for: what it started from is what there is.
            state.light = light_on(job.frame, state.probe, batch_size=state.batch_size)
        if isinstance(self._job.network.module, ProbeAwareNet):
            self._state.cut_patches(1 if self._is_full else self._state.batch_size)
        return self._state.result(seconds, stopped=self._is_full or self._should_stop())

    def _unless_full(self, events: Iterator[JobEvent]) -> Iterator[JobEvent]:
        """Go on until not even one pattern fits into the device's memory; keep what is there."""
        try:
            yield from events
        except torch.OutOfMemoryError:
            if self._state.object is None:
                raise SettingsError(
                    "device", None,
                    f"the memory of {self._job.device} is full, even with one pattern at a time",
                    remedy="choose another device, or end what else is running on it",
                ) from None  # fmt: skip
            self._is_full = True
        if self._is_full:
            torch.cuda.empty_cache()
            yield Message(_FULL)

    def _find_probe(self) -> Iterator[JobEvent]:
        yield from find_probe(self._state, self._work, should_stop=self._should_stop)

    def _begin(self) -> Iterator[JobEvent]:
        """Show what the job starts from, and learn how much more than noise there is to find."""
        job, state = self._job, self._state
        if job.start is None or state.probe is None:
            return
        size = self._state.batch_size
        self._mostly_noise = is_mostly_noise(
            job.measurements, job.frame, state.probe, batch_size=size
        )
        state.light = light_on(job.frame, state.probe, batch_size=size)
        yield state.snapshot("start")

    def _passes(self) -> Iterator[JobEvent]:
        network = self._job.network.module
        if self._job.settings.passes == 0:
            return
        if isinstance(network, PtychoNN):
            yield from self._direct_pass(network)
            return
        assert isinstance(network, ProbeAwareNet)
        assert self._state.probe is not None
        start = self._job.start
        plan = PassPlan(
            self._job.settings.passes, cover_of(self._job.frame, self._state.probe),
            come=0 if start is None else start.worth,
            mostly_noise=None if start is None else self._mostly_noise,
            are_photons=self._job.measurements.are_photons(),
        )  # fmt: skip
        for turn in plan.turns():
            yield from self._pass(network, plan, turn)
            if self._should_stop():
                return
        if plan.last_weighing is not None:
            yield from self._weigh(plan.last_weighing)

    def _pass(self, network: ProbeAwareNet, plan: PassPlan, turn: PassTurn) -> Iterator[JobEvent]:
        job, state, stage = self._job, self._state, f"pass {turn.number}"
        assert state.probe is not None
        start, first = state.object, state.object is None
        if start is None:
            # One number seen from every pixel: of a large object, each array counts.
            flat = torch.ones((), dtype=torch.complex64, device=job.device)
            start = flat.expand(job.frame.shape)
        corrected = None
        for event in self._slow_errors.corrected(
            start, state.probe, weighing=turn.weighing, batch_size=state.batch_size
        ):
            if isinstance(event, Tensor):
                corrected = event
            else:
                yield self._told(event, stage)
        if corrected is None:
            return
        self._weighed = turn.weighing is not None
        start = corrected
        del corrected, event
        sweeps = sweeps_of_a_pass(plan.cover, turn.like)
        for step in network_pass(
            network, job.measurements, job.frame, start, state.probe,
            number=turn.like, update_probe=self._refines_probe,
            seed=job.settings.seed + turn.number, batch_size=state.batch_size,
            should_stop=self._should_stop, momentum=turn.momentum, settles=turn.settles,
            views=turn.views,
        ):  # fmt: skip
            if isinstance(step, Message):
                yield step
                continue
            yield self._work.progress(stage, sweeps * step.points / job.frame.n_points)
            # A stopped later pass must not leave its half-moved object in the earlier one's place.
            if first or step.complete:
                state.object, state.probe, state.light = step.object, step.probe, step.light
                if step.complete or self._may_show():
                    yield state.snapshot(stage)
            if step.complete:
                state.passes = turn.number
                plan.took(step.beyond_noise)
                self._mostly_noise = plan.met_mostly_noise
                if turn.number == 1 and plan.weighings:
                    swept = self._refines_probe and not self._mostly_noise
                    self._work.will_weigh(plan.weighings, swept=swept)
                yield Metrics(stage, {"misfit": step.misfit})

    def _weigh(self, weighing: Weighing) -> Iterator[JobEvent]:
        """Weigh the last pass's answer against all patterns."""
        state, stage = self._state, "weighing"
        assert state.object is not None
        assert state.probe is not None
        for event in self._slow_errors.corrected(
            state.object, state.probe, weighing=weighing, batch_size=state.batch_size
        ):
            if isinstance(event, Tensor):
                state.object = event
                yield state.snapshot(stage)
            else:
                yield self._told(event, stage)

    def _told(self, event: int | Message, stage: str) -> JobEvent:
        return event if isinstance(event, Message) else self._work.looked(stage, event)

    def _direct_pass(self, network: PtychoNN) -> Iterator[JobEvent]:
        job, state = self._job, self._state
        if job.settings.passes not in ("auto", 1):
            name = job.network.card.name
            yield Message(f"The network {name} sees raw patterns alone: one pass is all.")
        for step in direct_pass(
            network, job, state.probe, state.room_for_patches(), should_stop=self._should_stop
        ):
            if isinstance(step, Message):
                yield step
                continue
            yield self._work.progress("pass 1", step.points / job.frame.n_points)
            if step.stitch is not None:
                state.object, state.light = step.stitch.object(), step.stitch.weight
                state.spread = step.stitch.disagreement()
                yield state.snapshot("pass 1")
        if not self._should_stop():
            state.passes = 1
            yield from level(self._state, should_stop=self._should_stop)

    def _sweep(self) -> Iterator[JobEvent]:
        return sweep(
            self._state, self._work, should_stop=self._should_stop,
            mostly_noise=self._mostly_noise, weighed=self._weighed,
            update_probe=self._refines_probe,
        )  # fmt: skip

    def _bound(self) -> Iterator[JobEvent]:
        return bound_transmission(self._state)

    def _judge(self) -> Iterator[JobEvent]:
        return judge(self._state, self._work, should_stop=self._should_stop)

    def _may_show(self) -> bool:
        """Whether a picture of a pass under way is to be shown; a GPU stops to hand one out."""
        if self._job.device.type == "cpu":
            return True
        now = time.monotonic()
        if now - self._shown < _BETWEEN_PICTURES_S:
            return False
        self._shown = now
        return True

    @property
    def _refines_probe(self) -> bool:
        return self._job.probe_is_guess and self._job.settings.probe_rounds != 0
