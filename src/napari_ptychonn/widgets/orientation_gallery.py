"""The Load scan dock's search for the orientation, and a check of the positions' scale."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.reconstruction.events import Event, ShouldStop
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.fold import bring_into_view
from napari_ptychonn.widgets.jobs import Ended, JobRunner
from napari_ptychonn.widgets.orientation_tiles import OrientationTiles
from napari_ptychonn.widgets.sentence import Sentence
from napari_ptychonn.widgets.time_left import in_words
from napari_ptychonn.widgets.window_words import in_the_window

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.orientation_search import OrientationSearch
    from napari_ptychonn.reconstruction.position_scale import PositionScale

__all__ = ["OrientationGallery"]

FIND = "Find orientation"
CANCEL = "Cancel"
SEARCHING = "Trying all eight…"
CHECKING = "Checking the scale of the positions…"
STOPPED = "The search was stopped before it was through."
CHECK_STOPPED = "The check of the positions' scale was stopped."
CLICK = "Click a picture to use its orientation."
CHOSEN = "{} is used now: load the scan with it."
WARNING = "⚠ "
BAR_STEPS = 1000


class OrientationGallery(QWidget):
    """A button to search, and what the search found.

    Once the orientation is found the scale of the positions is checked in it. Nothing is
    applied: a click chooses an orientation, and a scale that is off is only said.

    Parameters
    ----------
    owner : object
        The viewer; its other jobs do not compute meanwhile.

    Attributes
    ----------
    chosen : Signal(int)
        The person clicked the picture of this orientation.
    """

    chosen = Signal(int)

    def __init__(self, owner: object, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scan: Scan | None = None
        self._searched: Scan | None = None
        self._search: OrientationSearch | None = None
        self._is_checking = False
        self.find = QPushButton(FIND)
        self.bar = QProgressBar()
        self.tiles = OrientationTiles()
        self.status, self.scale = Sentence(), Sentence()
        self.runner = JobRunner(owner)
        self._lay_out()
        self._connect()
        self.set_scan(None)
        self._forget()

    def set_scan(self, scan: Scan | None) -> None:
        """Take the scan that is shown now; pictures of another one go."""
        self._scan = scan
        self.find.setEnabled(scan is not None or self.runner.running)
        if scan is None:
            return
        if self._searched is not None and _identity(scan) != _identity(self._searched):
            self.runner.drop()
            self._set_running(False)
            self._forget()
        self._tell(scan.provenance.orientation)

    def _lay_out(self) -> None:
        self.find.setToolTip(
            "Try all eight on neighbouring points, and see which explains the patterns;\n"
            "then see whether the positions have the right scale"
        )
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        for widget in (self.find, self.bar, self.tiles, self.status, self.scale):
            column.addWidget(widget)
        self.bar.hide()

    def _connect(self) -> None:
        self.find.clicked.connect(self._find_or_cancel)
        self.tiles.chosen.connect(self.chosen)
        self.runner.progress.connect(self._show_progress)
        self.runner.finished.connect(self._finish)
        stop_when_closed(self, [self.runner], hidden=self._was_hidden)

    def _find_or_cancel(self) -> None:
        if self.runner.running:
            self.runner.cancel()
            return
        scan = self._scan
        if scan is None:
            return
        self._forget()
        try:
            self.runner.start("finding the orientation", partial(_search, scan), device="auto")
        except PtychonnError as error:
            self.status.setText(in_the_window(error))
            return
        self._searched = scan
        self.status.setText(SEARCHING)
        self._set_running(True)

    def _check_scale(self, code: int) -> None:
        assert self._searched is not None
        job = partial(_check, self._searched, code)
        try:
            self.runner.start("checking the positions' scale", job, device="auto")
        except PtychonnError as error:
            self.scale.setText(in_the_window(error))
            return
        self._is_checking = True
        self._say_scale(CHECKING)
        self._set_running(True)

    def _set_running(self, running: bool) -> None:
        self.find.setText(CANCEL if running else FIND)
        self.find.setEnabled(running or self._scan is not None)
        self.bar.setVisible(running)
        self.bar.setValue(0)

    def _show_progress(self, _stage: str, fraction: float, left: float | None) -> None:
        self.bar.setValue(round(BAR_STEPS * fraction))
        if self._is_checking:
            self._say_scale(f"{CHECKING} {in_words(left)}".strip())
        else:
            self.status.setText(f"{SEARCHING} {in_words(left)}".strip())

    def _finish(self, ended: Ended) -> None:
        self._set_running(False)
        was_checking, self._is_checking = self._is_checking, False
        if ended.error is not None:
            (self._say_scale if was_checking else self.status.setText)(in_the_window(ended.error))
        elif was_checking:
            self._show_scale(ended.result)
        else:
            self._show_search(ended.result)

    def _show_search(self, search: OrientationSearch | None) -> None:
        if search is None or search.stopped:
            self._searched = None
            self.status.setText(STOPPED)
            return
        self._search = search
        self.tiles.show_search(search)
        self._tell(search.present if self._scan is None else self._scan.provenance.orientation)
        self.tiles.show()
        bring_into_view(self)
        if search.sure:
            self._check_scale(search.best)

    def _tell(self, present: int) -> None:
        """Say what was found beside what the scan has now."""
        self.tiles.mark(present)
        search = self._search
        if search is None:
            return
        said = replace(search, present=present).text()
        chosen = search.present != present
        self.status.setText(f"{said} {CHOSEN.format(present) if chosen else CLICK}")

    def _show_scale(self, found: PositionScale | None) -> None:
        if found is None:
            self._say_scale(CHECK_STOPPED)
            return
        self._say_scale(f"{WARNING if found.is_off else ''}{found.text()}")

    def _say_scale(self, text: str) -> None:
        self.scale.setText(text)
        self.scale.setVisible(bool(text))

    def _forget(self) -> None:
        self._searched, self._search, self._is_checking = None, None, False
        self.tiles.hide()
        self.status.setText("")
        self._say_scale("")

    def _was_hidden(self) -> None:
        self._set_running(False)
        if self._is_checking:
            self._is_checking = False
            self._say_scale(CHECK_STOPPED)
        elif self.status.text().startswith(SEARCHING):
            self.status.setText(STOPPED)


def _search(scan: Scan, should_stop: ShouldStop) -> Iterator[Event[OrientationSearch]]:
    # In the worker: it loads torch.
    from napari_ptychonn.reconstruction.orient import orientation_events

    yield from orientation_events(scan, should_stop=should_stop)


def _check(scan: Scan, code: int, should_stop: ShouldStop) -> Iterator[Event[PositionScale]]:
    from napari_ptychonn.reconstruction.orient import turned_scan
    from napari_ptychonn.reconstruction.position_scale import position_scale_events

    yield from position_scale_events(turned_scan(scan, code), should_stop=should_stop)


def _identity(scan: Scan) -> Hashable:
    """What makes two scans the same but for their orientation."""
    source = scan.provenance
    said = (note for note in source.assumptions if not note.startswith("orientation "))
    pixel = None if scan.pixel_m is None else tuple(sorted(scan.pixel_m))
    return (
        source.path, tuple(sorted(source.datasets.items())), frozenset(said), pixel,
        tuple(sorted(scan.pattern_shape)), scan.positions.tobytes(),
    )  # fmt: skip
