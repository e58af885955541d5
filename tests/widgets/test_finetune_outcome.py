"""What becomes of a training's result: saved, dropped, asked about, or gone on with."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtGui import QCloseEvent
from widget_lessons import PATIENCE_MS, Lessons, begin, names, press, teach

from napari_ptychonn.network import folders
from napari_ptychonn.network.weights import load_network
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.widgets.finetune import FinetuneWidget
from napari_ptychonn.widgets.finetune_state import TeachingState
from napari_ptychonn.widgets.finetune_unfinished import note_down
from napari_ptychonn.widgets.layers import add_scan
from napari_ptychonn.widgets.reconstruct import ReconstructWidget


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate(SimulationSettings(size=32, points=60, photons=1e5, seed=1)).scan


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window; whatever does not concern the window is faster so."""
    return ViewerModel()


@pytest.fixture
def dock(viewer, qtbot) -> FinetuneWidget:
    widget = FinetuneWidget(viewer)
    qtbot.addWidget(widget)
    widget.form.show_state(TeachingState(device="cpu"))
    return widget


def test_a_saved_network_can_be_used_and_the_one_it_came_from_is_untouched(
    viewer, dock, scan, qtbot, own_networks
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    assert dock.outcome.unsaved
    dock.report.name.setText("wafer net")
    with qtbot.waitSignal(dock.outcome.saved, timeout=PATIENCE_MS):
        press(qtbot, dock.report.save)
        assert dock.report.status.text() == "Saving…"
    assert [path.name for path in own_networks.glob("*.safetensors")] == ["wafer net.safetensors"]
    assert load_network("wafer net").card.parents == ("ptychonn-probe",)
    assert not dock.outcome.unsaved
    assert not dock.outcome._assignment.folder.exists()
    assert dock.report.use.isEnabled()
    dock.form.network.select("wafer net")
    assert dock.form.network.network() == "wafer net"


def test_a_name_that_is_taken_is_replaced_only_if_the_person_says_so(
    viewer, dock, scan, qtbot, own_networks, shown
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    asked = []
    answers = iter(["Back", "Replace it"])
    dock.outcome.ask = lambda *question: asked.append(question[2]) or next(answers)
    own_networks.mkdir(exist_ok=True)
    other = own_networks / "Mine.safetensors"
    other.write_bytes(b"precious")
    dock.report.name.setText("mine")
    press(qtbot, dock.report.save)
    assert asked == ["There is a network 'mine' already. Replace it?"]
    assert other.read_bytes() == b"precious"
    with qtbot.waitSignal(dock.outcome.saved, timeout=PATIENCE_MS):
        press(qtbot, dock.report.save)
    assert other.read_bytes() != b"precious"
    # One that came with the package is never replaced.
    teach(dock, Lessons(), qtbot)
    dock.report.name.setText("ptychonn-probe")
    with qtbot.waitSignal(dock.outcome.runner.finished, timeout=PATIENCE_MS):
        press(qtbot, dock.report.save)
    assert "already" in dock.report.status.text()
    assert dock.outcome.unsaved
    assert len(asked) == 2


def test_a_result_that_cannot_be_saved_stays_offered(
    viewer, dock, scan, qtbot, own_networks, monkeypatch, shown
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    monkeypatch.setenv(folders.NETWORKS_VARIABLE, str(own_networks / "file" / "folder"))
    own_networks.mkdir(exist_ok=True)
    (own_networks / "file").write_text("in the way")
    with qtbot.waitSignal(dock.outcome.runner.finished, timeout=PATIENCE_MS):
        press(qtbot, dock.report.save)
    assert "still here to be saved" in dock.report.status.text()
    assert dock.outcome.unsaved
    assert dock.report.save.isEnabled()
    qtbot.waitUntil(lambda: len(shown) == 1)
    monkeypatch.setenv(folders.NETWORKS_VARIABLE, str(own_networks))
    with qtbot.waitSignal(dock.outcome.saved, timeout=PATIENCE_MS):
        press(qtbot, dock.report.save)


@pytest.mark.parametrize("answer", ["Save", "Drop it", "Back"])
def test_a_new_training_asks_before_it_drops_a_result(
    viewer, dock, scan, qtbot, own_networks, answer
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    dock.outcome.ask = lambda *question: answer
    again = Lessons()
    dock.teach = again
    if answer == "Back":
        press(qtbot, dock.controls.start)
        assert not dock.runner.running
        assert dock.outcome.unsaved
    else:
        with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
            press(qtbot, dock.controls.start)
        assert len(again.asked) == 1
        assert bool(list(own_networks.glob("*.safetensors"))) == (answer == "Save")


@pytest.mark.parametrize(
    ("answer", "closes", "files"), [("Save", True, 1), ("Drop it", True, 0), ("Back", False, 0)]
)
def test_closing_the_window_asks_before_it_drops_a_result(
    make_napari_viewer, scan, qtbot, own_networks, answer, closes, files
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = FinetuneWidget(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.show_state(TeachingState(device="cpu"))
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    dock.outcome.ask = lambda *question: answer
    # The window's own closing is napari's; here it is asked whether it may begin.
    event = QCloseEvent()
    refused = dock.outcome.eventFilter(viewer.window._qt_window, event)
    assert refused == (not closes)
    assert event.isAccepted() == closes
    assert len(list(own_networks.glob("*.safetensors"))) == files
    if not closes:
        viewer.window._qt_window.close()
        assert viewer.window._qt_window.isVisible()
    dock.outcome.unsaved = False


def test_taking_the_dock_out_asks_before_it_drops_a_result(
    make_napari_viewer, scan, qtbot, own_networks
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = FinetuneWidget(viewer)
    frame = viewer.window.add_dock_widget(dock)
    dock.form.show_state(TeachingState(device="cpu"))
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    asked = []
    dock.outcome.ask = lambda *question: asked.append(question) or "Save"
    frame.hide()  # it can be shown again: nothing is lost
    qtbot.wait(50)
    assert not asked
    frame.show()
    frame.destroyOnClose()
    qtbot.waitUntil(lambda: bool(asked))
    assert len(list(own_networks.glob("*.safetensors"))) == 1
    # Outside its frame nobody else deletes it; a busy machine must not find it at the end.
    with qtbot.waitSignal(dock.destroyed, timeout=PATIENCE_MS):
        dock.deleteLater()


def test_use_in_reconstruct_chooses_the_network_there(
    make_napari_viewer, scan, qtbot, own_networks
) -> None:
    viewer = make_napari_viewer()
    reconstruct, dock = ReconstructWidget(viewer), FinetuneWidget(viewer)
    viewer.window.add_dock_widget(reconstruct, name="Reconstruct")
    viewer.window.add_dock_widget(dock, name="Fine-tune")
    dock.form.show_state(TeachingState(device="cpu"))
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    with qtbot.waitSignal(dock.outcome.saved, timeout=PATIENCE_MS):
        press(qtbot, dock.report.save)
    assert reconstruct.form.network.network() == "ptychonn-probe"
    press(qtbot, dock.report.use)
    assert reconstruct.form.network.network() == "ptychonn-probe simulation"


def threads_of_jobs() -> list[str]:
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith("napari-ptychonn the")]


def test_closing_the_dock_stops_the_training_and_offers_to_go_on_with_it(
    make_napari_viewer, scan, qtbot
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = FinetuneWidget(viewer)
    frame = viewer.window.add_dock_widget(dock)
    dock.form.show_state(TeachingState(device="cpu"))
    add_scan(viewer, scan)
    before = names(viewer)
    lessons = Lessons(steps=10_000, pause=0.02)
    begin(dock, lessons, qtbot)
    note_down(lessons.asked[0].folder, lessons.asked[0].state, [scan])
    (lessons.asked[0].folder / "checkpoint.pt").write_bytes(b"weights")
    frame.close()
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=2_000)
    # The thread ends by itself a moment later: the window does not wait for it.
    qtbot.waitUntil(lambda: not threads_of_jobs(), timeout=2_000)
    assert names(viewer) == before
    frame.show()
    assert dock.controls.start.isEnabled()
    assert "was cut off" in dock.offer.text.text()


def cut_off(scan: Scan, name: str, state: TeachingState) -> Path:
    """A folder as a training leaves it that was killed two minutes ago."""
    folder = folders.user_folder() / "unfinished" / name
    note_down(folder, state, [scan])
    checkpoint = folder / "checkpoint.pt"
    checkpoint.write_bytes(b"weights")
    os.utime(checkpoint, (time.time() - 120, time.time() - 120))
    return folder


def test_a_training_that_was_cut_off_is_gone_on_with(viewer, dock, scan, qtbot) -> None:
    state = TeachingState(device="cpu", length=77, unit="steps", seed=5)
    folder = cut_off(scan, "earlier", state)
    dock.show()
    qtbot.waitUntil(dock.offer.isVisible)
    assert "ptychonn-probe on simulation was cut off" in dock.offer.text.text()
    press(qtbot, dock.offer.resume)
    assert dock.controls.status.text() == "Open what taught first: simulation."
    add_scan(viewer, scan)
    lessons = Lessons()
    dock.teach = lessons
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.offer.resume)
    (asked,) = lessons.asked
    assert (asked.folder, asked.state) == (folder, state)
    dock.outcome.unsaved = False
    dock.hide()


def test_a_training_that_was_cut_off_can_be_deleted(viewer, dock, scan, qtbot) -> None:
    folder = cut_off(scan, "earlier", TeachingState())
    running = cut_off(scan, "running", TeachingState())
    (running / "checkpoint.pt").write_bytes(b"new weights")  # just now: somebody writes it
    (folders.user_folder() / "unfinished" / "strange").mkdir()
    dock.show()
    qtbot.waitUntil(dock.offer.isVisible)
    press(qtbot, dock.offer.delete)
    assert not folder.exists()
    assert running.exists()
    assert not dock.offer.isVisible()
    dock.hide()


def test_a_new_training_does_not_touch_the_checkpoint_of_another(viewer, dock, scan, qtbot) -> None:
    folder = cut_off(scan, "ptychonn-probe simulation", TeachingState())
    add_scan(viewer, scan)
    lessons = Lessons()
    teach(dock, lessons, qtbot)
    assert lessons.asked[0].folder.name == "ptychonn-probe simulation 2"
    assert (folder / "checkpoint.pt").exists()


def test_only_what_can_be_a_name_can_be_saved_as(viewer, dock, scan, qtbot) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    report = dock.report
    good = report.name.text()
    for name, said in (
        ("", "Give it a name first."),
        ("  ", "Give it a name first."),
        (300 * "x", "100 at most"),
        ("a/b", "This cannot be its name: use letters"),
    ):
        report.name.setText(name)
        assert not report.save.isEnabled()
        assert said in report.save.toolTip()
        assert said in report.status.text()
        assert "xx" not in report.status.text()
    report.name.setText(good)
    assert report.save.isEnabled()
    assert report.status.text() == ""
    # Without a result there is nothing to be named.
    report.clear()
    assert not report.save.isEnabled()
    assert report.save.toolTip() == "Nothing to save"
    dock.outcome.unsaved = False
