"""Painting masks pixels: of the next reconstruction, of a file, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.scan.mask_files import read_mask, write_mask
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi
from napari_ptychonn.widgets.detector_state import DetectorState, with_detector
from napari_ptychonn.widgets.layers import add_scan, scans_in
from napari_ptychonn.widgets.load_scan import LoadScanWidget
from napari_ptychonn.widgets.mask_editor import MaskEditor
from napari_ptychonn.widgets.mask_layers import BAD, UNMEASURED, mask_layer, painted
from napari_ptychonn.widgets.reconstruct import ReconstructWidget

READ_MS = 20_000
SIMULATED = SimulationSettings(size=32, points=60, photons=1e4, seed=2, gap_px=2)


@pytest.fixture(scope="module")
def cxi(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "simulated.cxi"
    simulate_to_cxi(path, SIMULATED)
    return path


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def scan(viewer, cxi):
    scan = open_scan(cxi, ScanOptions(orientation=4))
    add_scan(viewer, scan)
    return scan


@pytest.fixture
def editor(viewer, qtbot) -> MaskEditor:
    widget = MaskEditor(viewer)
    qtbot.addWidget(widget)
    return widget


def edit(qtbot, editor: MaskEditor) -> Labels:
    with qtbot.waitSignal(editor.runner.finished, timeout=READ_MS):
        editor.edit.click()
    layer = editor._viewer.layers.selection.active
    assert isinstance(layer, Labels)
    return layer


def test_the_mask_lies_over_the_mean_pattern_ready_to_be_painted(viewer, scan, editor, qtbot):
    assert not editor.save.isEnabled()
    layer = edit(qtbot, editor)
    assert layer.name == f"mask of {scan.name}"
    assert layer.mode == "paint"
    np.testing.assert_array_equal(layer.data == 0, scan.mask)
    assert (layer.data[~scan.mask] == UNMEASURED).all()
    picture = viewer.layers[-2]
    assert isinstance(picture, Image)
    mean = scan.patterns.read(np.arange(60)).mean(0)
    # The mean over some of the 60 patterns.
    assert np.corrcoef(picture.data[scan.mask], np.log10(1 + mean)[scan.mask])[0, 1] > 0.99
    patterns = viewer.layers[0]
    np.testing.assert_allclose(layer.scale, patterns.scale[1:])
    np.testing.assert_allclose(layer.translate, patterns.translate[1:])
    assert layer.units == patterns.units[1:]
    assert editor.save.isEnabled()


def test_painting_masks_pixels_of_the_next_reconstruction(viewer, scan, editor, qtbot):
    assert painted(viewer, scan) is scan
    layer = edit(qtbot, editor)
    assert painted(viewer, scan) is scan
    layer.brush_size = 1
    layer.paint((4, 9), BAD)
    changed = painted(viewer, scan)
    assert scan.mask[4, 9]
    expected = scan.mask.copy()
    expected[4, 9] = False
    np.testing.assert_array_equal(changed.mask, expected)
    assert not changed.patterns.read(np.arange(60))[:, 4, 9].any()
    layer.data = np.zeros_like(layer.data)
    np.testing.assert_array_equal(painted(viewer, scan).mask, scan.mask)


def test_the_reconstruct_dock_takes_the_painted_mask(viewer, scan, editor, qtbot, monkeypatch):
    edit(qtbot, editor).paint((4, 9), BAD)
    dock = ReconstructWidget(viewer)
    qtbot.addWidget(dock)
    qtbot.waitUntil(lambda: not dock._search.runner.running, timeout=READ_MS)
    started = []
    monkeypatch.setattr(dock.runner, "start", lambda _, events, **__: started.append(events))
    dock.run.click()
    assert not started[0].args[0].scan.mask[4, 9]
    mask_layer(viewer, scan).data[:] = BAD
    dock.run.click()
    assert len(started) == 1
    assert "no good pixel" in dock.status.text()


def test_a_painted_mask_is_saved_for_the_detector_and_read_back(
    viewer, scan, editor, qtbot, cxi, tmp_path
):
    layer = edit(qtbot, editor)
    layer.brush_size = 1
    layer.paint((4, 9), BAD)
    editor.write(tmp_path / "mask")
    assert "--mask" in editor.status.text()
    stored, _ = read_mask(tmp_path / "mask.npy")
    # The scan was opened transposed; the file is as the detector is.
    assert not stored[9, 4]
    assert stored[4, 9]
    options = ScanOptions(orientation=4, mask_file=tmp_path / "mask.npy")
    np.testing.assert_array_equal(open_scan(cxi, options).mask, painted(viewer, scan).mask)
    layer.data = np.zeros_like(layer.data)
    editor.read(tmp_path / "mask.npy")
    assert layer.data[4, 9] == BAD
    write_mask(tmp_path / "other.npy", np.ones((5, 5), bool))
    editor.read(tmp_path / "other.npy")
    assert "(5, 5), the detector is (32, 32)" in editor.status.text()
    assert layer.data[4, 9] == BAD


def test_masked_pixels_are_counted_while_the_mask_is_painted(viewer, scan, editor, qtbot):
    assert editor.count.isHidden()
    layer = edit(qtbot, editor)
    before = int((~scan.mask).sum())

    def says(masked: int) -> None:
        share = f"{100 * masked / 1024:.3g}"
        text = f"{masked} of 1024 pixels are masked ({share} %)"
        qtbot.waitUntil(lambda: editor.count.text() == text)

    says(before)
    layer.brush_size = 1
    with layer.block_history():
        # The stroke goes on: the brush is still down.
        layer.paint((4, 9), BAD)
        says(before + 1)
        layer.paint((4, 10), BAD)
    says(before + 2)
    layer.undo()
    says(before)
    layer.data = np.full_like(layer.data, BAD)
    says(1024)
    viewer.layers.remove(layer)
    assert editor.count.isHidden()


def test_the_count_of_a_closed_dock_is_left_alone(viewer, scan, qtbot):
    editor = MaskEditor(viewer)
    layer = edit(qtbot, editor)
    with qtbot.waitSignal(editor.destroyed):
        editor.deleteLater()
    layer.paint((4, 9), BAD)
    layer.data = np.zeros_like(layer.data)


def test_a_mask_that_is_there_is_selected_not_added_again(viewer, scan, editor, qtbot):
    layer = edit(qtbot, editor)
    viewer.layers.selection.active = viewer.layers[0]
    editor.edit.click()
    assert viewer.layers.selection.active is layer
    assert len(viewer.layers) == 4
    assert len(scans_in(viewer)) == 1


def test_without_a_scan_there_is_nothing_to_press(editor):
    buttons = (editor.edit, editor.open, editor.save)
    assert not any(button.isEnabled() for button in buttons)


def test_the_load_dock_crops_and_bins_as_its_fields_say(viewer, cxi, qtbot):
    dock = LoadScanWidget(viewer)
    qtbot.addWidget(dock)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.file.set_path(str(cxi))
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.detector.binning.setValue(2)
    assert dock._opened.scan.pattern_shape == (16, 16)
    assert "summed" in dock.text.toPlainText()
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.file.set_path("")
        dock.file.set_path(str(cxi))
    assert dock.form.detector.binning.value() == 1
    assert dock._opened.scan.pattern_shape == (32, 32)


def test_fields_of_the_detector_become_options():
    state = DetectorState(
        mask_file=" m.npy ", background="1,5", saturation="2e4", crop="64 × 32", binning=2
    )
    assert with_detector(ScanOptions(), state) == ScanOptions(
        mask_file="m.npy", background=1.5, saturation=2e4, crop=(64, 32), binning=2
    )
    assert with_detector(ScanOptions(), DetectorState(crop="64")).crop == (64, 64)
    assert with_detector(ScanOptions(), DetectorState(background="d.h5:/x")).background == "d.h5:/x"
    assert with_detector(ScanOptions(), DetectorState()) == ScanOptions()
    for wrong in (DetectorState(crop="wide"), DetectorState(saturation="much")):
        with pytest.raises(SettingsError, match="type"):
            with_detector(ScanOptions(), wrong)


def test_a_painting_that_leaves_nothing_is_refused(viewer, scan, editor, qtbot):
    edit(qtbot, editor).data[:] = BAD
    with pytest.raises(ScanError, match="no good pixel"):
        painted(viewer, scan)
