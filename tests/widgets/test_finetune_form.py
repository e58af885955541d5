"""The fields of the Fine-tune dock, and what they ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from widget_lessons import reconstruction

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.folders import SUFFIX
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.widgets import finetune_form
from napari_ptychonn.widgets.finetune_form import FinetuneForm
from napari_ptychonn.widgets.finetune_names import is_bundled, is_own, suggested_name
from napari_ptychonn.widgets.finetune_state import (
    TeachingState,
    settings_from,
    state_from_json,
    state_to_json,
)

EVERYTHING = TeachingState(
    network="ptychonn", fresh=True, teacher="labels", preset="published", length=7.5, unit="epochs",
    rate=2.5e-4, batch_size=32, frozen="encoder", percent=60, held_out=10, label_sweeps=4,
    label_epochs=9, device="cpu", seed=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate(SimulationSettings(size=32, points=60, photons=1e5, seed=1)).scan


@pytest.fixture
def form(qtbot) -> FinetuneForm:
    made = FinetuneForm()
    qtbot.addWidget(made)
    return made


def test_form_and_settings_say_the_same(tmp_path: Path) -> None:
    assert settings_from(EVERYTHING, tmp_path) == FinetuneSettings(
        network="ptychonn", fresh=True, teacher="labels", preset="published", minutes=None,
        epochs=7.5, rate=2.5e-4, batch_size=32, frozen="encoder", part=0.6, validation=0.1,
        label_sweeps=4, label_epochs=9, folder=tmp_path, device="cpu", seed=3,
    )  # fmt: skip
    assert settings_from(TeachingState()) == FinetuneSettings()
    assert settings_from(replace(EVERYTHING, length=12.0, unit="steps")).steps == 12
    with pytest.raises(SettingsError, match="learns from labels"):
        settings_from(replace(EVERYTHING, teacher="physics"))


def test_a_form_that_was_kept_comes_back_and_nonsense_becomes_the_default() -> None:
    assert state_from_json(state_to_json(EVERYTHING)) == EVERYTHING
    assert state_from_json("{") == state_from_json("[1]") == TeachingState()
    spoiled = '{"percent": 900, "rate": "fast", "batch_size": true, "teacher": "me", "seed": 4}'
    assert state_from_json(spoiled) == TeachingState(seed=4)


def test_the_fields_outlive_the_session_and_reset_brings_the_defaults(form, qtbot) -> None:
    form.show_state(EVERYTHING)
    assert form.state() == EVERYTHING
    again = FinetuneForm()
    qtbot.addWidget(again)
    assert again.state() == EVERYTHING
    again.reset()
    assert again.state() == TeachingState()


def test_what_is_not_installed_is_offered_but_disabled_with_the_reason(qtbot, monkeypatch) -> None:
    for found in (None, "ptychi"):
        monkeypatch.setattr(finetune_form, "find_spec", lambda name, found=found: found)
        form = FinetuneForm()
        qtbot.addWidget(form)
        box = form.teacher
        for teacher in ("lsqml", "rpie"):
            row = box.findData(teacher)
            assert box.model().item(row).isEnabled() == bool(found)
            reason = box.itemData(row, Qt.ItemDataRole.ToolTipRole)
            assert reason is None if found else "pip install" in reason
        form.show_state(replace(EVERYTHING, teacher="rpie"))
        assert form.state().teacher == ("rpie" if found else "physics")


def test_the_published_recipe_needs_labels(form) -> None:
    form.show_state(EVERYTHING)
    assert form.state().preset == "published"
    form.teacher.setCurrentIndex(form.teacher.findData("physics"))
    assert form.state().preset == "own"
    row = form.preset.findData("published")
    assert not form.preset.model().item(row).isEnabled()
    form.teacher.setCurrentIndex(form.teacher.findData("sweeps"))
    assert form.preset.model().item(row).isEnabled()


def test_a_learning_rate_that_is_no_number_is_said_and_not_used(form, scan) -> None:
    form.offer_scans([scan], [])
    assert form.problem() == ""
    form.rate.setText("1e-")
    assert "'1e-'" in form.problem()
    assert form.state().rate is None
    form.rate.setText("1e-4")
    assert form.problem() == ""
    assert form.state().rate == 1e-4


def test_the_numbers_of_points_are_said(form, scan) -> None:
    form.show_state(TeachingState())
    form.offer_scans([scan, replace(scan)], [])
    assert form.points.text() == "60 of 60 points, about 12 held out"
    form.percent.setValue(50)
    form.scans.check([*form.scans._scans])
    assert form.points.text() == "60 of 120 points, about 12 held out"


def test_checked_scans_stay_checked_while_others_come_and_go(form, scan) -> None:
    first, second, third = scan, replace(scan), replace(scan)
    form.offer_scans([first, second], [])
    assert form.scans.chosen() == [first]
    form.scans.check([second])
    form.offer_scans([third, second, first], [])
    assert [each is second for each in form.scans.chosen()] == [True]
    assert [form.scans.item(row).text() for row in range(3)] == [
        scan.name, f"{scan.name} (2)", f"{scan.name} (3)"
    ]  # fmt: skip
    form.offer_scans([third], [])
    assert form.scans.chosen()[0] is third


def test_a_reconstruction_of_the_viewer_or_a_file_is_the_label(form, scan, tmp_path) -> None:
    form.show_state(replace(TeachingState(), teacher="labels"))
    form.offer_scans([scan], [])
    assert "Choose the reconstruction" in form.problem()
    assert not form.labels.isHidden()
    made, newer = reconstruction(scan, 1), reconstruction(scan, 2)
    form.offer_scans([scan], [("first", made), ("second", newer)])
    assert form.problem() == ""
    (label,) = form.labels.labels()
    assert label is newer
    (box,) = form.labels.boxes
    box.setCurrentIndex(0)
    box.activated.emit(0)
    (label,) = form.labels.labels()
    assert label is made
    box.choose(tmp_path / "product.h5")
    form.offer_scans([scan], [])  # a file stays when the layers go
    assert form.labels.labels() == (tmp_path / "product.h5",)
    assert box.currentText() == "product.h5"
    form.teacher.setCurrentIndex(form.teacher.findData("physics"))
    assert form.labels.isHidden()


def test_every_scan_has_a_label_of_its_own(form, scan) -> None:
    other = replace(scan, provenance=replace(scan.provenance, format="second"))
    form.show_state(replace(TeachingState(), teacher="labels"))
    mine, others = reconstruction(scan, 1), reconstruction(other, 2)
    form.offer_scans([scan, other], [("mine", mine), ("other", others)])
    form.scans.check([scan, other])
    labels = form.labels.labels()
    assert labels[0] is mine
    assert labels[1] is others


def test_a_suggested_name_is_free_and_can_be_a_file_name(own_networks: Path) -> None:
    assert suggested_name("ptychonn-probe", ["scan 12"]) == "ptychonn-probe scan 12"
    assert suggested_name(f"/a/b/mine{SUFFIX}", ["x:y/z."]) == "mine x-y-z"
    assert suggested_name("net", ["a", "b", "c"]) == "net a+2"
    assert len(suggested_name("net", ["x" * 300])) <= 100
    own_networks.mkdir()
    (own_networks / f"Net A{SUFFIX}").touch()
    assert suggested_name("net", ["a"]) == "net a 2"
    assert is_own("net a")
    assert not is_own("net")
    assert is_bundled("ptychonn-probe")


def test_a_patch_is_transparent_where_nothing_is_known() -> None:
    from napari_ptychonn.widgets.finetune_patch import coloured

    values = np.array([[0.0, 1.0], [np.nan, 0.5]])
    opacity = np.array([[1.0, 0.5], [1.0, 0.0]])
    colours = coloured(values, (0.0, 1.0), "gray", opacity)
    assert colours[..., 3].tolist() == [[255, 128], [0, 0]]
    assert colours[0, 0, 0] == 0
    assert colours[0, 1, 0] == 255
