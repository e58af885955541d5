"""How long a job will still take, from how far it says it is."""

from __future__ import annotations

import math

__all__ = ["TimeLeft", "in_words"]

SETTLING_S = 1.0
"""Before that the pace is that of loading and warming up."""
SHORTEST_S = 1e-6
"""Steps that no clock tells apart have no pace: dividing by them overflows."""
MEMORY_S = 8.0
"""Time over which an older pace is forgotten: stages differ in theirs."""


class TimeLeft:
    """Estimates the seconds left; it counts down and does not jump.

    The pace is a mean over time that forgets; the estimate shown is the last one minus the
    time that has passed, drawn towards what the pace says. Its clock starts with the first work
    done: what comes before is loading.
    """

    def __init__(self) -> None:
        self.fraction = 0.0
        self._first: float | None = None
        self._last = self._done = self._before = 0.0
        self._pace: float | None = None
        self._shown: float | None = None

    def update(self, done: float, total: float, now: float) -> float | None:
        """Seconds left; None while nothing can be said.

        Parameters
        ----------
        done, total : float
            Work done and expected, same unit.
        now : float
            A clock that only goes forward, seconds.
        """
        if total > 0:
            # Expected work may grow while the job goes on; a bar that runs back says nothing.
            self.fraction = min(1.0, max(self.fraction, done / total))
        if self._first is None or self._done <= 0:
            self._first = self._last = now
            self._before = self._done = done
            return None
        passed = now - self._last
        if passed < SHORTEST_S or done < self._done:
            return self._shown
        forget = math.exp(-passed / MEMORY_S)
        # The overall pace is the first guess: one lucky batch must not set the clock.
        overall = (done - self._before) / max(now - self._first, passed)
        known = overall if self._pace is None else self._pace
        self._pace = forget * known + (1 - forget) * (done - self._done) / passed
        self._last, self._done = now, done
        if now - self._first < SETTLING_S or self._pace <= 0:
            return self._shown
        computed = max(0.0, total - done) / self._pace
        if not math.isfinite(computed):  # next to nothing was done until now
            return self._shown
        if self._shown is None:
            self._shown = computed
        else:
            counted = max(0.0, self._shown - passed)
            self._shown = counted + (1 - math.exp(-passed / 2.0)) * (computed - counted)
        return self._shown


def in_words(seconds: float | None) -> str:
    """Say it with no more precision than there is: ``"about 20 s left"``."""
    if seconds is None:
        return ""
    if seconds < 2:
        return "a moment left"
    if seconds < 10:
        return f"about {round(seconds)} s left"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s left"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"
