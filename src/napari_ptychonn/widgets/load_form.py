"""The fields of the Load scan dock: datasets, geometry, orientation."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.scan.container import DatasetInfo
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.options import ROLES
from napari_ptychonn.widgets.detector_fold import DetectorFold
from napari_ptychonn.widgets.file_line import FileLine
from napari_ptychonn.widgets.fold import Fold
from napari_ptychonn.widgets.load_state import LoadState
from napari_ptychonn.widgets.network_box import keep_narrow

__all__ = ["FileLine", "LoadForm"]

SETTLED_MS = 400
"""Typing a number is one change, not one a key."""
AS_FOUND = "as found"
POSITION_FILES = "Positions (*.h5 *.hdf5 *.cxi *.npz *.npy *.csv *.txt);;All files (*)"
PROBE_FILES = "Probes (*.h5 *.hdf5 *.cxi *.npz *.npy);;All files (*)"
UNITS = (("as recorded", None), ("m", "m"), ("µm", "um"), ("nm", "nm"), ("object pixels", "px"))
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
        self.datasets = {role: QComboBox() for role in ROLES}
        self.positions_file = FileLine("file with positions", POSITION_FILES)
        self.probe_file = FileLine("file with a probe", PROBE_FILES)
        self.energy, self.energy_unit = QLineEdit(), QComboBox()
        self.distance, self.detector_pixel = QLineEdit(), QLineEdit()
        self.object_pixel = QLineEdit()
        self.positions_unit, self.dc = _choices(UNITS), _choices(DC)
        self.own_orientation = QCheckBox("Set by hand")
        self.turns = {4: QCheckBox("transpose"), 2: QCheckBox("flip y"), 1: QCheckBox("flip x")}
        self.detector = DetectorFold()
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self.folds = self._lay_out()
        self._explain()
        self._listen()
        self.clear()

    def state(self) -> LoadState:
        """What the form is set to."""
        chosen = {role: box.currentData() for role, box in self.datasets.items()}
        code = sum(bit for bit, turn in self.turns.items() if turn.isChecked())
        return LoadState(
            datasets={role: path for role, path in chosen.items() if path},
            positions_file=self.positions_file.path(),
            probe_file=self.probe_file.path(),
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

    def clear(self) -> None:
        """Leave everything to the file, and say nothing: another file was chosen."""
        before = self.blockSignals(True)
        self.offer([])
        for file in (self.positions_file, self.probe_file):
            file.set_path("")
        for line in self._lines():
            line.clear()
        for box in (self.positions_unit, self.dc):
            box.setCurrentIndex(0)
        self.own_orientation.setChecked(False)
        for turn in self.turns.values():
            turn.setChecked(False)
        self.detector.clear()
        self.show_found(None)
        self._settled.stop()
        self.blockSignals(before)

    def offer(self, datasets: Sequence[DatasetInfo]) -> None:
        """Offer datasets for the roles that their shape suits; what is chosen stays."""
        for role, box in self.datasets.items():
            chosen = box.currentData()
            before = box.blockSignals(True)
            box.clear()
            box.addItem(AS_FOUND, None)
            for info in datasets:
                if _suits(role, info):
                    box.addItem(f"{info.path}  {info.shape} {info.dtype}", info.path)
            box.setCurrentIndex(max(0, box.findData(chosen)) if chosen else 0)
            box.blockSignals(before)

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
        for role, box in self.datasets.items():
            used = None if scan is None else scan.provenance.datasets.get(role)
            box.setItemText(0, f"{AS_FOUND}: {used}" if used else AS_FOUND)

    def _lines(self) -> tuple[QLineEdit, ...]:
        return self.energy, self.distance, self.detector_pixel, self.object_pixel

    def _lay_out(self) -> dict[str, Fold]:
        for box in (*self.datasets.values(), self.positions_unit, self.dc):
            keep_narrow(box)
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
        files: dict[str, QWidget] = {
            **{role.capitalize(): box for role, box in self.datasets.items()},
            "Positions file": self.positions_file,
            "Probe file": self.probe_file,
        }
        folds: dict[str, dict[str, QWidget]] = {
            "Datasets": files,
            "Geometry": {
                "Energy": energy,
                "Distance, mm": self.distance,
                "Detector pixel, µm": self.detector_pixel,
                "or object pixel, nm": self.object_pixel,
                "Positions in": self.positions_unit,
            },
            "Orientation": {"Detector": self.own_orientation, "": turns, "DC at": self.dc},
        }
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        made = {}
        for title, fields in folds.items():
            made[title] = Fold(title)
            for label, field in fields.items():
                made[title].rows.addRow(label, field)
            column.addWidget(made[title])
        made["Detector"] = self.detector
        column.addWidget(self.detector)
        return made

    def _explain(self) -> None:
        for line in self._lines():
            line.setToolTip("Empty: what the file says, which is shown in grey")
        self.object_pixel.setToolTip(
            "Instead of energy, distance and detector pixel. Empty: what follows from them"
        )
        self.positions_unit.setToolTip("Unit of the positions")
        self.own_orientation.setToolTip("Otherwise the convention of the file's format")
        for bit, turn in self.turns.items():
            turn.setEnabled(False)
            turn.setToolTip("First transpose, then flip" if bit == 4 else "After transposing")
        self.dc.setToolTip("Where the direct beam is in the patterns as they are stored")

    def _listen(self) -> None:
        self._settled.timeout.connect(self.changed)
        boxes = (*self.datasets.values(), self.positions_unit, self.dc, self.energy_unit)
        for box in boxes:
            box.currentIndexChanged.connect(self._touched)
        for line in self._lines():
            line.textEdited.connect(self._touched)
        for file in (self.positions_file, self.probe_file):
            file.changed.connect(self._touched)
        self.detector.changed.connect(self._touched)
        for turn in (self.own_orientation, *self.turns.values()):
            turn.toggled.connect(self._touched)

    def _touched(self) -> None:
        for turn in self.turns.values():
            turn.setEnabled(self.own_orientation.isChecked())
        self._settled.start()


def _choices(offered: Sequence[tuple[str, str | None]]) -> QComboBox:
    box = QComboBox()
    for label, value in offered:
        box.addItem(label, value)
    return box


def _suits(role: str, info: DatasetInfo) -> bool:
    axes = len(info.shape)
    if role == "patterns":
        return axes in (3, 4) and not info.dtype.startswith("complex")
    if role == "probe":
        return axes >= 2 and min(info.shape[-2:]) >= 8
    if role == "mask":
        return axes == 2 and min(info.shape) >= 8
    return axes == 2 and min(info.shape) in (2, 3)


def _numbers(values: Sequence[float], factor: float) -> str:
    """One number, or y × x where they differ; nothing where nothing is known."""
    return " × ".join(dict.fromkeys(f"{value * factor:.6g}" for value in values))
