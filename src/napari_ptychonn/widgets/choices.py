"""Boxes that offer words for a person, each with the value that settings know."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_ptychonn.widgets.network_box import keep_narrow

__all__ = ["allow", "choice", "choose", "is_allowed"]


def choice(offered: Mapping[str, str]) -> QComboBox:
    """A box of values, given with the words that are shown."""
    box = QComboBox()
    keep_narrow(box)
    for data, text in offered.items():
        box.addItem(text, data)
    return box


def choose(box: QComboBox, data: str) -> None:
    """Choose an entry by its value."""
    box.setCurrentIndex(box.findData(data))


def allow(box: QComboBox, data: str, reason: str) -> None:
    """Offer an entry, or say why it cannot be chosen."""
    model, row = box.model(), box.findData(data)
    assert isinstance(model, QStandardItemModel)
    item = model.item(row)
    assert item is not None
    item.setEnabled(not reason)
    box.setItemData(row, reason or None, Qt.ItemDataRole.ToolTipRole)


def is_allowed(box: QComboBox, data: str) -> bool:
    """Whether an entry is there and can be chosen."""
    model = box.model()
    assert isinstance(model, QStandardItemModel)
    item = model.item(box.findData(data))
    return item is not None and item.isEnabled()
