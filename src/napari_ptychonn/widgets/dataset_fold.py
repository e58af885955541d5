"""The Load scan dock's choice of datasets: the file's tree, guesses with reasons, a glimpse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.glimpse import DatasetGlimpse
from napari_ptychonn.scan.guesses import Guess
from napari_ptychonn.scan.options import ROLES
from napari_ptychonn.scan.tree import Entry
from napari_ptychonn.widgets.file_line import FileLine
from napari_ptychonn.widgets.file_tree import FileTree
from napari_ptychonn.widgets.fold import Fold
from napari_ptychonn.widgets.network_box import keep_narrow
from napari_ptychonn.widgets.path_box import PathBox
from napari_ptychonn.widgets.preview import (
    PatternPicture,
    PositionsPicture,
    pattern_colours,
    positions_in_square,
)
from napari_ptychonn.widgets.sentence import Sentence

__all__ = ["DatasetFold", "title_of"]

AS_FOUND = "as found"
USE_AS = "use as…"
AXES = ("positions y", "positions x")
"""What half of the positions is chosen as, where y and x lie apart."""
PROBE_FILES = "Probes (*.h5 *.hdf5 *.cxi *.npz *.npy);;All files (*)"
GLIMPSE_SIDE = 84
HINTS = {
    "mask": "0 is taken as a good pixel",
    "energy": "A photon energy or a wavelength; a typed number wins",
    "distance": "A typed number wins",
    "detector_pixel": "A typed number wins",
}
HINT = "Select a dataset to look at it."


class DatasetFold(Fold):
    """The fields, folded up while the file speaks for itself.

    Attributes
    ----------
    changed : Signal
        The person chose something else.
    asked : Signal(str)
        A dataset was selected in the tree, and its glimpse is wanted.
    """

    changed = Signal()
    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Datasets", parent)
        self.tree = FileTree()
        self.picture, self.points = PatternPicture(), PositionsPicture()
        self.about = Sentence(HINT)
        self.use_as = QComboBox()
        self.guessed = Sentence()
        self.boxes = {role: PathBox() for role in ROLES}
        self.probe_file = FileLine("file with a probe", PROBE_FILES)
        self._axes: dict[str, str] = {}
        self._guesses: dict[str, Guess] = {}
        self._lay_out()
        self._listen()

    def chosen(self) -> dict[str, str]:
        """Role to the dataset chosen for it; what is left to the file is not in it."""
        data = {role: box.currentData() for role, box in self.boxes.items()}
        return {role: path for role, path in data.items() if path}

    def choose(self, datasets: Mapping[str, str]) -> None:
        """Choose a dataset for every role, none where it is not named."""
        for role, box in self.boxes.items():
            _select(box, datasets.get(role))
        self._show_uses()

    def clear(self) -> None:
        """Leave everything to the file."""
        self.choose({})
        self._axes = {}
        self.probe_file.set_path("")
        self.show_guesses({})
        self.tree.setCurrentItem(None)
        self.show_glimpse(None)
        self.offer(())

    def offer(self, entries: Sequence[Entry]) -> None:
        """Show the file, and offer datasets for the roles they suit; what is chosen stays."""
        self.tree.show_entries(entries)
        for role, box in self.boxes.items():
            chosen = box.currentData()
            before = box.blockSignals(True)
            box.clear()
            box.addItem(AS_FOUND, None)
            for entry in entries:
                if _suits(role, entry.info):
                    box.addItem(_line(entry), entry.info.path)
            _select(box, chosen)
            box.blockSignals(before)
        self._show_uses()

    def show_found(self, datasets: Mapping[str, str]) -> None:
        """Show which datasets the format of the file has for the roles."""
        for role, box in self.boxes.items():
            used = datasets.get(role)
            box.setItemText(0, f"{AS_FOUND}: {used}" if used else AS_FOUND)
        self._show_uses(datasets)

    def show_guesses(self, guesses: Mapping[str, Guess]) -> None:
        """Say what was guessed, and why, as long as it is what is chosen."""
        self._guesses = dict(guesses)
        self._show_reasons()

    def show_glimpse(self, glimpse: DatasetGlimpse | None) -> None:
        """Show the dataset that is selected; None: nothing yet."""
        path = self.tree.selected()
        self.use_as.setEnabled(path is not None)
        picture = None if glimpse is None else glimpse.picture
        points = None if glimpse is None else glimpse.points
        self.picture.setVisible(picture is not None)
        self.points.setVisible(points is not None)
        if picture is not None:
            self.picture.show_pattern(pattern_colours(picture, np.ones(picture.shape, bool)))
        if points is not None:
            self.points.show_positions(positions_in_square(points))
        if path is None:
            self.about.setText(HINT)
        else:
            lines = [path, self.tree.facts(path), glimpse.text if glimpse else ""]
            self.about.setText("\n".join(filter(None, lines)))

    def _lay_out(self) -> None:
        for picture in (self.picture, self.points):
            picture.setFixedSize(GLIMPSE_SIDE, GLIMPSE_SIDE)
        self.use_as.addItem(USE_AS, None)
        for role in ROLES:
            for one in (role, *AXES) if role == "positions" else (role,):
                self.use_as.addItem(title_of(one), one)
        glimpse, beside = QHBoxLayout(), QVBoxLayout()
        beside.addWidget(self.about)
        beside.addWidget(self.use_as)
        for picture in (self.picture, self.points):
            glimpse.addWidget(picture)
        glimpse.addLayout(beside, 1)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree)
        column.addLayout(glimpse)
        column.addWidget(self.guessed)
        self.rows.addRow(inside)
        for role, box in self.boxes.items():
            keep_narrow(box)
            self.rows.addRow(QLabel(title_of(role).capitalize()), box)
        self.rows.addRow("Probe file", self.probe_file)
        self.use_as.setToolTip("What the selected dataset is")
        self.show_guesses({})
        self.show_glimpse(None)

    def _listen(self) -> None:
        self.tree.chosen.connect(self._look_at)
        self.use_as.activated.connect(self._use)
        self.probe_file.changed.connect(self._touched)
        for box in self.boxes.values():
            box.currentIndexChanged.connect(self._touched)

    def _look_at(self, path: str) -> None:
        self.show_glimpse(None)
        self.asked.emit(path)

    def _use(self) -> None:
        role, path = self.use_as.currentData(), self.tree.selected()
        self.use_as.setCurrentIndex(0)
        if role is None or path is None:
            return
        if role not in AXES:
            _select(self.boxes[role], path)
            return
        self._axes[role] = path
        if len(self._axes) < len(AXES):
            other = next(axis for axis in AXES if axis not in self._axes)
            self.about.setText(f"{path}\nis {role}; now choose the one of {other}")
            return
        _select(self.boxes["positions"], ", ".join(self._axes[axis] for axis in AXES))
        self._axes = {}

    def _touched(self) -> None:
        for role, box in self.boxes.items():
            hint = HINTS.get(role)
            box.setToolTip(f"{box.currentText()}\n{hint}" if hint else box.currentText())
        self._show_uses()
        self._show_reasons()
        self.changed.emit()

    def _show_reasons(self) -> None:
        chosen = self.chosen()
        lines = [
            f"{title_of(role)}: {guess.reason}"
            for role, guess in self._guesses.items()
            if chosen.get(role) == guess.dataset
        ]
        self.guessed.setText("\n".join(["Guessed, please look through:", *lines]))
        self.guessed.setVisible(bool(lines))

    def _show_uses(self, found: Mapping[str, str] | None = None) -> None:
        uses: dict[str, str] = {}
        for role, name in {**(found or {}), **self.chosen()}.items():
            # A scan may use more than the boxes choose: a background, say.
            for part in (part.strip() for part in name.split(",")):
                uses[part] = ", ".join(filter(None, (uses.get(part), title_of(role))))
        self.tree.show_uses(uses)


def title_of(role: str) -> str:
    """A role as people say it."""
    return role.replace("_", " ")


def _select(box: QComboBox, path: str | None) -> None:
    """Choose a dataset; one that the box does not offer (two that lie apart) is added."""
    if path and box.findData(path) < 0:
        box.addItem(path, path)
    box.setCurrentIndex(box.findData(path) if path else 0)


def _line(entry: Entry) -> str:
    info = entry.info
    facts = f"= {entry.value}" if entry.value else f"{info.shape} {info.dtype}"
    return f"{info.path}  {facts}"


def _suits(role: str, info: DatasetInfo) -> bool:
    axes, values = len(info.shape), math.prod(info.shape)
    is_real = info.dtype.startswith(("int", "uint", "float"))
    if role == "patterns":
        return axes in (3, 4) and not info.dtype.startswith("complex")
    if role == "probe":
        return axes >= 2 and min(info.shape[-2:]) >= 8
    if role == "mask":
        return axes == 2 and min(info.shape) >= 8
    if role == "positions":
        return axes == 2 and min(info.shape) in (2, 3)
    return is_real and values in ((1, 2) if role == "detector_pixel" else (1,))
