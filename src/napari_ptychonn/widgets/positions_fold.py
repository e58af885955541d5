"""The Load scan dock's positions: from another file, or a raster that is typed in."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.sidefiles import WITH_DATASET
from napari_ptychonn.widgets.file_line import FileLine
from napari_ptychonn.widgets.fold import Fold
from napari_ptychonn.widgets.network_box import keep_narrow
from napari_ptychonn.widgets.path_box import PathBox

__all__ = ["PositionsFold"]

POSITION_FILES = (
    "Positions (*.csv *.txt *.dat *.tsv *.mda *.h5 *.hdf5 *.cxi *.nxs *.npz *.npy);;All files (*)"
)
UNITS = (
    ("as recorded", None), ("m", "m"), ("mm", "mm"), ("µm", "um"), ("nm", "nm"),
    ("object pixels", "px"),
)  # fmt: skip
AS_FOUND = "as found"
MINUS = "; a minus before it turns the sign around"


class PositionsFold(Fold):
    """The fields, folded up while the file speaks for itself.

    Attributes
    ----------
    changed : Signal
        The person changed something.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Positions", parent)
        self.file = FileLine("file with positions", POSITION_FILES)
        self.dataset, self._offered_of = PathBox(), ""
        self.columns = (QComboBox(), QComboBox())
        self.unit = QComboBox()
        self.raster = (QLineEdit(), QLineEdit(), QLineEdit())
        for label, value in UNITS:
            self.unit.addItem(label, value)
        for line, hint in zip(self.raster, ("rows", "columns", "step"), strict=True):
            line.setPlaceholderText(hint)
        keep_narrow(self.unit)
        keep_narrow(self.dataset)
        for box, axis in zip(self.columns, "yx", strict=True):
            box.setEditable(True)
            keep_narrow(box)
            box.setMinimumContentsLength(6)
            line = box.lineEdit()
            if line is not None:
                line.setPlaceholderText(f"{axis} column")
            box.setToolTip(
                f"The column of {axis}, by heading or by number from 0{MINUS}.\nEmpty: as headed"
            )
        self.rows.addRow("From file", self.file)
        self.rows.addRow("Dataset", self.dataset)
        self.rows.addRow("Columns", _row(*self.columns))
        self.rows.addRow("or raster", _row(*self.raster[:2], QLabel("by"), self.raster[2]))
        self.rows.addRow("Unit", self.unit)
        self._explain()
        self._listen()
        self.offer_datasets(())

    def column_names(self) -> tuple[str, str]:
        """Columns of y and x as they stand there; empty where it is left to the file."""
        y, x = (box.currentText().strip() for box in self.columns)
        return y, x

    def raster_numbers(self) -> tuple[str, str, str]:
        """Rows, columns and step as they stand there."""
        rows, columns, step = (line.text().strip() for line in self.raster)
        return rows, columns, step

    def set_state(
        self, file: str, columns: tuple[str, str], raster: tuple[str, str, str], unit: str | None
    ) -> None:
        """Fill in all fields."""
        self.file.set_path(file)
        for box, name in zip(self.columns, columns, strict=True):
            box.setEditText(name)
        for line, number in zip(self.raster, raster, strict=True):
            line.setText(number)
        self.unit.setCurrentIndex(max(0, self.unit.findData(unit)))

    def clear(self) -> None:
        """Leave everything to the file."""
        self.offer_columns(())
        self.offer_datasets(())
        self.set_state("", ("", ""), ("", "", ""), None)

    def offer_columns(self, names: Sequence[str]) -> None:
        """Offer the columns of the file; what stands there stays."""
        for box in self.columns:
            text = box.currentText()
            before = box.blockSignals(True)
            box.clear()
            box.addItems(["", *names])
            box.setEditText(text)
            box.blockSignals(before)

    def offer_datasets(self, infos: Sequence[DatasetInfo]) -> None:
        """Offer the datasets of the file; the one that is typed after its name is chosen."""
        self._offered_of, typed = _split(self.file.path())
        self.dataset.clear()
        self.dataset.addItem(AS_FOUND, None)
        for info in infos:
            self.dataset.addItem(f"{info.path}  {info.shape} {info.dtype}", info.path)
        self.dataset.setCurrentIndex(self.dataset.findData(typed) if typed else 0)
        self.rows.setRowVisible(self.dataset, bool(infos))

    def _explain(self) -> None:
        self.file.line.setToolTip("A table, or FILE.h5:/dataset")
        self.dataset.setToolTip("Which dataset of the file the positions are")
        for line, what in zip(self.raster, ("rows", "points in a row"), strict=False):
            line.setToolTip(f"Number of {what}, where no file has positions")
        self.raster[2].setToolTip("Between neighbours along both axes, in the unit below")
        self.unit.setToolTip("Unit of the positions, or of the raster's step")

    def _listen(self) -> None:
        self.file.changed.connect(self._another_file)
        self.dataset.activated.connect(self._choose_dataset)
        self.unit.currentIndexChanged.connect(self._touched)
        for box in self.columns:
            box.currentTextChanged.connect(self._touched)
        for line in self.raster:
            line.textEdited.connect(self._touched)

    def _choose_dataset(self) -> None:
        dataset = self.dataset.currentData()
        # The line says it all, as it does in the shell and in a recipe.
        self.file.set_path(f"{self._offered_of}:{dataset}" if dataset else self._offered_of)

    def _another_file(self, path: str) -> None:
        if _split(path)[0] != self._offered_of:
            self.offer_datasets(())
        self._touched()

    def _touched(self) -> None:
        self.changed.emit()


def _split(path: str) -> tuple[str, str]:
    """A file and the dataset that is chosen in it, or nothing."""
    match = WITH_DATASET.match(path)
    return (match["file"], match["dataset"]) if match else (path, "")


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        line.addWidget(widget)
    return row
