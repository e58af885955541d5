"""The Reconstruct dock, by pressing its buttons on a small simulated scan."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Shapes
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QFileDialog

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.weights import save_network
from napari_ptychonn.reconstruction.product import save
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.widgets.layers import add_scan, reconstructions_in, scans_in
from napari_ptychonn.widgets.mask_layers import add_mask_layers
from napari_ptychonn.widgets.reconstruct import ReconstructWidget
from napari_ptychonn.widgets.reconstruct_form import NOTHING_TO_SWEEP
from napari_ptychonn.widgets.reconstruct_state import (
    FormState,
    settings_from,
    state_from_json,
    state_to_json,
)
from napari_ptychonn.widgets.region import region_from_shapes
from napari_ptychonn.widgets.result_box import FROM_FILE

RUN_MS = 30_000


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate(SimulationSettings(size=32, points=60, photons=1e5, seed=1)).scan


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network with eight channels and random weights."""
    architecture = {"channels": (8, 8, 8), "blocks": 1}
    card = NetworkCard("tiny", "ptychonn-probe", architecture, needs_probe=True)
    save_network(tmp_path / "tiny.safetensors", card, ProbeAwareNet(**architecture))
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window; whatever does not concern the window is faster so."""
    return ViewerModel()


def make_dock(viewer, qtbot) -> ReconstructWidget:
    widget = ReconstructWidget(viewer)
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def dock(viewer, network: Path, qtbot) -> ReconstructWidget:
    """The dock of a viewer with no scan, set to the tiny network and no sweeps."""
    widget = make_dock(viewer, qtbot)
    widget.form.show_state(FormState(network=str(network), device="cpu", passes=2, sweeps=0))
    return widget


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """Messages that napari showed."""
    messages: list[str] = []

    def note(notification) -> None:
        messages.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield messages
    notification_manager.notification_ready.disconnect(note)


class EndlessPatterns:
    """Patterns that take their time, so that a job can be stopped in the middle."""

    def __init__(self, source, pause: float) -> None:
        self._source, self._pause = source, pause
        self.shape = source.shape

    def read(self, indices):
        time.sleep(self._pause)
        return self._source.read(indices)


def slow(scan: Scan, pause: float) -> Scan:
    return replace(scan, patterns=EndlessPatterns(scan.patterns, pause))


def press(qtbot, button) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def kinds(viewer) -> set[str]:
    return {layer.metadata["napari_ptychonn"]["kind"] for layer in viewer.layers}


def test_reconstruct_adds_the_layers_and_says_its_numbers(
    make_napari_viewer, network, scan, qtbot, caplog
):
    viewer = make_napari_viewer()
    dock = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.show_state(FormState(network=str(network), device="cpu", passes=2, sweeps=0))
    add_scan(viewer, scan)
    stages = []
    dock.runner.progress.connect(lambda stage, *_: stages.append(stage))
    with (
        caplog.at_level(logging.INFO, "napari_ptychonn"),
        qtbot.waitSignal(dock.ended, timeout=RUN_MS),
    ):
        press(qtbot, dock.run)
        assert dock.status.text() == "Starting…"
        assert not dock.run.isEnabled()
    assert {"object amplitude", "object phase", "misfit", "amplitude patches"} <= kinds(viewer)
    assert not any("running" in kind for kind in kinds(viewer))
    (result,) = reconstructions_in(viewer)
    assert result.report.passes == 2
    assert stages[-1] == "misfit"
    for text in (dock.summary.text(), caplog.text):
        assert "60 points in" in text
        assert "patterns/s" in text
        assert f"misfit {result.report.misfit:.4f}" in text
    assert dock.run.isEnabled()
    assert dock.bar.value() == dock.bar.maximum()


def test_the_bundled_network_with_automatic_sweeps_reconstructs_too(viewer, dock, scan, qtbot):
    add_scan(viewer, scan)
    dock.form.show_state(FormState(device="cpu", passes=1, sweeps=2))
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    (result,) = reconstructions_in(viewer)
    assert result.card.name == "ptychonn-probe"
    assert result.report.sweeps == 2


def test_the_object_grows_while_the_job_runs(viewer, dock, scan, qtbot):
    add_scan(viewer, slow(scan, 0.02))
    seen = set()
    dock.runner.progress.connect(lambda *_: seen.update(kinds(viewer)))
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    assert "object amplitude (running)" in seen


@pytest.mark.alone
def test_cancel_is_answered_at_once_and_keeps_what_there_is(viewer, dock, scan, qtbot):
    add_scan(viewer, slow(scan, 0.05))
    dock.form.show_state(replace(dock.form.state(), sweeps=500))
    with qtbot.waitSignal(dock.runner.snapshot, timeout=RUN_MS):
        press(qtbot, dock.run)
    clicked = time.perf_counter()
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.cancel)
        assert dock.status.text() == "Cancelling…"
        assert not dock.cancel.isEnabled()
        qtbot.waitUntil(dock.run.isEnabled, timeout=RUN_MS)
        answered = time.perf_counter() - clicked
    assert answered < 1.0
    (result,) = reconstructions_in(viewer)
    assert result.report.stopped
    assert np.isfinite(result.object).any()


def test_a_network_that_is_gone_is_one_message_and_the_dock_is_idle(
    viewer, dock, network, scan, qtbot, shown
):
    add_scan(viewer, scan)
    network.unlink()  # of a file somewhere else nobody tells the dock
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    qtbot.waitUntil(lambda: bool(shown))
    assert len(shown) == 1
    assert network.name in shown[0]
    assert network.name in dock.status.text()
    assert not reconstructions_in(viewer)
    # Another one will do, and that one will not, once the list was opened or read anew.
    dock.form.network.refresh()
    assert dock.form.isEnabled()
    assert not dock.run.isEnabled()
    dock.form.network.select("ptychonn-probe")
    assert dock.run.isEnabled()


def test_an_unexpected_failure_is_shown_and_leaves_no_half_layers(viewer, dock, scan, qtbot, shown):
    class Broken(EndlessPatterns):
        calls = 0

        def read(self, indices):
            Broken.calls += 1
            if Broken.calls > 2:
                raise ZeroDivisionError("the disk is gone")
            return self._source.read(indices)

    add_scan(viewer, scan)
    before = len(viewer.layers)
    dock._scans = [replace(scan, patterns=Broken(scan.patterns, 0))]
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    qtbot.waitUntil(lambda: bool(shown))
    assert shown == ["the disk is gone"]
    assert len(viewer.layers) == before
    assert dock.run.isEnabled()


def test_without_a_scan_the_button_says_why_it_is_disabled(viewer, dock, scan):
    assert not dock.run.isEnabled()
    assert "Open a scan first" in dock.run.toolTip()
    assert "Open a scan first" in dock.status.text()
    add_scan(viewer, scan)
    assert dock.run.isEnabled()
    assert dock.status.text() == ""
    viewer.layers.clear()
    assert not dock.run.isEnabled()


def test_the_chosen_scan_stays_chosen_while_layers_come_and_go(viewer, dock, scan):
    add_scan(viewer, scan)
    second = replace(scan)
    layers = add_scan(viewer, second)
    add_scan(viewer, replace(scan))
    assert [dock.form.scan.itemText(row) for row in range(3)] == [
        scan.name, f"{scan.name} (2)", f"{scan.name} (3)"
    ]  # fmt: skip
    dock.form.scan.setCurrentIndex(1)
    for layer in list(viewer.layers[:2]):
        viewer.layers.remove(layer)
    assert dock.form.scan.count() == 2
    assert dock._scan() is second
    for layer in layers:
        viewer.layers.remove(layer)
    assert dock.form.scan.count() == 1


def test_closing_the_dock_stops_the_job_and_waits_for_it(make_napari_viewer, network, scan, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = ReconstructWidget(viewer)
    frame = viewer.window.add_dock_widget(dock)
    dock.form.show_state(FormState(network=str(network), device="cpu", sweeps=500))
    add_scan(viewer, slow(scan, 0.05))
    threads = threading.active_count()
    with qtbot.waitSignal(dock.runner.snapshot, timeout=RUN_MS):
        press(qtbot, dock.run)
    assert isinstance(frame, QDockWidget)
    frame.close()
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=2_000)
    assert threading.active_count() <= threads
    assert kinds(viewer) == {"patterns", "positions"}
    frame.show()
    assert dock.run.isEnabled()


def test_a_tab_in_front_of_the_dock_does_not_stop_the_job(make_napari_viewer, network, scan, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = ReconstructWidget(viewer)
    frame = viewer.window.add_dock_widget(dock)
    other = viewer.window.add_dock_widget(ReconstructWidget(viewer), name="other", tabify=True)
    dock.form.show_state(FormState(network=str(network), device="cpu", sweeps=500))
    add_scan(viewer, slow(scan, 0.02))
    with qtbot.waitSignal(dock.runner.snapshot, timeout=RUN_MS):
        frame.raise_()
        qtbot.wait(50)
        press(qtbot, dock.run)
    other.raise_()
    qtbot.wait(200)
    assert dock.runner.running


def test_closing_the_viewer_stops_the_job(make_napari_viewer, network, scan, qtbot):
    viewer = make_napari_viewer(show=True)
    dock = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(dock)
    runner = dock.runner
    dock.form.show_state(FormState(network=str(network), device="cpu", sweeps=500))
    add_scan(viewer, slow(scan, 0.05))
    with qtbot.waitSignal(runner.snapshot, timeout=RUN_MS):
        press(qtbot, dock.run)
    viewer.close()
    qtbot.waitUntil(lambda: not runner.running, timeout=2_000)

    def threads():
        return [one for one in threading.enumerate() if one.name.startswith("napari-ptychonn")]

    qtbot.waitUntil(lambda: not threads(), timeout=2_000)


def test_two_docks_of_one_viewer_do_not_run_on_one_device(
    viewer, dock, network, scan, qtbot, shown
):
    second = make_dock(viewer, qtbot)
    second.form.show_state(dock.form.state())
    add_scan(viewer, slow(scan, 0.05))
    press(qtbot, dock.run)
    press(qtbot, second.run)
    assert "still running on cpu" in second.status.text()
    assert len(shown) == 1
    assert not second.runner.running


def test_what_was_said_of_a_scan_goes_with_it(viewer, dock, scan, qtbot):
    add_scan(viewer, scan)
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    assert dock.status.text() == "Done."
    assert "misfit" in dock.summary.text()
    add_scan(viewer, replace(scan, probe=None))
    dock.form.scan.setCurrentIndex(1)
    assert (dock.status.text(), dock.summary.text(), dock.bar.value()) == ("", "", 0)


def test_a_stopped_job_s_words_are_not_written_over_those_of_the_next(viewer, dock, scan, qtbot):
    add_scan(viewer, slow(scan, 0.05))
    with qtbot.waitSignal(dock.runner.snapshot, timeout=RUN_MS):
        press(qtbot, dock.run)
    with qtbot.waitSignal(dock.runner.finished, timeout=RUN_MS):
        press(qtbot, dock.cancel)
    # The layers of the first come a moment later, when the second runs.
    press(qtbot, dock.run)
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        pass
    assert dock.runner.running
    assert "misfit" not in dock.summary.text()
    assert "Cancelled" not in dock.status.text()


def test_a_job_with_a_painted_mask_adds_no_scan_to_the_lists(viewer, dock, scan, qtbot):
    add_scan(viewer, slow(scan, 0.05))
    (owner,) = scans_in(viewer)
    add_mask_layers(viewer, owner, np.ones(scan.pattern_shape)).data[:2] = 1
    with qtbot.waitSignal(dock.runner.snapshot, timeout=RUN_MS):
        press(qtbot, dock.run)
    qtbot.waitUntil(lambda: any("running" in layer.name for layer in viewer.layers))
    assert dock.form.scan.count() == 1


def test_the_fields_outlive_the_session_and_reset_brings_the_defaults(viewer, dock, qtbot):
    state = FormState(
        network=dock.form.state().network, device="cpu", percent=20, passes=5,
        sweeps=7, probe_rounds=0, keep_patches=False,
    )  # fmt: skip
    dock.form.show_state(state)
    again = make_dock(viewer, qtbot)
    assert again.form.state() == state
    press(qtbot, again.reset)
    assert again.form.state() == FormState()
    assert again.form.passes.native.text() == again.form.sweeps.native.text() == "auto"


def test_the_share_of_points_is_shown_as_a_number(viewer, dock, scan):
    add_scan(viewer, scan)
    dock.form.percent.setValue(20)
    assert dock.form.points.text() == "12 of 60 points"


def test_only_the_points_inside_the_drawn_region_are_used(viewer, dock, scan, qtbot):
    add_scan(viewer, scan)
    low, high = scan.positions.min(0) * 1e9 - 1, scan.positions.max(0) * 1e9 + 1
    half = (low[0] + high[0]) / 2
    corners = [[low[0], low[1]], [low[0], high[1]], [half, high[1]], [half, low[1]]]
    viewer.add_shapes([corners], shape_type="polygon", name="upper half", units=("nm", "nm"))
    dock.form.region.setCurrentIndex(1)
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    (result,) = reconstructions_in(viewer)
    expected = np.flatnonzero(scan.positions[:, 0] * 1e9 < half)
    np.testing.assert_array_equal(result.indices, expected)


def reconstruct_once(viewer, dock, qtbot, start=None, passes=1, sweeps=0):
    """Press Reconstruct, and give the newest result's metadata."""
    dock.form.start.choose(start)
    dock.form.show_state(replace(dock.form.state(), passes=passes, sweeps=sweeps))
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    return viewer.layers[-1].metadata["napari_ptychonn"]


def test_a_reconstruction_of_the_viewer_is_gone_on_from_and_named(viewer, dock, scan, qtbot):
    add_scan(viewer, scan)
    box = dock.form.start
    assert [box.itemText(row) for row in range(box.count())] == ["nothing", FROM_FILE]
    assert box.currentText() == "nothing"
    first = reconstruct_once(viewer, dock, qtbot)
    assert first["report"]["start"] is None
    # It is offered, and not taken unasked.
    name = f"{scan.name} object phase"
    assert [box.itemText(row) for row in range(box.count())] == ["nothing", name, FROM_FILE]
    assert box.chosen() is None
    box.setCurrentIndex(1)
    box.activated.emit(1)
    second = reconstruct_once(viewer, dock, qtbot, box.chosen(), passes=0, sweeps=2)
    assert second["report"]["start"]["source"] == name
    assert (second["report"]["passes"], second["report"]["sweeps"]) == (0, 2)
    assert f"Starts from {name}" in dock.summary.text()
    # What is chosen goes with its layers.
    for layer in list(viewer.layers):
        if layer.metadata["napari_ptychonn"].get("reconstruction") is box.chosen():
            viewer.layers.remove(layer)
    assert box.currentText() == "nothing"


def test_a_file_is_started_from_and_named(viewer, dock, scan, qtbot, tmp_path, monkeypatch):
    add_scan(viewer, scan)
    reconstruct_once(viewer, dock, qtbot)
    (first,) = reconstructions_in(viewer)
    save(first, tmp_path / "first.h5")
    chosen = [str(tmp_path / "first.h5"), ""]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (chosen.pop(0), ""))
    box = dock.form.start
    for _ in range(2):
        box.setCurrentIndex(box.count() - 1)
        box.activated.emit(box.count() - 1)
        # A dialog that is closed without a file changes nothing.
        assert box.currentText() == "first.h5"
    told = reconstruct_once(viewer, dock, qtbot, box.chosen())
    assert told["report"]["start"]["source"] == str(tmp_path / "first.h5")
    press(qtbot, dock.reset)
    assert box.currentText() == "nothing"


def test_a_start_that_cannot_be_used_is_one_message(viewer, dock, scan, qtbot, shown, tmp_path):
    add_scan(viewer, scan)
    dock.form.start.choose(tmp_path / "gone.ptyr")
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS):
        press(qtbot, dock.run)
    qtbot.waitUntil(lambda: bool(shown))
    assert len(shown) == 1
    assert "gone.ptyr" in shown[0]
    assert "gone.ptyr" in dock.status.text()
    assert dock.run.isEnabled()


def test_no_passes_need_something_to_start_from(viewer, dock, scan, tmp_path):
    add_scan(viewer, scan)
    dock.form.show_state(replace(dock.form.state(), passes=0))
    assert not dock.run.isEnabled()
    assert dock.status.text() == dock.run.toolTip() == NOTHING_TO_SWEEP
    dock.form.start.choose(tmp_path / "some.h5")
    assert dock.run.isEnabled()
    assert dock.status.text() == ""


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1e-9), ("um", 1e-6), ("pixel", 1e-9)])
def test_a_drawn_region_is_in_the_scans_metres_whatever_the_layers_unit(scan, unit, factor):
    corners = [[0, 0], [0, 4], [2, 4], [2, 0]]
    layer = Shapes([corners], shape_type="rectangle", scale=(2, 3), units=(unit, unit))
    vertices = np.array(region_from_shapes(layer, scan).vertices)
    np.testing.assert_allclose(vertices, np.multiply(corners, (2, 3)) * factor, rtol=1e-9)


def test_an_ellipse_keeps_its_outline(scan):
    layer = Shapes([[[0, 0], [0, 4], [2, 4], [2, 0]]], shape_type="ellipse", units=("nm", "nm"))
    y, x = np.array(region_from_shapes(layer, scan).vertices).T * 1e9
    np.testing.assert_allclose((y - 1) ** 2 + ((x - 2) / 2) ** 2, 1, rtol=1e-9)


def test_among_several_shapes_one_must_be_selected_and_a_line_is_refused(scan):
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    layer = Shapes([square, square + 5, square[:2]], shape_type=["rectangle", "polygon", "line"])
    layer.selected_data = set()
    with pytest.raises(SettingsError, match="3 shapes"):
        region_from_shapes(layer, scan)
    layer.selected_data = {1}
    assert region_from_shapes(layer, scan).vertices[0] == pytest.approx((5e-9, 5e-9))
    layer.selected_data = {2}
    with pytest.raises(SettingsError, match="encloses nothing"):
        region_from_shapes(layer, scan)


@pytest.mark.alone
def test_the_dock_opens_within_a_second_and_torch_comes_later(viewer, qtbot):
    started = time.perf_counter()
    widget = make_dock(viewer, qtbot)
    assert time.perf_counter() - started < 1.0
    assert [widget.form.device.itemData(row) for row in range(2)] == ["auto", "cpu"]
    qtbot.waitUntil(lambda: "thread" in widget.form.device.itemText(1), timeout=RUN_MS)


def test_the_dock_fits_a_small_screen(viewer, dock):
    assert dock.minimumSizeHint().height() <= 700
    assert dock.sizeHint().height() <= 700
    assert dock.sizeHint().width() <= 400


def test_form_and_settings_say_the_same():
    state = FormState("net", "cuda:1", 25, 4, 0, 2, keep_patches=False)
    assert settings_from(state) == ReconstructionSettings(
        network="net", device="cuda:1", fraction=0.25, passes=4, sweeps=0,
        probe_rounds=2, keep_patches=False,
    )  # fmt: skip


def test_a_form_that_was_kept_comes_back_and_nonsense_becomes_the_default():
    state = FormState("net", "cpu", 25, 4, 0, "auto", keep_patches=False)
    assert state_from_json(state_to_json(state)) == state
    assert state_from_json("{") == state_from_json("[1]") == FormState()
    assert state_from_json(state_to_json(FormState(passes="auto"))).passes == "auto"
    spoiled = '{"percent": 900, "passes": 21, "sweeps": true, "device": "cpu", "gone": 1}'
    assert state_from_json(spoiled) == FormState(device="cpu")
