"""The object while it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_ptychonn.reconstruction.events import Snapshot
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.placement import KEY, show_data
from napari_ptychonn.widgets.result_layers import (
    AMPLITUDE_STYLE,
    PHASE_STYLE,
    layers_of_runs,
    limits,
    show_colorbars,
)
from napari_ptychonn.widgets.scan_layers import add_layers, look_at, scan_placement

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["LiveObject"]


class LiveObject:
    """Two layers, amplitude and phase, that follow the snapshots of a running job.

    The layers appear with the first snapshot; one that the person removes stays away.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    scan : Scan
        The scan that is being reconstructed, as the viewer knows it.
    """

    def __init__(self, viewer: ViewerModel, scan: Scan) -> None:
        self._viewer = viewer
        self._scan = scan
        self._placement = scan_placement(scan)
        self._layers: tuple[Image, Image] | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Show a newer snapshot; its shape and corner may differ from the last one's."""
        amplitude, phase = np.abs(snapshot.object), np.angle(snapshot.object)
        first = self._layers is None
        if self._layers is None:
            self._layers = self._add(snapshot)
        y, x = snapshot.corner_px
        corner = (y * self._placement.pixel[0], x * self._placement.pixel[1])
        for layer, data in zip(self._layers, (amplitude, phase), strict=True):
            if layer in self._viewer.layers:
                show_data(layer, data, corner)
        # New data keep the old contrast, and the amplitude's range is not known beforehand.
        low, high = limits(amplitude)
        self._layers[0].contrast_limits_range = (min(low, 0.0), high)
        self._layers[0].contrast_limits = (low, high)
        if first and not layers_of_runs(self._viewer, self._scan.name):
            look_at(self._viewer, self._layers[0])

    def remove(self) -> None:
        """Take the layers out of the viewer; nothing happens where there are none."""
        for layer in self._layers or ():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers = None

    def _add(self, snapshot: Snapshot) -> tuple[Image, Image]:
        blank = np.full(snapshot.object.shape, np.nan, np.float32)
        styles: dict[str, dict[str, Any]] = {
            "amplitude": AMPLITUDE_STYLE | {"contrast_limits": (0, 1)},
            "phase": PHASE_STYLE,
        }
        amplitude, phase = (
            Image(
                blank,
                name=f"{self._scan.name} object {part} (running)",
                metadata={KEY: {"kind": f"object {part} (running)", "scan": self._scan}},
                rgb=False,
                multiscale=False,
                **self._placement.image((0.0, 0.0)),
                **style,
            )
            for part, style in styles.items()
        )
        show_colorbars([amplitude, phase])
        add_layers(self._viewer, [amplitude, phase])
        return amplitude, phase
