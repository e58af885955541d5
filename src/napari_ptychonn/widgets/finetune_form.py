"""The fields of the Fine-tune dock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from qtpy.QtCore import QLocale, QSettings, Qt, Signal
from qtpy.QtGui import QDoubleValidator
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledSlider

from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.choices import allow, choice, choose, is_allowed
from napari_ptychonn.widgets.finetune_scans import LabelRows, ScanList
from napari_ptychonn.widgets.finetune_state import (
    RANGES,
    TeachingState,
    state_from_json,
    state_to_json,
)
from napari_ptychonn.widgets.fold import Fold
from napari_ptychonn.widgets.network_box import NetworkBox, keep_narrow
from napari_ptychonn.widgets.sentence import Sentence

__all__ = ["FinetuneForm"]

TEACHERS = {
    "physics": "Measured patterns (no labels)",
    "labels": "A reconstruction",
    "sweeps": "Sweeps first, then their object",
    "lsqml": "pty-chi LSQML first",
    "rpie": "pty-chi rPIE first",
}
PRESETS = {"own": "Our own", "published": "Published PtychoNN recipe"}
FROZEN = {"nothing": "nothing", "encoder": "the encoder", "decoder": "the decoder"}
UNITS = {"minutes": "minutes", "epochs": "epochs", "steps": "steps"}
HINTS = {
    "physics": "The network learns to explain the measured patterns. It needs a probe, or a guess.",
    "labels": "The network learns to give the object that a reconstruction has found.",
    "sweeps": "Physics sweeps reconstruct the scan first; their object is taught then.",
    "lsqml": "pty-chi's LSQML reconstructs the scan first; its object is taught then.",
    "rpie": "pty-chi's rPIE reconstructs the scan first; its object is taught then.",
}
NO_PTYCHI = "pty-chi is not installed: pip install 'napari-ptychonn[iterative]'"
NO_LABELS = "The published recipe learns from labels: choose another teacher for it"
KEY = "finetune"


class FinetuneForm(QWidget):
    """Shows a :class:`TeachingState`, scans and labels, and tells when they change.

    Attributes
    ----------
    changed : Signal
        A field has another value.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scans, self.labels = ScanList(), LabelRows()
        self.network = NetworkBox()
        self.teacher, self.preset = choice(TEACHERS), choice(PRESETS)
        self.hint = Sentence()
        self.length, self.unit = QDoubleSpinBox(), choice(UNITS)
        self.percent = QLabeledSlider(Qt.Orientation.Horizontal)
        self.points = QLabel()
        self.device = QComboBox()
        self.more = Fold("Seldom needed")
        self.fresh = QCheckBox("Start with random weights")
        self.rate = QLineEdit()
        self.batch_size = _spin("batch_size", auto_below=True)
        self.frozen = choice(FROZEN)
        self.held_out = _spin("held_out")
        self.label_sweeps = _spin("label_sweeps", auto_below=True)
        self.label_epochs = _spin("label_epochs")
        self.seed = _spin("seed")
        self._reconstructions: list[tuple[str, Reconstruction]] = []
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
        self._adapt()
        self._listen()

    def state(self) -> TeachingState:
        """What the form is set to."""
        return TeachingState(
            network=self.network.network(),
            fresh=self.fresh.isChecked(),
            teacher=self.teacher.currentData(),
            preset=self.preset.currentData(),
            length=self.length.value(),
            unit=self.unit.currentData(),
            rate=float(self.rate.text()) if self._rate_is_given() else None,
            batch_size=_unless_auto(self.batch_size),
            frozen=self.frozen.currentData(),
            percent=self.percent.value(),
            held_out=self.held_out.value(),
            label_sweeps=_auto_or(self.label_sweeps),
            label_epochs=self.label_epochs.value(),
            device=self.device.currentData(),
            seed=self.seed.value(),
        )

    def show_state(self, state: TeachingState) -> None:
        """Set every field; a teacher that is not installed gives way to the patterns."""
        self.network.select(state.network)
        self.fresh.setChecked(state.fresh)
        offered = is_allowed(self.teacher, state.teacher)
        choose(self.teacher, state.teacher if offered else TeachingState().teacher)
        choose(self.unit, state.unit)
        self._suit_unit()
        self.length.setValue(state.length)
        choose(self.preset, state.preset)
        self.rate.setText("" if state.rate is None else str(state.rate))
        for spin, value in (
            (self.batch_size, state.batch_size),
            (self.label_sweeps, None if state.label_sweeps == "auto" else state.label_sweeps),
        ):
            spin.setValue(spin.minimum() if value is None else value)
        choose(self.frozen, state.frozen)
        self.percent.setValue(state.percent)
        self.held_out.setValue(state.held_out)
        self.label_epochs.setValue(state.label_epochs)
        self._choose_device(state.device)
        self.seed.setValue(state.seed)

    def reset(self) -> None:
        """Set every field to its default."""
        self.show_state(TeachingState())

    def problem(self) -> str:
        """Why nothing can be started with what the fields say; empty where it can."""
        if self.rate.text() and not self._rate_is_given():
            return f"The learning rate '{self.rate.text()}' is no number from 1e-9 to 1."
        if not self.scans.chosen():
            return "Check a scan to learn from."
        if self.teacher.currentData() == "labels" and self.labels.labels() is None:
            return "Choose the reconstruction to learn from: a file, or one in this viewer."
        return self.network.problem()

    def offer_devices(self, devices: Iterable[tuple[str, str]]) -> None:
        """Offer devices, given as name and label; the chosen one stays chosen."""
        chosen = self.device.currentData() or "auto"
        blocked = self.device.blockSignals(True)
        self.device.clear()
        self.device.addItem("automatic", "auto")
        for name, label in devices:
            self.device.addItem(label, name)
        self._choose_device(chosen)
        self.device.blockSignals(blocked)

    def offer_scans(
        self, scans: Sequence[Scan], reconstructions: Sequence[tuple[str, Reconstruction]]
    ) -> None:
        """Offer the scans of the viewer, and its reconstructions with their names."""
        self._reconstructions = list(reconstructions)
        self.scans.offer(scans)
        self._adapt()

    def _fill(self) -> None:
        keep_narrow(self.device)
        self.offer_devices([("cpu", "CPU")])
        self.percent.setRange(*RANGES["percent"])
        if find_spec("ptychi") is None:
            for teacher in ("lsqml", "rpie"):
                allow(self.teacher, teacher, NO_PTYCHI)
        validator = QDoubleValidator(*RANGES["rate"], 12, self.rate)
        validator.setLocale(QLocale.c())
        self.rate.setValidator(validator)
        self.rate.setPlaceholderText("auto")

    def _lay_out(self) -> None:
        length = QHBoxLayout()
        length.addWidget(self.length, 1)
        length.addWidget(self.unit, 1)
        share = QVBoxLayout()
        share.setSpacing(0)
        share.addWidget(self.percent)
        share.addWidget(self.points)
        rows = QFormLayout()
        rows.setVerticalSpacing(4)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        rows.addRow("Scans", self.scans)
        rows.addRow("Start from", self.network)
        rows.addRow("Taught by", self.teacher)
        rows.addRow(self.hint)
        rows.addRow(self.labels)
        rows.addRow("Recipe", self.preset)
        rows.addRow("Length", length)
        rows.addRow("Part used, %", share)
        rows.addRow("Device", self.device)
        for words, field in (
            ("Learning rate", self.rate),
            ("Batch, patterns", self.batch_size),
            ("Frozen", self.frozen),
            ("Held out, %", self.held_out),
            ("Label sweeps", self.label_sweeps),
            ("Label epochs", self.label_epochs),
            ("Seed", self.seed),
            ("", self.fresh),
        ):
            self.more.rows.addRow(words, field)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(rows)
        column.addWidget(self.more)

    def _explain(self) -> None:
        self.fresh.setToolTip("Learn from nothing, as one did before there were such networks")
        self.preset.setToolTip("Loss and optimiser: ours, or those of the PtychoNN paper")
        self.length.setToolTip("How long to teach; Cancel and Keep end it at any time")
        self.percent.setToolTip(
            "Share of the scan, from its first point on, that is used; the rest is never looked "
            "at, so that it is a fair test"
        )
        self.device.setToolTip("Where to compute; automatic takes the fastest there is")
        self.rate.setToolTip("Peak learning rate, for instance 1e-4; empty: as the network needs")
        self.batch_size.setToolTip("Patterns per step; auto: as pattern size and device allow")
        self.frozen.setToolTip("What does not learn; less is forgotten, and less is learned")
        self.held_out.setToolTip(
            "Share of the used points, in one piece at the far end, that does not teach but "
            "says which weights are best"
        )
        self.label_sweeps.setToolTip("Sweeps that make the labels; auto: as many as help")
        self.label_epochs.setToolTip("Epochs of pty-chi that make the labels")
        self.seed.setToolTip("Seed of everything random: the same seed, the same training")

    def _listen(self) -> None:
        self.network.chosen.connect(self._tell)
        self.network.judged.connect(self.changed)
        self.scans.changed.connect(self._tell)
        self.labels.changed.connect(self._tell)
        for box in (self.teacher, self.preset, self.unit, self.device, self.frozen):
            box.currentIndexChanged.connect(self._tell)
        spins = (self.batch_size, self.held_out, self.label_sweeps, self.label_epochs, self.seed)
        for field in (self.length, self.percent, *spins):
            field.valueChanged.connect(self._tell)
        self.rate.textChanged.connect(self._tell)
        self.fresh.toggled.connect(self._tell)

    def _tell(self) -> None:
        self._adapt()
        self._store.setValue(KEY, state_to_json(self.state()))
        self.changed.emit()

    def _adapt(self) -> None:
        """Show what goes with the teacher, the unit and the scans."""
        teacher, scans = self.teacher.currentData(), self.scans.chosen()
        self.hint.setText(HINTS[teacher])
        self.labels.offer(scans, self._reconstructions)
        self.labels.setVisible(teacher == "labels" and bool(scans))
        allow(self.preset, "published", NO_LABELS if teacher == "physics" else "")
        if teacher == "physics" and self.preset.currentData() == "published":
            choose(self.preset, "own")
        self._suit_unit()
        self.label_sweeps.setEnabled(teacher == "sweeps")
        self.label_epochs.setEnabled(teacher in ("lsqml", "rpie"))
        total = sum(scan.n_points for scan in scans)
        used = sum(round(self.percent.value() / 100 * scan.n_points) for scan in scans)
        kept = round(self.held_out.value() / 100 * used)
        self.points.setText(f"{used} of {total} points, about {kept} held out" if scans else "")

    def _suit_unit(self) -> None:
        whole = self.unit.currentData() == "steps"
        low, high = RANGES["length"]
        self.length.setDecimals(0 if whole else 1)
        self.length.setRange(1 if whole else low, high)

    def _rate_is_given(self) -> bool:
        return bool(self.rate.text()) and self.rate.hasAcceptableInput()

    def _choose_device(self, device: str) -> None:
        # One of another session that is not here stays visible, and says so.
        if self.device.findData(device) < 0:
            self.device.addItem(f"{device} (not found here)", device)
        choose(self.device, device)


def _spin(name: str, *, auto_below: bool = False) -> QSpinBox:
    """A box for whole numbers; the value below its range stands for "auto", if asked for."""
    spin = QSpinBox()
    low, high = (int(end) for end in RANGES[name])
    spin.setRange(low - 1 if auto_below else low, high)
    if auto_below:
        spin.setSpecialValueText("auto")
    return spin


def _unless_auto(spin: QSpinBox) -> int | None:
    return None if spin.value() == spin.minimum() else spin.value()


def _auto_or(spin: QSpinBox) -> int | str:
    return "auto" if spin.value() == spin.minimum() else spin.value()
