"""One held-out point, small: what the network makes of it beside what it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_ptychonn.widgets.result_layers import AMPLITUDE_STYLE, PHASE_STYLE, limits

if TYPE_CHECKING:
    from napari_ptychonn.training.finetune_events import HeldOutPatch

__all__ = ["PatchView", "coloured"]

SIDE_PX = 84
FULL_LIGHT = 0.1
"""Share of the brightest pixel's light from which on a pixel is shown fully."""


class PatchView(QWidget):
    """Amplitude and phase of one patch, the network's and the label's."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.point: int | None = None
        self.pictures = {
            (whose, part): QLabel()
            for part in ("amplitude", "phase")
            for whose in ("network", "label")
        }
        self._captions: dict[tuple[str, str], QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        self.title = QLabel()
        grid.addWidget(self.title, 0, 0, 1, 4)
        for column, ((whose, part), picture) in enumerate(self.pictures.items()):
            picture.setFixedSize(SIDE_PX, SIDE_PX)
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
            caption = QLabel(f"{part}\n{whose}")
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(picture, 1, column)
            grid.addWidget(caption, 2, column)
            self._captions[whose, part] = caption
        self.clear()

    def show_patch(self, held: HeldOutPatch) -> None:
        """Show another patch, or the same one after more steps."""
        self.point = held.point
        self.title.setText(f"Held-out point {held.point}")
        opacity = np.clip(held.weight / FULL_LIGHT, 0, 1)
        # The label sets the contrast: the network's picture shall become like it.
        lit = np.where(
            held.weight >= FULL_LIGHT, held.patch if held.label is None else held.label, np.nan
        )
        contrast = limits(np.abs(lit))
        for whose, patch in (("network", held.patch), ("label", held.label)):
            for part in ("amplitude", "phase"):
                for widget in (self.pictures[whose, part], self._captions[whose, part]):
                    widget.setVisible(patch is not None)
            if patch is None:
                continue
            amplitude = coloured(np.abs(patch), contrast, AMPLITUDE_STYLE["colormap"], opacity)
            turns: Any = PHASE_STYLE["contrast_limits"]
            phase = coloured(np.angle(patch), turns, str(PHASE_STYLE["colormap"]), opacity)
            self.pictures[whose, "amplitude"].setPixmap(_pixmap(amplitude))
            self.pictures[whose, "phase"].setPixmap(_pixmap(phase))

    def clear(self) -> None:
        """Show nothing."""
        self.point = None
        self.title.setText("Held-out point: not looked at yet")
        for picture in self.pictures.values():
            picture.clear()


def coloured(
    values: NDArray[Any], contrast: tuple[float, float], colormap: str, opacity: NDArray[Any]
) -> NDArray[np.uint8]:
    """Values (h, w) as colours (h, w, 4), RGBA; transparent where they are not known.

    Parameters
    ----------
    values : ndarray, (h, w)
        What to show.
    contrast : tuple[float, float]
        Values that get the colormap's first and last colour.
    colormap : str
        Its name in napari.
    opacity : ndarray, (h, w)
        0 to 1.
    """
    low, high = contrast
    known = np.isfinite(values)
    share = np.clip((np.where(known, values, low) - low) / (high - low), 0, 1)
    colours = ensure_colormap(colormap).map(share.ravel()).reshape(*values.shape, 4)
    colours[..., 3] *= np.where(known, opacity, 0)
    return np.round(255 * colours).astype(np.uint8)


def _pixmap(colours: NDArray[np.uint8]) -> QPixmap:
    height, width, _ = colours.shape
    data = np.ascontiguousarray(colours).tobytes()
    image = QImage(data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
    ratio = Qt.AspectRatioMode.KeepAspectRatio
    smooth = Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(image).scaled(SIDE_PX, SIDE_PX, ratio, smooth)
