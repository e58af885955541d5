"""What watching a training costs: its speed without a window and in the dock, and its stalls.

Both run in turn in processes of their own, on the same scan and settings, for whole rounds of
so many seconds or more; a stall is what the window's thread computes between two ticks of a
timer. Rates are per second of the processor: of the training's own thread, which tells what it
is held up by where a core is left for the window, and of all threads, drawing without a graphics
card among them. The time that passes is printed beside the stalls: other programs add to that.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

_TICK_MS = 20
_LOOK_MS = 50
_PATIENCE_S = 600.0
_LONG = 1_000_000
_ROUND = 32
"""Steps between two looks at the held-out points."""


def main() -> None:
    """Print steps per second of both, their ratio, and the stalls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sample", default="circuit-zone-plate")
    parser.add_argument("--part", type=float, default=0.25, help="of the scan that is used")
    given = parser.parse_args()
    rates: dict[str, list[tuple[float, float]]] = {"alone": [], "window": []}
    for _ in range(given.repeats):
        for kind in rates:
            found = _run(kind, given)
            rates[kind].append((found["steps_per_own_cpu_s"], found["steps_per_cpu_s"]))
            print(kind, json.dumps(found), flush=True)
    alone, window = (np.median(rates[kind], axis=0) for kind in ("alone", "window"))
    for what, slow, fast in zip(
        ("the training's thread", "all threads"), window, alone, strict=True
    ):
        print(f"steps per processor second of {what}: {fast:.2f} alone, {slow:.2f} in the dock")
        print(f"  the display costs {100 * (1 - slow / fast):.1f} %")


def _run(kind: str, given: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).resolve()), kind, given.sample]
    command += [str(given.seconds), str(given.part), str(given.threads)]
    if kind == "window" and not os.environ.get("DISPLAY") and sys.platform == "linux":
        command = [str(shutil.which("xvfb-run")), "-a", "-s", "-screen 0 1280x800x24", *command]
    with tempfile.TemporaryDirectory() as own:
        told = {"OMP_NUM_THREADS": str(given.threads), "XDG_CONFIG_HOME": own}
        told |= {"NAPARI_PTYCHONN_NETWORKS": own, "NAPARI_PTYCHONN_LOCKS": own}
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | told
        )
    if ran.returncode:
        raise RuntimeError(f"{command} ended with {ran.returncode}: {ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


class _Count:
    """Steps of whole rounds after the first, and the time that they took."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: tuple[int, float, float, float] | None = None
        self.found: dict[str, float] = {}

    def see(self, event: Any) -> bool:
        """Take note of an event; whether it is long enough."""
        # Whole rounds: most of what is shown comes at their ends.
        is_step = getattr(event, "stage", "").startswith("step ")
        if not is_step or event.done == 1 or event.done % _ROUND != 1:
            return False
        # In the thread that trains.
        clocks = time.perf_counter(), time.process_time(), time.thread_time()
        now = (int(event.done), *clocks)
        if self._first is None:
            self._first = now
        steps, passed, used, own = (new - old for new, old in zip(now, self._first, strict=True))
        if passed < self._seconds or not steps:
            return False
        self.found = {
            "steps": steps,
            "steps_per_s": round(steps / passed, 3),
            "steps_per_cpu_s": round(steps / used, 3),
            "steps_per_own_cpu_s": round(steps / own, 3),
        }
        return True


def _alone(sample: str, seconds: float, part: float) -> dict[str, Any]:
    from napari_ptychonn.simulation.sample_scan import sample_scan
    from napari_ptychonn.training.finetune import finetune_events
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

    count = _Count(seconds)
    with tempfile.TemporaryDirectory() as folder:
        settings = FinetuneSettings(
            minutes=None, steps=_LONG, part=part, device="cpu", folder=Path(folder)
        )
        for event in finetune_events([sample_scan(sample)], settings):
            if count.see(event):
                break
    return count.found


def _in_the_window(sample: str, seconds: float, part: float) -> dict[str, Any]:
    from napari import Viewer
    from qtpy.QtCore import QEventLoop, QTimer

    from napari_ptychonn.simulation.sample_scan import sample_scan
    from napari_ptychonn.widgets.finetune import FinetuneWidget
    from napari_ptychonn.widgets.finetune_state import TeachingState
    from napari_ptychonn.widgets.layers import add_scan

    def wait_until(holds: Any) -> None:
        until = time.perf_counter() + _PATIENCE_S
        # An event loop as napari has it: asking for events again and again takes time itself.
        loop, look = QEventLoop(), QTimer()
        look.timeout.connect(lambda: loop.quit() if holds() else None)
        look.start(_LOOK_MS)
        QTimer.singleShot(round(1e3 * _PATIENCE_S), loop.quit)
        loop.exec()
        if time.perf_counter() > until:
            raise TimeoutError("the window did not do what was waited for")

    viewer = Viewer()
    add_scan(viewer, sample_scan(sample))
    dock = FinetuneWidget(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.show_state(
        TeachingState(length=_LONG, unit="steps", percent=round(100 * part), device="cpu")
    )
    settled = time.perf_counter() + 2
    wait_until(lambda: time.perf_counter() > settled)
    count = _Count(seconds)
    gaps: list[tuple[float, float]] = []
    enough: list[bool] = []
    teach = dock.teach

    def counted(assignment: Any, should_stop: Any) -> Any:
        for event in teach(assignment, should_stop):
            if not enough and count.see(event):
                enough.append(True)
            yield event

    last = [time.perf_counter(), time.thread_time()]

    def tick() -> None:
        now = [time.perf_counter(), time.thread_time()]
        gaps.append((now[0] - last[0], now[1] - last[1]))
        last[:] = now

    dock.teach = counted
    timer = QTimer()
    timer.setInterval(_TICK_MS)
    timer.timeout.connect(tick)
    timer.start()
    dock.controls.start.click()
    wait_until(lambda: bool(enough))
    ended: list[object] = []
    dock.ended.connect(ended.append)
    clicked = time.perf_counter()
    dock.controls.keep.click()
    wait_until(dock.controls.start.isEnabled)
    idle = time.perf_counter() - clicked
    wait_until(lambda: bool(ended))
    timer.stop()
    dock.outcome.unsaved = False
    viewer.close()
    passed, computed = np.transpose(gaps) * 1e3
    return count.found | {
        "computed_ms_longest": round(float(computed.max())),
        "computed_ms_95_percent": round(float(np.quantile(computed, 0.95)), 1),
        "passed_ms_longest": round(float(passed.max())),
        "passed_ms_95_percent": round(float(np.quantile(passed, 0.95)), 1),
        "idle_after_keep_s": round(idle, 2),
    }


def _child(kind: str, sample: str, seconds: str, part: str, threads: str) -> dict[str, Any]:
    import torch

    torch.set_num_threads(int(threads))
    measure = _alone if kind == "alone" else _in_the_window
    return measure(sample, float(seconds), float(part))


if __name__ == "__main__":
    if sys.argv[1:2] in (["alone"], ["window"]):
        print(json.dumps(_child(*sys.argv[1:])))
    else:
        main()
