"""Ends a dock's jobs when the dock or its viewer is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

from napari_ptychonn.widgets.jobs import JobRunner

__all__ = ["stop_when_closed"]


def stop_when_closed(
    widget: QWidget,
    runners: Sequence[JobRunner],
    *,
    hidden: Callable[[], None],
    gone: Callable[[], None] | None = None,
) -> None:
    """Stop the jobs of a dock, and wait for them, when it is closed.

    A dock's X only hides the widget inside, closing the viewer hides and destroys it, and
    neither sends a close event. What the jobs made is dropped.

    Parameters
    ----------
    widget : QWidget
        The widget inside the dock.
    runners : sequence of JobRunner
        Its jobs.
    hidden : callable
        Called when the dock was hidden and they were stopped; the viewer may live on.
    gone : callable, optional
        Called when the widget is destroyed; it must not touch its Qt side.
    """
    watch = _Watch(widget, runners, hidden)
    widget.installEventFilter(watch)

    def end() -> None:
        for runner in runners:
            runner.shutdown()
        if gone is not None:
            gone()

    widget.destroyed.connect(end)


class _Watch(QObject):
    def __init__(
        self, widget: QWidget, runners: Sequence[JobRunner], hidden: Callable[[], None]
    ) -> None:
        super().__init__(widget)
        self._runners, self._hidden = runners, hidden
        # Floating a dock hides and shows it at once: look again when Qt has settled.
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(0)
        self._settled.timeout.connect(self._look)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the widget was hidden; minimising the window is not hiding."""
        if event is not None and event.type() == QEvent.Type.Hide and not event.spontaneous():
            self._settled.start()
        return super().eventFilter(watched, event)

    def _look(self) -> None:
        widget = self.parent()
        if not isinstance(widget, QWidget) or widget.isVisible():
            return
        for runner in self._runners:
            runner.shutdown()
        self._hidden()
