"""Every widget test leaves Qt as it found it (no window, no running worker), and its user too."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication, QEvent, QSettings, QThreadPool
from qtpy.QtWidgets import QApplication, QWidget

from napari_ptychonn.network.folders import NETWORKS_VARIABLE
from napari_ptychonn.scan.recipes import RECIPES_VARIABLE
from napari_ptychonn.training.device_lock import FOLDER_VARIABLE

WORKER_PATIENCE_MS = 5_000
"""A cancelled job answers at its next batch; a worker busy for longer was left running."""


def _load(place: Path) -> None:
    """A module beside the tests, which are no package: ``widget_lessons`` for ``lessons.py``."""
    name = f"widget_{place.stem}"
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


_load(Path(__file__).parent / "lessons.py")


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
    """Keep what a dock remembers, recipes, networks and locks in a folder of the test."""
    monkeypatch.setenv(RECIPES_VARIABLE, str(tmp_path / "recipes"))
    monkeypatch.setenv(NETWORKS_VARIABLE, str(tmp_path / "networks"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "ini"))


@pytest.fixture
def own_networks(tmp_path: Path) -> Path:
    """Folder of the networks of the test's user; there is none yet."""
    return tmp_path / "networks"


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """Messages that napari showed."""
    messages: list[str] = []

    def note(notification: Any) -> None:
        messages.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield messages
    notification_manager.notification_ready.disconnect(note)


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
