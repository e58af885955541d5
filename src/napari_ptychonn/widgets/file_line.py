"""A line for a path, with a button to choose the file."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

__all__ = ["FileLine"]


class FileLine(QWidget):
    """A path that is typed or chosen.

    Attributes
    ----------
    changed : Signal(str)
        Another path was given.
    """

    changed = Signal(str)

    def __init__(self, title: str, files: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._files, self._told = title, files, ""
        self.line = QLineEdit()
        self.browse = QPushButton("…")
        self.browse.setMaximumWidth(32)
        self.browse.setToolTip(f"Choose: {title}")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line)
        row.addWidget(self.browse)
        self.line.editingFinished.connect(self._tell)
        self.browse.clicked.connect(self._ask)

    def path(self) -> str:
        """The path as it stands there."""
        return self.line.text().strip()

    def set_path(self, path: str) -> None:
        """Give a path, as if it had been typed."""
        self.line.setText(path)
        self._tell()

    def _tell(self) -> None:
        # Qt says that editing is finished when a field merely loses the focus.
        if self.path() != self._told:
            self._told = self.path()
            self.changed.emit(self._told)

    def _ask(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self._title, self.path(), self._files)
        if path:
            self.set_path(path)
