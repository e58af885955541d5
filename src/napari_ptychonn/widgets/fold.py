"""A group of fields that folds up to its title, and what scrolls where screens are small."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QVBoxLayout,
    QWidget,
)

__all__ = ["Fold", "scrolling"]


class Fold(QWidget):
    """A title to press, and under it a form that is there or not.

    Parameters
    ----------
    title : str
        What the fields are about.

    Attributes
    ----------
    rows : QFormLayout
        Where the fields go.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._open = title, False
        self._title = QPushButton()
        self._title.setStyleSheet("text-align: left; padding-left: 6px;")
        self._inside = QWidget()
        self.rows = QFormLayout(self._inside)
        self.rows.setContentsMargins(4, 2, 0, 2)
        self.rows.setVerticalSpacing(3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._title)
        column.addWidget(self._inside)
        self._title.clicked.connect(lambda: self.set_open(not self._open))
        self.set_open(False)

    def set_open(self, is_open: bool) -> None:
        """Open or fold it."""
        self._open = is_open
        self._title.setText(f"{'▾' if is_open else '▸'}  {self._text}")
        self._inside.setVisible(is_open)

    def is_open(self) -> bool:
        """Whether its fields are there."""
        return self._open


def scrolling(inside: QWidget) -> QScrollArea:
    """Put a column into an area that scrolls up and down, and is wide enough for it."""
    area = _Scrolling()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
    area.setWidget(inside)
    return area


class _Scrolling(QScrollArea):
    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        # How wide the column must be is known only once the window's style is on it, and
        # changes as groups unfold.
        inside = self.widget()
        asked = event is not None and event.type() == QEvent.Type.LayoutRequest
        if inside is not None and watched is inside and asked:
            style = self.style()
            bar = 0 if style is None else style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
            self.setMinimumWidth(inside.minimumSizeHint().width() + bar)
        return super().eventFilter(watched, event)
