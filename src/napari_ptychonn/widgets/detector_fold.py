"""The detector's fields of the Load scan dock: mask, background, saturation, crop, binning."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QSpinBox, QWidget

from napari_ptychonn.widgets.detector_state import DetectorState
from napari_ptychonn.widgets.file_line import FileLine
from napari_ptychonn.widgets.fold import Fold

__all__ = ["DetectorFold"]

MASK_FILES = "Masks (*.npy *.tif *.tiff *.png *.h5 *.hdf5 *.npz *.nxs *.cxi);;All files (*)"
DARK_FILES = "Dark patterns (*.npy *.tif *.tiff *.h5 *.hdf5 *.npz *.nxs *.cxi);;All files (*)"
MOST_BINNING = 32


class DetectorFold(Fold):
    """The fields, folded up while the file speaks for itself.

    Attributes
    ----------
    changed : Signal
        The person changed something.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Detector", parent)
        self.mask_file = FileLine("file with a mask", MASK_FILES)
        self.background = FileLine("file with a dark pattern", DARK_FILES)
        self.saturation, self.crop, self.binning = QLineEdit(), QLineEdit(), QSpinBox()
        self.binning.setRange(1, MOST_BINNING)
        self.crop.setPlaceholderText("whole detector")
        self.saturation.setPlaceholderText("as the file says")
        self.background.line.setPlaceholderText("counts, or a file")
        rows: dict[str, QWidget] = {
            "Mask file": self.mask_file,
            "Background": self.background,
            "Saturated from": self.saturation,
            "Crop to, px": self.crop,
            "Bin by": self.binning,
        }
        for label, field in rows.items():
            self.rows.addRow(label, field)
        self._explain()
        for line in (self.mask_file, self.background):
            line.changed.connect(self._touched)
        for typed in (self.saturation, self.crop):
            typed.textEdited.connect(self._touched)
        self.binning.valueChanged.connect(self._touched)

    def state(self) -> DetectorState:
        """What the fields are set to."""
        return DetectorState(
            mask_file=self.mask_file.path(),
            background=self.background.path(),
            saturation=self.saturation.text(),
            crop=self.crop.text(),
            binning=self.binning.value(),
        )

    def set_state(self, state: DetectorState) -> None:
        """Fill in all fields, and say nothing."""
        before = self.blockSignals(True)
        self.mask_file.set_path(state.mask_file)
        self.background.set_path(state.background)
        self.saturation.setText(state.saturation)
        self.crop.setText(state.crop)
        self.binning.setValue(state.binning)
        self.blockSignals(before)

    def clear(self) -> None:
        """Leave everything to the file, and say nothing."""
        self.set_state(DetectorState())

    def _explain(self) -> None:
        self.mask_file.line.setToolTip(
            "A mask of the detector as it is stored; 0 is a good pixel, anything else a bad one"
        )
        self.background.line.setToolTip(
            "Subtracted from every pattern: counts, a file, FILE:/dataset, or a /dataset of "
            "the scan"
        )
        self.saturation.setToolTip("Counts from which a pixel is saturated")
        self.crop.setToolTip("A window around the direct beam: 256, or 256, 200 (height, width)")
        self.binning.setToolTip("So many detector pixels along a side are summed to one")

    def _touched(self) -> None:
        self.changed.emit()
