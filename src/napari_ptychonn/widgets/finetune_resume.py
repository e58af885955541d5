"""The offer to go on with a training that was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.widgets.finetune_unfinished import Unfinished, delete, find_unfinished
from napari_ptychonn.widgets.jobs import notify_failure
from napari_ptychonn.widgets.sentence import Sentence

__all__ = ["ResumeOffer"]


class ResumeOffer(QWidget):
    """The newest training that was cut off; hidden where there is none.

    Attributes
    ----------
    resume_asked : Signal(object)
        Go on with this :class:`Unfinished`.
    deleted : Signal
        One was deleted, or could not be: it is time to look anew.
    """

    resume_asked = Signal(object)
    deleted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.offered: Unfinished | None = None
        self._stopped: set[Path] = set()
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
        self.delete.clicked.connect(self._delete)
        self.offer([])

    def add_stopped(self, folder: Path) -> None:
        """Remember that nobody writes to this folder any more, however young its checkpoint."""
        self._stopped.add(folder)

    def look(self) -> None:
        """Offer what there is now."""
        self.offer(find_unfinished(self._stopped))

    def offer(self, found: Sequence[Unfinished]) -> None:
        """Offer the first of these."""
        self.offered = found[0] if found else None
        self.setVisible(self.offered is not None)
        if self.offered is not None:
            more = f" There are {len(found) - 1} more." if len(found) > 1 else ""
            self.text.setText(self.offered.text() + more)
            self.resume.setToolTip("With the scans that taught, which must be open in this viewer")
            self.delete.setToolTip(str(self.offered.folder))

    def _delete(self) -> None:
        assert self.offered is not None
        try:
            delete(self.offered.folder)
        except PtychonnError as error:
            notify_failure(error)
        self.deleted.emit()
