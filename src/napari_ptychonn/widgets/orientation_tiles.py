"""Eight small pictures of an object, one for each orientation: click to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QButtonGroup, QGridLayout, QSizePolicy, QToolButton, QWidget

from napari_ptychonn.scan.orientation import N_ORIENTATIONS, orientation_text

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.orientation_search import (
        OrientationSearch,
        OrientationTrial,
    )

__all__ = ["OrientationTiles", "grey_phases"]

COLUMNS = 4
SIDE = 72
SHOWN = 0.98
"""Of the phases of a picture; the rest is beyond black and white."""
FLAT = 1e-6
"""Phases this small, radians, are rounding, and are shown as none."""
BEST, ALIKE = "✓", "≈"
STYLE = """
QToolButton { border: 2px solid transparent; border-radius: 2px; }
QToolButton[best="true"] { border-color: #2e9e4f; }
QToolButton[alike="true"] { border-color: #c98a1b; }
QToolButton:checked { border-color: palette(highlight); background: palette(highlight); }
"""
"""Green and amber are readable in both themes; the chosen one is as napari marks what is."""


class OrientationTiles(QWidget):
    """What a search found.

    Attributes
    ----------
    chosen : Signal(int)
        The person clicked the picture of this orientation.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons = [QToolButton() for _ in range(N_ORIENTATIONS)]
        self._group = QButtonGroup(self)
        self._lay_out()
        self._group.idClicked.connect(self.chosen)

    def show_search(self, search: OrientationSearch) -> None:
        """Show all eight with their scores, and mark the best, or those that fit alike."""
        alike = () if search.sure else (search.best, *search.tied)
        greys = grey_phases([trial.picture for trial in search.trials])
        for trial, grey, button in zip(search.trials, greys, self.buttons, strict=True):
            is_best = search.sure and trial.code == search.best
            is_alike = trial.code in alike
            mark = f"{BEST} " if is_best else f"{ALIKE} " if is_alike else ""
            button.setIcon(_icon(grey))
            button.setText(f"{mark}{trial.code}: {trial.misfit:.2g}")
            button.setToolTip(_tip(trial, search))
            button.setProperty("best", is_best)
            button.setProperty("alike", is_alike)
        # Qt looks at properties only when a style sheet is set.
        self.setStyleSheet(STYLE)

    def mark(self, code: int) -> None:
        """Show which orientation the scan has now."""
        self.buttons[code].setChecked(True)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for code, button in enumerate(self.buttons):
            button.setCheckable(True)
            button.setIconSize(QSize(SIDE, SIDE))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            # napari's own style makes tool buttons as small as its icons.
            button.setMinimumSize(SIDE + 6, SIDE + 26)
            self._group.addButton(button, code)
            grid.addWidget(button, code // COLUMNS, code % COLUMNS)


def grey_phases(pictures: Sequence[NDArray[np.complex64]]) -> list[NDArray[np.uint8]]:
    """Phases of small objects (h, w) as greys (h, w), the same scale for all.

    A wrong orientation leaves noise, which would look like structure on a scale of its own.
    """
    phases = [np.angle(picture) for picture in pictures]
    reach = max(float(np.quantile(np.abs(phase), SHOWN)) for phase in phases)
    scale = 127 / reach if reach > FLAT else 0.0
    return [
        np.ascontiguousarray((128 + np.clip(phase * scale, -127, 127)).astype(np.uint8))
        for phase in phases
    ]


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
