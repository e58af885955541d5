"""The search for the orientation in the Load scan dock: eight pictures, click to choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_ptychonn.reconstruction.events import Event, Finished, Progress, ShouldStop
from napari_ptychonn.reconstruction.orient import turned_scan
from napari_ptychonn.reconstruction.orientation_search import OrientationSearch, OrientationTrial
from napari_ptychonn.reconstruction.position_scale import PositionScale
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate_to_cxi
from napari_ptychonn.widgets import orientation_gallery
from napari_ptychonn.widgets.load_scan import LoadScanWidget
from napari_ptychonn.widgets.orientation_gallery import (
    CANCEL,
    CHECK_STOPPED,
    FIND,
    SEARCHING,
    STOPPED,
    OrientationGallery,
)
from napari_ptychonn.widgets.orientation_tiles import grey_phases

READ_MS = 60_000


@pytest.fixture(scope="module")
def cxi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "circuit.cxi"
    simulate_to_cxi(path, SimulationSettings(sample="circuit", points=49, step_px=4.0, seed=3))
    return path


@pytest.fixture(scope="module")
def scan(cxi: Path) -> Scan:
    return open_scan(cxi)


@pytest.fixture
def gallery(scan: Scan, qtbot) -> OrientationGallery:
    widget = OrientationGallery(ViewerModel())
    qtbot.addWidget(widget)
    widget.set_scan(scan)
    widget.show()
    return widget


def made_search(misfits: list[float], tied: tuple[int, ...], best: int = 0) -> OrientationSearch:
    picture = np.exp(1j * np.linspace(-1, 1, 400).reshape(20, 20)).astype(np.complex64)
    trials = tuple(
        OrientationTrial(code, misfit, 0.0 if code == best else 9.0, picture)
        for code, misfit in enumerate(misfits)
    )
    return OrientationSearch(trials, best, 0, 9.0, tied, points=49, sweeps=3, stopped=False)


def made_scale(scale: float) -> PositionScale:
    return PositionScale(scale, 0.002, True, (0.9, 1.0, 1.1), (3.0, 2.0, 1.0), "known", False)


def answer(monkeypatch, search: OrientationSearch, scale: PositionScale | None = None) -> list[int]:
    """Let both jobs end at once with these; the list gets the orientations that are checked."""
    checked: list[int] = []

    def find(_scan: Scan, _stop: ShouldStop) -> Iterator[Event[OrientationSearch]]:
        yield Progress("searching", 1, 2)
        yield Finished(search, stopped=False)

    def check(_scan: Scan, code: int, _stop: ShouldStop) -> Iterator[Event[PositionScale]]:
        checked.append(code)
        assert scale is not None
        yield Finished(scale, stopped=False)

    monkeypatch.setattr(orientation_gallery, "_search", find)
    monkeypatch.setattr(orientation_gallery, "_check", check)
    return checked


def find_all(qtbot, gallery: OrientationGallery) -> None:
    gallery.find.click()
    qtbot.waitUntil(lambda: not gallery.runner.running, timeout=READ_MS)


def marks(gallery: OrientationGallery) -> str:
    """First letters of the eight: the mark, or the number where there is none."""
    return "".join(button.text()[0] for button in gallery.tiles.buttons)


def test_the_right_one_is_found_marked_and_used_by_a_click(cxi, qtbot) -> None:
    dock = LoadScanWidget(ViewerModel())
    qtbot.addWidget(dock)
    dock.form.folds["Orientation"].set_open(True)
    dock.form.set_orientation(2)
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.file.set_path(str(cxi))
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        dock.form.set_orientation(2)
    gallery = dock.orientation
    gallery.find.click()
    assert gallery.status.text() == SEARCHING
    assert gallery.find.text() == CANCEL
    qtbot.waitUntil(lambda: gallery._is_checking or not gallery.runner.running, timeout=READ_MS)
    assert marks(gallery) == "✓1234567"
    assert "fits best" in gallery.status.text()
    assert "The scan has 2" in gallery.status.text()
    assert gallery.tiles.buttons[2].isChecked()
    # The scale is still being checked: what is there can be used already.
    with qtbot.waitSignal(dock.runner.finished, timeout=READ_MS):
        qtbot.mouseClick(gallery.tiles.buttons[0], Qt.MouseButton.LeftButton)
    assert dock._opened is not None
    assert dock._opened.scan.provenance.orientation == 0
    assert marks(gallery) == "✓1234567"
    assert "The scan has 2" not in gallery.status.text()
    assert "0 is used now" in gallery.status.text()
    qtbot.waitUntil(lambda: not gallery.runner.running, timeout=READ_MS)
    assert "scale" in gallery.scale.text()


def test_two_that_fit_alike_are_both_marked_and_none_is_best(gallery, qtbot, monkeypatch) -> None:
    checked = answer(monkeypatch, made_search([0.2, 0.3, 0.3, 0.2, *[0.4] * 4], tied=(3,)))
    find_all(qtbot, gallery)
    assert marks(gallery) == "≈12≈4567"
    assert gallery.status.text().startswith("Cannot tell: orientations 0, 3")
    # In an orientation that is not known, the scale says nothing.
    assert checked == []
    assert not gallery.scale.isVisibleTo(gallery)


def test_the_scale_is_checked_in_the_orientation_that_was_found(
    gallery, qtbot, monkeypatch
) -> None:
    search = made_search([0.4, 0.4, 0.4, 0.4, 0.4, 0.1, 0.4, 0.4], tied=(), best=5)
    checked = answer(monkeypatch, search, made_scale(1.12))
    find_all(qtbot, gallery)
    assert checked == [5]
    assert gallery.scale.text().startswith("⚠ The positions fit best when scaled by 1.12")
    assert gallery.scale.isVisibleTo(gallery)


def test_a_scale_that_fits_is_no_warning(gallery, qtbot, monkeypatch) -> None:
    answer(monkeypatch, made_search([0.1, *[0.4] * 7], tied=()), made_scale(1.001))
    find_all(qtbot, gallery)
    assert "⚠" not in gallery.scale.text()
    assert "1.001" in gallery.scale.text()


def test_cancel_leaves_a_sentence_and_no_pictures(gallery, qtbot, monkeypatch) -> None:
    def endless(_scan: Scan, should_stop: ShouldStop) -> Iterator[Event[OrientationSearch]]:
        while not should_stop():
            yield Progress("searching", 1, 100)
        halted = replace(made_search([np.nan] * 8, tied=tuple(range(1, 8))), stopped=True)
        yield Finished(halted, stopped=True)

    monkeypatch.setattr(orientation_gallery, "_search", endless)
    with qtbot.waitSignal(gallery.runner.progress, timeout=READ_MS):
        gallery.find.click()
    with qtbot.waitSignal(gallery.runner.finished, timeout=1000):
        gallery.find.click()
    assert gallery.status.text() == STOPPED
    assert gallery.find.text() == FIND
    assert not gallery.tiles.isVisibleTo(gallery)


def test_hiding_the_dock_stops_the_check_and_keeps_what_was_found(
    gallery, qtbot, monkeypatch
) -> None:
    answer(monkeypatch, made_search([0.1, *[0.4] * 7], tied=()))

    def endless(_scan: Scan, _code: int, should_stop: ShouldStop) -> Iterator[Event[PositionScale]]:
        while not should_stop():
            yield Progress("scale", 1, 100)

    monkeypatch.setattr(orientation_gallery, "_check", endless)
    gallery.find.click()
    qtbot.waitUntil(lambda: gallery._is_checking and gallery.runner.running, timeout=READ_MS)
    gallery.hide()
    qtbot.waitUntil(lambda: gallery.scale.text() == CHECK_STOPPED, timeout=READ_MS)
    assert marks(gallery) == "✓1234567"
    assert gallery.find.text() == FIND


def test_another_scan_takes_the_pictures_away_and_another_turn_does_not(
    gallery, scan, qtbot, monkeypatch
) -> None:
    answer(monkeypatch, made_search([0.1, *[0.4] * 7], tied=()), made_scale(1.0))
    find_all(qtbot, gallery)
    gallery.set_scan(turned_scan(scan, 6))
    assert gallery.tiles.isVisibleTo(gallery)
    assert gallery.tiles.buttons[6].isChecked()
    gallery.set_scan(replace(scan, positions=1.1 * scan.positions))
    assert not gallery.tiles.isVisibleTo(gallery)
    assert gallery.status.text() == gallery.scale.text() == ""


def test_the_pictures_fit_into_the_dock(gallery, qtbot, monkeypatch) -> None:
    answer(monkeypatch, made_search([0.00123, *[0.0456] * 7], tied=()), made_scale(1.0))
    find_all(qtbot, gallery)
    assert gallery.tiles.minimumSizeHint().width() <= 340
    best = gallery.tiles.buttons[0]
    assert best.fontMetrics().horizontalAdvance(best.text()) <= best.minimumWidth()


def test_all_pictures_have_one_scale_of_grey() -> None:
    strong = np.exp(1j * np.linspace(-1, 1, 100).reshape(10, 10)).astype(np.complex64)
    greys = grey_phases([strong, strong**0.1])
    assert np.ptp(greys[0]) > 200
    assert np.ptp(greys[1]) < 40
    assert grey_phases([np.ones((4, 4), np.complex64)])[0].max() == 128
