"""Every widget test leaves Qt as it found it (no window, no running worker), and its user too."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtCore import QCoreApplication, QEvent, QSettings, QThreadPool
from qtpy.QtWidgets import QApplication, QWidget

from napari_ptychonn.scan.recipes import RECIPES_VARIABLE

WORKER_PATIENCE_MS = 5_000
"""A cancelled job answers at its next batch; a worker busy for longer was left running."""


@pytest.fixture(scope="session", autouse=True)
def small_heap() -> Iterator[None]:
    """Spare the garbage collector what the imports made.

    That is most of the heap, and both the check below and napari's own collect after a test.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a dock remembers, and recipes, in a folder of the test."""
    monkeypatch.setenv(RECIPES_VARIABLE, str(tmp_path / "recipes"))
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "ini"))


@pytest.fixture(autouse=True)
def no_leaks(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves a top-level widget or a running worker behind."""
    before = {id(widget) for widget in qapp.topLevelWidgets()}
    yield
    idle = QThreadPool.globalInstance().waitForDone(WORKER_PATIENCE_MS)
    left = _widgets_beyond(before)
    if left:
        # A widget that only a cycle of references keeps goes with the next collection.
        left.clear()
        gc.collect()
        left = _widgets_beyond(before)
    assert idle, f"{request.node.name} left a worker running"
    assert not left, f"{request.node.name} left widgets: {', '.join(map(_describe, left))}"


def _widgets_beyond(known: set[int]) -> list[QWidget]:
    QApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return [widget for widget in QApplication.topLevelWidgets() if id(widget) not in known]


def _describe(widget: object) -> str:
    return f"{type(widget).__module__}.{type(widget).__qualname__}"
