"""The Load scan dock: a file, what was recognised in it, and what to correct."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QFontDatabase
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.file_line import FileLine
from napari_ptychonn.widgets.fold import scrolling
from napari_ptychonn.widgets.jobs import Ended, JobRunner
from napari_ptychonn.widgets.load_form import LoadForm
from napari_ptychonn.widgets.load_job import Look, Opened, look_into
from napari_ptychonn.widgets.load_state import options_from
from napari_ptychonn.widgets.mask_editor import MaskEditor
from napari_ptychonn.widgets.preview import (
    PatternPicture,
    PositionsPicture,
    pattern_colours,
    positions_in_square,
)
from napari_ptychonn.widgets.scan_layers import add_layers, make_layers
from napari_ptychonn.widgets.sentence import Sentence

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["LoadScanWidget"]

SCAN_FILES = "Scans (*.h5 *.hdf5 *.hdf *.cxi *.nxs *.npz *.mat);;All files (*)"
CHOOSE = "Choose a scan file, or drop one here."
READING = "Reading…"
TEXT_HEIGHT = 130


class LoadScanWidget(QWidget):
    """The dock.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer that gets the scan's layers.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._path = ""
        self._opened: Opened | None = None
        self.file = FileLine("scan file", SCAN_FILES)
        self.text = QPlainTextEdit()
        self.pattern, self.positions = PatternPicture(), PositionsPicture()
        self.pattern_label, self.positions_label = QLabel(), QLabel()
        self.form = LoadForm()
        self.load = QPushButton("Load")
        self.status = Sentence(CHOOSE)
        self.runner = JobRunner(napari_viewer)
        self._lay_out()
        self._connect()
        self._show(None)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take a single file that is dragged in."""
        if event is not None and _dragged_file(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open the file that is dropped."""
        path = None if event is None else _dragged_file(event)
        if event is not None and path is not None:
            event.acceptProposedAction()
            self.file.set_path(path)

    def _lay_out(self) -> None:
        self.setAcceptDrops(True)
        self.text.setReadOnly(True)
        self.text.setAcceptDrops(False)
        self.file.line.setAcceptDrops(False)
        self.text.setFixedHeight(TEXT_HEIGHT)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.file.line.setPlaceholderText("scan file")
        pictures = QHBoxLayout()
        for picture, label in (
            (self.pattern, self.pattern_label),
            (self.positions, self.positions_label),
        ):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column = QVBoxLayout()
            column.setSpacing(1)
            column.addWidget(picture)
            column.addWidget(label)
            pictures.addLayout(column)
        inside = QWidget()
        column = QVBoxLayout(inside)
        for widget in (self.file, self.text):
            column.addWidget(widget)
        column.addLayout(pictures)
        column.addWidget(self.form)
        column.addWidget(MaskEditor(self._viewer))
        column.addStretch()
        # What is pressed last stays in reach, however much is unfolded above.
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(scrolling(inside), 1)
        below = QVBoxLayout()
        below.setContentsMargins(10, 0, 10, 6)
        below.addWidget(self.load)
        below.addWidget(self.status)
        outside.addLayout(below)

    def _connect(self) -> None:
        self.file.changed.connect(self._choose)
        self.form.changed.connect(self._look)
        self.load.clicked.connect(self._load)
        self.runner.finished.connect(self._found)
        stop_when_closed(self, [self.runner], hidden=self._was_hidden)

    def _choose(self, path: str) -> None:
        self._path = path
        self.form.clear()
        self._look()

    def _look(self) -> None:
        """Read the file anew, with what the fields say."""
        self._show(None)
        self.runner.drop()
        if not self._path:
            self._say(CHOOSE)
            return
        try:
            options = options_from(self.form.state())
        except PtychonnError as error:
            self._say(str(error))
            return
        path = Path(self._path).expanduser()
        self._say(READING)
        self.runner.start(f"reading {path.name}", partial(look_into, path, options))

    def _found(self, ended: Ended) -> None:
        if ended.error is not None:
            self._say(str(ended.error))
            return
        look: Look = ended.result
        self.form.offer(look.datasets)
        if look.opened is None:
            self._say(look.problem)
            self.form.folds["Datasets"].set_open(True)
            return
        self._show(look.opened)
        self._say("")

    def _show(self, opened: Opened | None) -> None:
        self._opened = opened
        self.load.setEnabled(opened is not None)
        self.load.setToolTip("Add the scan to the viewer" if opened else "There is no scan yet")
        if opened is None:
            self.text.clear()
            self.pattern.show_pattern(None)
            self.positions.show_positions(None)
            self.pattern_label.setText("mean pattern")
            self.positions_label.setText("positions")
            return
        scan = opened.scan
        self.text.setPlainText(opened.text)
        self.pattern.show_pattern(pattern_colours(opened.mean, scan.mask))
        self.positions.show_positions(positions_in_square(scan.positions))
        self.pattern_label.setText(f"mean of {opened.averaged}, log scale")
        self.positions_label.setText(f"{scan.n_points} positions")
        self.form.show_found(scan)

    def _load(self) -> None:
        if self._opened is not None:
            add_layers(self._viewer, make_layers(self._opened.layers))
            self._viewer.canvas.overlays.scale_bar.visible = True
            self._viewer.reset_view()
            self._say(f"{self._opened.scan.name} is in the viewer: reconstruct it next.")

    def _say(self, text: str) -> None:
        self.status.setText(text)

    def _was_hidden(self) -> None:
        if self.status.text() == READING:
            self._say("Reading was stopped, since the dock was closed; choose the file again.")


def _dragged_file(event: QDropEvent) -> str | None:
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    return urls[0].toLocalFile() or None if len(urls) == 1 else None
