"""The tree of a file: its groups and datasets, and what each is used as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_ptychonn.scan.tree import Entry

__all__ = ["FileTree"]

COLUMNS = ("Dataset", "Used as", "Shape", "Type", "Unit", "Packed")
NAME, USE = 0, 1
NAME_WIDTH = 120
HEIGHT = 190
MOST_OPENED = 60
"""A file with more datasets starts with its groups folded."""
MOST_ATTRIBUTES = 14
PATH = Qt.ItemDataRole.UserRole


class FileTree(QTreeWidget):
    """Groups that fold, and datasets with shape, type, unit, compression and attributes.

    Attributes
    ----------
    chosen : Signal(str)
        A dataset was selected: its path.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: dict[str, QTreeWidgetItem] = {}
        self._shown: tuple[Entry, ...] = ()
        self.setHeaderLabels(COLUMNS)
        self.setFixedHeight(HEIGHT)
        self.setIndentation(12)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self.header()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            header.setStretchLastSection(False)
        self.currentItemChanged.connect(self._tell)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show the datasets of a file; the same again leaves folding and selection alone."""
        if tuple(entries) == self._shown:
            return
        self._shown = tuple(entries)
        before = self.blockSignals(True)
        self.clear()
        self._items = {}
        groups: dict[str, QTreeWidgetItem] = {}
        for entry in entries:
            *above, name = [part for part in entry.info.path.split("/") if part]
            item = QTreeWidgetItem([name, "", *_facts(entry)])
            item.setData(NAME, PATH, entry.info.path)
            for column in range(len(COLUMNS)):
                item.setToolTip(column, _details(entry))
            self._items[entry.info.path] = item
            self._place(item, above, groups)
        for group in groups.values():
            group.setExpanded(len(entries) <= MOST_OPENED)
        for column in range(len(COLUMNS)):
            self.resizeColumnToContents(column)
        self.setColumnWidth(NAME, max(NAME_WIDTH, min(self.columnWidth(NAME), 2 * NAME_WIDTH)))
        self.blockSignals(before)

    def show_uses(self, uses: Mapping[str, str]) -> None:
        """Show which datasets, by path, are used as what; they are unfolded."""
        for path, item in self._items.items():
            used = uses.get(path, "")
            if item.text(USE) == used:
                continue
            item.setText(USE, used)
            parent = item.parent()
            while used and parent is not None:
                parent.setExpanded(True)
                parent = parent.parent()
        if uses:
            self.resizeColumnToContents(USE)

    def selected(self) -> str | None:
        """Path of the dataset that is selected; None where none or a group is."""
        item = self.currentItem()
        return None if item is None else item.data(NAME, PATH)

    def facts(self, path: str) -> str:
        """Shape or value, type, unit and compression of a dataset, in a line."""
        item = self._items.get(path)
        told = (
            [] if item is None else [item.text(column) for column in range(USE + 1, len(COLUMNS))]
        )
        return ", ".join(filter(None, told))

    def select(self, path: str) -> None:
        """Select a dataset, as if it had been clicked."""
        item = self._items.get(path)
        if item is not None:
            self.setCurrentItem(item)

    def _place(
        self, item: QTreeWidgetItem, above: list[str], groups: dict[str, QTreeWidgetItem]
    ) -> None:
        for depth in range(1, len(above) + 1):
            path = "/".join(above[:depth])
            if path not in groups:
                groups[path] = QTreeWidgetItem([above[depth - 1]])
                self._add(groups[path], groups.get("/".join(above[: depth - 1])))
        self._add(item, groups.get("/".join(above)))

    def _add(self, item: QTreeWidgetItem, parent: QTreeWidgetItem | None) -> None:
        if parent is None:
            self.addTopLevelItem(item)
        else:
            parent.addChild(item)

    def _tell(self) -> None:
        path = self.selected()
        if path is not None:
            self.chosen.emit(path)


def _facts(entry: Entry) -> list[str]:
    info = entry.info
    shape = " × ".join(map(str, info.shape)) if entry.value == "" else f"= {entry.value}"
    return [shape, info.dtype, info.units or "", info.compression or ""]


def _details(entry: Entry) -> str:
    info = entry.info
    lines = [info.path, f"shape {info.shape}, {info.dtype}"]
    lines += [f"unit {info.units}"] if info.units else []
    lines += [f"compression {info.compression}"] if info.compression else []
    lines += [f"value {entry.value}"] if entry.value else []
    shown = entry.attributes[:MOST_ATTRIBUTES]
    lines += [f"{key} = {value}" for key, value in shown]
    hidden = len(entry.attributes) - len(shown)
    return "\n".join([*lines, f"… and {hidden} more attributes"] if hidden else lines)
