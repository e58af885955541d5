"""The dialog 'My networks': what there is, what each card says, and what one does with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QInputDialog,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_ptychonn.network import folders
from napari_ptychonn.widgets.folder_watch import FolderWatch
from napari_ptychonn.widgets.jobs import Ended, JobRunner
from napari_ptychonn.widgets.network_rows import NetworkRow, act_and_list
from napari_ptychonn.widgets.sentence import Sentence
from napari_ptychonn.widgets.window_words import in_the_window

__all__ = ["NetworksDialog"]

SIZE = (720, 560)
COLUMNS = ("Name", "Kind", "Family", "Made from", "Date", "Size")
ENDINGS = " ".join(f"*{ending}" for ending in (folders.SUFFIX, *folders.FOREIGN))
OFFERED = f"Networks ({ENDINGS});;All files (*)"
SETTLED_MS = 100
WIDEST_KEY_PX = 200


class NetworksDialog(QDialog):
    """Shows the networks at hand; it reads and changes them in a worker.

    Parameters
    ----------
    parent : QWidget
        The box it was opened from; closing that closes it.
    runner : JobRunner
        Of the box: a job may outlive the dialog, which does not wait for it.
    bundled : str
        Name of the network that the bundled one's button chooses.

    Attributes
    ----------
    use, removed : Signal(str)
        This network is to be used; the one of this name is gone.
    renamed : Signal(str, str)
        Old and new name.
    listed : Signal(object)
        Name, text and whether it works of every network, whenever the list was read.
    """

    use = Signal(str)
    removed = Signal(str)
    renamed = Signal(str, str)
    listed = Signal(object)

    def __init__(self, parent: QWidget, runner: JobRunner, *, bundled: str) -> None:
        super().__init__(parent)
        self._bundled = bundled
        self._rows: tuple[NetworkRow, ...] = ()
        self._wanted = ""
        self._then: Callable[[], None] | None = None
        self.list = QTableWidget(0, len(COLUMNS))
        self.card = QTableWidget(0, 2)
        self.use_button = QPushButton("Use")
        self.rename_button = QPushButton("Rename…")
        self.delete_button = QPushButton("Delete…")
        self.export_button = QPushButton("Export…")
        self.import_button = QPushButton("Import…")
        self.bundled_button = QPushButton("Back to the bundled network")
        self.close_button = QPushButton("Close")
        self.status = Sentence("Reading…")
        self.runner = runner
        self._watch = FolderWatch(folders.user_folder, self)
        self._soon = QTimer(self)
        self._lay_out()
        self._connect()
        self._show_readiness()
        self._soon.start(0)

    def select(self, name: str) -> None:
        """Choose a network of the list, now or when it is there."""
        self._wanted = name
        names = [row.name for row in self._rows]
        self.list.setCurrentCell(names.index(name) if name in names else 0, 0)

    def chosen(self) -> NetworkRow | None:
        """The network of the chosen row."""
        row = self.list.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def rename(self, name: str, new_name: str) -> None:
        """Give a network of the person's own another name."""

        def done() -> None:
            self._wanted = new_name
            self.renamed.emit(name, new_name)

        self._do(f"'{name}' is called '{new_name}' now.", partial(_rename, name, new_name), done)

    def remove(self, name: str) -> None:
        """Delete a network of the person's own."""
        self._do(f"'{name}' is deleted.", partial(_remove, name), lambda: self.removed.emit(name))

    def export(self, name: str, path: str | Path) -> None:
        """Copy a network to a file."""
        self._do(f"'{name}' is written to {path}.", partial(_export, name, path))

    def bring(self, path: str | Path, name: str) -> None:
        """Put a network file, of this program or foreign, among the person's own."""

        def done() -> None:
            self._wanted = name

        self._do(f"{path} is among your networks as '{name}'.", partial(_import, path, name), done)

    def _lay_out(self) -> None:
        self.setWindowTitle("My networks")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        for table in (self.list, self.card):
            table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
            table.setShowGrid(False)
            _header(table.verticalHeader()).hide()
        self.list.setHorizontalHeaderLabels(COLUMNS)
        # A column that is fitted once the list is filled would not stretch any more.
        columns = _header(self.list.horizontalHeader())
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.list.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        _header(self.card.horizontalHeader()).hide()
        _header(self.card.horizontalHeader()).setStretchLastSection(True)
        self.card.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.card.setWordWrap(True)
        tables = QSplitter(Qt.Orientation.Vertical)
        tables.addWidget(self.list)
        tables.addWidget(self.card)
        tables.setStretchFactor(1, 2)
        buttons = QGridLayout()
        for column, button in enumerate(
            (self.use_button, self.rename_button, self.delete_button, self.export_button)
        ):
            buttons.addWidget(button, 0, column)
        buttons.addWidget(self.import_button, 1, 0)
        buttons.addWidget(self.bundled_button, 1, 1, 1, 2)
        buttons.addWidget(self.close_button, 1, 3)
        column = QVBoxLayout(self)
        column.addWidget(tables, 1)
        column.addWidget(self.status)
        column.addLayout(buttons)
        self.import_button.setToolTip("A network file, or PtychoNN weights of another program")
        self.bundled_button.setToolTip(f"Use '{self._bundled}', which came with the package")

    def _connect(self) -> None:
        self.list.currentCellChanged.connect(self._show_card)
        self.list.cellDoubleClicked.connect(lambda *_: self._use())
        self.use_button.clicked.connect(self._use)
        self.rename_button.clicked.connect(self._ask_name)
        self.delete_button.clicked.connect(self._ask_whether)
        self.export_button.clicked.connect(self._ask_where)
        self.import_button.clicked.connect(self._ask_what)
        self.bundled_button.clicked.connect(self._use_bundled)
        self.close_button.clicked.connect(self.close)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._read)
        self._watch.changed.connect(lambda: self._soon.start(SETTLED_MS))
        self.runner.finished.connect(self._finish)
        self.finished.connect(self._leave)

    def _leave(self) -> None:
        self._soon.stop()
        self.runner.finished.disconnect(self._finish)
        self.runner.drop()

    def _read(self) -> None:
        if self.runner.running:
            # A change is under way, and lists when it is done.
            self._soon.start(SETTLED_MS)
            return
        self.runner.start("the list of networks", partial(act_and_list, None))

    def _do(
        self, said: str, action: Callable[[], object], then: Callable[[], None] | None = None
    ) -> None:
        def done() -> None:
            if then is not None:
                then()
            self.status.setText(said)

        self._then = done
        self.status.setText("Working…")
        self.runner.start("a change of the networks", partial(act_and_list, action))
        self._show_readiness()

    def _finish(self, ended: Ended) -> None:
        then, self._then = self._then, None
        if ended.error is not None:
            self.status.setText(in_the_window(ended.error))
        elif ended.result is not None:
            if self.status.text() == "Reading…":
                self.status.clear()
            self._rows = ended.result
            if then is not None:
                then()
            self._show_rows()
            self.listed.emit([(row.name, row.about, row.works) for row in self._rows])
        self._show_readiness()

    def _show_rows(self) -> None:
        wanted = self._wanted
        self.list.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            for column, text in enumerate(row.cells):
                self.list.setItem(number, column, QTableWidgetItem(text))
        self.select(wanted)
        self._show_card()

    def _show_card(self, *_: int) -> None:
        row = self.chosen()
        told = () if row is None else row.card
        self._wanted = self._wanted if row is None else row.name
        self.card.setRowCount(len(told))
        for number, pair in enumerate(told):
            for column, text in enumerate(pair):
                self.card.setItem(number, column, QTableWidgetItem(text))
        self.card.setColumnWidth(0, min(self.card.sizeHintForColumn(0) + 8, WIDEST_KEY_PX))
        self.card.resizeRowsToContents()
        self._show_readiness()

    def _show_readiness(self) -> None:
        row, busy = self.chosen(), self.runner.running and self._then is not None
        own = row is not None and row.own
        works = row is not None and row.works
        for button, can, why in (
            (self.use_button, works, "Choose one that can be used"),
            (self.rename_button, own, "Only your own networks can be renamed"),
            (self.delete_button, own, "Only your own networks can be deleted"),
            (self.export_button, works, "Choose one that can be used"),
        ):
            button.setEnabled(can and not busy)
            button.setToolTip("" if can else why)
        self.import_button.setEnabled(not busy)

    def _use(self) -> None:
        row = self.chosen()
        if row is not None and row.works:
            self.use.emit(row.name)
            self.status.setText(f"'{row.name}' is used.")

    def _use_bundled(self) -> None:
        self.select(self._bundled)
        self.use.emit(self._bundled)
        self.status.setText(f"'{self._bundled}' is used, as it came with the package.")

    def _ask_name(self) -> None:
        row = self.chosen()
        if row is None:
            return
        new, agreed = QInputDialog.getText(self, "Rename", f"New name of '{row.name}':")
        if agreed and new.strip():
            self.rename(row.name, new.strip())

    def _ask_whether(self) -> None:
        row = self.chosen()
        if row is None:
            return
        question = f"Delete '{row.name}' for good? Where it is chosen, the bundled one takes over."
        if QMessageBox.question(self, "Delete", question) == QMessageBox.StandardButton.Yes:
            self.remove(row.name)

    def _ask_where(self) -> None:
        row = self.chosen()
        if row is None:
            return
        proposal = f"{row.name}{folders.SUFFIX}"
        path, _ = QFileDialog.getSaveFileName(self, "Export", proposal, OFFERED)
        if path:
            named = path if path.endswith(folders.SUFFIX) else f"{path}{folders.SUFFIX}"
            self.export(row.name, named)

    def _ask_what(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import", "", OFFERED)
        if not path:
            return
        name, agreed = QInputDialog.getText(
            self, "Import", "Its name from now on:", text=Path(path).stem
        )
        if agreed and name.strip():
            self.bring(path, name.strip())


def _header(header: QHeaderView | None) -> QHeaderView:
    if header is None:
        raise AssertionError("a table has headers")
    return header


# In the worker: the store imports torch, which takes seconds.


def _rename(name: str, new_name: str) -> None:
    from napari_ptychonn.network.store import rename

    rename(name, new_name)


def _remove(name: str) -> None:
    from napari_ptychonn.network.store import remove

    remove(name)


def _export(name: str, path: str | Path) -> None:
    from napari_ptychonn.network.store import export_network

    export_network(name, path)


def _import(path: str | Path, name: str) -> None:
    from napari_ptychonn.network.store import import_network

    import_network(path, name)
