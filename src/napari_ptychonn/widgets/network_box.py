"""The choice of a network: those at hand, or any file; and the way to one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_ptychonn.network import folders
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.widgets.folder_watch import FolderWatch
from napari_ptychonn.widgets.jobs import JobRunner
from napari_ptychonn.widgets.networks_dialog import NetworksDialog

__all__ = ["NetworkBox", "keep_narrow"]

BUNDLED = ReconstructionSettings().network
FROM_FILE = "from a file…"
HINT = "The network that predicts the patches"


class NetworkBox(QWidget):
    """Offers networks by name, and files; the list follows what lies in the folders.

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
        self._runner = runner = JobRunner(self)
        self.destroyed.connect(lambda: runner.shutdown())
        self._dialog: NetworksDialog | None = None
        self.box = _Box()
        self.manage = QPushButton("Manage…")
        self._lay_out()
        self.refresh()
        self._watch = FolderWatch(folders.user_folder, self)
        self._watch.changed.connect(self._follow)
        self.box.opened.connect(self.refresh)
        self.box.activated.connect(self._take)
        self.manage.clicked.connect(self.show_networks)

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
        box = self.box
        blocked = box.blockSignals(True)
        box.clear()
        for folder in (folders.bundled_folder(), folders.user_folder()):
            for path in folders.network_files(folder):
                if box.findData(path.stem) < 0:
                    self._add(path.stem)
        if self._network and box.findData(self._network) < 0:
            self._add(self._network, found=Path(self._network).is_file())
        box.addItem(FROM_FILE, None)
        if not self._network and box.count() > 1:
            self._network = box.itemData(0)
        box.setCurrentIndex(box.findData(self._network) if self._network else -1)
        box.setToolTip(self._said.get(self._network, (HINT, True))[0])
        box.blockSignals(blocked)

    def show_networks(self) -> NetworksDialog:
        """Show the person's networks, to choose, rename, delete, export and import them."""
        if self._dialog is None:
            self._dialog = NetworksDialog(self, self._runner, bundled=BUNDLED)
            self._dialog.use.connect(self.select)
            self._dialog.renamed.connect(self._renamed)
            self._dialog.removed.connect(self._removed)
            self._dialog.listed.connect(self.explain)
            self._dialog.finished.connect(self._forget_dialog)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.select(self._network)
        return self._dialog

    def _lay_out(self) -> None:
        keep_narrow(self.box)
        self.manage.setToolTip("My networks: rename, delete, export and import them")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        row.addWidget(self.manage)

    def _add(self, network: str, *, found: bool = True) -> None:
        text, works = self._said.get(network, (network, True))
        name = Path(network).name if works else f"{network} (broken)"
        self.box.addItem(name if found else f"{network} (not found)", network)
        self.box.setItemData(self.box.count() - 1, text, Qt.ItemDataRole.ToolTipRole)

    def _follow(self) -> None:
        # An open list is not changed under the person's hand: it is read anew when opened.
        if not self.box.is_open():
            self.refresh()

    def _take(self) -> None:
        if self.box.currentData() is not None:
            self.select(self.box.currentData())
            return
        files = f"Networks (*{folders.SUFFIX});;All files (*)"
        folder = str(folders.user_folder())
        path, _ = QFileDialog.getOpenFileName(self, "Network file", folder, files)
        self.select(path or self._network)

    def _renamed(self, name: str, new_name: str) -> None:
        if self._network == name:
            self.select(new_name)

    def _removed(self, name: str) -> None:
        if self._network == name:
            self.select(BUNDLED)

    def _forget_dialog(self) -> None:
        self._dialog = None


class _Box(QComboBox):
    opened = Signal()

    def showPopup(self) -> None:
        """Show the list, with the networks that were made since."""
        self.opened.emit()
        super().showPopup()

    def is_open(self) -> bool:
        view = self.view()
        return view is not None and view.isVisible()


def keep_narrow(box: QComboBox) -> None:
    """Keep a long entry from making the dock wider than the screen."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
