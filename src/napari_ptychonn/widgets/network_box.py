"""The choice of a network: those at hand, or any file; and the way to one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
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
BRING_ONE = "import one with 'Manage… > Import…'"


class NetworkBox(QWidget):
    """Offers networks by name, and files; the list follows what lies in the folders.

    Attributes
    ----------
    chosen : Signal
        Another network was chosen.
    judged : Signal
        What :meth:`problem` says is different.
    """

    chosen = Signal()
    judged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._network = ""
        self._problem = ""
        self._files: dict[str, Path] = {}
        self._said: dict[str, _Said] = {}
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

    def problem(self) -> str:
        """Why nothing can be computed with the network, as far as is known; empty where it can."""
        return self._problem

    def select(self, network: str) -> None:
        """Choose a network by name or path; one that is not offered is added."""
        changed = network != self._network
        self._network = network
        self.refresh()
        if changed:
            self.chosen.emit()

    def explain(self, texts: Sequence[tuple[str, str, bool]]) -> None:
        """Say about networks, given as name, text and whether it works, what they are."""
        self._read_folders()
        self._said = {name: _Said(text, works, self._stamp(name)) for name, text, works in texts}
        self.refresh()

    def refresh(self) -> None:
        """Offer what lies in the folders now; the chosen one stays chosen."""
        self._read_folders()
        box = self.box
        blocked = box.blockSignals(True)
        box.clear()
        for name in self._files:
            self._add(name)
        if self._network and box.findData(self._network) < 0:
            self._add(self._network)
        box.addItem(FROM_FILE, None)
        if not self._network and box.count() > 1:
            self._network = box.itemData(0)
        box.setCurrentIndex(box.findData(self._network) if self._network else -1)
        box.setToolTip(self._about(self._network, HINT).text)
        box.blockSignals(blocked)
        self._judge()

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

    def _read_folders(self) -> None:
        self._files = {}
        for folder in (folders.bundled_folder(), folders.user_folder()):
            for path in folders.network_files(folder):
                self._files.setdefault(path.stem, path)

    def _add(self, network: str) -> None:
        about = self._about(network, network)
        name = Path(network).name if about.works else f"{network} (broken)"
        self.box.addItem(name if self._is_there(network) else f"{network} (not found)", network)
        self.box.setItemData(self.box.count() - 1, about.text, Qt.ItemDataRole.ToolTipRole)

    def _judge(self) -> None:
        network, problem = self._network, ""
        if not network:
            problem = f"There is no network: {BRING_ONE}."
        elif not self._is_there(network):
            problem = f"The network '{network}' is not there: choose another, or {BRING_ONE}."
        elif not self._about(network, "").works:
            problem = f"The network '{network}' is broken, and 'Manage…' says how: choose another."
        if problem != self._problem:
            self._problem = problem
            self.judged.emit()

    def _is_there(self, network: str) -> bool:
        return network in self._files or Path(network).expanduser().is_file()

    def _about(self, network: str, otherwise: str) -> _Said:
        """What was said of a network, as long as its file is the one that was looked at."""
        said = self._said.get(network)
        if said is None or said.stamp != self._stamp(network):
            return _Said(otherwise, works=True, stamp=None)
        return said

    def _stamp(self, network: str) -> tuple[int, int] | None:
        try:
            found = self._files[network].stat()
        except (KeyError, OSError):
            return None
        return found.st_mtime_ns, found.st_size

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
        for box in _all_boxes():
            if box.network() == name:
                box.select(new_name)

    def _removed(self, name: str) -> None:
        self._renamed(name, BUNDLED)

    def _forget_dialog(self) -> None:
        self._dialog = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What was found in a network's file, and when it was written and how large it was then."""

    text: str
    works: bool
    stamp: tuple[int, int] | None


def _all_boxes() -> list[NetworkBox]:
    """Those of all docks and windows: all of them offer the same networks."""
    return [widget for widget in QApplication.allWidgets() if isinstance(widget, NetworkBox)]


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
