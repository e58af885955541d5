"""The demo's window: the sample scan, the Reconstruct dock, and the reconstruction started.

Run as a program by the shell's ``demo``, which itself knows neither Qt nor napari.
"""

from __future__ import annotations

import napari

from napari_ptychonn.simulation.sample_scan import sample_scan
from napari_ptychonn.widgets.layers import add_scan
from napari_ptychonn.widgets.reconstruct import ReconstructWidget

__all__ = ["main", "open_demo"]

_SAMPLE = "circuit-zone-plate"


def open_demo(viewer: napari.Viewer) -> ReconstructWidget:
    """Load the sample scan into a viewer, open the dock, and press Reconstruct."""
    add_scan(viewer, sample_scan(_SAMPLE))
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    dock = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Reconstruct", area="right")
    dock.run.click()
    return dock


def main() -> None:
    """Open a viewer with the demo, and return when it is closed."""
    open_demo(napari.Viewer(title="napari-ptychonn demo"))
    napari.run()


if __name__ == "__main__":
    main()
