"""A box of datasets: closed, it shows the end of a path, where datasets differ."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

__all__ = ["PathBox"]

MARGIN = 4
"""The style leaves so much room on both sides of the text."""


class PathBox(QComboBox):
    """Shortens what does not fit at its beginning; the list that opens shows it whole."""

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint the closed box."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self.shortened(option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def shortened(self, option: QStyleOptionComboBox) -> str:
        """What the closed box shows."""
        # What stands after the path (shape, value) is told by the tree and the tooltip.
        text = self.currentData() or self.currentText()
        if ", " in text:  # two lists
            text = ", ".join(part.rsplit("/", 1)[-1] for part in text.split(", "))
        style = self.style()
        if style is None:
            return text
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        room = field.width() - MARGIN
        return self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideLeft, room)
