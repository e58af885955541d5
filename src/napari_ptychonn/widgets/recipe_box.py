"""The choice of a recipe for the file, and what saves the fields as one."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_ptychonn.scan.recipe import Fitted, place_names
from napari_ptychonn.widgets.network_box import keep_narrow

__all__ = ["RecipeBox", "offer_text"]

HINT = "name, then Save"
MOST_NAMED = 4
"""Groups that the sentence lists; the box lists them all."""


class RecipeBox(QWidget):
    """Offers the recipes that fit the file; a typed name saves the fields.

    Attributes
    ----------
    picked : Signal(object)
        The :class:`~napari_ptychonn.scan.recipe.Recipe` that was chosen.
    save, delete : Signal(str)
        The fields are to be saved under this name; the recipe of this name is to go.
    """

    picked = Signal(object)
    save = Signal(str)
    delete = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._applied = ""
        self.box = QComboBox()
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        keep_narrow(self.box)
        line = self.box.lineEdit()
        if line is not None:
            line.setPlaceholderText(HINT)
        self.save_button, self.delete_button = QPushButton("Save"), QPushButton("✕")
        self.delete_button.setMaximumWidth(32)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (QLabel("Recipe"), self.box, self.save_button, self.delete_button):
            row.addWidget(widget)
        row.setStretch(1, 1)
        self._explain()
        self.box.activated.connect(self._pick)
        self.box.currentTextChanged.connect(self._show_readiness)
        self.save_button.clicked.connect(lambda: self.save.emit(self.name()))
        self.delete_button.clicked.connect(lambda: self.delete.emit(self.name()))
        self.offer(())

    @property
    def applied(self) -> str:
        """Name of the recipe whose fields these are, or were; empty where none was."""
        return self._applied

    def name(self) -> str:
        """The name that stands there."""
        return self.box.currentText().strip()

    def offer(self, ways: Sequence[Fitted]) -> None:
        """Offer recipes, one that fits several groups once for each; what stands there stays."""
        name = self.name()
        before = self.box.blockSignals(True)
        self.box.clear()
        for way, place in zip(ways, _places(ways), strict=True):
            recipe = way.recipe
            self.box.addItem(f"{recipe.name}: {place}" if place else recipe.name, recipe)
            said = [f"{role}: {path}" for role, path in recipe.options.datasets.items()]
            tip = "\n".join(filter(None, [way.text(), *said]))
            self.box.setItemData(self.box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.box.setCurrentIndex(-1)
        self.box.setEditText(name)
        self.box.blockSignals(before)
        line = self.box.lineEdit()
        if line is not None:
            fitting = len(ways)
            one = f"{fitting} fits this file" if fitting == 1 else f"{fitting} fit this file"
            if len({way.recipe.name for way in ways}) < fitting:
                one = f"choose one of {fitting}"
            line.setPlaceholderText(one if fitting else HINT)
        self._show_readiness()

    def set_applied(self, name: str) -> None:
        """Say whose fields these are: a recipe was chosen, saved, or (empty) none is left."""
        self._applied = name
        self.box.setEditText(name)
        line = self.box.lineEdit()
        if line is not None:
            line.setCursorPosition(0)

    def _explain(self) -> None:
        self.box.setToolTip(
            "Choose what was said about another file of this layout,\n"
            "or type a name under which to keep what the fields say now"
        )
        self.save_button.setToolTip("Keep what the fields say for the next file of this layout")
        self.delete_button.setToolTip("Delete this recipe")

    def _pick(self, row: int) -> None:
        recipe = self.box.itemData(row)
        if recipe is not None:
            self.picked.emit(recipe)

    def _show_readiness(self) -> None:
        self.save_button.setEnabled(bool(self.name()))
        offered = [self.box.itemData(row).name for row in range(self.box.count())]
        self.delete_button.setEnabled(self.name() in offered)


def offer_text(ways: Sequence[Fitted]) -> str:
    """Say which recipe fits the file best, or which groups of the file it fits."""
    if not ways:
        return ""
    name = ways[0].recipe.name
    same = [way for way in ways if way.recipe.name == name]
    if len(same) == 1:
        said = f" ({ways[0].text()})" if ways[0].renaming else ""
        return f"The recipe {name} fits this file{said}: choose it beside Recipe. "
    places = place_names(same)
    shown, rest = "; ".join(places[:MOST_NAMED]), len(places) - MOST_NAMED
    shown += f" and {rest} more" if rest > 0 else ""
    return (
        f"The recipe {name} fits several groups of this file: choose one beside Recipe ({shown}). "
    )


def _places(ways: Sequence[Fitted]) -> list[str]:
    """What tells each from the others of its recipe; empty where there is no other."""
    by_name: dict[str, list[Fitted]] = {}
    for way in ways:
        by_name.setdefault(way.recipe.name, []).append(way)
    places = {
        id(way): place
        for same in by_name.values()
        for way, place in zip(same, place_names(same), strict=True)
        if len(same) > 1
    }
    return [places.get(id(way), "") for way in ways]
