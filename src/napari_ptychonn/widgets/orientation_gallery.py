"""The Load scan dock's search for the orientation: eight small pictures, click to choose."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.reconstruction.events import Event, ShouldStop
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.orientation import N_ORIENTATIONS, orientation_text
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.jobs import Ended, JobRunner
from napari_ptychonn.widgets.sentence import Sentence

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.orient import OrientationSearch, OrientationTrial

__all__ = ["OrientationGallery", "grey_phases"]

FIND = "Find orientation"
CANCEL = "Cancel"
STOPPED = "The search was stopped."
COLUMNS = 4
SIDE = 72
BAR_STEPS = 1000
SHOWN = 0.98
"""Of the phases of a picture; the rest is beyond black and white."""
PRESENT = "QToolButton:checked { border: 2px solid palette(highlight); }"


class OrientationGallery(QWidget):
    """A button to search, and what the search found.

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
        self._searched: Hashable = None
        self.find = QPushButton(FIND)
        self.bar = QProgressBar()
        self.status = Sentence()
        self.tiles = [QToolButton() for _ in range(N_ORIENTATIONS)]
        self._group = QButtonGroup(self)
        self._gallery = QWidget()
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
        if self._searched is not None and _identity(scan) != self._searched:
            self.runner.drop()
            self._set_running(False)
            self._forget()
        self._mark(scan.provenance.orientation)

    def _lay_out(self) -> None:
        self.find.setToolTip(
            "Try all eight on neighbouring points, and see which explains the patterns"
        )
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        grid = QGridLayout(self._gallery)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        self._gallery.setStyleSheet(PRESENT)
        for code, tile in enumerate(self.tiles):
            tile.setCheckable(True)
            tile.setIconSize(QSize(SIDE, SIDE))
            tile.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            tile.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            # napari's own style makes tool buttons as small as its icons.
            tile.setMinimumSize(SIDE + 6, SIDE + 26)
            self._group.addButton(tile, code)
            grid.addWidget(tile, code // COLUMNS, code % COLUMNS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        for widget in (self.find, self.bar, self._gallery, self.status):
            column.addWidget(widget)
        self.bar.hide()

    def _connect(self) -> None:
        self.find.clicked.connect(self._find_or_cancel)
        self._group.idClicked.connect(self.chosen)
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
        try:
            self.runner.start("finding the orientation", partial(_search, scan), device="auto")
        except PtychonnError as error:
            self.status.setText(str(error))
            return
        self._forget()
        self._searched = _identity(scan)
        self._set_running(True)

    def _set_running(self, running: bool) -> None:
        self.find.setText(CANCEL if running else FIND)
        self.find.setEnabled(running or self._scan is not None)
        self.bar.setVisible(running)
        self.bar.setValue(0)

    def _show_progress(self, _stage: str, fraction: float, _left: object) -> None:
        self.bar.setValue(round(BAR_STEPS * fraction))

    def _finish(self, ended: Ended) -> None:
        self._set_running(False)
        if ended.error is not None:
            self.status.setText(str(ended.error))
            return
        search: OrientationSearch | None = ended.result
        if search is None:
            self.status.setText(STOPPED)
            return
        self.status.setText(search.text())
        greys = grey_phases([trial.picture for trial in search.trials])
        for trial, grey, tile in zip(search.trials, greys, self.tiles, strict=True):
            is_best = trial.code == search.best and search.sure
            tile.setIcon(_icon(grey))
            tile.setText(f"{'✓ ' if is_best else ''}{trial.code}: {trial.misfit:.3g}")
            tile.setToolTip(_tip(trial, search))
        self._mark(search.present if self._scan is None else self._scan.provenance.orientation)
        self._gallery.show()

    def _mark(self, code: int) -> None:
        self.tiles[code].setChecked(True)

    def _forget(self) -> None:
        self._searched = None
        self._gallery.hide()
        self.status.setText("")

    def _was_hidden(self) -> None:
        self._set_running(False)


def grey_phases(pictures: Sequence[NDArray[np.complex64]]) -> list[NDArray[np.uint8]]:
    """Phases of small objects (h, w) as greys (h, w), the same scale for all.

    A wrong orientation leaves noise, which would look like structure on a scale of its own.
    """
    phases = [np.angle(picture) for picture in pictures]
    reach = max(float(np.quantile(np.abs(phase), SHOWN)) for phase in phases)
    scale = 127 / max(reach, np.finfo(float).tiny)
    return [
        np.ascontiguousarray((128 + np.clip(phase * scale, -127, 127)).astype(np.uint8))
        for phase in phases
    ]


def _search(scan: Scan, should_stop: ShouldStop) -> Iterator[Event[OrientationSearch]]:
    # In the worker: it loads torch.
    from napari_ptychonn.reconstruction.orient import orientation_events

    yield from orientation_events(scan, should_stop=should_stop)


def _identity(scan: Scan) -> Hashable:
    """What makes two scans the same but for their orientation."""
    source = scan.provenance
    said = (note for note in source.assumptions if not note.startswith("orientation "))
    pixel = None if scan.pixel_m is None else tuple(sorted(scan.pixel_m))
    return (
        source.path, tuple(sorted(source.datasets.items())), frozenset(said), pixel,
        tuple(sorted(scan.pattern_shape)), scan.positions.tobytes(),
    )  # fmt: skip


def _icon(greys: NDArray[np.uint8]) -> QIcon:
    height, width = greys.shape
    image = QImage(greys.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    smooth = Qt.TransformationMode.SmoothTransformation
    ratio = Qt.AspectRatioMode.KeepAspectRatio
    return QIcon(QPixmap.fromImage(image).scaled(SIDE, SIDE, ratio, smooth))


def _tip(trial: OrientationTrial, search: OrientationSearch) -> str:
    words = f"{orientation_text(trial.code)}: misfit {trial.misfit:.3g}"
    if trial.code == search.best:
        return f"{words}, the lowest"
    return f"{words}, {trial.worse:.1f} times its noise above the lowest"
