"""Work for the window in small steps, so that it stays awake between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

__all__ = ["StepByStep"]

PAUSE_MS = 10


class StepByStep(QObject):
    """Calls functions in their order, one in each turn of the event loop.

    To add one layer keeps napari busy for a tenth of a second: ten in a row are felt.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._steps: deque[Callable[[], object]] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._next)

    def do(self, step: Callable[[], object]) -> None:
        """Call a function when its turn comes."""
        self._steps.append(step)
        self._timer.start()

    def do_last(self, step: Callable[[], object]) -> None:
        """Call a function when everything else is done, and what that has asked for."""
        self.do(lambda: self.do_last(step) if self._steps else step())

    def finish(self) -> None:
        """Do all that is left now."""
        while self._steps:
            self._next()

    def forget(self) -> None:
        """Do nothing of what is left."""
        self._steps.clear()
        self._timer.stop()

    def _next(self) -> None:
        step = self._steps.popleft() if self._steps else None
        if not self._steps:
            self._timer.stop()
        if step is not None:
            step()
