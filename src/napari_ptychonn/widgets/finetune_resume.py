"""The offer to go on with a training that was cut off."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_ptychonn.widgets.finetune_unfinished import Unfinished
from napari_ptychonn.widgets.sentence import Sentence

__all__ = ["ResumeOffer"]


class ResumeOffer(QWidget):
    """The newest training that was cut off; hidden where there is none.

    Attributes
    ----------
    resume_asked, delete_asked : Signal(object)
        Go on with this :class:`Unfinished`, or delete it.
    """

    resume_asked = Signal(object)
    delete_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.offered: Unfinished | None = None
        self.text = Sentence()
        self.resume, self.delete = QPushButton("Go on with it"), QPushButton("Delete it")
        buttons = QHBoxLayout()
        buttons.addWidget(self.resume)
        buttons.addWidget(self.delete)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 6)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self.resume.clicked.connect(lambda: self.resume_asked.emit(self.offered))
        self.delete.clicked.connect(lambda: self.delete_asked.emit(self.offered))
        self.offer([])

    def offer(self, found: Sequence[Unfinished]) -> None:
        """Offer the first of these."""
        self.offered = found[0] if found else None
        self.setVisible(self.offered is not None)
        if self.offered is not None:
            more = f" There are {len(found) - 1} more." if len(found) > 1 else ""
            self.text.setText(self.offered.text() + more)
            self.resume.setToolTip("With the scans that taught, which must be open in this viewer")
            self.delete.setToolTip(str(self.offered.folder))
