"""One job in its worker thread: its flags, its clock, and its mail to the window."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.reconstruction.events import Finished, Progress, ShouldStop, Snapshot
from napari_ptychonn.widgets.time_left import TimeLeft

__all__ = [
    "Ended",
    "EventSource",
    "Job",
    "Outcome",
    "Supersedes",
    "newest_of_its_type",
    "rivals_of",
]

EventSource = Callable[[ShouldStop], Iterator[Any]]
Supersedes = Callable[[Any], Hashable | None]
"""Given an event, what it is the newest of: earlier ones of the same are not told any more
where the window is slower than the job. None: every such event is told."""

LOGGER = logging.getLogger("napari_ptychonn")


class Outcome(Enum):
    """How a job ended."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a job.

    Attributes
    ----------
    outcome : Outcome
        How it ended.
    result : object
        What it made, partial where it was stopped; None where it failed, or was stopped
        before it began.
    error : Exception or None
        Why it failed.
    """

    outcome: Outcome
    result: Any = None
    error: Exception | None = None


def newest_of_its_type(event: object) -> Hashable | None:
    """Of progress and pictures only the newest matters; everything else is told."""
    return type(event) if isinstance(event, Progress | Snapshot) else None


class Job:
    """One run: its thread, its flags, and its mail to the window.

    Parameters
    ----------
    title : str
        What it is, for logs and refusals.
    owner : object
        Jobs of one owner never share a device.
    device : str or None
        The device it computes on; None: it only reads.
    events : callable
        Given ``should_stop``, it returns the generator.
    post : callable
        Called in the worker, with the job, when there is mail where there was none.
    supersedes : callable
        What an event is the newest of.
    waits : tuple of Thread
        To be over before it begins.
    """

    def __init__(
        self,
        title: str,
        owner: object,
        device: str | None,
        events: EventSource,
        post: Callable[[Job], None],
        *,
        supersedes: Supersedes = newest_of_its_type,
        waits: tuple[threading.Thread, ...] = (),
    ) -> None:
        self.title, self.owner, self.device = title, owner, device
        self.inbox = _Inbox(supersedes)
        self.time_left = TimeLeft()
        self.has_begun = False
        self._events, self._post, self._waits = events, post, waits
        self._stop, self._go = threading.Event(), threading.Event()
        self._go.set()
        self._paused_at: float | None = None
        self._paused_s = 0.0
        # Not a daemon: torch must not be torn down under a thread that still computes.
        self.thread = threading.Thread(target=self._run, name=f"napari-ptychonn {title}")
        if device is not None:
            _COMPUTING.append(self)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether it waits, or will at its next event."""
        return not self._go.is_set()

    def stop(self) -> None:
        """Ask it to stop; one that waits is woken for it."""
        self._stop.set()
        self.resume()

    def pause(self) -> None:
        """Let it wait between two events."""
        if not self.paused and not self.stopping:
            self._paused_at = time.monotonic()
            self._go.clear()

    def resume(self) -> None:
        """Let it go on."""
        if self._paused_at is not None:
            self._paused_s += time.monotonic() - self._paused_at
            self._paused_at = None
        self._go.set()

    def clock(self) -> float:
        """Seconds that only go forward, and not while it is paused."""
        now = time.monotonic() if self._paused_at is None else self._paused_at
        return now - self._paused_s

    def _run(self) -> None:
        for thread in self._waits:
            thread.join()
        ended = self._work()
        if self.device is not None:
            _COMPUTING.remove(self)
        self._send(ended)

    def _work(self) -> Ended:
        try:
            for event in self._events(self._stop.is_set):
                if isinstance(event, Finished):
                    outcome = Outcome.STOPPED if event.stopped else Outcome.DONE
                    return Ended(outcome, event.result)
                self._send(event)
                self._go.wait()
            raise RuntimeError(f"{self.title} ended without a result")
        except PtychonnError as error:
            LOGGER.error("%s failed: %s", self.title, error)
            return Ended(Outcome.FAILED, error=error)
        except Exception as error:
            LOGGER.exception("%s failed", self.title)
            return Ended(Outcome.FAILED, error=error)

    def _send(self, event: object) -> None:
        self.has_begun = True
        if self.inbox.put(event):
            self._post(self)


def rivals_of(owner: object, device: str | None) -> list[Job]:
    """Jobs of an owner that hold a device, or may turn out to."""
    return [
        job for job in _COMPUTING if job.owner is owner and device and _overlap(device, job.device)
    ]


class _Inbox:
    """Events on their way to the window, without those that newer ones supersede."""

    def __init__(self, supersedes: Supersedes) -> None:
        self._lock = threading.Lock()
        self._events: list[tuple[Hashable | None, Any]] = []
        self._supersedes = supersedes

    def put(self, event: object) -> bool:
        """Add an event; whether the window must be told that there is mail."""
        kind = self._supersedes(event)
        with self._lock:
            first = not self._events
            if kind is not None:
                self._events = [old for old in self._events if old[0] != kind]
            self._events.append((kind, event))
            return first

    def take(self) -> list[Any]:
        """All events, oldest first."""
        with self._lock:
            events, self._events = self._events, []
            return [event for _, event in events]


_COMPUTING: list[Job] = []
"""Jobs that hold a device; appended in the window's thread, removed by their own."""


def _overlap(device: str, other: str | None) -> bool:
    # What "auto" will be is known only once torch is loaded: it may be any of them.
    if other is None or "auto" in (device, other):
        return other is not None
    return _numbered(device) == _numbered(other)


def _numbered(device: str) -> str:
    return "cuda:0" if device == "cuda" else device
