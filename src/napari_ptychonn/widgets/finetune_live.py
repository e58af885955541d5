"""The Live tab of the Fine-tune dock: how the training goes, while it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_ptychonn.widgets.finetune_patch import PatchView
from napari_ptychonn.widgets.palette import HELD_OUT, TEACHING, ground_and_text
from napari_ptychonn.widgets.sentence import Sentence

if TYPE_CHECKING:
    from napari_ptychonn.training.finetune_events import HeldOutPatch, Losses
    from napari_ptychonn.widgets.finetune_curves import LossCurves

__all__ = ["LiveView"]

LEGEND = (
    f"<span style='color:{TEACHING}'>■</span> teaching &nbsp; "
    f"<span style='color:{HELD_OUT}'>■</span> held out &nbsp; "
    f"<span style='color:{HELD_OUT}'>◇</span> best so far"
)
FLIP = "Show before", "Show after"
MESSAGES_SHOWN = 6


class LiveView(QWidget):
    """Loss curves, one held-out point, the standing, and what the job has said.

    Parameters
    ----------
    theme : str
        Name of the window's theme.

    Attributes
    ----------
    flipped : Signal(bool)
        Whether the object layers of before are to be seen in place of those of after.
    """

    flipped = Signal(bool)

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._first: dict[str, float] = {}
        self._looks = 0
        self._said: list[str] = []
        self.curves: LossCurves | None = None
        self.standing, self.messages = Sentence(), Sentence()
        self.patch = PatchView()
        self.flip = QPushButton(FLIP[0])
        self.flip.setCheckable(True)
        self.flip.setToolTip("Flip between the object by the network before and after")
        self.flip.toggled.connect(self._flip)
        legend = QLabel(LEGEND)
        legend.setToolTip("The curves, and the points in the viewer")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(6, 4, 6, 0)
        for widget in (legend, self.standing, self.patch, self.flip, self.messages):
            self._column.addWidget(widget)
        self._column.addStretch()
        self.restart()

    def restart(self) -> None:
        """Forget the last training."""
        self._first, self._looks, self._said = {}, 0, []
        self.standing.setText("No training yet: the curves appear here.")
        self.messages.clear()
        self.patch.clear()
        self.flip.setChecked(False)
        self.flip.setEnabled(False)
        if self.curves is not None:
            self.curves.restart()

    def add_losses(self, losses: Losses) -> None:
        """Draw one more point of the curves."""
        if self.curves is None:
            # pyqtgraph is for those who train; the worker has imported it by now.
            from napari_ptychonn.widgets.finetune_curves import LossCurves

            self.curves = LossCurves()
            self.curves.set_colours(*ground_and_text(self._theme))
            self._column.insertWidget(0, self.curves)
        self.curves.add(losses)
        self._looks += 1
        if self._looks == 1:
            self.show_standing({"held-out loss": losses.held_out})

    def show_patch(self, held: HeldOutPatch) -> None:
        """Show one held-out point."""
        self.patch.show_patch(held)

    def show_standing(self, values: Mapping[str, float]) -> None:
        """Say how well the network does now, and did at first."""
        first = self._first
        if self._looks <= 1:
            self._first = {**values, **first}
        said = [
            f"{name} {value:.4g}" + (f" (at first {first[name]:.4g})" if name in first else "")
            for name, value in values.items()
        ]
        self.standing.setText("\n".join(said))

    def say(self, text: str) -> None:
        """Add a message of the job; the newest are seen."""
        self._said.append(text)
        self.messages.setText("\n".join(self._said[-MESSAGES_SHOWN:]))

    def can_flip(self) -> None:
        """There are object layers to flip between."""
        self.flip.setEnabled(True)

    def set_theme(self, theme: str) -> None:
        """Follow the window's theme."""
        self._theme = theme
        if self.curves is not None:
            self.curves.set_colours(*ground_and_text(theme))

    def _flip(self, before: bool) -> None:
        self.flip.setText(FLIP[before])
        self.flipped.emit(before)
