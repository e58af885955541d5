"""How many pixels a mask leaves out, counted while it is painted."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels
from napari.utils.events import EventEmitter
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QWidget

__all__ = ["MaskCount"]

PAUSE_MS = 150
"""A stroke moves the brush more often than anybody reads the number."""


class MaskCount(QLabel):
    """A line about the mask it follows; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PAUSE_MS)
        self._soon.timeout.connect(self._count)
        self.setToolTip("Painted pixels and grey ones, which hold no counts")
        self.hide()

    def follow(self, layer: Labels | None) -> None:
        """Count the pixels of this mask from now on, of none with None."""
        if layer is not self._layer:
            self.leave()
            self._layer = layer
            for event in _changes(layer):
                event.connect(self._changed)
            self._count()

    def leave(self) -> None:
        """Follow no mask, without touching the label."""
        for event in _changes(self._layer):
            event.disconnect(self._changed)
        self._layer = None

    def _changed(self, _event: object = None) -> None:
        # Not begun anew by each: a stroke would put off the number until its end.
        if not self._soon.isActive():
            self._soon.start()

    def _count(self) -> None:
        self.setVisible(self._layer is not None)
        if self._layer is not None:
            labels = np.asarray(self._layer.data)
            masked = int(np.count_nonzero(labels))
            share = 100 * masked / labels.size
            self.setText(f"{masked} of {labels.size} pixels are masked ({share:.3g} %)")


def _changes(layer: Labels | None) -> list[EventEmitter]:
    """What a mask says while the brush moves, after a stroke, and when it is set or undone."""
    if layer is None:
        return []
    return [layer.events.labels_update, layer.events.paint, layer.events.set_data]
