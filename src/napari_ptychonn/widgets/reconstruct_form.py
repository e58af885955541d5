"""The fields of the Reconstruct dock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from magicgui.widgets import CheckBox, FloatSpinBox
from qtpy.QtCore import QSettings, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QLabeledSlider

from napari_ptychonn.widgets.network_box import NetworkBox, keep_narrow
from napari_ptychonn.widgets.reconstruct_state import FormState, state_from_json, state_to_json
from napari_ptychonn.widgets.result_box import ResultBox

__all__ = ["ReconstructForm"]

ALL_POINTS = "all points"
NO_START = "nothing"
NOTHING_TO_SWEEP = "0 passes need an object: choose what to start from, or 1 pass or more."
KEY = "reconstruct"


class ReconstructForm(QWidget):
    """Shows a :class:`FormState` and tells when it changes.

    Attributes
    ----------
    changed : Signal
        A field has another value.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scan = QComboBox()
        self.network = NetworkBox()
        self.device = QComboBox()
        self.percent = QLabeledSlider(Qt.Orientation.Horizontal)
        self.points = QLabel()
        self.region = QComboBox()
        self.start = ResultBox("Object to start from", nothing=NO_START)
        self.passes = _auto_spin(
            "Network passes: each starts from the object that the last one found; auto: four, "
            "and more where points lie far apart; 0: only sweep from the object that is "
            "started from",
            most=40,
        )
        self.probe_rounds = _auto_spin(
            "Rounds that refine a guessed probe; auto: as many as lower the misfit, 0: none"
        )
        self.sweeps = _auto_spin(
            "Physics sweeps after the network; auto: as many as the photons allow, none where "
            "they are few; 0: the network alone"
        )
        self.keep_patches = CheckBox(
            text="Show the patches too",
            tooltip="Add the patch of every point as stacks of amplitude and phase, up to 1 GB",
        )
        self._store = QSettings(
            QSettings.Format.IniFormat,
            QSettings.Scope.UserScope,
            "napari-ptychonn",
            "napari-ptychonn",
        )
        self._fill()
        self._lay_out()
        self._explain()
        self.show_state(state_from_json(str(self._store.value(KEY, ""))))
        self._listen()

    def state(self) -> FormState:
        """What the form is set to."""
        return FormState(
            network=self.network.network(),
            device=self.device.currentData(),
            percent=self.percent.value(),
            passes=_number(self.passes),
            sweeps=_number(self.sweeps),
            probe_rounds=_number(self.probe_rounds),
            keep_patches=self.keep_patches.value,
        )

    def show_state(self, state: FormState) -> None:
        """Set every field."""
        self.network.select(state.network)
        _select(self.device, state.device)
        self.percent.setValue(state.percent)
        for spin, value in (
            (self.passes, state.passes),
            (self.sweeps, state.sweeps),
            (self.probe_rounds, state.probe_rounds),
        ):
            spin.value = spin.min if value == "auto" else value
        self.keep_patches.value = state.keep_patches

    def reset(self) -> None:
        """Set every field to its default, start from nothing, and take all points."""
        self.show_state(FormState())
        self.region.setCurrentIndex(0)
        self.start.choose(None)

    def problem(self) -> str:
        """Why nothing can be reconstructed with what the fields say; empty where it can."""
        nothing = _number(self.passes) == 0 and self.start.chosen() is None
        return NOTHING_TO_SWEEP if nothing else self.network.problem()

    def offer_devices(self, devices: Iterable[tuple[str, str]]) -> None:
        """Offer devices, given as name and label; the chosen one stays chosen."""
        chosen = self.device.currentData() or "auto"
        with _silent(self.device):
            self.device.clear()
            self.device.addItem("automatic", "auto")
            for name, label in devices:
                self.device.addItem(label, name)
            _select(self.device, chosen)

    def offer_scans(self, names: Sequence[str], chosen: int) -> None:
        """Offer scans by name; two of one name are numbered."""
        with _silent(self.scan):
            self.scan.clear()
            for row, name in enumerate(names):
                again = names[:row].count(name)
                self.scan.addItem(f"{name} ({again + 1})" if again else name)
            self.scan.setCurrentIndex(chosen if names else -1)

    def offer_regions(self, names: Sequence[str], chosen: int | None) -> None:
        """Offer Shapes layers by name; None chooses all points."""
        with _silent(self.region):
            self.region.clear()
            self.region.addItems([ALL_POINTS, *(f"inside '{name}'" for name in names)])
            self.region.setCurrentIndex(0 if chosen is None else chosen + 1)

    def chosen_region(self) -> int | None:
        """Number of the chosen Shapes layer; None: all points."""
        row = self.region.currentIndex()
        return row - 1 if row > 0 else None

    def show_points(self, in_scan: int | None) -> None:
        """Say how many points of a scan the share is."""
        if in_scan is None:
            self.points.clear()
        elif self.chosen_region() is None:
            used = round(self.percent.value() / 100 * in_scan)
            self.points.setText(f"{used} of {in_scan} points")
        else:
            self.points.setText(f"{self.percent.value()} % of the points inside")

    def _fill(self) -> None:
        keep_narrow(self.scan)
        keep_narrow(self.device)
        keep_narrow(self.region)
        self.offer_devices([("cpu", "CPU")])
        self.offer_regions([], None)
        self.percent.setRange(1, 100)

    def _lay_out(self) -> None:
        share = QWidget()
        column = QVBoxLayout(share)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.percent)
        column.addWidget(self.points)
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setVerticalSpacing(4)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows.addRow("Scan", self.scan)
        rows.addRow("Network", self.network)
        rows.addRow("Device", self.device)
        rows.addRow("Points, %", share)
        rows.addRow("Region", self.region)
        rows.addRow("Start from", self.start)
        rows.addRow("Passes", self.passes.native)
        rows.addRow("Probe rounds", self.probe_rounds.native)
        rows.addRow("Sweeps", self.sweeps.native)
        rows.addRow("", self.keep_patches.native)

    def _explain(self) -> None:
        self.scan.setToolTip("The scans that are open in this viewer")
        self.device.setToolTip("Where to compute; automatic takes the fastest there is")
        self.percent.setToolTip("Share of the scan points to use, spread evenly")
        self.region.setToolTip(
            "Use only the points inside the polygon of a Shapes layer "
            "(the selected shape, where there are several)"
        )

        self.start.setToolTip(
            "The object that the passes, or the sweeps, go on from: of a reconstruction in this "
            "viewer, or of a file of any program"
        )

    def _listen(self) -> None:
        self.network.chosen.connect(self._tell)
        self.network.judged.connect(self.changed)
        self.start.changed.connect(self._tell)
        for box in (self.scan, self.device, self.region):
            box.currentIndexChanged.connect(self._tell)
        self.percent.valueChanged.connect(self._tell)
        for field in (self.passes, self.probe_rounds, self.sweeps, self.keep_patches):
            field.changed.connect(self._tell)

    def _tell(self) -> None:
        self._store.setValue(KEY, state_to_json(self.state()))
        self.changed.emit()


@contextmanager
def _silent(box: QComboBox) -> Iterator[None]:
    before = box.blockSignals(True)
    try:
        yield
    finally:
        box.blockSignals(before)


def _auto_spin(tooltip: str, *, most: int = 1000) -> FloatSpinBox:
    """A box for whole numbers; below 0 it says auto."""
    # magicgui's box for whole numbers is superqt's, which cannot show a word in place of one.
    spin = FloatSpinBox(min=-1, max=most, step=1, value=-1, tooltip=tooltip)
    spin.native.setDecimals(0)
    spin.native.setSpecialValueText("auto")
    return spin


def _number(spin: FloatSpinBox) -> int | Literal["auto"]:
    return "auto" if spin.value == spin.min else round(spin.value)


def _select(box: QComboBox, device: str) -> None:
    """Choose a device; one of another session that is not here stays visible, and says so."""
    if box.findData(device) < 0:
        box.addItem(f"{device} (not found here)", device)
    box.setCurrentIndex(box.findData(device))
