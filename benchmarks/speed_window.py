"""What the window costs: imports, opening docks, the first picture after the click.

Each is measured in a process of its own, as napari would do it. Without a display the
windows open in Xvfb where that is installed, else offscreen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, MissingData
from stopwatch import Options

__all__ = ["window"]

_PATIENCE_S = 300.0
_CLICKS = 6
_IMPORT = """
import json, sys, time
began = time.perf_counter()
import napari_ptychonn
print(json.dumps({"seconds": time.perf_counter() - began, "torch": "torch" in sys.modules}))
"""


def window(options: Options) -> Iterator[Figure]:
    """Import, docks and first picture; medians of processes that start afresh."""
    imports = [_run(options, [sys.executable, "-c", _IMPORT]) for _ in range(options.repeats)]
    yield Figure("import napari_ptychonn", "time", _median(imports), "s", ("<=", 0.3))
    loaded = any(run["torch"] for run in imports)
    yield Figure("import napari_ptychonn", "torch is loaded", loaded, "", ("<=", 0))
    display = _display()
    if display is None:
        raise MissingData("there is no display, and no xvfb-run")
    child = [*display, sys.executable, str(Path(__file__).resolve())]
    for name, place in _docks():
        runs = [_run(options, [*child, "dock", place]) for _ in range(options.repeats)]
        yield Figure(f"opening the dock {name}", "time", _median(runs), "s", ("<=", 1))
        loaded = any(run["torch"] for run in runs)
        yield Figure(f"opening the dock {name}", "torch is loaded", loaded, "", ("<=", 0))
    with tempfile.TemporaryDirectory() as place:
        file = _scan_file(Path(place))
        picture = _run(options, [*child, "picture", str(file), options.device])
    case = "click to first picture, 1,600 points"
    yield Figure(case, "first run: torch is loaded too", picture["cold"], "s")
    yield Figure(case, "warm", float(np.median(picture["warm"])), "s", ("<=", 2))
    yield Figure(case, "warm, slowest", max(picture["warm"]), "s")


def _display() -> list[str] | None:
    if os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM") or sys.platform != "linux":
        return []
    return [found, "-a"] if (found := shutil.which("xvfb-run")) else None


def _docks() -> Iterator[tuple[str, str]]:
    """Name and Python name of every dock that the manifest lists."""
    from npe2 import PluginManifest

    import napari_ptychonn

    package = Path(napari_ptychonn.__file__).parent
    contributions = PluginManifest.from_file(package / "napari.yaml").contributions
    commands = {command.id: command.python_name for command in contributions.commands or ()}
    for widget in contributions.widgets or ():
        yield widget.display_name, str(commands[widget.command])


def _scan_file(folder: Path) -> Path:
    from simulated import natural_scan

    from napari_ptychonn.simulation.cxi import write_cxi

    scan, truth = natural_scan(1e5)
    write_cxi(folder / "scan.cxi", scan, truth, dtype=np.dtype(np.uint16))
    return folder / "scan.cxi"


def _run(options: Options, command: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as own:
        # A dock remembers its settings; the person's own stay as they are.
        told = {"OMP_NUM_THREADS": str(options.threads), "XDG_CONFIG_HOME": own}
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S,
            env=os.environ | told,
        )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(f"{command[-2:]} ended with {ran.returncode}: {ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _median(runs: Sequence[dict[str, Any]]) -> float:
    return float(np.median([run["seconds"] for run in runs]))


def _open_dock(place: str) -> dict[str, Any]:
    """Seconds from the choice in the menu until the dock is painted."""
    viewer = _viewer()
    began = time.perf_counter()
    module, name = place.split(":")
    dock = getattr(import_module(module), name)(viewer)
    viewer.window.add_dock_widget(dock)
    _wait_until(dock.isVisible)
    dock.repaint()
    found = {"seconds": time.perf_counter() - began, "torch": "torch" in sys.modules}
    viewer.close()
    return found


def _first_pictures(file: str, device: str) -> dict[str, Any]:
    """Seconds from clicks on Reconstruct until the object is on the canvas."""
    viewer = _viewer()
    from napari_ptychonn.scan.open import open_scan
    from napari_ptychonn.widgets.layers import add_scan
    from napari_ptychonn.widgets.reconstruct import ReconstructWidget
    from napari_ptychonn.widgets.reconstruct_state import FormState

    add_scan(viewer, open_scan(file))
    dock = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(dock)
    dock.form.show_state(FormState(device=device))
    _wait_until(dock.run.isEnabled)
    cold, *warm = [_click(viewer, dock) for _ in range(_CLICKS)]
    viewer.close()
    return {"cold": cold, "warm": warm}


def _click(viewer: Any, dock: Any) -> float:
    def shown() -> bool:
        return any(
            layer.name.endswith("object phase (running)") and np.isfinite(layer.data).any()
            for layer in viewer.layers
        )

    began = time.perf_counter()
    dock.run.click()
    _wait_until(shown)
    viewer.window._qt_viewer.canvas.native.repaint()
    seconds = time.perf_counter() - began
    dock.cancel.click()
    _wait_until(lambda: dock.run.isEnabled() and not dock.runner.running)
    return seconds


def _viewer() -> Any:
    from napari import Viewer

    viewer = Viewer()
    _wait_until(viewer.window._qt_window.isVisible)
    return viewer


def _wait_until(holds: Callable[[], bool]) -> None:
    from qtpy.QtWidgets import QApplication

    until = time.perf_counter() + _PATIENCE_S
    QApplication.processEvents()
    while not holds():
        if time.perf_counter() > until:
            raise TimeoutError("the window did not do what was waited for")
        QApplication.processEvents()
        time.sleep(0.001)
    QApplication.processEvents()


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    print(json.dumps(_open_dock(*given) if what == "dock" else _first_pictures(*given)))
