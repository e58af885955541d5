"""Runs the core's generators of events in a worker thread, and tells the window how it goes.

A cancelled job ends normally: it asks a flag at every batch and yields what it has. napari's
own generator worker is not used here, since its ``quit()`` drops the result and does not run
the generator's ``finally``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from napari.utils.notifications import ErrorNotification, notification_manager, show_error
from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from napari_ptychonn.errors import PtychonnError, SettingsError
from napari_ptychonn.reconstruction.events import Message, Metrics, Progress, Snapshot
from napari_ptychonn.widgets.job_thread import (
    Ended,
    EventSource,
    Job,
    Outcome,
    Supersedes,
    newest_of_its_type,
    rivals_of,
)
from napari_ptychonn.widgets.window_words import as_notification

__all__ = ["Ended", "JobRunner", "Outcome", "notify_failure"]

LOGGER = logging.getLogger("napari_ptychonn")
_BETWEEN_PROGRESS_MS = 300
"""What changes a label draws the whole window again, canvas included."""
PATIENCE_S = 10.0
"""A job that has not answered by then (a dead file server) is left to end on its own."""


def notify_failure(error: Exception) -> None:
    """Show an error in napari: ours as its sentence, any other with its traceback."""
    if isinstance(error, PtychonnError):
        show_error(as_notification(error))
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
    supersedes : callable
        Given an event, what it is the newest of, or None: where the window is slower than
        the job, only the newest is given. Progress and snapshots are their types' newest.

    Attributes
    ----------
    progress : Signal(str, float, object)
        Stage, fraction done (it never falls), and seconds left or None; three times a second at
        most, the newest last.
    snapshot, message, metrics : Signal
        The :class:`Snapshot`, the text of a :class:`Message`, the :class:`Metrics`.
    told : Signal(object)
        Any other event, which only the dock of that job knows.
    finished : Signal(object)
        :class:`Ended`, once for every job that was not dropped.
    """

    progress = Signal(str, float, object)
    snapshot = Signal(object)
    message = Signal(str)
    metrics = Signal(object)
    told = Signal(object)
    finished = Signal(object)
    _mail = Signal(object)

    def __init__(
        self,
        owner: object,
        *,
        on_failure: Callable[[Exception], None] = notify_failure,
        supersedes: Supersedes = newest_of_its_type,
    ) -> None:
        super().__init__()
        # napari gives every dock a proxy of its own around the one viewer.
        self._owner = getattr(owner, "__wrapped__", owner)
        self._on_failure = on_failure
        self._supersedes = supersedes
        self._job: Job | None = None
        self._mail.connect(self._read_mail)
        self._progress: tuple[str, float, float | None] | None = None
        self._has_just_shown = False
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
        return self._job is not None and self._job.stopping

    @property
    def paused(self) -> bool:
        """Whether the current job waits, or will at its next event."""
        return self._job is not None and self._job.paused

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
        rivals = rivals_of(self._owner, device)
        for other in rivals:
            if not other.stopping:
                state = "paused, and holds" if other.paused else "still running on"
                raise SettingsError(
                    "device", None, f"{other.title} is {state} {other.device}",
                    remedy="wait until it is done, or cancel it",
                )  # fmt: skip
        self.drop()
        # One that was told to stop is waited for, in the thread: the window is not held up.
        waits = tuple(job.thread for job in rivals)
        self._job = Job(
            title, self._owner, device, events, self._post, supersedes=self._supersedes, waits=waits
        )
        self._job.thread.start()

    def cancel(self) -> None:
        """Ask the current job to stop; it then ends with what it has.

        One that has not begun (torch is loading) is dropped, and so ends at once.
        """
        if self._job is None:
            return
        self._job.stop()
        if not self._job.has_begun:
            self._job = self._progress = None
            self.finished.emit(Ended(Outcome.STOPPED))

    def pause(self) -> None:
        """Let the current job wait, from its next event until :meth:`resume`.

        It keeps its device and what it has; :meth:`cancel` wakes it at once.
        """
        if self._job is not None:
            self._job.pause()

    def resume(self) -> None:
        """Let a paused job go on; the time it waited is not counted."""
        if self._job is not None:
            self._job.resume()

    def drop(self) -> None:
        """Stop the current job without waiting for it, and drop what it makes."""
        if self._job is not None:
            self._job.stop()
            self._job = self._progress = None

    def shutdown(self) -> None:
        """Stop the current job, wait for it, and drop what it made."""
        job, self._job, self._progress = self._job, None, None
        if job is None:
            return
        job.stop()
        job.thread.join(PATIENCE_S)
        if job.thread.is_alive():
            LOGGER.warning("%s did not stop within %g s", job.title, PATIENCE_S)

    def _post(self, job: Job) -> None:
        # In the worker. A method, not the signal's: a bound signal does not keep its object.
        self._mail.emit(job)

    def _read_mail(self, job: Job) -> None:
        for event in job.inbox.take():
            if job is not self._job:
                return
            if isinstance(event, Ended):
                if self._progress is not None:
                    self._show_progress()
                self._job = None
                self.finished.emit(event)
                if event.error is not None:
                    self._on_failure(event.error)
            else:
                self._tell(job, event)

    def _tell(self, job: Job, event: object) -> None:
        if isinstance(event, Progress):
            seconds = job.time_left.update(event.done, event.total, job.clock())
            self._progress = event.stage, job.time_left.fraction, seconds
            if not self._has_just_shown:
                self._show_progress()
        elif isinstance(event, Snapshot):
            self.snapshot.emit(event)
        elif isinstance(event, Message):
            LOGGER.info("%s: %s", job.title, event.text)
            self.message.emit(event.text)
        elif isinstance(event, Metrics):
            self.metrics.emit(event)
        else:
            self.told.emit(event)

    def _show_progress(self) -> None:
        progress, self._progress = self._progress, None
        self._has_just_shown = progress is not None
        if progress is not None:
            self.progress.emit(*progress)
            QTimer.singleShot(_BETWEEN_PROGRESS_MS, self._show_progress)
