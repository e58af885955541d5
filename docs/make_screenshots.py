"""Makes the pictures of docs/images: the plugin in use on the sample scan.

Needs a display of 1280 × 800 or more, or ``xvfb-run -a -s "-screen 0 1280x800x24"`` before it.
Those of the fine-tuning tutorial are made by ``make_tutorial.py``.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import hdf5plugin
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint, QSettings
from qtpy.QtWidgets import QApplication, QWidget

from napari_ptychonn.network.folders import NETWORKS_VARIABLE
from napari_ptychonn.simulation.cxi import write_cxi
from napari_ptychonn.simulation.sample_scan import sample_scan
from napari_ptychonn.widgets.fold import bring_into_view

if TYPE_CHECKING:
    import napari

    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.widgets.load_scan import LoadScanWidget

IMAGES = Path(__file__).resolve().parent / "images"
SIZE = (1280, 800)
ZOOM = 1.45
"""Of the finished object: as large as it can be beside the colorbars."""
LARGEST_FILE = 400_000
PLUGIN = "napari-ptychonn"
SAMPLE = "circuit-zone-plate"
PATIENCE_S = 1800.0


def main() -> None:
    """Make all pictures but the tutorial's."""
    with as_a_new_person():
        path = Path(f"{SAMPLE}.cxi")
        scan = sample_scan(SAMPLE)
        write_cxi(path, scan)
        unknown = Path("lab_0107.h5")
        write_unknown(unknown, scan)
        take_pictures(path, unknown)


@contextlib.contextmanager
def as_a_new_person() -> Iterator[None]:
    """Work in an empty folder, with nothing set and no networks of one's own."""
    # Inside the folder, so that the pictures show the file's name and no path.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        # The person's own theme and last settings are not what a reader has.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        os.environ[NETWORKS_VARIABLE] = str(Path(folder) / "networks")
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
        yield


def write_unknown(path: Path, scan: Scan) -> None:
    """Write a scan as a beamline might whose files nobody has seen: patterns transposed."""
    counts = scan.patterns.read(np.arange(scan.n_points)).astype(np.uint16)
    places = scan.positions * 1e6
    with h5py.File(path, "w") as file:
        packed = hdf5plugin.Bitshuffle(cname="lz4")
        frames = np.ascontiguousarray(counts.transpose(0, 2, 1))
        file.create_dataset(
            "camera/ccd_stack", data=frames, chunks=(1, *frames.shape[1:]), **packed
        )
        file["camera/bad_px_mask"] = np.zeros(frames.shape[1:], np.uint8)
        file["camera/ring_current"] = 99.7
        file["camera/px_size"], file["stage/det_distance"] = 75.0, 2000.0
        file["stage/fine_y"], file["stage/fine_x"] = places[:, 0], places[:, 1]
        file["stage/first_probe"], file["mono/energy"] = scan.probe, 8.8
        units = {
            "camera/ccd_stack": "photons", "camera/px_size": "um", "camera/ring_current": "mA",
            "stage/det_distance": "mm", "stage/fine_y": "um", "stage/fine_x": "um",
            "mono/energy": "keV",
        }  # fmt: skip
        for name, unit in units.items():
            file[name].attrs["units"] = unit


def take_pictures(path: Path, unknown: Path) -> None:
    """Go the way of a person from the file to the object, with a picture at each stop."""
    viewer = open_window()
    viewer.open(path, plugin=PLUGIN)

    frame, load_scan = viewer.window.add_plugin_dock_widget(PLUGIN, "Load scan")
    load_scan.file.set_path(str(path))
    wait_until(load_scan.load.isEnabled)
    load_scan.form.folds["Geometry"].set_open(True)
    settle()
    viewer.reset_view()
    take(viewer, "load_scan")
    take_unknown(viewer, load_scan, unknown)
    viewer.window.remove_dock_widget(frame)

    frame, reconstruct = viewer.window.add_plugin_dock_widget(PLUGIN, "Reconstruct")
    ended: list[object] = []
    fractions: list[float] = []
    reconstruct.ended.connect(ended.append)
    reconstruct.runner.progress.connect(lambda _stage, fraction, _left: fractions.append(fraction))
    reconstruct.run.click()
    wait_until(lambda: bool(ended) or max(fractions, default=0.0) > 0.5)
    take(viewer, "reconstruct_running")
    wait_until(lambda: bool(ended))
    # What lies on the object or beside it.
    for layer in viewer.layers:
        if layer.name.endswith(("positions", "misfit", "patterns", "patches")):
            layer.visible = False
    look_at(viewer, f"{SAMPLE} object phase")
    take(viewer, "window")
    viewer.window.remove_dock_widget(frame)
    viewer.close()


def take_unknown(viewer: napari.Viewer, load_scan: LoadScanWidget, path: Path) -> None:
    """The dock with a file of no known format: its tree, and its orientation once found."""
    form, gallery = load_scan.form, load_scan.orientation
    form.folds["Geometry"].set_open(False)
    load_scan.file.set_path(str(path))
    wait_until(load_scan.load.isEnabled)
    form.folds["Datasets"].set_open(True)
    form.files.tree.select("/camera/ccd_stack")
    settle()
    bring_into_view(form.files)
    take(viewer, "unknown_file", of=load_scan)
    form.folds["Datasets"].set_open(False)
    form.folds["Orientation"].set_open(True)
    gallery.find.click()
    wait_until(lambda: gallery.tiles.isVisible() and not gallery.runner.running)
    bring_into_view(form.folds["Orientation"])
    take(viewer, "orientation", of=load_scan)
    form.folds["Orientation"].set_open(False)


def open_window() -> napari.Viewer:
    """Open a window of the size that the pictures have."""
    import napari

    viewer = napari.Viewer(title="napari")
    viewer.window._qt_window.setGeometry(0, 0, *SIZE)
    return viewer


def look_at(viewer: napari.Viewer, name: str) -> None:
    """Turn the camera to a layer, and come near."""
    low, high = viewer.layers[name].extent.world
    viewer.reset_view()
    viewer.scene.camera.center = (low + high)[-2:] / 2
    viewer.scene.camera.zoom *= ZOOM


def wait_until(reached: Callable[[], bool]) -> None:
    """Keep the window alive until something is so.

    Raises
    ------
    TimeoutError
        It has not become so.
    """
    end = time.monotonic() + PATIENCE_S
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened within {PATIENCE_S:.0f} s")
        QApplication.processEvents()
        time.sleep(0.01)


def settle() -> None:
    """Let the window lay out and paint what has changed."""
    settled = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > settled)


def take(viewer: napari.Viewer, name: str, *, of: QWidget | None = None) -> None:
    """Save the window as it is now, or a dock of it.

    Raises
    ------
    ValueError
        The picture has another size than meant, or is too large a file.
    """
    settle()
    IMAGES.mkdir(exist_ok=True)
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    path, size = IMAGES / f"{name}.png", SIZE
    if of is not None:
        size = (of.width(), of.height())
        corner = of.mapTo(viewer.window._qt_window, QPoint(0, 0))
        left, top = corner.x(), corner.y()
        picture = picture.crop((left, top, left + size[0], top + size[1]))
    picture.save(path, optimize=True)
    if picture.size != size or path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path}: {picture.size} pixels, {path.stat().st_size} bytes")
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
