"""The Fine-tune dock, driven by a training that only pretends to learn."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from widget_lessons import (
    PATIENCE_MS,
    Lessons,
    an_object,
    begin,
    fine_tuned,
    names,
    press,
    reconstruction,
    teach,
)

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network import folders
from napari_ptychonn.reconstruction.events import Finished, Progress
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.training.finetune_events import ObjectView
from napari_ptychonn.widgets.finetune import FinetuneWidget
from napari_ptychonn.widgets.finetune_report import NO_BETTER
from napari_ptychonn.widgets.finetune_state import TeachingState
from napari_ptychonn.widgets.job_thread import Outcome
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


def test_a_training_ends_with_its_report_and_the_object_before_and_after(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    lessons = Lessons()
    dock.teach = lessons
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS) as ended:
        clicked = time.thread_time()  # of the window's thread: others may hold the processor
        press(qtbot, dock.controls.start)
        assert time.thread_time() - clicked < 0.1
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
    last = "after: simulation object phase"
    qtbot.waitUntil(
        lambda: last in names(viewer) and viewer.layers[last].visible, timeout=PATIENCE_MS
    )
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


def test_layers_that_come_leave_selected_what_the_person_has_selected(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    for selected in ([viewer.layers[0]], list(viewer.layers), []):
        viewer.layers.selection = set(selected)
        teach(dock, Lessons(), qtbot)
        dock.outcome.unsaved = False
        assert viewer.layers.selection == set(selected)
        assert viewer.layers.selection.active is (selected[0] if len(selected) == 1 else None)


def test_the_collector_and_the_lock_are_as_they_were_once_a_training_has_ended(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    ordinary, seen = sys.getswitchinterval(), []

    def events(assignment, should_stop):
        seen.append(sys.getswitchinterval())
        yield from Lessons()(assignment, should_stop)

    dock.teach = events
    gc.unfreeze()
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.start)
    assert seen[0] < ordinary
    assert sys.getswitchinterval() == ordinary
    assert gc.get_freeze_count() == 0


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
            name, until = "labels: simulation object amplitude", time.monotonic() + 10
            while time.monotonic() < until:
                time.sleep(0.02)
                known = np.isfinite(viewer.layers[name].data).sum() if name in viewer.layers else 0
                if known == (rows - 2) * 30:
                    time.sleep(0.05)  # its contrast follows in the same turn
                    break
            layer = viewer.layers[name]
            seen.append((np.isfinite(layer.data).sum(), layer.contrast_limits[1]))
        yield Finished(fine_tuned(assignment, best_step=0), stopped=False)

    dock.teach = events
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.start)
    sizes, tops = zip(*seen, strict=True)
    assert list(sizes) == [4 * 30, 10 * 30, 22 * 30]
    assert tops[0] < tops[1] < tops[2]
    assert "labels: simulation object phase" in names(viewer)


@pytest.mark.alone
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
    assert "can still be saved" in dock.report.verdict.text()


def test_a_cancelled_training_that_learned_nothing_offers_nothing(
    viewer, dock, scan, qtbot
) -> None:
    add_scan(viewer, scan)
    begin(dock, Lessons(best_step=0, steps=10_000, pause=0.02), qtbot)
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.cancel)
    assert dock.report.verdict.text() == f"Cancelled.\n{NO_BETTER}"
    assert not dock.report.save.isEnabled()


def test_keep_ends_the_training_and_offers_the_best(viewer, dock, scan, qtbot) -> None:
    add_scan(viewer, scan)
    lessons = Lessons(steps=10_000, pause=0.02)
    begin(dock, lessons, qtbot)
    after = "after: simulation object phase"
    qtbot.waitUntil(
        lambda: after in names(viewer) and lessons.done >= lessons.best_step, timeout=PATIENCE_MS
    )
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.keep)
    assert dock.outcome.unsaved
    assert "ended early" in dock.report.steps.text()
    # There are no pictures of the whole scan then: those of the held-out part stay.
    assert after in names(viewer)


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
        last = f"after: {name} object phase"
        qtbot.waitUntil(lambda last=last: last in names(viewer), timeout=PATIENCE_MS)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_curves_follow_the_theme(viewer, dock, scan, qtbot, theme) -> None:
    add_scan(viewer, scan)
    teach(dock, Lessons(), qtbot)
    viewer.theme = "dark" if theme == "light" else "light"
    viewer.theme = theme
    colour = dock.live.curves.backgroundBrush().color()
    assert (colour.lightness() > 128) == (theme == "light")


IMPORT = """
import sys, time
import napari, napari.components, napari.layers, magicgui.widgets, superqt
import napari_ptychonn.widgets.reconstruct
began = time.process_time()
import napari_ptychonn.widgets.finetune
print(time.process_time() - began, "torch" in sys.modules, "pyqtgraph" in sys.modules)
"""


@pytest.mark.alone
@pytest.mark.benchmark
def test_the_dock_is_imported_at_once_without_torch_and_pyqtgraph() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    seconds, torch, pyqtgraph = said.stdout.split()
    print(f"import of the dock beside the others: {float(seconds):.2f} s")
    assert float(seconds) < 0.3
    assert (torch, pyqtgraph) == ("False", "False")


def test_the_dock_fits_a_small_screen(viewer, dock, scan) -> None:
    add_scan(viewer, scan)
    assert dock.minimumSizeHint().height() <= 700
    assert dock.sizeHint().height() <= 700
    assert max(dock.minimumSizeHint().width(), dock.sizeHint().width()) <= 420
