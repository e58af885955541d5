"""The fields of the Load scan dock: datasets, positions, geometry, orientation, detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.guesses import Guess
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.tree import Entry
from napari_ptychonn.widgets.dataset_fold import DatasetFold
from napari_ptychonn.widgets.detector_fold import DetectorFold
from napari_ptychonn.widgets.fold import Fold, bring_into_view
from napari_ptychonn.widgets.load_state import LoadState
from napari_ptychonn.widgets.network_box import keep_narrow
from napari_ptychonn.widgets.positions_fold import PositionsFold

__all__ = ["LoadForm"]

SETTLED_MS = 400
"""Typing a number is one change, not one a key."""
FOLDS = {
    "positions": "Positions", "positions columns": "Positions", "raster": "Positions",
    "geometry": "Geometry", "mask": "Detector", "background": "Detector", "crop": "Detector",
    "saturation": "Detector", "binning": "Detector",
}  # fmt: skip
"""What an error is about, to the fields that help; the datasets may help with most others."""
DC = (("as found", "auto"), ("centre", "centre"), ("corner", "corner"))


class LoadForm(QWidget):
    """What a person can say about a file; all folded up while the file speaks for itself.

    Attributes
    ----------
    changed : Signal
        The person changed something, and has paused.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.files, self.places, self.detector = DatasetFold(), PositionsFold(), DetectorFold()
        self.datasets, self.probe_file = self.files.boxes, self.files.probe_file
        self.positions_file, self.positions_unit = self.places.file, self.places.unit
        self.energy, self.energy_unit = QLineEdit(), QComboBox()
        self.distance, self.detector_pixel = QLineEdit(), QLineEdit()
        self.object_pixel = QLineEdit()
        self.dc = QComboBox()
        self.own_orientation = QCheckBox("Set by hand")
        self.turns = {4: QCheckBox("transpose"), 2: QCheckBox("flip y"), 1: QCheckBox("flip x")}
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self.folds = self._lay_out()
        self._explain()
        self._listen()
        self.clear()

    def state(self) -> LoadState:
        """What the form is set to."""
        code = sum(bit for bit, turn in self.turns.items() if turn.isChecked())
        return LoadState(
            datasets=self.files.chosen(),
            positions_file=self.positions_file.path(),
            probe_file=self.probe_file.path(),
            positions_columns=self.places.column_names(),
            raster=self.places.raster_numbers(),
            positions_unit=self.positions_unit.currentData(),
            energy=self.energy.text(),
            energy_unit="keV" if self.energy_unit.currentIndex() == 0 else "eV",
            distance_mm=self.distance.text(),
            detector_pixel_um=self.detector_pixel.text(),
            object_pixel_nm=self.object_pixel.text(),
            orientation=code if self.own_orientation.isChecked() else "auto",
            dc=self.dc.currentData(),
            detector=self.detector.state(),
        )

    def set_state(self, state: LoadState) -> None:
        """Fill in all fields, and say nothing."""
        before = self.blockSignals(True)
        self.files.show_guesses({})
        self.files.choose(state.datasets)
        self.probe_file.set_path(state.probe_file)
        self.places.set_state(
            state.positions_file, state.positions_columns, state.raster, state.positions_unit
        )
        self.energy_unit.setCurrentIndex(0 if state.energy_unit == "keV" else 1)
        texts = (state.energy, state.distance_mm, state.detector_pixel_um, state.object_pixel_nm)
        for line, text in zip(self._lines(), texts, strict=True):
            line.setText(text)
        self.own_orientation.setChecked(state.orientation != "auto")
        code = 0 if state.orientation == "auto" else state.orientation
        for bit, turn in self.turns.items():
            turn.setChecked(bool(code & bit))
        self.dc.setCurrentIndex(max(0, self.dc.findData(state.dc)))
        self.detector.set_state(state.detector)
        self._settled.stop()
        self.blockSignals(before)

    def set_orientation(self, code: int) -> None:
        """Set the orientation, as if by hand."""
        self.own_orientation.setChecked(True)
        for bit, turn in self.turns.items():
            turn.setChecked(bool(code & bit))
        self._touched()

    def clear(self) -> None:
        """Leave everything to the file, fold up, and say nothing: another file was chosen."""
        self.set_state(LoadState(energy_unit=self.state().energy_unit))
        before = self.blockSignals(True)
        self.files.clear()
        self.places.clear()
        self.show_found(None)
        for fold in self.folds.values():
            fold.set_open(False)
        self._settled.stop()
        self.blockSignals(before)

    def offer(
        self, entries: Sequence[Entry], columns: Sequence[str], places: Sequence[DatasetInfo]
    ) -> None:
        """Offer the file's datasets, and the columns and datasets of the positions file."""
        self.files.offer(entries)
        self.places.offer_columns(columns)
        self.places.offer_datasets(places)

    def take_guesses(self, guessed: Mapping[str, Guess]) -> None:
        """Choose what was guessed and say why, without saying that anything changed."""
        if not guessed:
            return
        is_typing = self._settled.isActive()
        before = self.blockSignals(True)
        self.files.choose({role: guess.dataset for role, guess in guessed.items()})
        self.files.show_guesses(guessed)
        if not is_typing:
            self._settled.stop()
        self.blockSignals(before)

    def unfold(self, subject: str) -> None:
        """Unfold the fields that help where `subject` is wrong."""
        title = FOLDS.get(subject)
        if title != "Detector":
            self.folds["Datasets"].set_open(True)
        if title is not None and not self.folds[title].is_open():
            self.folds[title].set_open(True)
            bring_into_view(self.folds[title])

    def show_found(self, scan: Scan | None) -> None:
        """Show beside the empty fields what the file says."""
        geometry = None if scan is None else scan.geometry
        pixel = None if scan is None else scan.pixel_m
        energy: tuple[float, ...] = () if geometry is None else (geometry.energy_ev,)
        distance: tuple[float, ...] = () if geometry is None else (geometry.distance_m,)
        pitch = () if geometry is None else geometry.detector_pixel_m
        per_ev = 1e-3 if self.energy_unit.currentIndex() == 0 else 1.0
        self.energy.setPlaceholderText(_numbers(energy, per_ev))
        self.distance.setPlaceholderText(_numbers(distance, 1e3))
        self.detector_pixel.setPlaceholderText(_numbers(pitch, 1e6))
        self.object_pixel.setPlaceholderText(_numbers(pixel or (), 1e9))
        self.files.show_found({} if scan is None else scan.provenance.datasets)

    def _lines(self) -> tuple[QLineEdit, ...]:
        return self.energy, self.distance, self.detector_pixel, self.object_pixel

    def _lay_out(self) -> dict[str, Fold]:
        for label, value in DC:
            self.dc.addItem(label, value)
        keep_narrow(self.dc)
        self.energy_unit.addItems(["keV", "eV"])
        energy = QWidget()
        row = QHBoxLayout(energy)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.energy)
        row.addWidget(self.energy_unit)
        turns = QWidget()
        row = QHBoxLayout(turns)
        row.setContentsMargins(0, 0, 0, 0)
        for turn in self.turns.values():
            row.addWidget(turn)
        fields: dict[str, dict[str, QWidget]] = {
            "Geometry": {
                "Energy": energy,
                "Distance, mm": self.distance,
                "Detector pixel, µm": self.detector_pixel,
                "or object pixel, nm": self.object_pixel,
            },
            "Orientation": {"Detector": self.own_orientation, "": turns, "DC at": self.dc},
        }
        folds: dict[str, Fold] = {"Datasets": self.files, "Positions": self.places}
        for title, rows in fields.items():
            folds[title] = Fold(title)
            for label, field in rows.items():
                folds[title].rows.addRow(label, field)
        folds["Detector"] = self.detector
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for fold in folds.values():
            column.addWidget(fold)
        return folds

    def _explain(self) -> None:
        for line in self._lines():
            line.setToolTip("Empty: what the file says, which is shown in grey")
        self.object_pixel.setToolTip(
            "Instead of energy, distance and detector pixel. Empty: what follows from them"
        )
        self.own_orientation.setToolTip("Otherwise the convention of the file's format")
        for bit, turn in self.turns.items():
            turn.setEnabled(False)
            turn.setToolTip("First transpose, then flip" if bit == 4 else "After transposing")
        self.dc.setToolTip("Where the direct beam is in the patterns as they are stored")

    def _listen(self) -> None:
        self._settled.timeout.connect(self.changed)
        for box in (self.dc, self.energy_unit):
            box.currentIndexChanged.connect(self._touched)
        for line in self._lines():
            line.textEdited.connect(self._touched)
        for fold in (self.files, self.places, self.detector):
            fold.changed.connect(self._touched)
        for turn in (self.own_orientation, *self.turns.values()):
            turn.toggled.connect(self._touched)

    def _touched(self) -> None:
        for turn in self.turns.values():
            turn.setEnabled(self.own_orientation.isChecked())
        self._settled.start()


def _numbers(values: Sequence[float], factor: float) -> str:
    """One number, or y × x where they differ; nothing where nothing is known."""
    return " × ".join(dict.fromkeys(f"{value * factor:.6g}" for value in values))
