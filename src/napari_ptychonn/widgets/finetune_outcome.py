"""What a training has made, until it is saved or dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.widgets.asking import ask
from napari_ptychonn.widgets.finetune_job import Assignment, saving_events
from napari_ptychonn.widgets.finetune_names import is_bundled, is_own, suggested_name
from napari_ptychonn.widgets.finetune_report import ReportView
from napari_ptychonn.widgets.finetune_unfinished import delete
from napari_ptychonn.widgets.jobs import Ended, JobRunner, Outcome, notify_failure
from napari_ptychonn.widgets.network_box import NetworkBox
from napari_ptychonn.widgets.reconstruct import ReconstructWidget
from napari_ptychonn.widgets.window_words import in_the_window

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ptychonn.training.finetune_events import FineTuned

__all__ = ["OutcomeKeeper"]

LOGGER = logging.getLogger("napari_ptychonn")
PLUGIN, DOCK = "napari-ptychonn", "Reconstruct"
CANCELLED = "Cancelled."
STILL_HERE = "Cancelled. What was learned until then can still be saved here."
SAVE, DROP, BACK, REPLACE = "Save", "Drop it", "Back", "Replace it"


class OutcomeKeeper(QObject):
    """Keeps a result until the person has saved or dropped it, and asks before it is lost.

    Parameters
    ----------
    dock : QWidget
        The dock, which is also the parent of questions.
    viewer : ViewerModel
        Its viewer.
    report : ReportView
        Where the result is shown and named.

    Attributes
    ----------
    saved : Signal(str)
        The network was saved under this name.
    ask : callable
        As :func:`napari_ptychonn.widgets.asking.ask`.
    """

    saved = Signal(str)

    def __init__(self, dock: QWidget, viewer: ViewerModel, report: ReportView) -> None:
        super().__init__(dock)
        self._dock, self._viewer, self._report = dock, viewer, report
        self._result: FineTuned | None = None
        self._assignment: Assignment | None = None
        self._then: Callable[[], None] | None = None
        self._saving_as = ""
        self._frame: QWidget | None = None
        self._window: QWidget | None = None
        self.unsaved = False
        self.ask = ask
        self.runner = JobRunner(viewer)
        self.runner.finished.connect(self._show_saved)
        report.save_asked.connect(self._save)
        report.use_asked.connect(self._use)
        dock.installEventFilter(self)

    def take(self, result: FineTuned, assignment: Assignment, *, wanted: bool) -> None:
        """Offer a result to be saved.

        Parameters
        ----------
        result : FineTuned
            What was made.
        assignment : Assignment
            What was asked.
        wanted : bool
            Whether the person is to be asked before it is lost.
        """
        self._result, self._assignment = result, assignment
        self.unsaved = wanted and result.improved
        names = [scan.name for scan in assignment.scans]
        name = suggested_name(assignment.state.network, names)
        cancelled = STILL_HERE if result.improved else CANCELLED
        self._report.show_result(result, name, "" if wanted else cancelled)
        LOGGER.info("fine-tuned %s: %s", name, self._report.verdict.text())
        if not self.unsaved:
            self._delete_checkpoint()

    def forget(self) -> None:
        """Drop the result."""
        if self.unsaved:
            self._delete_checkpoint()
        self._result, self._assignment, self.unsaved = None, None, False
        self._report.clear()

    def may_be_dropped(self, *, then: Callable[[], None]) -> bool:
        """Ask, where a result would be lost; once it is saved, `then` is called."""
        if not self.unsaved:
            return True
        answer = self._ask_what_to_do((SAVE, DROP, BACK))
        if answer == SAVE:
            self._then = then
            self._save(self._report.name.text().strip())
        return answer == DROP

    def ask_if_removed(self) -> None:
        """Ask, where the dock was taken out of the window with a result in it."""
        removed = isinstance(self._frame, QDockWidget) and self._dock.parent() is None
        while removed and self.unsaved:
            if self._ask_what_to_do((SAVE, DROP)) == DROP:
                self.forget()
            else:
                self._save_now()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the dock to its window, and ask before that is closed."""
        if event is None:
            return False
        if watched is self._dock and event.type() == QEvent.Type.Show:
            self._follow()
        elif watched is self._window and event.type() == QEvent.Type.Close:
            return self._refuse_to_close(event)
        return super().eventFilter(watched, event)

    def _follow(self) -> None:
        parent, window = self._dock.parent(), self._dock.window()
        self._frame = parent if isinstance(parent, QWidget) else None
        # A dock that floats is a window of its own, and what it floats over is the viewer's.
        if isinstance(window, QDockWidget) and isinstance(window.parent(), QWidget):
            window = window.parent().window()
        if window is not self._window and window is not self._dock:
            self._window = window
            window.installEventFilter(self)

    def _refuse_to_close(self, event: QEvent) -> bool:
        if not self.unsaved or self._window is None or not self._window.isVisible():
            return False
        answer = self._ask_what_to_do((SAVE, DROP, BACK))
        if answer == DROP:
            self.forget()
        elif answer == SAVE:
            self._save_now()
        if self.unsaved:
            event.ignore()
        return self.unsaved

    def _ask_what_to_do(self, answers: tuple[str, ...]) -> str:
        name = self._report.name.text().strip()
        text = f"The fine-tuned network '{name}' is not saved yet."
        parent = self._dock if self._dock.isVisible() else None
        return self.ask(parent, "Fine-tune", text, answers)

    def _may_replace(self, name: str) -> bool | None:
        """Whether a network of that name is replaced; None: the person has thought better."""
        if is_bundled(name) or not is_own(name):
            return False  # a bundled one is never replaced, and the store says so
        text = f"There is a network '{name}' already. Replace it?"
        return self.ask(self._dock, "Fine-tune", text, (REPLACE, BACK)) == REPLACE or None

    def _save(self, name: str) -> None:
        if self._result is None or self.runner.running:
            return
        replace_existing = self._may_replace(name)
        if replace_existing is None:
            self._then = None
            return
        self._saving_as = name
        self._report.show_saving(True)
        saving = partial(saving_events, name, self._result, replace_existing)
        self.runner.start(f"saving the network {name}", saving)

    def _save_now(self) -> None:
        """Save while everything waits: what is asked is about to be closed."""
        name = self._report.name.text().strip()
        replace_existing = self._may_replace(name)
        if self._result is None or replace_existing is None:
            return
        try:
            list(saving_events(name, self._result, replace_existing, lambda: False))
        except PtychonnError as error:
            self._report.status.setText(in_the_window(error))
            notify_failure(error)
        else:
            self._has_saved(name)

    def _show_saved(self, ended: Ended) -> None:
        self._report.show_saving(False)
        then, self._then = self._then, None
        if ended.outcome is Outcome.FAILED:
            self._report.status.setText(
                f"{in_the_window(ended.error)} The network is still here to be saved."
            )
            return
        self._has_saved(self._saving_as)
        if then is not None:
            then()

    def _has_saved(self, name: str) -> None:
        self.unsaved = False
        self._report.show_saved(name)
        self._delete_checkpoint()
        for box in self._dock.window().findChildren(NetworkBox):
            box.refresh()
        self.saved.emit(name)

    def _delete_checkpoint(self) -> None:
        if self._assignment is None:
            return
        try:
            delete(self._assignment.folder)
        except PtychonnError as error:
            notify_failure(error)

    def _use(self, name: str) -> None:
        """Choose a saved network in the Reconstruct dock, which is opened where it is not."""
        found = self._dock.window().findChildren(ReconstructWidget)
        window = getattr(self._viewer, "window", None)
        if not found and window is not None:
            found = [window.add_plugin_dock_widget(PLUGIN, DOCK, tabify=True)[1]]
        if not found:
            self._report.status.setText("Open the Reconstruct dock first.")
            return
        reconstruct = found[0]
        reconstruct.form.network.select(name)
        frame = reconstruct.parent()
        if isinstance(frame, QDockWidget):
            frame.show()
            frame.raise_()
