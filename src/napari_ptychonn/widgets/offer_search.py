"""A dock's search for what it offers, which waits until the dock is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_ptychonn.widgets.jobs import Ended, JobRunner, Outcome
from napari_ptychonn.widgets.offers import look_up_offers

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["OfferSearch"]

SEARCH_AFTER_MS = 200


class OfferSearch(QObject):
    """Looks once for devices and networks, a moment after it was told to.

    Parameters
    ----------
    dock : QWidget
        The dock that offers them.
    viewer : ViewerModel
        Its viewer.

    Attributes
    ----------
    found : Signal(object)
        The :class:`~napari_ptychonn.widgets.offers.Offers`.
    runner : JobRunner
        What looks; whoever outlives the dock shuts it down.
    """

    found = Signal(object)

    def __init__(self, dock: QWidget, viewer: ViewerModel) -> None:
        super().__init__(dock)
        self.runner = JobRunner(viewer)
        self.runner.finished.connect(self._tell)
        # It loads torch, which holds Python's lock for moments: paint the dock first.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SEARCH_AFTER_MS)
        self._soon.timeout.connect(self._look)

    def start(self) -> None:
        """Look in a moment."""
        self._soon.start()

    def put_off(self) -> None:
        """Let a search that has not begun wait anew."""
        if self._soon.isActive():
            self._soon.start()

    def _look(self) -> None:
        self.runner.start("the search for devices", look_up_offers)

    def _tell(self, ended: Ended) -> None:
        if ended.outcome is Outcome.DONE:
            self.found.emit(ended.result)
