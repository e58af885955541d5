"""Which scans teach, and what each is taught with: lists that follow the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QWidget,
)

from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.result_box import ResultBox

__all__ = ["LabelRows", "Labels", "ScanList"]

Labels: TypeAlias = tuple[Reconstruction | Path, ...]
"""What teaches, one for each scan: a reconstruction of the viewer, or a file to be opened."""

ROWS_SHOWN = 4


class ScanList(QListWidget):
    """The scans of the viewer, each with a box to check.

    Attributes
    ----------
    changed : Signal
        Other scans are checked.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scans: list[Scan] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.setToolTip("The scans that are open in this viewer; several may teach together")
        self.itemChanged.connect(self.changed)
        self.offer([])

    def offer(self, scans: Sequence[Scan]) -> None:
        """Offer scans; the checked ones stay checked, and the first is where none was."""
        checked = self.chosen()
        blocked = self.blockSignals(True)
        self.clear()
        self._scans = list(scans)
        names = [scan.name for scan in scans]
        for row, scan in enumerate(scans):
            again = names[:row].count(scan.name)
            item = QListWidgetItem(f"{scan.name} ({again + 1})" if again else scan.name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            # By identity: scans hold arrays, whose equality is no truth value.
            was = any(scan is each for each in checked)
            item.setCheckState(Qt.CheckState.Checked if was else Qt.CheckState.Unchecked)
            item.setToolTip(f"{scan.n_points} points")
            self.addItem(item)
        if scans and not self.chosen():
            self._item(0).setCheckState(Qt.CheckState.Checked)
        self.blockSignals(blocked)
        shown = min(max(1, self.count()), ROWS_SHOWN)
        row_height = self.sizeHintForRow(0) if self.count() else self.fontMetrics().height() + 4
        self.setFixedHeight(shown * row_height + 2 * self.frameWidth() + 2)

    def chosen(self) -> list[Scan]:
        """The checked scans."""
        return [
            scan
            for row, scan in enumerate(self._scans)
            if self._item(row).checkState() == Qt.CheckState.Checked
        ]

    def check(self, scans: Sequence[Scan]) -> None:
        """Check these scans and no others."""
        for row, scan in enumerate(self._scans):
            wanted = any(scan is each for each in scans)
            state = Qt.CheckState.Checked if wanted else Qt.CheckState.Unchecked
            self._item(row).setCheckState(state)

    def _item(self, row: int) -> QListWidgetItem:
        item = self.item(row)
        assert item is not None
        return item


class LabelRows(QWidget):
    """One row per checked scan: the reconstruction that teaches it.

    Attributes
    ----------
    changed : Signal
        Another reconstruction was chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scans: list[Scan] = []
        self.boxes: list[ResultBox] = []
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setVerticalSpacing(3)

    def offer(
        self, scans: Sequence[Scan], reconstructions: Sequence[tuple[str, Reconstruction]]
    ) -> None:
        """Offer reconstructions, with their names, for these scans; what was chosen stays."""
        if not _same(scans, self._scans):
            kept = {
                id(scan): box.chosen() for scan, box in zip(self._scans, self.boxes, strict=True)
            }
            while self._rows.rowCount():
                self._rows.removeRow(0)
            self.boxes = [
                ResultBox(f"Reconstruction of {scan.name}", first_choice=scan.name)
                for scan in scans
            ]
            for scan, box in zip(scans, self.boxes, strict=True):
                box.setToolTip("The reconstruction whose object is taught")
                box.offer(reconstructions)
                if (was := kept.get(id(scan))) is not None:
                    box.choose(was)
                self._rows.addRow(scan.name if len(scans) > 1 else "Labels", box)
                box.changed.connect(self.changed)
            self._scans = list(scans)
        for box in self.boxes:
            box.offer(reconstructions)

    def labels(self) -> Labels | None:
        """One label for every scan; None where one is missing."""
        found = tuple(box.chosen() for box in self.boxes)
        whole = tuple(label for label in found if label is not None)
        return whole if len(whole) == len(found) else None


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
