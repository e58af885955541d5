"""A training that only pretends to learn, and the dock's buttons that start and end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Finished, Message, Metrics, Progress
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.training.finetune_events import (
    FineTuned,
    HeldOutPatch,
    Losses,
    ObjectView,
    PointSplit,
    Standing,
)
from napari_ptychonn.widgets.finetune import FinetuneWidget
from napari_ptychonn.widgets.finetune_job import Assignment

PATIENCE_MS = 20_000
ARCHITECTURE = {"channels": (8, 8, 8), "blocks": 1}
SHAPE = (24, 30)


def an_object(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sample = rng.uniform(0.5, 1, SHAPE) * np.exp(1j * rng.uniform(-1, 1, SHAPE))
    sample[:2] = np.nan
    return sample.astype(np.complex64)


def reconstruction(scan: Scan, seed: int) -> Reconstruction:
    assert scan.pixel_m is not None
    return Reconstruction(
        object=an_object(seed),
        pixel=scan.pixel_m,
        unit="m",
        corner=(0.0, 0.0),
        probe=np.ones((1, 32, 32), np.complex64),
        positions=scan.positions,
        indices=np.arange(scan.n_points),
        coverage=np.ones(SHAPE, np.float32),
        disagreement=np.ones(SHAPE, np.float32),
        misfit=np.ones(scan.n_points, np.float32),
        settings=ReconstructionSettings(),
        card=NetworkCard("some", "ptychonn-probe"),
        provenance=scan.provenance,
        report=RunReport(0.02, 1.5, 4.7, "CPU", 3, 2, 1),
    )


def fine_tuned(assignment: Assignment, *, best_step: int, stopped: bool = False) -> FineTuned:
    parent = assignment.state.network
    pictures = [(reconstruction(scan, 1), reconstruction(scan, 2)) for scan in assignment.scans]
    return FineTuned(
        state=ProbeAwareNet(**ARCHITECTURE).state_dict(),
        card=NetworkCard(
            "taught", "ptychonn-probe", ARCHITECTURE, needs_probe=True, parents=(parent,)
        ),
        before=Standing(0.5, 0.1, None),
        after=Standing(0.5 - 0.01 * best_step, 0.08, None),
        step=4,
        best_step=best_step,
        steps=4,
        seconds=125.0,
        stopped=stopped,
        pictures=() if stopped else tuple(pictures),
        messages=("The batch was halved.",),
    )


class Lessons:
    """Stands for the job: tells what one tells, waits where a test says so."""

    def __init__(self, *, best_step: int = 3, steps: int = 4, pause: float = 0.0) -> None:
        self.best_step, self.steps, self.pause = best_step, steps, pause
        self.asked: list[Assignment] = []
        self.done = 0

    def __call__(self, assignment: Assignment, should_stop: Callable[[], bool]) -> Iterator[Any]:
        self.asked.append(assignment)
        yield Message("The probe is a guess.")
        for number, scan in enumerate(assignment.scans):
            half = scan.n_points // 2
            yield PointSplit(number, np.arange(half), np.arange(half + 5, scan.n_points))
        yield ObjectView("before", an_object(1), (3.0, 4.0), 0, 0)
        yield Losses(0, None, 0.5, True)
        label = np.exp(0.5j * np.ones((8, 8))).astype(np.complex64)
        for step in range(1, self.steps + 1):
            if should_stop():
                result = fine_tuned(assignment, best_step=self.best_step, stopped=True)
                yield Finished(result, stopped=True)
                return
            time.sleep(self.pause)
            self.done = step
            yield Progress(f"step {step}", step, self.steps)
            yield Losses(step, 0.6 / step, 0.5 - 0.01 * step, step == self.best_step)
            yield ObjectView("after", an_object(1 + step), (3.0, 4.0), 0, step)
            yield HeldOutPatch(40, label, label, np.ones((8, 8), np.float32))
            yield Metrics("held out", {"held-out loss": 0.5 - 0.01 * step})
        yield Finished(fine_tuned(assignment, best_step=self.best_step), stopped=False)


def press(qtbot, button) -> None:
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def teach(dock: FinetuneWidget, lessons: Lessons, qtbot) -> Any:
    """Press Start and wait for the end, which is returned."""
    dock.teach = lessons
    with qtbot.waitSignal(dock.ended, timeout=PATIENCE_MS) as ended:
        press(qtbot, dock.controls.start)
    return ended.args[0]


def begin(dock: FinetuneWidget, lessons: Lessons, qtbot) -> None:
    """Press Start and wait until the first step was done."""
    dock.teach = lessons
    with qtbot.waitSignal(dock.runner.progress, timeout=PATIENCE_MS):
        press(qtbot, dock.controls.start)


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]
