"""The Load scan dock: what it recognises, what can be corrected, and what it refuses."""

from __future__ import annotations

import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QScrollArea

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi
from napari_ptychonn.widgets import load_job
from napari_ptychonn.widgets.layers import scans_in
from napari_ptychonn.widgets.load_scan import LoadScanWidget
from napari_ptychonn.widgets.load_state import LoadState, options_from
from napari_ptychonn.widgets.preview import MASKED, pattern_colours, positions_in_square

READ_MS = 20_000
SIMULATED = SimulationSettings(size=32, points=60, photons=1e4, seed=2, energy_ev=8800.0)


@pytest.fixture(scope="module")
def cxi(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "simulated.cxi"
    simulate_to_cxi(path, SIMULATED)
    return path


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """A file of no known format: 40 patterns, brighter below, and positions in µm."""
    counts = np.full((40, 16, 16), 1, np.uint16)
    counts[:, 12:, :] = 50
    counts[:, 8, 8] = 500
    with h5py.File(tmp_path / "unknown.h5", "w") as file:
        file["lab/camera"] = counts
        file["lab/other"] = counts[:, :8, :8]
        file["lab/stage"] = np.random.default_rng(0).uniform(0, 5, (40, 2))
    return tmp_path / "unknown.h5"


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def dock(viewer, qtbot) -> LoadScanWidget:
    widget = LoadScanWidget(viewer)
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def shown() -> Iterator[list[str]]:
    messages: list[str] = []

    def note(notification) -> None:
        messages.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield messages
    notification_manager.notification_ready.disconnect(note)


def choose(qtbot, dock: LoadScanWidget, path: Path) -> None:
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.file.set_path(str(path))


def pick(box, value: str) -> None:
    row = box.findData(value)
    assert row >= 0, f"{value} is not offered"
    box.setCurrentIndex(row)


def test_a_known_file_is_recognised_previewed_and_loaded(make_napari_viewer, cxi, qtbot) -> None:
    viewer = make_napari_viewer()
    dock = LoadScanWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.load.isEnabled()
    choose(qtbot, dock, cxi)
    assert "CXI" in dock.text.toPlainText()
    assert "60 of 32 × 32" in dock.text.toPlainText()
    assert dock.form.energy.placeholderText() == "8.8"
    assert dock.form.distance.placeholderText() == "2000"
    assert dock.form.detector_pixel.placeholderText() == "75"
    assert dock.positions_label.text() == "60 positions"
    qtbot.mouseClick(dock.load, Qt.MouseButton.LeftButton)
    (scan,) = scans_in(viewer)
    assert scan.n_points == 60
    assert len(viewer.layers) == 2


def test_the_preview_is_the_mean_of_patterns_from_the_whole_scan(dock, cxi, qtbot) -> None:
    choose(qtbot, dock, cxi)
    opened = dock._opened
    assert opened is not None
    everything = opened.scan.patterns.read(np.arange(60)).mean(0)
    np.testing.assert_allclose(opened.mean, everything, rtol=1e-5)


def test_a_corrected_energy_changes_the_pixel(dock, cxi, qtbot) -> None:
    choose(qtbot, dock, cxi)
    before = dock._opened.scan.pixel_m[0]
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        qtbot.keyClicks(dock.form.energy, "4.4")
    assert dock._opened.scan.pixel_m[0] == pytest.approx(2 * before, rel=1e-6)
    assert dock._opened.scan.geometry.energy_ev == pytest.approx(4400)


def test_an_unknown_file_is_opened_with_chosen_datasets(dock, viewer, unknown, qtbot) -> None:
    choose(qtbot, dock, unknown)
    assert not dock.load.isEnabled()
    assert "unknown.h5" in dock.status.text()
    assert dock.form.folds["Datasets"].is_open()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        pick(dock.form.datasets["patterns"], "/lab/camera")
        pick(dock.form.datasets["positions"], "/lab/stage")
        pick(dock.form.positions_unit, "um")
        dock.form.object_pixel.setText("50")
    assert dock.status.text() == "40 patterns of 16 × 16, object pixel 50 nm: ready to load."
    qtbot.mouseClick(dock.load, Qt.MouseButton.LeftButton)
    (scan,) = scans_in(viewer)
    assert scan.pixel_m == pytest.approx((50e-9, 50e-9))
    assert np.ptp(scan.positions) < 6e-6


def test_orientation_switches_turn_the_preview(dock, unknown, qtbot) -> None:
    choose(qtbot, dock, unknown)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        pick(dock.form.datasets["patterns"], "/lab/camera")
        pick(dock.form.datasets["positions"], "/lab/stage")
        pick(dock.form.positions_unit, "px")
        pick(dock.form.dc, "centre")
    as_stored = dock._opened.mean
    assert as_stored[13, 3] > as_stored[3, 13]
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.own_orientation.setChecked(True)
        dock.form.turns[4].setChecked(True)
    np.testing.assert_allclose(dock._opened.mean, as_stored.T)


@pytest.mark.parametrize("content", [b"no HDF5 at all", b""])
def test_a_file_that_is_no_scan_is_one_message(dock, tmp_path, content, qtbot, shown) -> None:
    path = tmp_path / "notes.h5"
    path.write_bytes(content)
    choose(qtbot, dock, path)
    qtbot.waitUntil(lambda: bool(shown))
    assert len(shown) == 1
    assert "notes.h5" in shown[0]
    # A notification that is not unfolded shows its beginning: there the path has no room.
    assert shown[0].startswith("notes.h5: ")
    assert shown[0].endswith(f"; the file is {path}")
    assert dock.status.text().startswith(f"{path}: ")
    assert not dock.load.isEnabled()


def test_a_field_that_is_no_number_says_so_and_reads_nothing(dock, cxi, qtbot) -> None:
    choose(qtbot, dock, cxi)
    qtbot.keyClicks(dock.form.distance, "far")
    qtbot.waitUntil(lambda: "no number" in dock.status.text(), timeout=READ_MS)
    assert not dock.runner.running
    assert not dock.load.isEnabled()


def test_another_file_starts_from_what_it_says_itself(dock, cxi, unknown, qtbot) -> None:
    choose(qtbot, dock, cxi)
    dock.form.energy.setText("4.4")
    choose(qtbot, dock, unknown)
    assert dock.form.energy.text() == ""
    choose(qtbot, dock, cxi)
    assert dock._opened.scan.geometry.energy_ev == pytest.approx(8800)


def test_a_dropped_file_is_opened(dock, cxi, qtbot) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(cxi))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data,
        Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.dropEvent(event)
    assert dock.file.path() == str(cxi)
    assert dock.load.isEnabled()


@pytest.mark.alone
def test_a_slow_file_does_not_hold_up_the_window(dock, cxi, qtbot, monkeypatch) -> None:
    release, threads = threading.Event(), []

    def slow(path, options):
        threads.append(threading.current_thread())
        release.wait(READ_MS / 1000)
        return load_job_open(path, options)

    load_job_open = load_job.open_scan
    monkeypatch.setattr(load_job, "open_scan", slow)
    started = time.perf_counter()
    dock.file.set_path(str(cxi))
    assert time.perf_counter() - started < 0.5
    assert dock.status.text() == "Reading…"
    qtbot.waitUntil(lambda: bool(threads), timeout=READ_MS)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        release.set()
    assert threads[0] is not threading.main_thread()


def test_only_the_file_chosen_last_is_shown(dock, cxi, unknown, qtbot) -> None:
    dock.file.set_path(str(unknown))
    choose(qtbot, dock, cxi)
    qtbot.wait(200)
    assert "CXI" in dock.text.toPlainText()
    assert dock.load.isEnabled()


def test_the_dock_fits_a_small_screen(dock, cxi, qtbot) -> None:
    choose(qtbot, dock, cxi)
    for fold in dock.form.folds.values():
        fold.set_open(True)
    assert dock.minimumSizeHint().height() <= 700
    assert dock.minimumSizeHint().width() <= 400


def test_options_are_in_si_units() -> None:
    state = LoadState(
        datasets={"patterns": "a"}, positions_file=" p.csv ", positions_unit="nm",
        energy="8,8", distance_mm="2000", detector_pixel_um="75", object_pixel_nm="12.5",
        orientation=6, dc="corner",
    )  # fmt: skip
    options = options_from(state)
    assert options.energy_ev == pytest.approx(8800)
    assert options.distance_m == pytest.approx(2)
    assert options.detector_pixel_m == pytest.approx(75e-6)
    assert options.pixel_m == pytest.approx(12.5e-9)
    assert (options.positions_file, options.probe_file) == ("p.csv", None)
    assert (options.orientation, options.dc, options.positions_unit) == (6, "corner", "nm")
    assert dict(options.datasets) == {"patterns": "a"}


def test_an_empty_form_leaves_everything_to_the_file() -> None:
    assert options_from(LoadState()) == ScanOptions()


def test_what_is_no_length_is_refused() -> None:
    with pytest.raises(SettingsError, match="no number"):
        options_from(LoadState(distance_mm="far"))
    with pytest.raises(SettingsError, match="not positive"):
        options_from(LoadState(distance_mm="-2"))


def test_masked_pixels_are_told_from_dark_ones() -> None:
    mask = np.ones((8, 8), bool)
    mask[2, 3] = False
    colours = pattern_colours(np.eye(8) * 100, mask)
    assert tuple(colours[2, 3]) == MASKED
    assert colours[0, 0].sum() > colours[0, 1].sum()


def test_positions_keep_their_shape_in_the_picture() -> None:
    square = positions_in_square(np.array([[0.0, 0.0], [0.0, 4.0], [2.0, 4.0]]))
    assert square.min() > 0
    assert square.max() < 1
    sides = np.abs(np.diff(square, axis=0)).sum(1)
    assert sides[0] == pytest.approx(2 * sides[1])


def test_a_background_is_subtracted_and_a_missing_one_is_said(dock, cxi, qtbot) -> None:
    choose(qtbot, dock, cxi)
    detector = dock.form.detector
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        detector.background.set_path("0.5")
    assert "subtracted from every pattern: 0.5 counts" in dock.text.toPlainText()
    missing = str(cxi.with_name("dark.npy"))
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        detector.background.set_path(missing)
    assert f"background: {missing} is neither a file nor a dataset" in dock.status.text()
    assert "'Load scan > Detector > Background'" in dock.status.text()
    assert detector.is_open()
    assert not dock.form.folds["Datasets"].is_open()


def test_fields_that_unfold_below_the_window_come_into_view(dock, cxi, qtbot) -> None:
    dock.resize(360, 420)
    dock.show()
    choose(qtbot, dock, cxi)
    fold = dock.form.folds["Detector"]
    qtbot.mouseClick(fold._title, Qt.MouseButton.LeftButton)
    area = dock.findChild(QScrollArea)

    def is_whole() -> bool:
        top = fold.mapTo(area.viewport(), QPoint(0, 0)).y()
        return top >= 0 and top + fold.height() <= area.viewport().height()

    qtbot.waitUntil(is_whole)


def test_a_known_format_says_itself_what_is_missing(dock, tmp_path, qtbot) -> None:
    # PtychoNN's test data: positions are in metres, as no name in the file says.
    path = tmp_path / "test.npz"
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 5e-6, (40, 2))
    np.savez(path, reciprocal=rng.poisson(3, (40, 16, 16)), position=places)
    choose(qtbot, dock, path)
    assert "positions are in m, but the object pixel is not known" in dock.status.text()
    assert "PtychoNN npz, 2 datasets, no scan yet" in dock.text.toPlainText()
    assert dock.form.folds["Geometry"].is_open()
    assert dock.form.files.chosen() == {}
    # What the patterns look like is shown all the same.
    assert dock.pattern_label.text() == "mean of 16, as stored"
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        qtbot.keyClicks(dock.form.object_pixel, "12")
    assert dock.status.text() == "40 patterns of 16 × 16, object pixel 12 nm: ready to load."
    np.testing.assert_allclose(dock._opened.scan.positions, places)


def test_the_known_test_data_of_ptychonn_need_the_object_pixel_alone(
    dock, shared_data, qtbot
) -> None:
    choose(qtbot, dock, shared_data / "ptychonn_scan235" / "test235_truncated.npz")
    assert "the object pixel is not known" in dock.status.text()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        qtbot.keyClicks(dock.form.object_pixel, "12")
    assert dock.load.isEnabled()
    assert "object pixel 12 nm: ready to load." in dock.status.text()


def test_a_near_field_scan_is_no_scan_that_is_ready(dock, cxi, tmp_path, qtbot) -> None:
    path = tmp_path / "near.cxi"
    path.write_bytes(cxi.read_bytes())
    with h5py.File(path, "a") as file:
        file["lab/near_field"] = 1
    choose(qtbot, dock, path)
    assert "NEAR FIELD, which can be loaded but not reconstructed" in dock.status.text()
    assert "ready" not in dock.status.text()
    qtbot.mouseClick(dock.load, Qt.MouseButton.LeftButton)
    assert "reconstruct it next" not in dock.status.text()


def test_another_file_is_shown_from_its_top_with_its_fields_folded_up(
    dock, cxi, tmp_path, qtbot
) -> None:
    other = tmp_path / "other.cxi"
    other.write_bytes(cxi.read_bytes())
    dock.resize(360, 420)
    dock.show()
    choose(qtbot, dock, cxi)
    for fold in dock.form.folds.values():
        fold.set_open(True)
    bar = dock.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 400)
    # The mask editor keeps the column long enough to stay where it was.
    bar.setValue(bar.maximum())
    choose(qtbot, dock, other)
    assert not any(fold.is_open() for fold in dock.form.folds.values())
    qtbot.waitUntil(lambda: bar.value() <= dock.file.y())
    assert dock.text.mapTo(dock, QPoint(0, 0)).y() >= 0


def test_a_file_of_weights_is_no_scan_and_says_how_it_is_imported(dock, tmp_path, qtbot) -> None:
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"weights")
    choose(qtbot, dock, path)
    said = dock.status.text()
    assert "it holds no dataset with more than one value: it is no scan" in said
    assert "imported with 'Manage… > Import…' beside the list of networks" in said
    assert "nothing" not in said
