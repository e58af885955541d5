"""The Load scan dock: a file, what was recognised in it, and what to correct."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
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
from napari_ptychonn.scan import recipes
from napari_ptychonn.scan.glimpse import Glimpse
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.recipe import Recipe
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.file_line import FileLine
from napari_ptychonn.widgets.fold import bring_into_view, scrolling
from napari_ptychonn.widgets.jobs import Ended, JobRunner, notify_failure
from napari_ptychonn.widgets.load_form import LoadForm
from napari_ptychonn.widgets.load_job import Look, Opened, look_at, look_into
from napari_ptychonn.widgets.load_state import options_from, state_from
from napari_ptychonn.widgets.mask_editor import MaskEditor
from napari_ptychonn.widgets.orientation_gallery import OrientationGallery
from napari_ptychonn.widgets.preview import (
    PatternPicture,
    PositionsPicture,
    pattern_colours,
    positions_in_square,
)
from napari_ptychonn.widgets.recipe_box import RecipeBox, offer_text
from napari_ptychonn.widgets.scan_layers import add_layers, make_layers
from napari_ptychonn.widgets.sentence import Sentence
from napari_ptychonn.widgets.window_words import in_the_window
from napari_ptychonn.words import counted

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
        self._look_found: Look | None = None
        self._opened: Opened | None = None
        self._said: set[str] = set()
        self.file = FileLine("scan file", SCAN_FILES)
        self.text = QPlainTextEdit()
        self.pattern, self.positions = PatternPicture(), PositionsPicture()
        self.pattern_label, self.positions_label = QLabel(), QLabel()
        self.recipe = RecipeBox()
        self.form = LoadForm()
        self.orientation = OrientationGallery(napari_viewer)
        self.load = QPushButton("Load")
        self.status = Sentence(CHOOSE)
        self.runner, self.glimpses = JobRunner(napari_viewer), JobRunner(napari_viewer)
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
        column.addWidget(self.recipe)
        column.addWidget(self.form)
        self.form.folds["Orientation"].rows.addRow(self.orientation)
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
        self.form.files.asked.connect(self._glimpse)
        self.orientation.chosen.connect(self.form.set_orientation)
        self.recipe.picked.connect(self._apply)
        self.recipe.save.connect(self._save_recipe)
        self.recipe.delete.connect(self._delete_recipe)
        self.load.clicked.connect(self._load)
        self.runner.finished.connect(self._found)
        self.glimpses.finished.connect(self._seen)
        stop_when_closed(self, [self.runner, self.glimpses], hidden=self._was_hidden)

    def _choose(self, path: str) -> None:
        self._path = path
        self._look_found = None
        self.glimpses.drop()
        self.form.clear()
        self.recipe.set_applied("")
        self.recipe.offer(())
        bring_into_view(self.file)
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
            self._say(in_the_window(error))
            return
        path = Path(self._path).expanduser()
        self._say(READING)
        self.runner.start(f"reading {path.name}", partial(look_into, path, options))

    def _found(self, ended: Ended) -> None:
        if ended.error is not None:
            self._say(in_the_window(ended.error))
            return
        look: Look = ended.result
        self._look_found = look
        self.form.offer(look.entries, look.columns, look.places)
        self.form.take_guesses(look.guessed)
        self.recipe.offer(look.recipes)
        for error in look.broken:
            self._say_once(error)
        self._show(look.opened)
        offer = ""
        if self.recipe.applied:
            offer = f"With the recipe {self.recipe.applied}. "
        else:
            offer = offer_text(look.recipes)
        if look.opened is None:
            self._show_glimpse(look.glimpse)
            self.text.setPlainText(look.chosen)
            self._say(offer + look.problem)
            self.form.unfold(look.subject)
        else:
            guessed = "Opened by guesses: look through the datasets. "
            self._say(offer + (guessed if look.guessed else "") + _summary(look.opened.scan))

    def _show(self, opened: Opened | None) -> None:
        self._opened = opened
        self.orientation.set_scan(None if opened is None else opened.scan)
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

    def _show_glimpse(self, glimpse: Glimpse) -> None:
        if glimpse.mean is not None:
            mask = np.ones(glimpse.mean.shape, bool)
            self.pattern.show_pattern(pattern_colours(glimpse.mean, mask))
            self.pattern_label.setText(f"mean of {glimpse.averaged}, as stored")
        if glimpse.positions is not None:
            self.positions.show_positions(positions_in_square(glimpse.positions))
            self.positions_label.setText(
                f"{counted(len(glimpse.positions), 'position')}, as stored"
            )

    def _glimpse(self, name: str) -> None:
        path = Path(self._path).expanduser()
        self.glimpses.start(f"looking at {name}", partial(look_at, path, name))

    def _seen(self, ended: Ended) -> None:
        if ended.error is None:
            self.form.files.show_glimpse(ended.result)

    def _apply(self, recipe: Recipe) -> None:
        path = Path(self._path).expanduser()
        self.recipe.set_applied(recipe.name)
        self.form.set_state(state_from(recipe.options_for(path)))
        self._look()

    def _save_recipe(self, name: str) -> None:
        look = self._look_found
        if look is None:
            return
        try:
            options = options_from(self.form.state())
            infos = [entry.info for entry in look.entries]
            recipe = Recipe.of_file(name, look.path, infos, options)
            recipes.save(recipe, replace=name == self.recipe.applied)
        except PtychonnError as error:
            notify_failure(error)
            return
        self._offer_recipes(look)
        self.recipe.set_applied(name)
        self._say(f"{name} is kept, and is offered for the next file of this layout.")

    def _delete_recipe(self, name: str) -> None:
        try:
            recipes.delete(name)
        except PtychonnError as error:
            notify_failure(error)
        self.recipe.set_applied("")
        if self._look_found is not None:
            self._offer_recipes(self._look_found)

    def _offer_recipes(self, look: Look) -> None:
        infos = [entry.info for entry in look.entries]
        self.recipe.offer(recipes.ways(recipes.stored().recipes, infos))

    def _say_once(self, error: PtychonnError) -> None:
        if str(error) not in self._said:
            self._said.add(str(error))
            notify_failure(error)

    def _load(self) -> None:
        if self._opened is not None:
            add_layers(self._viewer, make_layers(self._opened.layers))
            self._viewer.canvas.overlays.scale_bar.visible = True
            self._viewer.reset_view()
            scan = self._opened.scan
            said = f"{scan.name} is in the viewer"
            self._say(f"{said}: reconstruct it next." if scan.near_field is None else f"{said}.")

    def _say(self, text: str) -> None:
        self.status.setText(text)

    def _was_hidden(self) -> None:
        if self.status.text() == READING:
            self._say("Reading was stopped, since the dock was closed; choose the file again.")


def _summary(scan: Scan) -> str:
    """What a choice below changes, said where it is seen: the text above may be out of sight."""
    height, width = scan.pattern_shape
    said = f"{scan.n_points} patterns of {height} × {width}"
    if scan.pixel_m is not None:
        sides = dict.fromkeys(f"{side * 1e9:.4g}" for side in scan.pixel_m)
        said += f", object pixel {' × '.join(sides)} nm"
    if scan.near_field is not None:
        reason = scan.near_field.removeprefix("near-field scan: ")
        return f"{said}. NEAR FIELD, which can be loaded but not reconstructed: {reason}."
    return f"{said}: ready to load."


def _dragged_file(event: QDropEvent) -> str | None:
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    return urls[0].toLocalFile() or None if len(urls) == 1 else None
