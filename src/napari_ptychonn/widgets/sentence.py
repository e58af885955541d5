"""A label for sentences that may hold a file's path."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

__all__ = ["Sentence"]

MAY_BREAK = "\N{ZERO WIDTH SPACE}"


class Sentence(QLabel):
    """Wraps its text, inside long paths too, and so never makes the dock wider."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setText(text)

    def setText(self, text: str | None) -> None:
        """Show a text; a line may break after a slash and an underscore."""
        said = text or ""
        for mark in "/\\_":
            said = said.replace(mark, mark + MAY_BREAK)
        super().setText(said)

    def text(self) -> str:
        """The text as it was given."""
        return super().text().replace(MAY_BREAK, "")
