"""What napari asks a plugin for: reader, writers and sample data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import napari
import numpy as np
import tifffile
from napari.utils.notifications import show_error

from napari_ptychonn import __version__
from napari_ptychonn.errors import OutputError, PtychonnError, ScanError
from napari_ptychonn.output import appearing
from napari_ptychonn.reconstruction import product
from napari_ptychonn.reconstruction.pictures import Channel, save_tiff
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.container import open_container
from napari_ptychonn.scan.open import is_scan, open_scan
from napari_ptychonn.scan.results.open import is_result, open_result
from napari_ptychonn.widgets.layers import reconstruction_layers, scan_layers, show_colorbars
from napari_ptychonn.widgets.other_results import other_result_layers
from napari_ptychonn.widgets.placement import KEY
from napari_ptychonn.widgets.stacks import LazyStack
from napari_ptychonn.widgets.window_words import as_notification

if TYPE_CHECKING:
    from napari.types import FullLayerData, LayerDataTuple

__all__ = [
    "get_reader",
    "sample_cells",
    "sample_circuit",
    "write_reconstruction",
    "write_tiff",
]

Paths: TypeAlias = str | Sequence[str]
Reader: TypeAlias = "Callable[[Paths], list[LayerDataTuple]]"

_NO_LAYERS: list[Any] = [(None,)]
"""napari's sign for "read, and nothing to add"."""
_CHANNELS: dict[str, Channel] = {"object amplitude": "amplitude", "object phase": "phase"}


def get_reader(path: Paths) -> Reader | None:
    """Reader of scans and of results, or None for files that are neither.

    Results may be of other programs; a file with both, a simulated scan for instance, is a
    scan first.

    A file with a scan's extension that nobody could open (cut off, or of another kind) is
    taken too, so that the person reads why. Frames alone (``/entry/data/data``), without
    positions in the file or beside it, are left to others: many NeXus files are no scans.

    Parameters
    ----------
    path : str or sequence of str
        What the person opens; the inside of the file decides.
    """
    paths = [path] if isinstance(path, str) else path
    return _read if all(_is_ours(each) for each in paths) else None


def write_reconstruction(path: str, layers: list[FullLayerData]) -> list[str]:
    """Write the reconstruction that the layers show as HDF5.

    Parameters
    ----------
    path : str
        The file.
    layers : list of (data, keywords, type)
        Layers of one reconstruction, one or all; others beside them are not written.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    OutputError
        The layers show no reconstruction or several, or the file cannot be written.
    """
    found: list[Reconstruction] = []
    for _, keywords, _ in layers:
        each = keywords.get("metadata", {}).get(KEY, {}).get("reconstruction")
        if each is not None and not any(each is known for known in found):
            found.append(each)
    if not found:
        remedy = "select layers that Reconstruct made, or save as TIFF"
        raise OutputError("result", path, "the layers show no reconstruction", remedy=remedy)
    if len(found) > 1:
        problem = f"the layers show {len(found)} reconstructions, and a file holds one"
        raise OutputError("result", path, problem, remedy="select the layers of one run")
    product.save(found[0], path)
    return [path]


def write_tiff(path: str, data: Any, keywords: dict[str, Any]) -> list[str]:
    """Write one image layer as TIFF with the pixel size in its resolution tags.

    Parameters
    ----------
    path : str
        The file.
    data : array-like
        Values; a lazy stack is written frame by frame.
    keywords : dict
        The layer's keywords.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    known = keywords.get("metadata", {}).get(KEY, {})
    channel = _CHANNELS.get(known.get("kind", ""))
    if channel is not None and "reconstruction" in known:
        save_tiff(known["reconstruction"], path, channel)
        return [path]
    frames: Any = iter(data) if isinstance(data, LazyStack) else np.asarray(data)
    described = {key: known[key] for key in ("settings", "card", "provenance") if key in known}
    with appearing(path, "picture") as partial:
        tifffile.imwrite(
            partial,
            frames,
            shape=data.shape,
            dtype=data.dtype,
            photometric="rgb" if keywords.get("rgb") else "minisblack",
            description=json.dumps({"name": keywords["name"]} | described),
            software=f"napari-ptychonn {__version__}",
            metadata=None,
            **_resolution(keywords),
        )
    return [path]


def sample_circuit() -> list[LayerDataTuple]:
    """A simulated circuit under a zone plate, with its probe known."""
    return _sample("circuit-zone-plate")


def sample_cells() -> list[LayerDataTuple]:
    """Simulated cells under a ring of light, with a wrong guess of the probe."""
    return _sample("cells-wrong-probe")


def _is_ours(path: str) -> bool:
    try:
        with open_container(path) as container:
            if container.has("ptychonn/misfit"):
                return True
    except ScanError:
        return Path(path).is_file()
    return is_scan(path, frames_suffice=False) or is_result(path)


def _read(path: Paths) -> list[LayerDataTuple]:
    paths = [path] if isinstance(path, str) else path
    try:
        return [layer for each in paths for layer in _layers_of(each)]
    except PtychonnError as error:
        # Raised, it would come with a traceback; the sentence says it all.
        show_error(as_notification(error))
        return _NO_LAYERS


def _layers_of(path: str) -> list[LayerDataTuple]:
    with open_container(path) as container:
        is_ours = container.has("ptychonn/misfit")
    if is_ours:
        layers = reconstruction_layers(product.load(path))
    elif is_result(path) and not is_scan(path):
        layers = other_result_layers(open_result(path))
    else:
        layers = scan_layers(open_scan(path))
    _show_whole_when_added(layers)
    return layers


def _sample(name: str) -> list[LayerDataTuple]:
    # torch takes a second to import, which opening a file need not wait for.
    from napari_ptychonn.simulation.settings import SAMPLE_SCANS
    from napari_ptychonn.simulation.simulate import simulate

    scan = simulate(SAMPLE_SCANS[name]).scan
    named = replace(scan, provenance=replace(scan.provenance, format=name))
    layers = scan_layers(named)
    _show_whole_when_added(layers)
    return layers


def _show_whole_when_added(layers: list[LayerDataTuple]) -> None:
    """Fit the view, and show scale bar and colorbars, once the last layer is in the viewer.

    napari fits the view to the first layer that it adds, and the scan lies beside its
    patterns; bars are no keywords of a layer.
    """
    viewer = napari.current_viewer()
    if viewer is None:
        return
    marks = [cast("Any", each)[1]["metadata"][KEY] for each in layers]

    def show_whole(event: Any) -> None:
        if event.value.metadata.get(KEY) is not marks[-1]:
            return
        viewer.layers.events.inserted.disconnect(show_whole)
        viewer.canvas.overlays.scale_bar.visible = True
        show_colorbars(
            layer
            for layer in viewer.layers
            if any(layer.metadata.get(KEY) is mark for mark in marks)
        )
        viewer.reset_view()

    viewer.layers.events.inserted.connect(show_whole)


def _resolution(keywords: dict[str, Any]) -> dict[str, Any]:
    """Resolution tags from the scale of the last two axes; none where it is in pixels."""
    units: Iterable[Any] = keywords.get("units") or ()
    sizes = [size * unit for size, unit in zip(keywords["scale"], units, strict=True)][-2:]
    if len(sizes) < 2 or not all(size.is_compatible_with("cm") for size in sizes):
        return {}
    y, x = (1 / size.to("cm").magnitude for size in sizes)
    return {"resolution": (x, y), "resolutionunit": "CENTIMETER"}
