"""The Report tab of the Fine-tune dock: what a training has brought, and saving it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.network import folders
from napari_ptychonn.widgets.sentence import Sentence

if TYPE_CHECKING:
    from napari_ptychonn.training.finetune_events import FineTuned, Standing

__all__ = ["ReportView", "verdict"]

NOTHING = "No training has ended yet."
NO_BETTER = "No weights were better on the held-out points: the network stays as it was."
BETTER = "The network is better on the held-out points than it was."
UNKNOWN = "–"
ROWS = {
    "loss": ("Held-out loss", "lower is better"),
    "misfit": ("Held-out misfit", "R-factor of the held-out patterns; lower is better"),
    "phase_correlation": ("Phase correlation", "with the labels, held out; 1 is best"),
}


class ReportView(QWidget):
    """Figures before and after, and the network's name to be.

    Attributes
    ----------
    save_asked : Signal(str)
        Save the network under this name.
    use_asked : Signal(str)
        Choose the saved network of this name in the Reconstruct dock.
    """

    save_asked = Signal(str)
    use_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._saved_as = ""
        self._improved, self._saving = False, False
        self._misnamed = ""
        self.verdict, self.steps, self.messages = Sentence(), Sentence(), Sentence()
        self.status = Sentence()
        self.figures = {(row, column): QLabel() for row in ROWS for column in ("before", "after")}
        self.name = QLineEdit()
        self.save, self.use = QPushButton("Save as"), QPushButton("Use in Reconstruct")
        self._lay_out()
        self.save.clicked.connect(lambda: self.save_asked.emit(self.name.text().strip()))
        self.name.returnPressed.connect(self.save.click)
        self.name.textChanged.connect(self._show_readiness)
        self.use.clicked.connect(lambda: self.use_asked.emit(self._saved_as))
        self.clear()

    def show_result(self, result: FineTuned, name: str, remark: str = "") -> None:
        """Show what a training has made.

        Parameters
        ----------
        result : FineTuned
            The result.
        name : str
            Suggested for the network.
        remark : str
            What else is to be said first.
        """
        self._saved_as = ""
        self.verdict.setText("\n".join(each for each in (remark, verdict(result)) if each))
        for column, standing in (("before", result.before), ("after", result.after)):
            self._show_standing(column, standing)
        early = ", ended early" if result.stopped else ""
        self.steps.setText(
            f"{result.step} of {result.steps} steps{early}; the best weights stood after step "
            f"{result.best_step}. It took {_in_words(result.seconds)}."
        )
        self.messages.setText("\n".join(result.messages))
        self.name.setText(name)
        self.status.clear()
        self._improved = result.improved
        self._show_readiness()
        self.use.setEnabled(False)

    def clear(self) -> None:
        """Show that there is no result."""
        self._saved_as = ""
        self.verdict.setText(NOTHING)
        for label in self.figures.values():
            label.setText(UNKNOWN)
        for words in (self.steps, self.messages, self.status):
            words.clear()
        self.name.clear()
        self._improved = False
        self._show_readiness()
        self.use.setEnabled(False)

    def show_saving(self, is_saving: bool) -> None:
        """Offer nothing while the network is written."""
        self._saving = is_saving
        self._show_readiness()
        if is_saving:
            self.status.setText("Saving…")

    def show_saved(self, name: str) -> None:
        """Say that the network is among the user's own now."""
        self._saved_as = name
        self.use.setEnabled(True)
        self.status.setText(
            f"Saved as '{name}'. The Reconstruct dock offers it; the network that it was "
            "started from is as it was."
        )

    def _show_readiness(self) -> None:
        offered = self._improved and not self._saving
        misnamed = _misnamed(self.name.text().strip()) if self._improved else ""
        self.name.setEnabled(offered)
        self.save.setEnabled(offered and not misnamed)
        self.save.setToolTip(
            misnamed or ("Put it among your own networks" if self._improved else "Nothing to save")
        )
        # Said as long as it is so; what else is said stays.
        if misnamed or self.status.text() == self._misnamed:
            self.status.setText(misnamed)
        self._misnamed = misnamed

    def _show_standing(self, column: str, standing: Standing) -> None:
        for row in ROWS:
            value = getattr(standing, row)
            known = value is not None and math.isfinite(value)
            self.figures[row, column].setText(f"{value:.4g}" if known else UNKNOWN)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        for column, word in enumerate(("", "before", "after")):
            grid.addWidget(QLabel(word), 0, column, Qt.AlignmentFlag.AlignRight)
        for place, (row, (word, tip)) in enumerate(ROWS.items(), start=1):
            label = QLabel(word)
            label.setToolTip(tip)
            grid.addWidget(label, place, 0)
            for column, when in enumerate(("before", "after"), start=1):
                figure = self.figures[row, when]
                figure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                grid.addWidget(figure, place, column, Qt.AlignmentFlag.AlignRight)
        naming = QHBoxLayout()
        naming.addWidget(self.name, 1)
        naming.addWidget(self.save)
        self.name.setPlaceholderText("name of the network")
        self.use.setToolTip("Choose the saved network in the Reconstruct dock, and open it")
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 0)
        column.addWidget(self.verdict)
        column.addLayout(grid)
        column.addWidget(self.steps)
        column.addLayout(naming)
        column.addWidget(self.use)
        column.addWidget(self.status)
        column.addWidget(self.messages)
        column.addStretch()


def verdict(result: FineTuned) -> str:
    """Whether a training was worth it, in a sentence."""
    if not math.isfinite(result.before.loss):
        return "It ended before the network was looked at: the network stays as it was."
    return BETTER if result.improved else NO_BETTER


def _misnamed(name: str) -> str:
    """Why a network cannot be called so; empty where it can."""
    if folders.is_usable_name(name):
        return ""
    return f"This cannot be its name: {folders.NAME_RULE}." if name else "Give it a name first."


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 90 else f"{minutes} min {rest} s"
