"""The Fine-tune dock with the real job, on a small simulated scan and a tiny network."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from qtpy.QtCore import QTimer
from widget_lessons import ARCHITECTURE, names, press

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.weights import load_network, save_network
from napari_ptychonn.reconstruction.job import reconstruct
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.training import teaching
from napari_ptychonn.widgets.finetune import FinetuneWidget
from napari_ptychonn.widgets.finetune_state import TeachingState
from napari_ptychonn.widgets.job_thread import Outcome
from napari_ptychonn.widgets.layers import add_reconstruction, add_scan

RUN_MS = 600_000
TICK_MS = 5
AWAKE_S = 0.1
"""What a person feels as at once."""
CROWDED = 1.5
"""The same work takes more of a processor that other programs use too."""


@pytest.fixture(scope="module")
def scan() -> Scan:
    """Bright, and points overlap: nothing else mends what a tiny network does wrong."""
    return simulate(SimulationSettings(size=32, points=80, photons=3e4, step_px=4.0, seed=1)).scan


@pytest.fixture
def network(own_networks: Path) -> str:
    """A network with eight channels and random weights, which takes too much for noise."""
    own_networks.mkdir()
    torch.manual_seed(0)
    card = NetworkCard("tiny", "ptychonn-probe", ARCHITECTURE, needs_probe=True)
    module = ProbeAwareNet(**ARCHITECTURE)
    with torch.no_grad():
        module.head.bias[8:] = 3
    save_network(own_networks / "tiny.safetensors", card, module)
    return "tiny"


def make_dock(viewer, network: str, steps: int, teacher: str = "physics") -> FinetuneWidget:
    dock = FinetuneWidget(viewer)
    viewer.window.add_dock_widget(dock)
    state = TeachingState(
        network=network, teacher=teacher, length=steps, unit="steps", rate=3e-3, batch_size=8,
        device="cpu",
    )  # fmt: skip
    dock.form.show_state(state)
    return dock


class Gaps:
    """How long the window's event loop was away, each time.

    Counted is the processor time of the window's own thread: where other programs, or the
    worker, have the processor, the window waits too, and no bar could be held.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = time.thread_time()
        self._timer = QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.thread_time()
        self.seconds.append(now - self._last)
        self._last = now

    def stop(self) -> np.ndarray:
        self._timer.stop()
        return np.asarray(self.seconds)


@pytest.mark.alone
@pytest.mark.benchmark
def test_a_real_training_ends_better_saved_and_the_window_stays_awake(
    make_napari_viewer, scan, network, qtbot, own_networks
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = make_dock(viewer, network, steps=64)
    add_scan(viewer, scan)
    qtbot.wait(500)  # napari is busy with itself at first
    switching = sys.getswitchinterval()
    gaps = Gaps()
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS) as ended:
        press(qtbot, dock.controls.start)
    away = gaps.stop()
    assert ended.args[0].error is None
    assert ended.args[0].outcome is Outcome.DONE
    share = float(np.quantile(away, 0.95))
    print(
        f"window's thread busy while training: 95 % of {len(away)} times below "
        f"{1e3 * share:.1f} ms, longest {1e3 * away.max():.0f} ms"
    )
    assert share < AWAKE_S / 5
    # The longest is napari making a layer with its controls.
    assert away.max() < CROWDED * AWAKE_S
    assert sys.getswitchinterval() == switching
    assert dock.live.curves.best_step > 0
    assert dock.outcome.unsaved
    assert float(dock.report.figures["loss", "after"].text()) < float(
        dock.report.figures["loss", "before"].text()
    )
    assert viewer.layers["after: simulation object phase"].visible
    with qtbot.waitSignal(dock.outcome.saved, timeout=RUN_MS):
        press(qtbot, dock.report.save)
    assert load_network("tiny simulation").card.parents[-1:] == ("tiny",)
    assert not list((own_networks / "unfinished").glob("*"))


@pytest.mark.alone
def test_a_reconstruction_of_the_viewer_teaches_and_cancel_takes_less_than_a_second(
    make_napari_viewer, scan, network, qtbot
) -> None:
    viewer = make_napari_viewer()
    dock = make_dock(viewer, network, steps=100_000, teacher="labels")
    add_scan(viewer, scan)
    label = reconstruct(scan, ReconstructionSettings(network=network, sweeps=5, device="cpu"))
    add_reconstruction(viewer, label)
    before = names(viewer)
    with qtbot.waitSignal(dock.runner.metrics, timeout=RUN_MS):
        press(qtbot, dock.controls.start)
    assert "phase correlation with labels" in dock.live.standing.text()
    assert not dock.live.patch.pictures["label", "phase"].pixmap().isNull()
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS) as ended:
        # Of this process, as other programs may hold the processor meanwhile.
        clicked = time.process_time()
        press(qtbot, dock.controls.cancel)
        qtbot.waitUntil(dock.controls.start.isEnabled, timeout=RUN_MS)
        answered = time.process_time() - clicked
    print(f"cancel: {answered:.2f} s")
    assert answered < 1.0
    assert ended.args[0].outcome is Outcome.STOPPED
    assert names(viewer) == before


def test_a_training_that_was_closed_away_goes_on_from_its_checkpoint(
    make_napari_viewer, scan, network, qtbot, monkeypatch
) -> None:
    monkeypatch.setattr(teaching, "_CHECKPOINT_SECONDS", 0)
    viewer = make_napari_viewer(show=True)
    dock = make_dock(viewer, network, steps=64)
    add_scan(viewer, scan)
    steps: list[int] = []
    dock.runner.progress.connect(lambda stage, *_: steps.append(_step_of(stage)))
    dock.teach, teach = _paused_after(dock.teach, 40), dock.teach
    with qtbot.waitSignal(dock.runner.progress, timeout=RUN_MS):
        press(qtbot, dock.controls.start)
    qtbot.waitUntil(lambda: steps[-1] >= 40, timeout=RUN_MS)
    frame = dock.parent()
    frame.close()
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=RUN_MS)
    frame.show()
    qtbot.waitUntil(lambda: dock.offer.offered is not None, timeout=RUN_MS)
    assert "tiny on simulation was cut off" in dock.offer.text.text()
    dock.teach = teach
    steps.clear()
    dock.tabs.setCurrentIndex(0)
    with qtbot.waitSignal(dock.ended, timeout=RUN_MS) as ended:
        press(qtbot, dock.offer.resume)
    assert ended.args[0].outcome is Outcome.DONE
    assert steps[0] > 32  # it did not begin anew
    assert ended.args[0].result.step == 64
    dock.outcome.unsaved = False


def _paused_after(teach, step):
    """The real job, held up after a step until it is told to stop."""

    def events(assignment, should_stop):
        for event in teach(assignment, should_stop):
            yield event
            if getattr(event, "stage", "") == f"step {step}":
                while not should_stop():
                    time.sleep(0.01)

    return events


def _step_of(stage: str) -> int:
    return int(stage.split()[1]) if stage.startswith("step ") else 0
