"""The choice of a network: those at hand, or any file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QSizePolicy, QWidget

from napari_ptychonn.network import folders

__all__ = ["NetworkBox", "keep_narrow"]

FROM_FILE = "from a file…"
HINT = "The network that predicts the patches"


class NetworkBox(QComboBox):
    """Offers networks by name, and files; the list is read anew whenever it is opened.

    Attributes
    ----------
    chosen : Signal
        Another network was chosen.
    """

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._network = ""
        self._said: Mapping[str, tuple[str, bool]] = {}
        keep_narrow(self)
        self.refresh()
        self.activated.connect(self._take)

    def network(self) -> str:
        """Name of the network, or the path of its file."""
        return self._network

    def select(self, network: str) -> None:
        """Choose a network by name or path; one that is not offered is added."""
        changed = network != self._network
        self._network = network
        self.refresh()
        if changed:
            self.chosen.emit()

    def explain(self, texts: Sequence[tuple[str, str, bool]]) -> None:
        """Say about networks, given as name, text and whether it works, what they are."""
        self._said = {name: (text, works) for name, text, works in texts}
        self.refresh()

    def refresh(self) -> None:
        """Offer what lies in the folders now; the chosen one stays chosen."""
        blocked = self.blockSignals(True)
        self.clear()
        for folder in (folders.bundled_folder(), folders.user_folder()):
            for path in folders.network_files(folder):
                if self.findData(path.stem) < 0:
                    self._add(path.stem)
        if self._network and self.findData(self._network) < 0:
            self._add(self._network)
        self.addItem(FROM_FILE, None)
        if not self._network and self.count() > 1:
            self._network = self.itemData(0)
        self.setCurrentIndex(self.findData(self._network) if self._network else -1)
        self.setToolTip(self._said.get(self._network, (HINT, True))[0])
        self.blockSignals(blocked)

    def showPopup(self) -> None:
        """Show the list, with the networks that were made since."""
        self.refresh()
        super().showPopup()

    def _add(self, network: str) -> None:
        text, works = self._said.get(network, (network, True))
        self.addItem(Path(network).name if works else f"{network} (broken)", network)
        self.setItemData(self.count() - 1, text, Qt.ItemDataRole.ToolTipRole)

    def _take(self) -> None:
        if self.currentData() is not None:
            self.select(self.currentData())
            return
        files = f"Networks (*{folders.SUFFIX});;All files (*)"
        folder = str(folders.user_folder())
        path, _ = QFileDialog.getOpenFileName(self, "Network file", folder, files)
        self.select(path or self._network)


def keep_narrow(box: QComboBox) -> None:
    """Keep a long entry from making the dock wider than the screen."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
