"""The Fine-tune dock: a network learns a sample, seen while it learns, and is kept if better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.reconstruction.events import Metrics, ShouldStop
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.finetune_controls import Controls
from napari_ptychonn.widgets.finetune_form import FinetuneForm
from napari_ptychonn.widgets.finetune_job import (
    Assignment,
    newest_of_its_kind,
    taught_lively,
    teaching_events,
)
from napari_ptychonn.widgets.finetune_layers import TeachingLayers
from napari_ptychonn.widgets.finetune_live import LiveView
from napari_ptychonn.widgets.finetune_names import suggested_name
from napari_ptychonn.widgets.finetune_outcome import OutcomeKeeper
from napari_ptychonn.widgets.finetune_report import ReportView
from napari_ptychonn.widgets.finetune_resume import ResumeOffer
from napari_ptychonn.widgets.finetune_state import settings_from
from napari_ptychonn.widgets.finetune_unfinished import Unfinished, new_folder, tidy
from napari_ptychonn.widgets.fold import scrolling
from napari_ptychonn.widgets.jobs import Ended, JobRunner, Outcome, notify_failure
from napari_ptychonn.widgets.layers import scans_in
from napari_ptychonn.widgets.lively import Lively
from napari_ptychonn.widgets.mask_layers import painted
from napari_ptychonn.widgets.offer_search import OfferSearch
from napari_ptychonn.widgets.offers import Offers
from napari_ptychonn.widgets.result_layers import named_reconstructions
from napari_ptychonn.widgets.window_words import in_the_window

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.training.finetune_events import FineTuned, FinetuneEvent

__all__ = ["FinetuneWidget"]

NO_SCAN = "Open a scan first: Plugins > PtychoNN > Load scan, or drag its file into the viewer."
SET_UP, LIVE, REPORT = range(3)


class FinetuneWidget(QWidget):
    """The dock.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose scans may teach, and that shows how it goes.

    Attributes
    ----------
    ended : Signal(object)
        A training has :class:`Ended`, and its layers and report are there.
    teach : callable
        Given an :class:`Assignment` and ``should_stop``, it returns the training's events.
    """

    ended = Signal(object)

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._scans: list[Scan] = []
        self._assignment: Assignment | None = None
        self._layers: TeachingLayers | None = None
        self._teaching, self._lively = False, Lively()
        self._later: list[tuple[Ended, bool]] = []
        self._soon = QTimer(self)
        self.teach: Callable[[Assignment, ShouldStop], Iterator[FinetuneEvent]] = teaching_events
        self.runner = JobRunner(napari_viewer, supersedes=newest_of_its_kind)
        self._search = OfferSearch(self, napari_viewer)
        self.offer, self.form = ResumeOffer(), FinetuneForm()
        self.reset = QPushButton("Reset")
        self.live, self.report = LiveView(napari_viewer.theme), ReportView()
        self.controls = Controls(self.runner)
        self.tabs = QTabWidget()
        self.outcome = OutcomeKeeper(self, napari_viewer, self.report)
        self._lay_out()
        self._connect()
        self._follow_layers()
        self._search.start()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Let the search for devices wait until the dock is painted."""
        super().showEvent(event)
        self._search.put_off()
        self._look_for_unfinished()

    def _lay_out(self) -> None:
        set_up = QWidget()
        column = QVBoxLayout(set_up)
        for widget in (self.offer, self.form, self.reset):
            column.addWidget(widget)
        column.addStretch()
        self.reset.setToolTip("Set every field to its default")
        for page, name in ((set_up, "Set up"), (self.live, "Live"), (self.report, "Report")):
            self.tabs.addTab(scrolling(page), name)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(self.tabs, 1)
        outside.addWidget(self.controls)

    def _connect(self) -> None:
        self.controls.start.clicked.connect(self._start_if_nothing_is_lost)
        self.controls.changed.connect(self._show_readiness)
        self.reset.clicked.connect(self.form.reset)
        self.form.changed.connect(self._show_readiness)
        self.offer.resume_asked.connect(self._resume)
        self.offer.deleted.connect(self._look_for_unfinished)
        self.live.flipped.connect(self._flip)
        self.runner.told.connect(self._show_event)
        self.runner.metrics.connect(self._show_metrics)
        self.runner.message.connect(self.live.say)
        self.runner.finished.connect(self._finish)
        self.outcome.saved.connect(lambda _name: self.form.network.refresh())
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._show_results)
        self._search.found.connect(self._offer)
        events, others = self._viewer.layers.events, (self._search.runner, self.outcome.runner)
        lively = self._lively
        heard = [
            (event, self._follow_layers)
            for event in (events.inserted, events.removed, events.renamed)
        ]
        heard.append((self._viewer.events.theme, self._follow_theme))
        for event, follow in heard:
            event.connect(follow)

        def forget() -> None:
            for event, follow in heard:
                event.disconnect(follow)
            for runner in others:
                runner.shutdown()
            lively.end()

        stop_when_closed(self, [self.runner], hidden=self._was_hidden, gone=forget)

    def _follow_layers(self, _event: object = None) -> None:
        """Offer the scans and reconstructions that are in the viewer now."""
        self._scans = scans_in(self._viewer)
        self.form.offer_scans(self._scans, named_reconstructions(self._viewer))
        self._show_readiness()

    def _follow_theme(self, _event: object = None) -> None:
        self.live.set_theme(self._viewer.theme)

    def _show_readiness(self) -> None:
        running = self.runner.running
        reason = self.form.problem() if self._scans else NO_SCAN
        self.controls.show_readiness(reason)
        for widget in (self.form, self.reset, self.offer):
            widget.setEnabled(not running)
        if not running and not self._later:
            self.controls.show_reason(reason)

    def _start_if_nothing_is_lost(self) -> None:
        if self.outcome.may_be_dropped(then=self._start_if_nothing_is_lost):
            self._start()

    def _start(self, folder: Path | None = None) -> None:
        state, labels = self.form.state(), self.form.labels.labels()
        try:
            chosen = [painted(self._viewer, scan) for scan in self.form.scans.chosen()]
            name = suggested_name(state.network, [scan.name for scan in chosen])
            folder = folder or new_folder(name)
            settings_from(state, folder)
            self._assignment = Assignment(
                tuple(chosen), (labels or ()) if state.teacher == "labels" else (), state, folder
            )
            self._lively.begin()
            self.runner.start(
                f"the fine-tuning on {chosen[0].name}",
                partial(taught_lively, self.teach, self._lively, self._assignment),
                device=state.device,
            )
        except PtychonnError as error:
            self._lively.end()
            self.controls.status.setText(in_the_window(error))
            notify_failure(error)
            return
        self.outcome.forget()
        self._layers, self._teaching = TeachingLayers(self._viewer, chosen), True
        self.live.restart()
        self.tabs.setCurrentIndex(LIVE)
        self.controls.show_started()
        self._show_readiness()
        # Loading torch holds Python's lock for moments: paint the answer to the click first.
        self.repaint()

    def _show_event(self, event: object) -> None:
        # The worker has loaded torch before it could send any of these.
        from napari_ptychonn.training.finetune_events import (
            HeldOutPatch,
            Losses,
            ObjectView,
            PointSplit,
        )

        if self._layers is None or self.runner.cancelling:
            return
        if isinstance(event, Losses):
            self.live.add_losses(event)
        elif isinstance(event, HeldOutPatch):
            self.live.show_patch(event)
        elif isinstance(event, PointSplit):
            self._layers.show_split(event)
        elif isinstance(event, ObjectView):
            self._layers.show_view(event)
            if self._layers.has_both():
                self.live.can_flip()

    def _show_metrics(self, metrics: Metrics) -> None:
        self.live.show_standing(metrics.values)

    def _flip(self, before: bool) -> None:
        if self._layers is not None:
            self._layers.flip(before)

    def _finish(self, ended: Ended) -> None:
        if ended.error is not None:
            known = isinstance(ended.error, PtychonnError)
            words = in_the_window(ended.error) if known else f"Failed: {ended.error!r}"
        elif ended.outcome is Outcome.DONE:
            words = "Done: see the report."
        elif self.controls.keeping and ended.result is not None:
            words = "Ended early: see the report."
        else:
            words = "Cancelled."
        self.controls.show_ended(words, done=ended.outcome is Outcome.DONE)
        # Building layers takes napari a second: the dock is idle, and says so, before.
        self._later.append((ended, self.controls.keeping))
        self._show_readiness()
        self._soon.start()

    def _show_results(self) -> None:
        while self._later:
            ended, keeping = self._later.pop(0)
            layers, assignment, self._teaching = self._layers, self._assignment, False
            assert layers is not None
            assert assignment is not None
            wanted = ended.outcome is Outcome.DONE or keeping
            result: FineTuned | None = ended.result
            if result is not None and wanted:
                layers.finish(result)
            else:
                layers.remove()
            if result is not None:
                self.outcome.take(result, assignment, wanted=wanted)
                self.tabs.setCurrentIndex(REPORT)
            else:
                self.offer.add_stopped(assignment.folder)
                with suppress(PtychonnError):  # a folder that stays is offered, or used again
                    tidy(assignment.folder)
            self._look_for_unfinished()
            layers.afterwards(partial(self._end, ended))

    def _end(self, ended: Ended) -> None:
        self._lively.end()
        self.ended.emit(ended)

    def _was_hidden(self) -> None:
        if self._teaching and self._layers is not None and not self._later:
            self._layers.remove()
            self._layers.do_all()
            self._teaching = False
            self._lively.end()
            if self._assignment is not None:
                self.offer.add_stopped(self._assignment.folder)
            self.controls.show_ended("Stopped, since the dock was closed.", done=False)
            self._show_readiness()
        self.outcome.ask_if_removed()

    def _look_for_unfinished(self) -> None:
        if not self.runner.running:
            self.offer.look()

    def _resume(self, unfinished: Unfinished) -> None:
        scans = unfinished.find_scans(self._scans)
        if scans is None:
            names = ", ".join(name for name, _ in unfinished.scans)
            self.controls.status.setText(f"Open what taught first: {names}.")
            return
        if not self.outcome.may_be_dropped(then=partial(self._resume, unfinished)):
            return
        self.form.show_state(unfinished.state)
        self.form.scans.check(scans)
        problem = self.form.problem()
        if problem:
            self.controls.status.setText(f"{problem} Then press '{self.offer.resume.text()}'.")
        else:
            self._start(unfinished.folder)

    def _offer(self, offers: Offers) -> None:
        self.form.offer_devices(offers.devices)
        self.form.network.explain(offers.networks)
