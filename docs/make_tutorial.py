"""Makes the pictures of the fine-tuning tutorial: all of it, done in the window.

Takes about ten minutes on one core. Needs a display as ``make_screenshots.py`` does.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from make_screenshots import (
    IMAGES,
    PLUGIN,
    as_a_new_person,
    look_at,
    open_window,
    take,
    wait_until,
)

from napari_ptychonn.cli import main as shell
from napari_ptychonn.simulation.settings import SAMPLE_SCANS
from napari_ptychonn.simulation.simulate import simulate_to_cxi

if TYPE_CHECKING:
    import napari

SCAN, SAMPLE = "cells", "cells-wrong-probe"
PARENT, TAUGHT = "ptychonn", "raw"
STEPS = 800
SEEN_AT_STEP = 384
"""When the picture of the curves is taken."""
DEVICE = "cpu"


def main() -> None:
    """Make all pictures of the tutorial."""
    with as_a_new_person():
        simulate_to_cxi(f"{SCAN}.cxi", SAMPLE_SCANS[SAMPLE])
        save_phase("before", PARENT)
        teach(Path(f"{SCAN}.cxi"))
        save_phase("after", TAUGHT)


def save_phase(when: str, network: str) -> None:
    """Make the picture of the phase that a network alone makes of the scan.

    Raises
    ------
    ValueError
        The command has failed.
    """
    order = f"reconstruct {SCAN}.cxi -o {when}.h5 --network {network} --sweeps 0 --pictures"
    code = shell([*order.split(), "--device", DEVICE])
    if code:
        raise ValueError(f"{order}: exit code {code}")
    shutil.copy(f"{when}_phase.png", IMAGES / f"finetune_{when}.png")


def teach(path: Path) -> None:
    """Reconstruct the scan, let the network learn that, and save it."""
    viewer = open_window()
    viewer.open(path, plugin=PLUGIN)
    frame, reconstruct = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    ended: list[object] = []
    reconstruct.ended.connect(ended.append)
    reconstruct.run.click()
    wait_until(lambda: bool(ended))
    viewer.window.remove_dock_widget(frame)
    look_at(viewer, f"{SCAN} object phase")
    hide_all(viewer)

    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Fine-tune")
    set_up = replace(
        dock.form.state(),
        network=PARENT,
        teacher="labels",
        device=DEVICE,
        length=STEPS,
        unit="steps",
    )
    dock.form.show_state(set_up)
    # It is being laid out as long as it looks for devices.
    wait_until(lambda: dock.form.device.currentText() != "CPU")
    take(viewer, "finetune_set_up", of=dock)
    steps: list[int] = []
    dock.runner.told.connect(lambda event: steps.append(getattr(event, "step", 0)))
    ended.clear()
    dock.ended.connect(ended.append)
    dock.controls.start.click()
    wait_until(lambda: max(steps, default=0) >= SEEN_AT_STEP)
    take(viewer, "finetune")
    wait_until(lambda: bool(ended))
    dock.report.name.setText(TAUGHT)
    dock.report.save.click()
    wait_until(lambda: not dock.outcome.unsaved)
    take(viewer, "finetune_report")
    viewer.close()


def hide_all(viewer: napari.Viewer) -> None:
    """Hide every layer, so that what comes next is seen alone."""
    for layer in viewer.layers:
        layer.visible = False


if __name__ == "__main__":
    main()
