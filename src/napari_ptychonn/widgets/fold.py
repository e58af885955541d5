"""A group of fields that folds up to its title, and what scrolls where screens are small."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QPoint, Qt, QTimer
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

__all__ = ["Fold", "bring_into_view", "scrolling"]

LAID_OUT_MS = 30


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
        self._title.clicked.connect(self._press)
        self.set_open(False)

    def set_open(self, is_open: bool) -> None:
        """Open or fold it."""
        self._open = is_open
        self._title.setText(f"{'▾' if is_open else '▸'}  {self._text}")
        self._inside.setVisible(is_open)

    def is_open(self) -> bool:
        """Whether its fields are there."""
        return self._open

    def _press(self) -> None:
        self.set_open(not self._open)
        if self._open:
            bring_into_view(self)


def scrolling(inside: QWidget) -> QScrollArea:
    """Put a column into an area that scrolls up and down, and is wide enough for it."""
    area = _Scrolling()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
    area.setWidget(inside)
    return area


def bring_into_view(widget: QWidget) -> None:
    """Scroll to what has just appeared or grown, as far as it fits; its top comes first."""
    area = widget.parentWidget()
    while area is not None and not isinstance(area, _Scrolling):
        area = area.parentWidget()
    if area is not None:
        area.bring(widget)


class _Scrolling(QScrollArea):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted: QWidget | None = None
        # The place of what is wanted is known only once the column is laid out.
        self._laid_out = QTimer(self)
        self._laid_out.setSingleShot(True)
        self._laid_out.setInterval(LAID_OUT_MS)
        self._laid_out.timeout.connect(self._scroll)

    def bring(self, widget: QWidget) -> None:
        self._wanted = widget
        self._laid_out.start()

    def _scroll(self) -> None:
        inside, view, bar = self.widget(), self.viewport(), self.verticalScrollBar()
        if self._wanted is None or inside is None or view is None or bar is None:
            return
        top = self._wanted.mapTo(inside, QPoint(0, 0)).y()
        below = top + self._wanted.height() - view.height()
        bar.setValue(min(max(bar.value(), below), top))

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
