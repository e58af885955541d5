"""The Fine-tune dock, driven by a training that only pretends to learn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network import folders
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.weights import load_network
from napari_ptychonn.reconstruction.events import Finished, Message, Metrics, Progress
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.training.finetune_events import (
    FineTuned,
    HeldOutPatch,
    Losses,
    ObjectView,
    PointSplit,
    Standing,
)
from napari_ptychonn.widgets.finetune import FinetuneWidget
from napari_ptychonn.widgets.finetune_job import Assignment
from napari_ptychonn.widgets.finetune_report import NO_BETTER
from napari_ptychonn.widgets.finetune_state import TeachingState
from napari_ptychonn.widgets.finetune_unfinished import note_down
from napari_ptychonn.widgets.job_thread import Outcome
from napari_ptychonn.widgets.layers import add_scan
from napari_ptychonn.widgets.reconstruct import ReconstructWidget

PATIENCE_MS = 20_000
ARCHITECTURE = {"channels": (8, 8, 8), "blocks": 1}
SHAPE = (24, 30)


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate(SimulationSettings(size=32, points=60, photons=1e5, seed=1)).scan


@pytest.fixture(autouse=True)
def own_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's networks, in a folder of the test."""
    monkeypatch.setenv(folders.NETWORKS_VARIABLE, str(tmp_path / "networks"))
    return tmp_path / "networks"


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


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """Messages that napari showed."""
    messages: list[str] = []

    def note(notification) -> None:
        messages.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield messages
    notification_manager.notification_ready.disconnect(note)


def an_object(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sample = rng.uniform(0.5, 1, SHAPE) * np.exp(1j * rng.uniform(-1, 1, SHAPE))
    sample[:2] = np.nan
    return sample.astype(np.complex64)


def reconstruction(scan: Scan, seed: int) -> Reconstruction:
    assert scan.pixel_m is not None
    return Reconstruction(
        object=an_object(seed),
        pixel=scan.pixel_m,
        unit="m",
        corner=(0.0, 0.0),
        probe=np.ones((1, 32, 32), np.complex64),
        positions=scan.positions,
        indices=np.arange(scan.n_points),
        coverage=np.ones(SHAPE, np.float32),
        disagreement=np.ones(SHAPE, np.float32),
        misfit=np.ones(scan.n_points, np.float32),
        settings=ReconstructionSettings(),
        card=NetworkCard("some", "ptychonn-probe"),
        provenance=scan.provenance,
        report=RunReport(0.02, 1.5, 4.7, "CPU", 3, 2, 1),
    )


def fine_tuned(assignment: Assignment, *, best_step: int, stopped: bool = False) -> FineTuned:
    parent = assignment.state.network
    pictures = [(reconstruction(scan, 1), reconstruction(scan, 2)) for scan in assignment.scans]
    return FineTuned(
        state=ProbeAwareNet(**ARCHITECTURE).state_dict(),
        card=NetworkCard(
            "taught", "ptychonn-probe", ARCHITECTURE, needs_probe=True, parents=(parent,)
        ),
        before=Standing(0.5, 0.1, None),
        after=Standing(0.5 - 0.01 * best_step, 0.08, None),
        step=4,
        best_step=best_step,
        steps=4,
        seconds=125.0,
        stopped=stopped,
        pictures=() if stopped else tuple(pictures),
        messages=("The batch was halved.",),
    )


class Lessons:
    """Stands for the job: tells what one tells, waits where a test says so."""

    def __init__(self, *, best_step: int = 3, steps: int = 4, pause: float = 0.0) -> None:
        self.best_step, self.steps, self.pause = best_step, steps, pause
        self.asked: list[Assignment] = []
        self.done = 0

    def __call__(self, assignment: Assignment, should_stop: Callable[[], bool]) -> Iterator[Any]:
        self.asked.append(assignment)
        yield Message("The probe is a guess.")
        for number, scan in enumerate(assignment.scans):
            half = scan.n_points // 2
            yield PointSplit(number, np.arange(half), np.arange(half + 5, scan.n_points))
        yield ObjectView("before", an_object(1), (3.0, 4.0), 0, 0)
        yield Losses(0, None, 0.5, True)
        label = np.exp(0.5j * np.ones((8, 8))).astype(np.complex64)
        for step in range(1, self.steps + 1):
            if should_stop():
                result = fine_tuned(assignment, best_step=self.best_step, stopped=True)
                yield Finished(result, stopped=True)
                return
            time.sleep(self.pause)
            self.done = step
            yield Progress(f"step {step}", step, self.steps)
            yield Losses(step, 0.6 / step, 0.5 - 0.01 * step, step == self.best_step)
            yield ObjectView("after", an_object(1 + step), (3.0, 4.0), 0, step)
            yield HeldOutPatch(40, label, label, np.ones((8, 8), np.float32))
            yield Metrics("held out", {"held-out loss": 0.5 - 0.01 * step})
        yield Finished(fine_tuned(assignment, best_step=self.best_step), stopped=False)


def press(qtbot, button) -> None:
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def teach(dock: FinetuneWidget, lessons: Lessons, qtbot) -> Any:
    """Press Start and wait for the end, which is returned."""
    dock.teach = lessons
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS) as ended:
        press(qtbot, dock.controls.start)
    return ended.args[0]


def begin(dock: FinetuneWidget, lessons: Lessons, qtbot) -> None:
    """Press Start and wait until the first step was done."""
    dock.teach = lessons
    with qtbot.waitSignal(dock.runner.progress, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.start)


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_a_training_ends_with_its_report_and_the_object_before_and_after(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    lessons = Lessons()
    dock.teach = lessons
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS) as ended:
        press(qtbot, dock.controls.start)
        assert dock.controls.status.text() == "Starting…"
        assert not dock.controls.start.isEnabled()
        assert not dock.form.isEnabled()
    assert ended.args[0].outcome is Outcome.DONE
    (asked,) = lessons.asked
    assert asked.scans == (scan,)
    assert asked.folder.parent == folders.user_folder() / "unfinished"
    before, after = reconstruction(scan, 1), reconstruction(scan, 2)
    for kind, made in (("before", before), ("after", after)):
        phase = viewer.layers[f"{kind}: simulation object phase"]
        np.testing.assert_array_equal(phase.data, np.angle(made.object))
        assert phase.metadata["napari_ptychonn"]["reconstruction"].object is not None
    report = dock.report
    assert report.figures["loss", "before"].text() == "0.5"
    assert report.figures["loss", "after"].text() == "0.47"
    assert report.figures["phase_correlation", "after"].text() == "–"
    assert "4 of 4 steps" in report.steps.text()
    assert "after step 3" in report.steps.text()
    assert "2 min 5 s" in report.steps.text()
    assert report.messages.text() == "The batch was halved."
    assert report.name.text() == "ptychonn-probe simulation"
    assert dock.tabs.currentWidget().widget() is report
    assert dock.controls.bar.value() == dock.controls.bar.maximum()


def test_curves_patch_standing_and_messages_are_seen_while_it_learns(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    live = dock.live
    steps, losses = live.curves.held_out.getOriginalDataset()
    np.testing.assert_array_equal(steps, range(5))
    np.testing.assert_allclose(losses, [0.5, 0.49, 0.48, 0.47, 0.46])
    assert list(live.curves.training.getOriginalDataset()[0]) == [1, 2, 3, 4]
    assert live.curves.best_step == 3
    assert live.curves.held_out.opts["logMode"] == [False, True]
    assert live.patch.point == 40
    assert not live.patch.pictures["label", "phase"].pixmap().isNull()
    assert live.standing.text() == "held-out loss 0.46 (at first 0.5)"
    assert live.messages.text() == "The probe is a guess."


def test_teaching_and_held_out_points_have_two_colours_and_say_what_they_are(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    points = viewer.layers["simulation teaching and held-out points"]
    assert len(points.data) == 30 + 25
    assert list(points.features["use"]).count("held out") == 25
    assert list(points.features["point"][-2:]) == [58, 59]
    assert len({tuple(colour) for colour in points.face_color}) == 2
    assert points.units == viewer.layers["simulation positions"].units
    assert not points.visible


def test_new_views_change_neither_contrast_nor_camera_and_before_and_after_share_it(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    lessons = Lessons(steps=400, pause=0.01)
    begin(dock, lessons, qtbot)
    wanted = "after: simulation object amplitude"
    qtbot.waitUntil(lambda: wanted in names(viewer), timeout=PATIENCE_MS)
    qtbot.wait(100)
    after, before = viewer.layers[wanted], viewer.layers["before: simulation object amplitude"]
    phases = names(viewer)[-3:-1]
    assert phases == ["before: simulation object phase", "after: simulation object phase"]
    assert list(after.contrast_limits) == list(before.contrast_limits)
    after.contrast_limits = (0.6, 0.9)
    assert list(before.contrast_limits) == pytest.approx([0.6, 0.9])
    viewer.scene.camera.zoom = 1.7
    step, data = lessons.done, after.data
    qtbot.waitUntil(lambda: lessons.done > step + 5 and after.data is not data, timeout=PATIENCE_MS)
    assert list(after.contrast_limits) == pytest.approx([0.6, 0.9])
    assert viewer.scene.camera.zoom == 1.7
    viewer.layers.remove(after)  # the person does not want it
    step = lessons.done
    qtbot.waitUntil(lambda: lessons.done > step + 5, timeout=PATIENCE_MS)
    assert wanted not in names(viewer)


def test_one_flips_between_before_and_after_during_and_after_the_training(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    assert not dock.live.flip.isEnabled()
    begin(dock, Lessons(steps=400, pause=0.01), qtbot)
    qtbot.waitUntil(dock.live.flip.isEnabled, timeout=PATIENCE_MS)
    dock.live.flip.click()
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.keep)
    assert not viewer.layers["after: simulation object phase"].visible
    assert viewer.layers["before: simulation object phase"].visible
    dock.live.flip.click()
    assert viewer.layers["after: simulation object phase"].visible


def test_labels_grow_while_an_engine_makes_them(viewer, dock, scan, qtbot) -> None:
    add_scan(viewer, scan)
    seen = []

    def events(assignment, should_stop):
        grown = an_object(3)
        for rows in (6, 12, 24):
            part = grown.copy() * rows
            part[rows:] = np.nan
            yield ObjectView("labels", part, (0.0, 0.0), 0, 0)
            yield Progress("labels", rows, 24)
            time.sleep(0.2)
            layer = viewer.layers["labels: simulation object amplitude"]
            seen.append((np.isfinite(layer.data).sum(), layer.contrast_limits[1]))
        yield Finished(fine_tuned(assignment, best_step=0), stopped=False)

    dock.teach = events
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.start)
    sizes, tops = zip(*seen, strict=True)
    assert list(sizes) == [4 * 30, 10 * 30, 22 * 30]
    assert tops[0] < tops[1] < tops[2]
    assert "labels: simulation object phase" in names(viewer)


def test_cancel_is_answered_at_once_and_what_was_learned_can_still_be_saved(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    before = names(viewer)
    begin(dock, Lessons(steps=10_000, pause=0.02), qtbot)
    clicked = time.perf_counter()
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS) as ended:
        press(qtbot, dock.controls.cancel)
        assert dock.controls.status.text() == "Cancelling…"
        assert not dock.controls.cancel.isEnabled()
        qtbot.waitUntil(dock.controls.start.isEnabled, timeout=PATIENCE_MS)
        assert time.perf_counter() - clicked < 1.0
    assert ended.args[0].outcome is Outcome.STOPPED
    assert dock.controls.status.text() == "Cancelled."
    assert names(viewer) == before
    assert not dock.outcome.unsaved
    assert dock.report.save.isEnabled()


def test_keep_ends_the_training_and_offers_the_best(viewer, dock, scan, qtbot) -> None:
    add_scan(viewer, scan)
    begin(dock, Lessons(steps=10_000, pause=0.02), qtbot)
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.keep)
    assert dock.outcome.unsaved
    assert "ended early" in dock.report.steps.text()
    # There are no pictures of the whole scan then: those of the held-out part stay.
    assert "after: simulation object phase" in names(viewer)


def test_pause_stops_the_steps_and_resume_goes_on(viewer, dock, scan, qtbot) -> None:
    add_scan(viewer, scan)
    lessons = Lessons(steps=10_000, pause=0.01)
    begin(dock, lessons, qtbot)
    press(qtbot, dock.controls.pause)
    assert dock.controls.pause.text() == "Resume"
    qtbot.wait(100)
    step = lessons.done
    qtbot.wait(200)
    assert lessons.done == step
    assert dock.controls.status.text().startswith("Paused")
    press(qtbot, dock.controls.pause)
    qtbot.waitUntil(lambda: lessons.done > step + 3, timeout=PATIENCE_MS)
    assert dock.controls.pause.text() == "Pause"
    press(qtbot, dock.controls.pause)
    with qtbot.waitSignal(dock.ended, timeout=1_000):  # a paused one wakes for it
        press(qtbot, dock.controls.cancel)


def test_where_nothing_was_better_the_report_says_so_and_nothing_is_saved(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(best_step=0), qtbot)
    assert dock.report.verdict.text() == NO_BETTER
    assert not dock.report.save.isEnabled()
    assert not dock.outcome.unsaved
    assert not any(name.startswith(("before", "after")) for name in names(viewer))


def test_a_failure_is_one_message_and_leaves_no_layers(viewer, dock, scan, qtbot, shown) -> None:
    def events(assignment, should_stop):
        yield Progress("labels", 1, 2)
        raise SettingsError("probe", "scan.h5", "there is none", remedy="give one")

    add_scan(viewer, scan)
    before = names(viewer)
    dock.teach = events
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.start)
    qtbot.waitUntil(lambda: bool(shown))
    assert shown == ["scan.h5: probe: there is none (give one)"]
    assert dock.controls.status.text() == shown[0]
    assert names(viewer) == before
    assert dock.controls.start.isEnabled()


def test_a_training_is_refused_while_a_reconstruction_computes(
    viewer, dock, scan, qtbot, shown
) -> None:
    add_scan(viewer, scan)
    other = ReconstructWidget(viewer)
    qtbot.addWidget(other)

    def endless(should_stop):
        while not should_stop():
            time.sleep(0.01)
            yield Progress("pass", 0, 1)
        yield Finished(None, stopped=True)

    other.runner.start("the reconstruction of simulation", endless, device="auto")
    dock.teach = Lessons()
    press(qtbot, dock.controls.start)
    assert "the reconstruction of simulation is still running" in dock.controls.status.text()
    assert len(shown) == 1
    assert not dock.runner.running
    other.runner.shutdown()


def test_without_a_scan_start_says_why_it_is_disabled(viewer, dock, scan) -> None:
    assert not dock.controls.start.isEnabled()
    assert "Open a scan first" in dock.controls.status.text()
    add_scan(viewer, scan)
    assert dock.controls.start.isEnabled()
    assert dock.controls.status.text() == ""
    dock.form.scans.check([])
    assert "Check a scan" in dock.controls.start.toolTip()


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
    assert not any(
        thread.name.startswith("napari-ptychonn the") for thread in threading.enumerate()
    )
    assert names(viewer) == before
    frame.show()
    assert dock.controls.start.isEnabled()
    assert "was cut off" in dock.offer.text.text()


def cut_off(scan: Scan, name: str, state: TeachingState) -> Path:
    """A folder as a training leaves it that was killed two minutes ago."""
    import os

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


def test_several_scans_teach_together(viewer, dock, scan, qtbot) -> None:
    other = replace(scan, provenance=replace(scan.provenance, format="second"))
    add_scan(viewer, scan)
    add_scan(viewer, other)
    dock.form.scans.check([scan, other])
    lessons = Lessons()
    teach(dock, lessons, qtbot)
    assert [each.name for each in lessons.asked[0].scans] == ["simulation", "second"]
    assert dock.report.name.text() == "ptychonn-probe simulation+1"
    for name in ("simulation", "second"):
        assert f"{name} teaching and held-out points" in names(viewer)
        assert f"after: {name} object phase" in names(viewer)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_curves_follow_the_theme(viewer, dock, scan, qtbot, theme) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    viewer.theme = "dark" if theme == "light" else "light"
    viewer.theme = theme
    colour = dock.live.curves.backgroundBrush().color()
    assert (colour.lightness() > 128) == (theme == "light")


def test_the_dock_fits_a_small_screen(viewer, dock, scan) -> None:
    add_scan(viewer, scan)
    assert dock.minimumSizeHint().height() <= 700
    assert dock.sizeHint().height() <= 700
    assert max(dock.minimumSizeHint().width(), dock.sizeHint().width()) <= 420
