"""How many steps a training has: as many as were asked for, or as there is time for."""

from __future__ import annotations

import math
import time

from napari_ptychonn.training.finetune_settings import FinetuneSettings

__all__ = ["StepBudget"]


class StepBudget:
    """Steps and seconds of one training, over all the times it was gone on with.

    Parameters
    ----------
    settings : FinetuneSettings
        How long is to be taught.

    Attributes
    ----------
    steps : int or None
        Steps of the whole training; None while they are not known.
    """

    def __init__(self, settings: FinetuneSettings) -> None:
        self._settings = settings
        self.steps: int | None = None
        self._began = self._round_began = time.monotonic()
        self._earlier = 0.0
        self._round_step = 0
        self._timed: tuple[float, int] | None = None

    def plan(self, points: int, batch_size: int) -> None:
        """Plan what was asked for in steps or in epochs, of so many points."""
        settings = self._settings
        if settings.epochs is None:
            self.steps = settings.steps
        else:
            self.steps = max(1, math.ceil(settings.epochs * points / batch_size))

    def restore(self, steps: int | None, seconds: float) -> None:
        """Take over the steps that an earlier part planned, and the seconds it took."""
        self.steps, self._earlier = steps, seconds

    def begin(self) -> None:
        """Count the seconds from now on."""
        self._began = time.monotonic()

    def begin_round(self, step: int) -> None:
        """Time the steps of a round, from `step` on."""
        self._round_began, self._round_step = time.monotonic(), step

    def end_round(self, step: int, least: int) -> None:
        """Plan as many steps as the minutes that are left have room for, but `least`.

        Steps of the first round, in which much is done for the first time, say it only
        until there are others.
        """
        minutes, now = self._settings.minutes, time.monotonic()
        if minutes is None:
            return
        if self._timed is None:
            seconds = (now - self._round_began) / max(1, step - self._round_step)
            self._timed = (now, step)
        else:
            seconds = (now - self._timed[0]) / max(1, step - self._timed[1])
        left = max(0.0, 60 * minutes - self.seconds())
        self.steps = max(least, step + round(left / max(seconds, 1e-6)))

    def seconds(self) -> float:
        """Seconds taught so far."""
        return self._earlier + time.monotonic() - self._began

    def left(self, step: int) -> float:
        """Steps that are left after `step`; infinite while they are not known."""
        return math.inf if self.steps is None else self.steps - step

    def expected(self, step: int) -> float:
        """Steps of the whole training; in the first round guessed from the time they take."""
        spent = time.monotonic() - self._round_began
        if self.steps is not None or self._settings.minutes is None:
            return max(self.steps or step, step)
        return max(step * self._settings.minutes * 60 / max(spent, 1e-3), step)
