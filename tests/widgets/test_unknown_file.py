"""The Load scan dock with a file that nobody has seen: tree, guesses, glimpses, recipes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QStyleOptionComboBox

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan import recipes
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.widgets.file_tree import USE
from napari_ptychonn.widgets.layers import scans_in
from napari_ptychonn.widgets.load_scan import LoadScanWidget
from napari_ptychonn.widgets.load_state import LoadState, options_from, state_from

READ_MS = 20_000
N = 40
PLACES_UM = np.random.default_rng(0).uniform(0, 5, (N, 2))


def write_lab(path: Path, *, unit: str | None = "um", names: tuple[str, str] = ("y", "x")) -> Path:
    """Forty patterns, positions in two lists, geometry, and a value beside."""
    counts = np.random.default_rng(1).poisson(3, (N, 16, 16)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        file.create_dataset("lab/camera", data=counts, chunks=(1, 16, 16), compression="gzip")
        file["lab/camera"].attrs["serial"] = "E-02-0123"
        file["lab/small"] = counts[:, :8, :8]
        for column, axis in enumerate(names):
            file[f"lab/stage_{axis}"] = PLACES_UM[:, column]
            if unit is not None:
                file[f"lab/stage_{axis}"].attrs["units"] = unit
        file["lab/energy"], file["lab/distance"] = 8.8, 2.0
        file["lab/pixel_size"] = 75e-6
        file["lab/current"] = 99.5
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return write_lab(tmp_path / "lab_0041.h5")


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def dock(viewer, qtbot) -> LoadScanWidget:
    widget = LoadScanWidget(viewer)
    qtbot.addWidget(widget)
    return widget


def choose(qtbot, dock: LoadScanWidget, path: Path) -> None:
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.file.set_path(str(path))


def use_as(dock: LoadScanWidget, path: str, role: str) -> None:
    files = dock.form.files
    files.tree.select(path)
    files.use_as.setCurrentIndex(files.use_as.findData(role))
    files.use_as.activated.emit(files.use_as.currentIndex())


def uses(dock: LoadScanWidget) -> dict[str, str]:
    items = dock.form.files.tree._items.items()
    return {path: item.text(USE) for path, item in items if item.text(USE)}


def test_an_unknown_file_is_opened_by_guesses_with_reasons(
    make_napari_viewer_proxy, lab, qtbot
) -> None:
    viewer = make_napari_viewer_proxy()
    dock = LoadScanWidget(viewer)
    frame = viewer.window.add_dock_widget(dock)
    choose(qtbot, dock, lab)
    assert dock.load.isEnabled()
    assert "Opened by guesses" in dock.status.text()
    assert "(40, 16, 16) of counts: looks like patterns" in dock.form.files.guessed.text()
    scan = dock._opened.scan
    assert scan.geometry.energy_ev == pytest.approx(8800)
    np.testing.assert_allclose(scan.positions, PLACES_UM * 1e-6)
    for fold in dock.form.folds.values():
        fold.set_open(True)
    qtbot.wait(50)
    assert frame.minimumSizeHint().width() <= 380
    qtbot.mouseClick(dock.load, Qt.MouseButton.LeftButton)
    assert scans_in(viewer)


def test_the_tree_tells_shape_type_unit_compression_value_and_attributes(dock, lab, qtbot) -> None:
    choose(qtbot, dock, lab)
    tree = dock.form.files.tree
    camera, energy = tree._items["/lab/camera"], tree._items["/lab/energy"]
    told = [camera.text(column) for column in range(tree.columnCount())]
    assert told == ["camera", "patterns", "40 × 16 × 16", "uint16", "", "gzip"]
    assert "serial = E-02-0123" in camera.toolTip(0)
    assert energy.text(2) == "= 8.8"
    assert tree._items["/lab/stage_y"].text(4) == "um"
    assert uses(dock) == {
        "/lab/camera": "patterns", "/lab/stage_y": "positions", "/lab/stage_x": "positions",
        "/lab/energy": "energy", "/lab/distance": "distance", "/lab/pixel_size": "detector pixel",
    }  # fmt: skip


def test_a_selected_dataset_is_shown(dock, lab, qtbot) -> None:
    choose(qtbot, dock, lab)
    files = dock.form.files
    for path, shown, hidden in (
        ("/lab/camera", files.picture, files.points),
        ("/lab/stage_y", files.points, files.picture),
    ):
        with qtbot.waitSignal(dock.glimpses.finished, timeout=READ_MS):
            files.tree.select(path)
        assert not shown.isHidden()
        assert hidden.isHidden()
        assert files.about.text().startswith(path)
        assert "mean" in files.about.text()
        assert files.tree.facts(path) in files.about.text()
    assert files.tree.facts("/lab/camera") == "40 × 16 × 16, uint16, gzip"


def test_a_dataset_of_the_tree_is_used_instead_of_the_guess(dock, lab, qtbot) -> None:
    choose(qtbot, dock, lab)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        use_as(dock, "/lab/small", "patterns")
    assert dock._opened.scan.pattern_shape == (8, 8)
    assert "looks like patterns" not in dock.form.files.guessed.text()
    assert "patterns" not in uses(dock).get("/lab/camera", "")


def test_positions_are_chosen_from_two_lists(dock, tmp_path, qtbot) -> None:
    path = write_lab(tmp_path / "odd.h5", names=("fast", "slow"))
    choose(qtbot, dock, path)
    assert dock._opened is None
    use_as(dock, "/lab/stage_slow", "positions y")
    assert "now choose the one of positions x" in dock.form.files.about.text()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        use_as(dock, "/lab/stage_fast", "positions x")
    np.testing.assert_allclose(dock._opened.scan.positions, PLACES_UM[:, ::-1] * 1e-6)


def test_what_is_chosen_is_shown_before_it_makes_a_scan(dock, tmp_path, qtbot) -> None:
    choose(qtbot, dock, write_lab(tmp_path / "nounit.h5", unit=None))
    assert not dock.load.isEnabled()
    assert "unit" in dock.status.text()
    assert dock.pattern_label.text() == "mean of 16, as stored"
    assert dock.positions_label.text() == "40 positions, as stored"
    assert "/lab/camera" in dock.text.toPlainText()
    assert dock.form.folds["Positions"].is_open()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        unit = dock.form.positions_unit
        unit.setCurrentIndex(unit.findData("um"))
    np.testing.assert_allclose(dock._opened.scan.positions, PLACES_UM * 1e-6)


def test_columns_of_a_table_are_offered_and_chosen(dock, lab, tmp_path, qtbot) -> None:
    table = tmp_path / "stage.csv"
    table.write_text("t,a_nm,b_nm\n" + "\n".join(f"0,{y},{x}" for y, x in PLACES_UM * 1e3))
    choose(qtbot, dock, lab)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.positions_file.set_path(str(table))
    assert "3 columns" in dock.status.text()
    y, x = dock.form.places.columns
    assert [y.itemText(row) for row in range(y.count())] == ["", "t", "a_nm", "b_nm"]
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        y.setEditText("-a_nm")
        x.setEditText("b_nm")
    expected = PLACES_UM * [-1e-6, 1e-6]
    np.testing.assert_allclose(dock._opened.scan.positions, expected, rtol=1e-9)


def test_a_raster_is_typed_in(dock, lab, qtbot) -> None:
    choose(qtbot, dock, lab)
    rows, columns, step = dock.form.places.raster
    qtbot.keyClicks(rows, "5")
    qtbot.waitUntil(lambda: "is no raster" in dock.status.text(), timeout=READ_MS)
    assert not dock.load.isEnabled()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        qtbot.keyClicks(columns, "8")
        qtbot.keyClicks(step, "0,25")
        unit = dock.form.positions_unit
        unit.setCurrentIndex(unit.findData("um"))
    assert np.ptp(dock._opened.scan.positions, axis=0) == pytest.approx((1e-6, 1.75e-6))


def test_datasets_of_a_positions_file_are_offered_in_a_list(dock, lab, tmp_path, qtbot) -> None:
    other = tmp_path / "stage.h5"
    with h5py.File(other, "w") as file:
        file["log/current"], file["log/image"] = np.ones(N), np.ones((N, 8, 8))
        for name, factor in (("measured", 2), ("wanted", 3)):
            file[f"stage/{name}"] = PLACES_UM * factor
            file[f"stage/{name}"].attrs["units"] = "um"
    choose(qtbot, dock, lab)
    places = dock.form.places
    assert not places.rows.isRowVisible(places.dataset)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.positions_file.set_path(str(other))
    assert "2 datasets may be positions" in dock.status.text()
    assert places.rows.isRowVisible(places.dataset)
    items = [places.dataset.itemData(row) for row in range(places.dataset.count())]
    assert items == [None, "/stage/measured", "/stage/wanted"]
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        places.dataset.setCurrentIndex(2)
        places.dataset.activated.emit(2)
    assert dock.form.positions_file.path() == f"{other}:/stage/wanted"
    assert places.dataset.currentData() == "/stage/wanted"
    np.testing.assert_allclose(dock._opened.scan.positions, PLACES_UM * 3e-6)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.positions_file.set_path(f"{other}:/stage/measured")
    assert places.dataset.currentData() == "/stage/measured"
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.positions_file.set_path("")
        assert not places.rows.isRowVisible(places.dataset)
    assert not places.rows.isRowVisible(places.dataset)


def test_a_saved_recipe_is_offered_for_the_next_file_and_opens_it(dock, tmp_path, qtbot) -> None:
    choose(qtbot, dock, write_lab(tmp_path / "a.h5", unit=None))
    assert not dock.recipe.save_button.isEnabled()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        unit = dock.form.positions_unit
        unit.setCurrentIndex(unit.findData("nm"))
    dock.recipe.box.setEditText("lab in nm")
    qtbot.mouseClick(dock.recipe.save_button, Qt.MouseButton.LeftButton)
    assert [one.name for one in recipes.stored().recipes] == ["lab in nm"]
    choose(qtbot, dock, write_lab(tmp_path / "b.h5", unit=None))
    assert dock.recipe.name() == ""
    assert dock._opened is None
    assert "lab in nm fits this file" in dock.status.text()
    assert dock.recipe.box.itemText(0) == "lab in nm"
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.recipe.box.setCurrentIndex(0)
        dock.recipe.box.activated.emit(0)
    np.testing.assert_allclose(dock._opened.scan.positions, PLACES_UM * 1e-9)
    assert dock.form.positions_unit.currentData() == "nm"
    qtbot.mouseClick(dock.recipe.delete_button, Qt.MouseButton.LeftButton)
    assert recipes.stored().recipes == ()
    assert dock.recipe.box.count() == 0


def test_a_recipe_that_cannot_be_saved_is_a_notification(dock, lab, qtbot) -> None:
    messages: list[str] = []

    def note(notification) -> None:
        messages.append(notification.message)

    choose(qtbot, dock, lab)
    notification_manager.notification_ready.connect(note)
    try:
        dock.recipe.box.setEditText("a/b")
        qtbot.mouseClick(dock.recipe.save_button, Qt.MouseButton.LeftButton)
    finally:
        notification_manager.notification_ready.disconnect(note)
    assert len(messages) == 1
    assert "'a/b' is no name" in messages[0]
    assert recipes.stored().recipes == ()


def test_a_damaged_recipe_is_told_once_and_does_not_hold_up_the_file(dock, lab, qtbot) -> None:
    recipes.folder().mkdir(parents=True)
    (recipes.folder() / "bad.json").write_text("{")
    messages: list[str] = []

    def note(notification) -> None:
        messages.append(notification.message)

    notification_manager.notification_ready.connect(note)
    try:
        choose(qtbot, dock, lab)
        with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
            dock.form.energy.setText("4.4")
            dock.form.energy.textEdited.emit("4.4")
    finally:
        notification_manager.notification_ready.disconnect(note)
    assert dock.load.isEnabled()
    assert len(messages) == 1
    assert "bad.json" in messages[0]


def test_the_dock_shows_options_and_gives_the_same_back() -> None:
    options = ScanOptions(
        datasets={"patterns": "/a"}, positions_file="p.csv", positions_columns=("-5", "x_nm"),
        positions_unit="mm", energy_ev=8800.0, distance_m=2.0, detector_pixel_m=(60e-6, 75e-6),
        orientation=5, dc="corner", binning=2, crop=(64, 32), saturation=1e5, background="/dark",
    )  # fmt: skip
    shown = state_from(options)
    assert shown.detector_pixel_um == "60 × 75"
    again = options_from(shown)
    assert again.detector_pixel_m == pytest.approx(options.detector_pixel_m)
    for name in ("datasets", "positions_file", "positions_columns", "positions_unit", "orientation",
                 "dc", "binning", "crop", "saturation", "background", "raster"):  # fmt: skip
        assert getattr(again, name) == getattr(options, name)
    assert options_from(state_from(ScanOptions())) == ScanOptions()
    raster = ScanOptions(raster=(5, 8, 0.25), pixel_m=20e-9)
    assert options_from(state_from(raster)).raster == (5, 8, 0.25)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (LoadState(positions_columns=("y", "")), "only that of y"),
        (LoadState(raster=("5", "", "")), r"5 × \? by \? is no raster"),
        (LoadState(detector_pixel_um="60 ×"), "is no size"),
    ],
)
def test_half_a_choice_is_said(state, words) -> None:
    with pytest.raises(SettingsError, match=words):
        options_from(state)


def test_a_closed_box_shows_the_end_of_a_path_where_datasets_differ(dock, lab, qtbot) -> None:
    choose(qtbot, dock, lab)
    box = dock.form.files.boxes["patterns"]
    option = QStyleOptionComboBox()
    box.resize(110, 24)
    box.initStyleOption(option)
    assert box.shortened(option).endswith("camera")
    assert len(box.shortened(option)) < len(box.currentText())
    both = dock.form.files.boxes["positions"]
    both.resize(600, 24)
    both.initStyleOption(option)
    assert both.shortened(option) == "stage_y, stage_x"


def test_recipes_that_fit_are_seen_in_the_closed_box(dock, tmp_path, qtbot) -> None:
    choose(qtbot, dock, write_lab(tmp_path / "a.h5"))
    line = dock.recipe.box.lineEdit()
    assert line.placeholderText() == "name, then Save"
    dock.recipe.box.setEditText("lab")
    qtbot.mouseClick(dock.recipe.save_button, Qt.MouseButton.LeftButton)
    choose(qtbot, dock, write_lab(tmp_path / "b.h5"))
    assert line.placeholderText() == "1 fits this file"
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.recipe.box.activated.emit(0)
    assert dock.status.text().startswith("With the recipe lab. 40 patterns of 16 × 16")


def write_scans(path: Path, *names: str) -> Path:
    with h5py.File(path, "w") as file:
        for points, name in enumerate(names, 20):
            file[f"{name}/camera"] = np.random.default_rng(1).poisson(3, (points, 16, 16))
            file[f"{name}/stage"] = PLACES_UM[:points]
    return path


def test_a_recipe_that_fits_several_groups_is_offered_once_for_each(dock, tmp_path, qtbot) -> None:
    choose(qtbot, dock, write_scans(tmp_path / "a.h5", "2024-11-03"))
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        unit = dock.form.positions_unit
        unit.setCurrentIndex(unit.findData("px"))
    dock.recipe.box.setEditText("day")
    qtbot.mouseClick(dock.recipe.save_button, Qt.MouseButton.LeftButton)
    choose(qtbot, dock, write_scans(tmp_path / "b.h5", "2024-11-04"))
    assert "fits this file (2024-11-04 in place of 2024-11-03)" in dock.status.text()
    choose(qtbot, dock, write_scans(tmp_path / "c.h5", "2024-11-04", "2024-12-01"))
    assert "choose one beside Recipe (2024-11-04; 2024-12-01)." in dock.status.text()
    box = dock.recipe.box
    assert box.lineEdit().placeholderText() == "choose one of 2"
    assert [box.itemText(row) for row in range(2)] == ["day: 2024-11-04", "day: 2024-12-01"]
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        box.setCurrentIndex(1)
        box.activated.emit(1)
    assert dock._opened.scan.n_points == 21
    assert dock.form.files.chosen()["positions"] == "/2024-12-01/stage"
    assert dock.recipe.name() == dock.recipe.applied == "day"
    qtbot.mouseClick(dock.recipe.delete_button, Qt.MouseButton.LeftButton)
    assert recipes.stored().recipes == ()


def test_frames_alone_are_not_guessed_to_be_the_patterns(dock, tmp_path, qtbot) -> None:
    # Chosen by name they would be this file's alone, and the files of a series not be joined.
    path = tmp_path / "frames_0001.h5"
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.random.default_rng(1).poisson(3, (N, 16, 16))
    choose(qtbot, dock, path)
    assert "missing are positions" in dock.status.text()
    assert dock.form.files.chosen() == {}
    assert dock.pattern_label.text() == "mean of 16, as stored"
