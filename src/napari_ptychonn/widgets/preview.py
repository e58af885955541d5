"""Small pictures of a scan: its mean pattern, and where it was measured."""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

__all__ = ["PatternPicture", "PositionsPicture", "pattern_colours", "positions_in_square"]

SIDE = 130
MASKED = (70, 90, 120)
POINT = QColor("#3fb6ff")
MOST_POINTS = 5000
MARGIN = 0.05


def pattern_colours(mean: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Colours (H, W, 3) of a mean pattern (H, W) on a log scale; masked pixels are blue-grey."""
    logged = np.log10(1 + np.where(mask, np.maximum(mean, 0), 0))
    scaled = logged / max(float(logged.max()), np.finfo(float).tiny)
    colours = (255 * ensure_colormap("inferno").map(scaled.ravel())[:, :3]).round()
    picture = colours.astype(np.uint8).reshape(*mean.shape, 3)
    picture[~mask] = MASKED
    return np.ascontiguousarray(picture)


def positions_in_square(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (N, 2) as (y, x) in a unit square, the same scale along both axes."""
    shown = positions[:: max(1, len(positions) // MOST_POINTS)]
    middle = (shown.min(0) + shown.max(0)) / 2
    span = max(float(np.ptp(shown, axis=0).max()), np.finfo(float).tiny)
    return (shown - middle) / span * (1 - 2 * MARGIN) + 0.5


class _Picture(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(SIDE, SIDE)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _square(self) -> QRectF:
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)


class PatternPicture(_Picture):
    """The mean pattern."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colours: NDArray[np.uint8] | None = None

    def show_pattern(self, colours: NDArray[np.uint8] | None) -> None:
        """Show what :func:`pattern_colours` made; None: nothing."""
        self._colours = colours
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint it, as large as fits."""
        painter = QPainter(self)
        painter.fillRect(self._square(), Qt.GlobalColor.black)
        if self._colours is None:
            return
        height, width, _ = self._colours.shape
        image = QImage(
            self._colours.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        whole = self._square()
        size = image.size().scaled(whole.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
        target = QRectF(0, 0, size.width(), size.height())
        target.moveCenter(whole.center())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(target, image)


class PositionsPicture(_Picture):
    """The scan points, y downwards as in the viewer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._places: NDArray[np.float64] = np.empty((0, 2))

    def show_positions(self, places: NDArray[np.float64] | None) -> None:
        """Show what :func:`positions_in_square` made; None: nothing."""
        self._places = np.empty((0, 2)) if places is None else places
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint them, as large as fits."""
        painter = QPainter(self)
        square = self._square()
        painter.fillRect(square, Qt.GlobalColor.black)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(POINT)
        radius = 1.6 if len(self._places) < 1000 else 1.0
        corner, side = square.topLeft(), square.width()
        for y, x in self._places:
            painter.drawEllipse(corner + QPointF(x * side, y * side), radius, radius)
