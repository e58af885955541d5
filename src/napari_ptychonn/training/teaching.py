"""The rounds of a fine-tuning: look, learn, check, keep the best."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from napari_ptychonn.errors import OutputError, SettingsError
from napari_ptychonn.network.weights import Network
from napari_ptychonn.reconstruction.device import tried_convolutions
from napari_ptychonn.reconstruction.events import Finished, Message, Metrics, Progress, ShouldStop
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.training.best import Best
from napari_ptychonn.training.checkpoint import (
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from napari_ptychonn.training.finetune_events import FineTuned, FinetuneEvent, Losses, Standing
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.fingerprint import told
from napari_ptychonn.training.plan import make_plan, rate_of
from napari_ptychonn.training.report import pictures_of, taught_card
from napari_ptychonn.training.step_budget import StepBudget
from napari_ptychonn.training.taught import TaughtScan
from napari_ptychonn.words import counted

__all__ = ["STEPS_PER_LOOK", "Teaching"]

STEPS_PER_LOOK = 32
_CHECKPOINT_SECONDS = 20
_MOST_SETBACKS = 3
_NO_MEMORY = (
    "The device's memory is full, even with one pattern at a time: the training ends with the best."
)


class Teaching:
    """One fine-tuning, from laid-out scans to the best weights.

    Parameters
    ----------
    network : Network
        To start from, on its device; its module is taught in place.
    scans : list of TaughtScan
        What teaches.
    settings : FinetuneSettings
        How.
    labels : sequence of ObjectResult
        Those that were given, for a checkpoint to agree in.
    should_stop : callable
        Asked several times a second.

    Raises
    ------
    SettingsError
        Teacher or preset do not fit the network.
    """

    def __init__(
        self,
        network: Network,
        scans: list[TaughtScan],
        settings: FinetuneSettings,
        *,
        labels: Sequence[ObjectResult] = (),
        should_stop: ShouldStop,
    ) -> None:
        self._network, self._scans, self._settings = network, scans, settings
        self._should_stop = should_stop
        self._rng = np.random.default_rng(settings.seed)
        self._best = Best(network.module.state_dict())
        self._start = dict(self._best.weights)
        self._told = told(settings, [each.scan for each in scans], labels, self._start)
        self._budget = StepBudget(settings)
        self._setbacks = 0
        self._messages: list[str] = []
        self._checkpoint = settings.folder / "checkpoint.pt" if settings.folder else None
        self._saved = time.monotonic()
        self._cannot_save = self._is_full = False
        plan = make_plan(
            network, scans, settings, lambda: self._budget.steps, lambda: self._setbacks
        )
        self._lesson, self._run = plan.lesson, plan.run
        points = sum(len(scan.teaching) for scan in scans)
        self._budget.plan(points, self._lesson.batch_size)

    def restore(self) -> bool:
        """Go on where a checkpoint in the folder was; whether there is one.

        Raises
        ------
        PtychonnError
            It cannot be read.
        SettingsError
            It is of another training.
        """
        if self._checkpoint is None or not self._checkpoint.exists():
            return False
        state = load_checkpoint(self._checkpoint)
        if state.get("told") != self._told:
            raise SettingsError(
                "checkpoint", self._checkpoint,
                "it is of a training with other settings, scans, labels or weights",
                remedy="delete it to start afresh, or use another folder",
            )  # fmt: skip
        for scan, kept in zip(self._scans, state["scans"], strict=True):
            scan.restore(kept)
        self._run.restore(state["run"])
        self._best.restore(state["best"])
        self._budget.restore(state["steps"], state["seconds"])
        self._setbacks, self._messages = state["setbacks"], list(state["messages"])
        self._lesson.batch_size = state["batch_size"]
        restore_random_state(self._rng, state["random"])
        return True

    def run(self, *, resumed: bool) -> Iterator[FinetuneEvent]:
        """Teach, and end with what was best."""
        if not resumed:
            for message in self._lesson.settle(self._run.network, should_stop=self._should_stop):
                yield self._said(message.text)
        with self._run.using(self._start) as network:
            first = self._lesson.check(network, should_stop=self._should_stop)
        if first is None:
            unknown = Standing(math.nan, None, None)
            yield Finished(self._outcome(unknown, unknown), stopped=True)
            return
        self._best.offer(self._start, first.standing, 0)
        for view in first.views:
            yield replace(view, kind="before")
        yield Losses(0, None, first.standing.loss, self._best.step == 0)
        if resumed:
            yield Message(f"Going on after {counted(self._run.step, 'step')}.")
        if first.patch is not None:
            yield first.patch
        yield Metrics("held out", first.standing.as_dict())
        self._budget.begin()
        while not self._should_stop() and not self._is_over():
            try:
                yield from self._round()
            except torch.OutOfMemoryError:
                if self._best.step == 0:
                    raise  # nothing was learned that could be kept
                self._is_full = True
                yield self._said(_NO_MEMORY)
        yield from self._conclude(first.standing)

    def _round(self) -> Iterator[FinetuneEvent]:
        if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            yield from self._save()
        self._budget.begin_round(self._run.step)
        with self._run.averaged() as network:
            for message in self._lesson.look(network, self._rng, should_stop=self._should_stop):
                yield self._said(message.text)
        if self._should_stop():
            return
        losses: list[float] = []
        most = STEPS_PER_LOOK * self._lesson.pace
        while len(losses) < most and not self._is_over() and not self._should_stop():
            found = self._pace(most - len(losses))
            if isinstance(found, Message):
                yield found
                if self._setbacks >= _MOST_SETBACKS:
                    return
                break
            losses += found
            step = self._run.step
            yield Progress(f"step {step}", step, self._budget.expected(step))
        if losses:
            mean = float(np.mean(losses))
            yield from self._judge(math.exp(mean) if self._lesson.is_log else mean)
        if losses:
            self._budget.end_round(self._run.step, STEPS_PER_LOOK)

    def _pace(self, most: int) -> list[float] | Message:
        """The next optimiser steps: their losses, or why there were none."""
        left = self._budget.left(self._run.step)
        try:
            with tried_convolutions(self._lesson.pace > 1):
                losses = self._learn(int(min(self._lesson.pace, most, left)))
        except torch.OutOfMemoryError:
            if self._lesson.batch_size == 1:
                raise
        else:
            return losses if all(map(math.isfinite, losses)) else self._set_back()
        # Only now nothing refers to what was computed, and its memory can be given back.
        torch.cuda.empty_cache()
        size = self._lesson.batch_size = max(1, self._lesson.batch_size // 2)
        return self._said(
            f"The device's memory is full: going on with {counted(size, 'pattern')} at a time."
        )

    def _learn(self, count: int) -> list[float]:
        """Losses of the next steps; a single one is done only where it is finite."""
        losses = []
        for _ in range(count):
            loss = self._lesson.loss(self._run.network, self._rng)
            losses.append(loss.detach())
            if count > 1 or math.isfinite(float(loss.detach())):
                self._run.learn(loss)
        return [float(value) for value in torch.stack(losses).tolist()]

    def _set_back(self) -> Message:
        """Go back to the best weights, at half the learning rate."""
        self._setbacks += 1
        self._run.go_back(self._best.weights)
        if self._setbacks >= _MOST_SETBACKS:
            return self._said("The loss is not finite again: the training ends with the best.")
        return self._said(
            f"The loss is not finite after {counted(self._run.step, 'step')}: going on from the "
            "best weights, at half the learning rate."
        )

    def _judge(self, training_loss: float) -> Iterator[FinetuneEvent]:
        step = self._run.step
        with self._run.averaged() as network:
            check = self._lesson.check(network, should_stop=self._should_stop)
        if check is None:
            return
        if not math.isfinite(check.standing.loss):
            yield self._set_back()
            return
        better = self._best.offer(self._run.average, check.standing, step)
        yield Losses(step, training_loss, check.standing.loss, better)
        for view in check.views:
            yield replace(view, kind="after", step=step)
        if check.patch is not None:
            yield check.patch
        yield Metrics("held out", check.standing.as_dict())

    def _save(self) -> Iterator[Message]:
        """Write a checkpoint; where that fails, say so once, and go on."""
        self._saved = time.monotonic()
        if self._checkpoint is None:
            return
        state = {
            "told": self._told,
            "scans": [scan.state() for scan in self._scans],
            "run": self._run.state(),
            "best": self._best.state(),
            "steps": self._budget.steps,
            "setbacks": self._setbacks,
            "seconds": self._budget.seconds(),
            "messages": list(self._messages),
            "batch_size": self._lesson.batch_size,
            "random": random_state(self._rng),
        }
        try:
            save_checkpoint(self._checkpoint, state)
            self._cannot_save = False
        except OutputError as error:
            if not self._cannot_save:
                yield self._said(f"Training goes on without a checkpoint: {error}")
            self._cannot_save = True

    def _conclude(self, before: Standing) -> Iterator[FinetuneEvent]:
        assert self._best.standing is not None
        stopped = not self._is_over()
        yield from self._save()
        outcome = self._outcome(before, self._best.standing, stopped=stopped)
        if not stopped and not self._is_full:
            with self._run.using(self._start):
                olds = yield from self._pictures("before")
            with self._run.using(self._best.weights):
                news = yield from self._pictures("after")
            # Whoever does not wait for the pictures has the network all the same.
            if not self._should_stop():
                outcome = replace(outcome, pictures=tuple(zip(olds, news, strict=True)))
        yield Finished(outcome, stopped=stopped)

    def _pictures(self, when: str) -> Generator[Progress | Message, None, list[Reconstruction]]:
        return pictures_of(self._network, self._scans, when, should_stop=self._should_stop)

    def _outcome(self, before: Standing, after: Standing, *, stopped: bool = True) -> FineTuned:
        step, best = self._run.step, self._best.step
        seconds = self._budget.seconds()
        return FineTuned(
            state={name: value.cpu() for name, value in self._best.weights.items()},
            card=taught_card(
                self._network.card, self._scans, self._settings, before, after,
                {
                    "steps_done": step,
                    "best_step": best,
                    "seconds": round(seconds),
                    "batch": self._lesson.batch_size,
                    "peak_rate": rate_of(self._settings, self._network.card.family),
                },
            ),
            before=before,
            after=after,
            step=step,
            best_step=best,
            steps=self._budget.steps or step,
            seconds=seconds,
            stopped=stopped,
            messages=tuple(self._messages),
        )  # fmt: skip

    def _is_over(self) -> bool:
        done = self._budget.left(self._run.step) <= 0
        return done or self._is_full or self._setbacks >= _MOST_SETBACKS

    def _said(self, text: str) -> Message:
        self._messages.append(text)
        return Message(text)
