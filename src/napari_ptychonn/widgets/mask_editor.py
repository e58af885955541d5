"""The mask of a scan in the viewer: shown, painted, read from a file and written to one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_ptychonn.errors import PtychonnError, ScanError
from napari_ptychonn.reconstruction.events import Event, Finished, Progress, ShouldStop
from napari_ptychonn.scan.frames import detector_shape, mask_of_detector, mask_of_scan
from napari_ptychonn.scan.mask import unmasked_patterns
from napari_ptychonn.scan.mask_files import read_mask, write_mask
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.closing import stop_when_closed
from napari_ptychonn.widgets.detector_fold import MASK_FILES
from napari_ptychonn.widgets.jobs import Ended, JobRunner
from napari_ptychonn.widgets.layers import scans_in
from napari_ptychonn.widgets.mask_count import MaskCount
from napari_ptychonn.widgets.mask_layers import add_mask_layers, mask_labels, mask_layer
from napari_ptychonn.widgets.placement import KEY
from napari_ptychonn.widgets.sentence import Sentence
from napari_ptychonn.widgets.window_words import in_the_window

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["MaskEditor"]

WRITTEN = "Masks (*.npy *.h5 *.tif *.png)"
LOOKED_AT = 48
"""Patterns that the mean is made of, spread over the scan."""
BATCH = 8
HOW = (
    "Paint what is bad, erase what is good; the next reconstruction uses it. Grey pixels hold no "
    "counts and stay masked."
)


class MaskEditor(QWidget):
    """Three buttons for the mask of the scan whose layer is selected, or was added last.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer with the scan.
    """

    def __init__(self, napari_viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._pending: Scan | None = None
        self.edit = QPushButton("Edit mask")
        self.open, self.save = QPushButton("Open mask…"), QPushButton("Save mask…")
        self.count, self.status = MaskCount(), Sentence()
        self.runner = JobRunner(napari_viewer)
        self._lay_out()
        self._connect()
        self._show_readiness()

    def read(self, path: str | Path) -> None:
        """Take the mask of a file instead of what is painted."""
        found = self._painted()
        if found is None:
            return
        scan, layer = found
        try:
            layer.data = mask_labels(scan, _for_scan(scan, Path(path)))
            self.status.setText(f"The mask is that of {path}.")
        except PtychonnError as error:
            self.status.setText(in_the_window(error))

    def write(self, path: str | Path) -> None:
        """Write what is painted, in pixels of the detector as stored."""
        found = self._painted()
        if found is None:
            return
        scan, layer = found
        target = Path(path) if Path(path).suffix else Path(f"{path}.npy")
        try:
            write_mask(target, mask_of_detector(scan.patterns, np.asarray(layer.data) == 0))
            self.status.setText(
                f"Saved as {target}: give it under Detector, Mask file, or with --mask."
            )
        except PtychonnError as error:
            self.status.setText(in_the_window(error))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for button in (self.edit, self.open, self.save):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.count)
        column.addWidget(self.status)

    def _connect(self) -> None:
        self.edit.clicked.connect(self._start)
        self.open.clicked.connect(self._ask_what_to_open)
        self.save.clicked.connect(self._ask_where_to_save)
        self.runner.finished.connect(self._show_mask)
        events, follow = self._viewer.layers.events, self._show_readiness
        selection = self._viewer.layers.selection.events.active
        sources = (events.inserted, events.removed, selection)
        for event in sources:
            event.connect(follow)

        def forget() -> None:
            for event in sources:
                event.disconnect(follow)
            self.count.leave()

        stop_when_closed(self, [self.runner], hidden=self._was_hidden, gone=forget)

    def _scan(self) -> Scan | None:
        """The scan of the selected layer, else the last one."""
        active = self._viewer.layers.selection.active
        known = {} if active is None else active.metadata.get(KEY, {})
        chosen = known.get("scan") or known.get("mask of")
        scans = scans_in(self._viewer)
        if chosen is not None and any(chosen is scan for scan in scans):
            return cast("Scan", chosen)
        return scans[-1] if scans else None

    def _painted(self) -> tuple[Scan, Labels] | None:
        scan = self._scan()
        layer = None if scan is None else mask_layer(self._viewer, scan)
        return None if scan is None or layer is None else (scan, layer)

    def _show_readiness(self, _event: object = None) -> None:
        scan = self._scan()
        found = self._painted()
        has_layer = found is not None
        self.count.follow(None if found is None else found[1])
        self.edit.setEnabled(scan is not None)
        self.edit.setToolTip(
            f"Show the mask of {scan.name} over its mean pattern" if scan else "Load a scan first"
        )
        for button, what in ((self.open, "Read"), (self.save, "Write")):
            button.setEnabled(has_layer)
            button.setToolTip(
                f"{what} the mask: npy, HDF5, TIFF or PNG" if has_layer else "Edit the mask first"
            )

    def _start(self) -> None:
        scan = self._scan()
        if scan is None:
            return
        if mask_layer(self._viewer, scan) is not None:
            self._add(scan, np.zeros(scan.pattern_shape))
            return
        self._pending = scan
        self.status.setText("Reading…")
        self.runner.start(f"the mean pattern of {scan.name}", partial(_mean_events, scan))

    def _show_mask(self, ended: Ended) -> None:
        scan, self._pending = self._pending, None
        if ended.error is not None:
            self.status.setText(in_the_window(ended.error))
        elif scan is not None and any(scan is each for each in scans_in(self._viewer)):
            self._add(scan, ended.result)

    def _add(self, scan: Scan, mean: NDArray[np.float64]) -> None:
        add_mask_layers(self._viewer, scan, mean)
        self.status.setText(HOW)
        self._show_readiness()

    def _ask_what_to_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open mask", "", MASK_FILES)
        if path:
            self.read(path)

    def _ask_where_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save mask", "", WRITTEN)
        if path:
            self.write(path)

    def _was_hidden(self) -> None:
        self._pending = None
        self.status.clear()


def _mean_events(scan: Scan, should_stop: ShouldStop) -> Iterator[Event[NDArray[np.float64]]]:
    patterns = unmasked_patterns(scan)
    chosen = np.unique(np.linspace(0, scan.n_points - 1, LOOKED_AT).round().astype(np.intp))
    total, read = np.zeros(scan.pattern_shape), 0
    for start in range(0, len(chosen), BATCH):
        frames = patterns.read(chosen[start : start + BATCH])
        total += frames.sum(0, dtype=np.float64)
        read += len(frames)
        yield Progress("reading", read, len(chosen))
        if should_stop():
            break
    yield Finished(total / read, stopped=should_stop())


def _for_scan(scan: Scan, path: Path) -> NDArray[np.bool_]:
    """The mask of a file, in pixels of the scan.

    Raises
    ------
    ScanError
        It cannot be read, or is neither of the detector nor of the scan.
    """
    good, used = read_mask(path)
    detector = detector_shape(scan.patterns)
    if good.shape == detector:
        return mask_of_scan(scan.patterns, good)
    if good.shape == scan.pattern_shape:
        return good
    problem = f"{used} is {good.shape}, the detector is {detector}"
    raise ScanError("mask", path, problem, remedy="choose a mask of this detector")
