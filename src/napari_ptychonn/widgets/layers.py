"""What docks and contributions need to show scans and reconstructions in a viewer."""

from __future__ import annotations

from napari_ptychonn.widgets.live_object import LiveObject
from napari_ptychonn.widgets.result_layers import (
    add_reconstruction,
    reconstruction_layers,
    reconstructions_in,
    show_colorbars,
)
from napari_ptychonn.widgets.scan_layers import add_scan, scan_layers, scans_in

__all__ = [
    "LiveObject",
    "add_reconstruction",
    "add_scan",
    "reconstruction_layers",
    "reconstructions_in",
    "scan_layers",
    "scans_in",
    "show_colorbars",
]
