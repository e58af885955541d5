"""Errors in the window name fields, not shell options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import napari_ptychonn
from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.options import ROLES
from napari_ptychonn.widgets.dataset_fold import DatasetFold, title_of
from napari_ptychonn.widgets.load_form import LoadForm
from napari_ptychonn.widgets.window_words import DOCK, FIELDS, in_the_window

PACKAGE = Path(napari_ptychonn.__file__).parent
NOT_IN_THE_WINDOW = {"layout"}
"""Of networks: the window recognises it by itself."""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "choose another dataset with --dataset positions=/PATH, or give --positions FILE",
            "choose another dataset with 'Load scan > Datasets > Positions', "
            "or give 'Positions > From file'",
        ),
        (
            "give --raster 20,30,1e-6 with --positions-unit",
            "give 'Load scan > Positions > or raster' 20,30,1e-6 with 'Positions > Unit'",
        ),
        (
            "choose one with --positions my scan.h5:/DATASET",
            "choose one with 'Load scan > Positions > Dataset'",
        ),
        (
            "choose two of them by number with --positions-columns Y,X",
            "choose two of them by number with 'Load scan > Positions > Columns'",
        ),
        (
            "say it with --positions-unit m|mm|um|nm|px",
            "say it with 'Load scan > Positions > Unit'",
        ),
        (
            "choose another one with --dataset ROLE=/PATH",
            "choose another one with 'Load scan > Datasets'",
        ),
        (
            "choose with --dataset detector_pixel=/PATH",
            "choose with 'Load scan > Datasets > Detector pixel'",
        ),
        ("pip install --upgrade h5py", "pip install --upgrade h5py"),
    ],
)
def test_an_option_becomes_its_field_and_the_first_says_in_which_dock(said, shown) -> None:
    assert in_the_window(said) == shown
    error = ScanError("positions", "scan.h5", "there are none", remedy=said)
    assert in_the_window(error) == f"scan.h5: positions: there are none ({shown})"


def test_every_option_that_the_core_names_has_a_field() -> None:
    named = {
        option
        for room in ("scan", "optics", "network", "reconstruction", "simulation", "training")
        for file in (PACKAGE / room).rglob("*.py")
        for line in file.read_text("utf-8").splitlines()
        for option in re.findall(r"--([a-z][a-z-]*[a-z])", line)
    }
    assert named - NOT_IN_THE_WINDOW <= set(FIELDS)
    assert "positions" in named


def test_the_fields_are_called_so(qtbot) -> None:
    form = LoadForm()
    qtbot.addWidget(form)
    labels = set()
    for title, fold in form.folds.items():
        labels.add(title)
        for row in range(fold.rows.rowCount()):
            item = fold.rows.itemAt(row, fold.rows.ItemRole.LabelRole)
            if item is not None and item.widget() is not None:
                labels.add(f"{title} > {item.widget().text()}")
    assert set(FIELDS.values()) <= labels
    assert isinstance(form.folds["Datasets"], DatasetFold)
    assert {f"Datasets > {title_of(role).capitalize()}" for role in ROLES} <= labels
    assert DOCK in (PACKAGE / "napari.yaml").read_text("utf-8")
