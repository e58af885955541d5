"""Runs the core's generators of events in a worker thread, and tells the window how it goes.

A cancelled job ends normally: it asks a flag at every batch and yields what it has. napari's
own generator worker is not used here, since its ``quit()`` drops the result and does not run
the generator's ``finally``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from napari.utils.notifications import ErrorNotification, notification_manager, show_error
from qtpy.QtCore import QCoreApplication, QObject, Signal

from napari_ptychonn.errors import PtychonnError, SettingsError
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Message,
    Metrics,
    Progress,
    ShouldStop,
    Snapshot,
)
from napari_ptychonn.widgets.time_left import TimeLeft

__all__ = ["Ended", "JobRunner", "Outcome", "notify_failure"]

EventSource = Callable[[ShouldStop], Iterator[Event[Any]]]

LOGGER = logging.getLogger("napari_ptychonn")
PATIENCE_S = 10.0
"""A job that has not answered by then (a dead file server) is left to end on its own."""


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


def notify_failure(error: Exception) -> None:
    """Show an error in napari: ours as its sentence, any other with its traceback."""
    if isinstance(error, PtychonnError):
        show_error(str(error))
    else:
        notification_manager.dispatch(ErrorNotification(error))


class JobRunner(QObject):
    """One dock's jobs: at most one is current, and only the current one is heard.

    It has no Qt parent, so that a worker that outlives the dock still has somebody to
    report to; :meth:`shutdown` ends it.

    Parameters
    ----------
    owner : object
        The viewer; jobs of one owner never share a device.
    on_failure : callable
        Called in the window's thread with the error of a failed job.

    Attributes
    ----------
    progress : Signal(str, float, object)
        Stage, fraction done (it never falls), and seconds left or None.
    snapshot, message, metrics : Signal
        The :class:`Snapshot`, the text of a :class:`Message`, the :class:`Metrics`. Only the
        newest snapshot is given where the window is slower than the job.
    finished : Signal(object)
        :class:`Ended`, once for every job that was not dropped.
    """

    progress = Signal(str, float, object)
    snapshot = Signal(object)
    message = Signal(str)
    metrics = Signal(object)
    finished = Signal(object)
    _mail = Signal(object)

    def __init__(
        self, owner: object, *, on_failure: Callable[[Exception], None] = notify_failure
    ) -> None:
        super().__init__()
        self._owner = owner
        self._on_failure = on_failure
        self._job: _Job | None = None
        self._mail.connect(self._read_mail)
        # Python waits for threads at its end: without this, for a whole job.
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.shutdown)

    @property
    def running(self) -> bool:
        """Whether there is a current job."""
        return self._job is not None

    @property
    def cancelling(self) -> bool:
        """Whether the current job was asked to stop and has not ended yet."""
        return self._job is not None and self._job.stop.is_set()

    def start(self, title: str, events: EventSource, *, device: str | None = None) -> None:
        """Run a job; one of this runner's that is still going is dropped.

        Parameters
        ----------
        title : str
            What it is, for logs and refusals.
        events : callable
            Given ``should_stop``, it returns the generator; both run in the worker thread.
        device : str, optional
            The device it computes on, as settings name it; None: it only reads.

        Raises
        ------
        SettingsError
            A job of the same viewer computes on that device.
        """
        rivals = [
            job
            for job in _COMPUTING
            if job.owner is self._owner and device and _overlap(device, job.device)
        ]
        for other in rivals:
            if not other.stop.is_set():
                raise SettingsError(
                    "device", None, f"{other.title} is still running on {other.device}",
                    remedy="wait until it is done, or cancel it",
                )  # fmt: skip
        self.drop()
        # One that was told to stop is waited for, in the thread: the window is not held up.
        waits = tuple(job.thread for job in rivals)
        self._job = _Job(title, self._owner, device, events, self._post, waits)
        self._job.thread.start()

    def cancel(self) -> None:
        """Ask the current job to stop; it then ends with what it has.

        One that has not begun (torch is loading) is dropped, and so ends at once.
        """
        if self._job is None:
            return
        self._job.stop.set()
        if not self._job.has_begun:
            self._job = None
            self.finished.emit(Ended(Outcome.STOPPED))

    def drop(self) -> None:
        """Stop the current job without waiting for it, and drop what it makes."""
        if self._job is not None:
            self._job.stop.set()
            self._job = None

    def shutdown(self) -> None:
        """Stop the current job, wait for it, and drop what it made."""
        job, self._job = self._job, None
        if job is None:
            return
        job.stop.set()
        job.thread.join(PATIENCE_S)
        if job.thread.is_alive():
            LOGGER.warning("%s did not stop within %g s", job.title, PATIENCE_S)

    def _post(self, job: _Job) -> None:
        # In the worker. A method, not the signal's: a bound signal does not keep its object.
        self._mail.emit(job)

    def _read_mail(self, job: _Job) -> None:
        for event in job.inbox.take():
            if job is not self._job:
                return
            if isinstance(event, Ended):
                self._job = None
                self.finished.emit(event)
                if event.error is not None:
                    self._on_failure(event.error)
            else:
                self._tell(job, event)

    def _tell(self, job: _Job, event: Event[Any]) -> None:
        if isinstance(event, Progress):
            seconds = job.time_left.update(event.done, event.total, time.monotonic())
            self.progress.emit(event.stage, job.time_left.fraction, seconds)
        elif isinstance(event, Snapshot):
            self.snapshot.emit(event)
        elif isinstance(event, Message):
            LOGGER.info("%s: %s", job.title, event.text)
            self.message.emit(event.text)
        elif isinstance(event, Metrics):
            self.metrics.emit(event)


class _Job:
    """One run: its thread, its flag, and its mail to the window."""

    def __init__(
        self,
        title: str,
        owner: object,
        device: str | None,
        events: EventSource,
        post: Callable[[_Job], None],
        waits: tuple[threading.Thread, ...],
    ) -> None:
        self.title, self.owner, self.device = title, owner, device
        self.stop = threading.Event()
        self.inbox = _Inbox()
        self.time_left = TimeLeft()
        self.has_begun = False
        self._events, self._post, self._waits = events, post, waits
        # Not a daemon: torch must not be torn down under a thread that still computes.
        self.thread = threading.Thread(target=self._run, name=f"napari-ptychonn {title}")
        if device is not None:
            _COMPUTING.append(self)

    def _run(self) -> None:
        for thread in self._waits:
            thread.join()
        ended = self._work()
        if self.device is not None:
            _COMPUTING.remove(self)
        self._send(ended)

    def _work(self) -> Ended:
        try:
            for event in self._events(self.stop.is_set):
                if isinstance(event, Finished):
                    outcome = Outcome.STOPPED if event.stopped else Outcome.DONE
                    return Ended(outcome, event.result)
                self._send(event)
            raise RuntimeError(f"{self.title} ended without a result")
        except PtychonnError as error:
            LOGGER.error("%s failed: %s", self.title, error)
            return Ended(Outcome.FAILED, error=error)
        except Exception as error:
            LOGGER.exception("%s failed", self.title)
            return Ended(Outcome.FAILED, error=error)

    def _send(self, event: Event[Any] | Ended) -> None:
        self.has_begun = True
        if self.inbox.put(event):
            self._post(self)


class _Inbox:
    """Events on their way to the window; progress and pictures keep only the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Any] = []

    def put(self, event: Event[Any] | Ended) -> bool:
        """Add an event; whether the window must be told that there is mail."""
        with self._lock:
            first = not self._events
            if isinstance(event, Progress | Snapshot):
                self._events = [old for old in self._events if type(old) is not type(event)]
            self._events.append(event)
            return first

    def take(self) -> list[Any]:
        """All events, oldest first."""
        with self._lock:
            events, self._events = self._events, []
            return events


_COMPUTING: list[_Job] = []
"""Jobs that hold a device; appended in the window's thread, removed by their own."""


def _overlap(device: str, other: str | None) -> bool:
    # What "auto" will be is known only once torch is loaded: it may be any of them.
    if other is None or "auto" in (device, other):
        return other is not None
    return _numbered(device) == _numbered(other)


def _numbered(device: str) -> str:
    return "cuda:0" if device == "cuda" else device
