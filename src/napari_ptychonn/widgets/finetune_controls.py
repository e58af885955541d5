"""The lower end of the Fine-tune dock, always in sight: buttons, progress, status."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_ptychonn.widgets.jobs import JobRunner
from napari_ptychonn.widgets.sentence import Sentence
from napari_ptychonn.widgets.time_left import in_words

__all__ = ["Controls"]

BAR_STEPS = 1000
PAUSE, RESUME = "Pause", "Resume"


class Controls(QWidget):
    """Start, pause, cancel and keep, and how far the training is.

    Parameters
    ----------
    runner : JobRunner
        Whose job they are about.

    Attributes
    ----------
    changed : Signal
        The job was paused, resumed or told to stop.
    """

    changed = Signal()

    def __init__(self, runner: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._reason = ""
        self.keeping = False
        self.start, self.pause = QPushButton("Start"), QPushButton(PAUSE)
        self.cancel, self.keep = QPushButton("Cancel"), QPushButton("Keep the best so far")
        self.bar, self.status = QProgressBar(), Sentence()
        self.bar.setRange(0, BAR_STEPS)
        self._lay_out()
        self.pause.clicked.connect(self._pause)
        self.cancel.clicked.connect(lambda: self._stop(keeping=False))
        self.keep.clicked.connect(lambda: self._stop(keeping=True))
        runner.progress.connect(self._show_progress)

    def show_started(self) -> None:
        """Say that it has begun, before anything is loaded."""
        self.keeping = False
        self.bar.setRange(0, 0)
        self.status.setText("Starting…")

    def show_ended(self, text: str, *, done: bool) -> None:
        """Say how it ended."""
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(BAR_STEPS if done else 0)
        self.status.setText(text)

    def show_readiness(self, reason: str) -> None:
        """Offer what can be pressed now; a reason is why nothing can be started."""
        running = self._runner.running
        can_stop = running and not self._runner.cancelling
        self.start.setEnabled(not running and not reason)
        self.start.setToolTip("Already running" if running else reason or "Teach the network")
        for button in (self.pause, self.cancel, self.keep):
            button.setEnabled(can_stop)
        self.pause.setText(RESUME if self._runner.paused else PAUSE)

    def show_reason(self, reason: str) -> None:
        """Say why nothing can be started, as long as it is so."""
        if reason or self.status.text() == self._reason:
            self.status.setText(reason)
        self._reason = reason

    def _pause(self) -> None:
        if self._runner.paused:
            self._runner.resume()
            self.status.setText("Going on…")
        else:
            self._runner.pause()
            self.status.setText("Paused; the device stays taken.")
        self.changed.emit()

    def _stop(self, *, keeping: bool) -> None:
        self.keeping = keeping
        self.status.setText("Ending, to keep the best so far…" if keeping else "Cancelling…")
        self._runner.cancel()
        self.changed.emit()
        self.repaint()

    def _show_progress(self, stage: str, fraction: float, seconds: float | None) -> None:
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(round(BAR_STEPS * fraction))
        if not self._runner.cancelling and not self._runner.paused:
            left = in_words(seconds)
            self.status.setText(f"{stage}, {left}" if left else stage)

    def _lay_out(self) -> None:
        self.pause.setToolTip("Wait, and go on later; paused time does not count")
        self.cancel.setToolTip("End the training; the network stays as it was")
        self.keep.setToolTip("End the training, and offer the best weights so far")
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.start, 2)
        first.addWidget(self.pause, 1)
        second.addWidget(self.keep, 2)
        second.addWidget(self.cancel, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(9, 0, 9, 6)
        column.setSpacing(4)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.bar)
        column.addWidget(self.status)
