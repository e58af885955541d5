"""The demo's window: one call shows the sample scan, the dock, and the reconstruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from napari_ptychonn.simulation import sample_scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.widgets.demo import open_demo
from napari_ptychonn.widgets.layers import reconstructions_in, scans_in

RUN_MS = 30_000


def test_the_demo_loads_the_sample_and_reconstructs_it(
    make_napari_viewer: Callable[..., Any],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = SimulationSettings(sample="bars", size=32, points=25, step_px=3.0)
    monkeypatch.setattr(sample_scan, "SAMPLE_SCANS", {"circuit-zone-plate": small})
    viewer = make_napari_viewer()
    dock = open_demo(viewer)
    assert [scan.name for scan in scans_in(viewer)] == ["circuit-zone-plate"]
    assert "Reconstruct" in viewer.window.dock_widgets
    assert dock.runner.running
    qtbot.waitUntil(
        lambda: not dock.runner.running and "Done" in dock.status.text(), timeout=RUN_MS
    )
    assert reconstructions_in(viewer)
