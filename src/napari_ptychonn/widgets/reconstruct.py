"""The Reconstruct dock: from a scan in the viewer to its object, seen while it grows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.reconstruction.events import Snapshot
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.fold import scrolling
from napari_ptychonn.widgets.jobs import Ended, JobRunner, Outcome, notify_failure
from napari_ptychonn.widgets.layers import LiveObject, add_reconstruction, scans_in
from napari_ptychonn.widgets.mask_layers import painted
from napari_ptychonn.widgets.offer_search import OfferSearch
from napari_ptychonn.widgets.offers import Offers
from napari_ptychonn.widgets.reconstruct_form import ReconstructForm
from napari_ptychonn.widgets.reconstruct_job import Order, reconstruction_events
from napari_ptychonn.widgets.reconstruct_state import settings_from
from napari_ptychonn.widgets.region import region_from_shapes
from napari_ptychonn.widgets.result_layers import named_reconstructions
from napari_ptychonn.widgets.sentence import Sentence
from napari_ptychonn.widgets.time_left import in_words
from napari_ptychonn.widgets.window_words import in_the_window
from napari_ptychonn.words import counted

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["ReconstructWidget"]

LOGGER = logging.getLogger("napari_ptychonn")
NO_PICTURE = "Cancelled before there was a first picture."
NO_SCAN = "Open a scan first: Plugins > PtychoNN > Load scan, or drag its file into the viewer."
BAR_STEPS = 1000


class ReconstructWidget(QWidget):
    """The dock.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer whose scans are offered and that gets the results.

    Attributes
    ----------
    ended : Signal(object)
        A job has :class:`Ended`, and its layers are in the viewer.
    """

    ended = Signal(object)

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._scans: list[Scan] = []
        self._drawings: list[Shapes] = []
        self._live: LiveObject | None = None
        self._later: list[tuple[Ended, LiveObject | None]] = []
        self._said_of: Scan | None = None
        self._is_refused = False
        self._reason = ""
        self._soon = QTimer(self)
        self.form = ReconstructForm()
        self.run = QPushButton("Reconstruct")
        self.cancel = QPushButton("Cancel")
        self.reset = QPushButton("Reset")
        self.bar = QProgressBar()
        self.status = Sentence()
        self.summary = Sentence()
        self.runner = JobRunner(napari_viewer)
        self._search = OfferSearch(self, napari_viewer)
        self._lay_out()
        self._connect()
        self._follow_layers()
        self._search.start()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Let the search for devices wait until the dock is painted."""
        super().showEvent(event)
        self._search.put_off()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button, share in ((self.run, 2), (self.cancel, 1), (self.reset, 1)):
            buttons.addWidget(button, share)
        self.reset.setToolTip("Set every field to its default")
        self.cancel.setToolTip("Stop now and keep what there is")
        self.cancel.setEnabled(False)
        self.bar.setRange(0, BAR_STEPS)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self.form)
        column.addLayout(buttons)
        for widget in (self.bar, self.status, self.summary):
            column.addWidget(widget)
        column.addStretch()
        # A small screen scrolls; it does not push the buttons out of reach.
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(scrolling(inside), 1)

    def _connect(self) -> None:
        self.run.clicked.connect(self._start)
        self.cancel.clicked.connect(self._cancel)
        self.reset.clicked.connect(self.form.reset)
        self.form.changed.connect(self._settings_changed)
        self.runner.progress.connect(self._show_progress)
        self.runner.snapshot.connect(self._show_snapshot)
        self.runner.message.connect(self.summary.setText)
        self.runner.finished.connect(self._finish)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._show_results)
        self._search.found.connect(self._offer)
        events, follow = self._viewer.layers.events, self._follow_layers
        finder = self._search.runner
        for event in (events.inserted, events.removed, events.renamed):
            event.connect(follow)

        def forget() -> None:
            for event in (events.inserted, events.removed, events.renamed):
                event.disconnect(follow)
            finder.shutdown()

        stop_when_closed(self, [self.runner], hidden=self._was_hidden, gone=forget)

    def _follow_layers(self, _event: object = None) -> None:
        """Offer the scans and shapes that are in the viewer now."""
        scan, shapes = self._scan(), self._shapes()
        self._scans = scans_in(self._viewer)
        self._drawings = [layer for layer in self._viewer.layers if isinstance(layer, Shapes)]
        row = _row_of(scan, self._scans)
        self.form.offer_scans([each.name for each in self._scans], 0 if row is None else row)
        self.form.offer_regions(
            [layer.name for layer in self._drawings], _row_of(shapes, self._drawings)
        )
        self.form.start.offer(named_reconstructions(self._viewer))
        self._settings_changed()

    def _scan(self) -> Scan | None:
        row = self.form.scan.currentIndex()
        return self._scans[row] if 0 <= row < len(self._scans) else None

    def _shapes(self) -> Shapes | None:
        row = self.form.chosen_region()
        return None if row is None else self._drawings[row]

    def _settings_changed(self) -> None:
        scan = self._scan()
        self.form.show_points(None if scan is None else scan.n_points)
        if not self.runner.running and (scan is not self._said_of or self._is_refused):
            # What was said of another scan, or of settings that were others, is no longer so.
            self._said_of, self._is_refused = scan, False
            self.bar.setValue(0)
            self.status.clear()
            self.summary.clear()
        self._show_readiness()

    def _show_readiness(self) -> None:
        running = self.runner.running
        reason = NO_SCAN if self._scan() is None else self.form.problem()
        self.run.setEnabled(not running and not reason)
        self.run.setToolTip("Already running" if running else reason or "Reconstruct the scan")
        self.cancel.setEnabled(running and not self.runner.cancelling)
        self.form.setEnabled(not running)
        self.reset.setEnabled(not running)
        if not running and (reason or self.status.text() == self._reason):
            self.status.setText(reason)
        self._reason = reason

    def _start(self) -> None:
        scan = self._scan()
        if scan is None:
            return
        shapes, box = self._shapes(), self.form.start
        try:
            region = None if shapes is None else region_from_shapes(shapes, scan)
            settings = settings_from(self.form.state(), region)
            order = Order(painted(self._viewer, scan), settings, box.chosen(), box.chosen_name())
            self.runner.start(
                f"the reconstruction of {scan.name}",
                partial(reconstruction_events, order),
                device=settings.device,
            )
        except PtychonnError as error:
            self._is_refused = True
            self.status.setText(in_the_window(error))
            notify_failure(error)
            return
        self._live = LiveObject(self._viewer, scan)
        self.bar.setRange(0, 0)
        self.status.setText("Starting…")
        self.summary.clear()
        self._show_readiness()
        # Loading torch holds Python's lock for moments: paint the answer to the click first.
        self.repaint()

    def _cancel(self) -> None:
        self.status.setText("Cancelling…")
        self.runner.cancel()
        self._show_readiness()
        self.repaint()

    def _show_progress(self, stage: str, fraction: float, seconds: float | None) -> None:
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(round(BAR_STEPS * fraction))
        if not self.runner.cancelling:
            left = in_words(seconds)
            self.status.setText(f"{stage}, {left}" if left else stage)

    def _show_snapshot(self, snapshot: Snapshot) -> None:
        if self._live is not None and not self.runner.cancelling:
            self._live.update(snapshot)

    def _finish(self, ended: Ended) -> None:
        live, self._live = self._live, None
        done = ended.outcome is Outcome.DONE
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(BAR_STEPS if done else 0)
        if ended.error is not None:
            known = isinstance(ended.error, PtychonnError)
            self.status.setText(in_the_window(ended.error) if known else f"Failed: {ended.error!r}")
        else:
            kept = _has_picture(ended.result)
            stopped = "Cancelled; what there was is kept." if kept else NO_PICTURE
            self.status.setText("Done." if done else stopped)
        self._show_readiness()
        # Building layers takes napari a second: the dock is idle, and says so, before.
        self._later.append((ended, live))
        self._soon.start()

    def _show_results(self) -> None:
        while self._later:
            ended, live = self._later.pop(0)
            if live is not None:
                live.remove()
            if ended.error is None:
                self._show_result(ended.result)
            self.ended.emit(ended)

    def _show_result(self, result: Reconstruction | None) -> None:
        if result is None or not _has_picture(result):
            return
        add_reconstruction(self._viewer, result)
        said = _summary(result.report, len(result.indices))
        if not self.runner.running:  # The next job's words are not to be written over.
            self.summary.setText("\n".join([said, *result.report.messages]))
        LOGGER.info("%s, %s: %s", result.name, result.settings.network, said)

    def _was_hidden(self) -> None:
        if self._live is not None:
            self._live.remove()
            self._live = None
            self.bar.setRange(0, BAR_STEPS)
            self.bar.setValue(0)
            self.status.setText("Stopped, since the dock was closed.")
            self._show_readiness()

    def _offer(self, offers: Offers) -> None:
        self.form.offer_devices(offers.devices)
        self.form.network.explain(offers.networks)


def _has_picture(result: Reconstruction | None) -> bool:
    return result is not None and bool(np.isfinite(result.object).any())


def _row_of(wanted: object, offered: Sequence[object]) -> int | None:
    # By identity: scans hold arrays, whose equality is no truth value.
    return next((row for row, each in enumerate(offered) if each is wanted), None)


def _summary(report: RunReport, points: int) -> str:
    """The numbers of a run in one line."""
    misfit = f"misfit {report.misfit:.4f}, " if np.isfinite(report.misfit) else ""
    steps = (
        counted(report.passes, "pass", "passes"),
        counted(report.probe_rounds, "probe round"),
        counted(report.sweeps, "sweep"),
    )
    return (
        f"{misfit}{counted(points, 'point')} in {report.seconds:.1f} s "
        f"({report.patterns_per_second:.0f} patterns/s), {', '.join(steps)}, {report.device}"
    )
