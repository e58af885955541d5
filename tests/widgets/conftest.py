"""Every widget test leaves Qt as it found it: no window, no running worker."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool
from qtpy.QtWidgets import QApplication

WORKER_PATIENCE_MS = 5_000
"""A cancelled job answers at its next batch; a worker busy for longer was left running."""


@pytest.fixture(autouse=True)
def no_leaks(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves a top-level widget or a running worker behind."""
    before = {id(widget) for widget in qapp.topLevelWidgets()}
    yield
    idle = QThreadPool.globalInstance().waitForDone(WORKER_PATIENCE_MS)
    _delete_what_is_due()
    left = [widget for widget in qapp.topLevelWidgets() if id(widget) not in before]
    assert idle, f"{request.node.name} left a worker running"
    assert not left, f"{request.node.name} left widgets: {', '.join(map(_describe, left))}"


def _delete_what_is_due() -> None:
    for _ in range(3):
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()


def _describe(widget: object) -> str:
    return f"{type(widget).__module__}.{type(widget).__qualname__}"
