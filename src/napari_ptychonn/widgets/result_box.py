"""The choice of a reconstruction: one of the viewer, or a file of any program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.widgets.network_box import keep_narrow

__all__ = ["FROM_FILE", "ResultBox"]

FROM_FILE = "from a file…"
RESULT_FILES = "Results (*.h5 *.hdf5 *.npz *.ptyr *.mat *.cxi);;All files (*)"


class ResultBox(QComboBox):
    """Reconstructions of the viewer, and files.

    Parameters
    ----------
    title : str
        Of the window that asks for a file.
    nothing : str, optional
        What the choice of nothing is called, which is then the first; None: something must be
        chosen.
    first_choice : str, optional
        Name of a scan: the newest reconstruction of it is chosen where nothing is.

    Attributes
    ----------
    changed : Signal
        Another reconstruction was chosen.
    """

    changed = Signal()

    def __init__(
        self, title: str, *, nothing: str | None = None, first_choice: str | None = None
    ) -> None:
        super().__init__()
        self._title, self._nothing, self._first_choice = title, nothing, first_choice
        self._chosen: Reconstruction | Path | None = None
        self._offered: list[tuple[str, Reconstruction]] = []
        keep_narrow(self)
        self.setPlaceholderText("choose…")
        self.activated.connect(self._take)
        self._show()

    def chosen(self) -> Reconstruction | Path | None:
        """What is chosen."""
        return self._chosen

    def chosen_name(self) -> str | None:
        """The name under which a reconstruction of the viewer is offered; None: none is chosen."""
        return next((name for name, each in self._offered if each is self._chosen), None)

    def choose(self, chosen: Reconstruction | Path | None) -> None:
        """Take a file, a reconstruction that is offered, or nothing."""
        self._chosen = chosen
        self.offer(self._offered)
        self.changed.emit()

    def offer(self, reconstructions: Sequence[tuple[str, Reconstruction]]) -> None:
        """Offer reconstructions with their names; what was chosen stays while it is there."""
        self._offered = list(reconstructions)
        if not isinstance(self._chosen, Path):
            made = [each for _, each in reconstructions]
            here = [each for each in made if each is self._chosen]
            # The newest run is the one that was just looked at.
            own = [each for each in reversed(made) if each.name == self._first_choice]
            self._chosen = next(iter([*here, *own]), None)
        self._show()

    def _show(self) -> None:
        self.clear()
        if self._nothing is not None:
            self.addItem(self._nothing, None)
        for name, each in self._offered:
            self.addItem(name, each)
        if isinstance(self._chosen, Path):
            self.addItem(self._chosen.name, self._chosen)
            self.setItemData(self.count() - 1, str(self._chosen), Qt.ItemDataRole.ToolTipRole)
        self.addItem(FROM_FILE, FROM_FILE)
        rows = [row for row in range(self.count() - 1) if self.itemData(row) is self._chosen]
        self.setCurrentIndex(rows[0] if rows else -1)

    def _take(self) -> None:
        wanted = self.currentData()
        if isinstance(wanted, str):
            path, _ = QFileDialog.getOpenFileName(self, self._title, "", RESULT_FILES)
            wanted = Path(path) if path else self._chosen
        self.choose(wanted)
