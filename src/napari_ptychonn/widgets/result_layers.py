"""A reconstruction in the viewer: object, patches, and how far to trust them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from napari.layers import Image, Layer, Points
from numpy.typing import NDArray

from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.scan.model import Provenance
from napari_ptychonn.widgets.placement import KEY, Placement
from napari_ptychonn.widgets.scan_layers import add_layers, look_at, make_layers, point_size
from napari_ptychonn.widgets.stacks import patches_of_points

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.types import LayerDataTuple

__all__ = [
    "AMPLITUDE_STYLE",
    "PHASE_STYLE",
    "add_reconstruction",
    "layers_of_runs",
    "limits",
    "named_reconstructions",
    "next_run",
    "object_layers",
    "reconstruction_layers",
    "reconstructions_in",
    "show_colorbars",
]

AMPLITUDE_STYLE = {"colormap": "gray"}
# The shifted one is light around 0, where most objects lie; the other is dark there.
PHASE_STYLE = {"colormap": "twilight_shifted", "contrast_limits": (-np.pi, np.pi)}
"""A cyclic colormap over the whole circle: −π and π are the same phase, and the same colour."""
TILE_GAP = 0.06
"""Gap between the object and the patches beside it, in heights of the object."""


def add_reconstruction(viewer: ViewerModel, reconstruction: Reconstruction) -> list[Layer]:
    """Add the layers of a reconstruction to a viewer.

    An earlier reconstruction of the same scan, or of the same place, stays, hidden; another one
    of the same scan is numbered ("run 2").

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    reconstruction : Reconstruction
        The result to show.

    Returns
    -------
    list of Layer
        The new layers, bottom first.
    """
    earlier = layers_of_runs(viewer, reconstruction.name)
    run = next_run(viewer, reconstruction.name)
    layers = make_layers(reconstruction_layers(reconstruction, run=run))
    for layer in viewer.layers:
        is_result = layer.metadata.get(KEY, {}).get("reconstruction") is not None
        if layer in earlier or (is_result and _in_the_way(layer, layers[0])):
            layer.visible = False
    show_colorbars(layers)
    add_layers(viewer, layers)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.layers.selection.active = next(each for each in layers if _kind(each) == "object phase")
    if not earlier:  # afterwards the person may have moved to the place that matters
        look_at(viewer, layers[0])
    return layers


def layers_of_runs(viewer: ViewerModel, scan_name: str) -> list[Layer]:
    """Layers of all reconstructions of the scan of that name."""
    return [
        layer
        for layer in viewer.layers
        if layer.metadata.get(KEY, {}).get("scan_name") == scan_name
    ]


def next_run(viewer: ViewerModel, scan_name: str) -> int:
    """Number of the next reconstruction of the scan of that name."""
    earlier = layers_of_runs(viewer, scan_name)
    return 1 + max((int(layer.metadata[KEY]["run"]) for layer in earlier), default=0)


def reconstructions_in(viewer: ViewerModel) -> list[Reconstruction]:
    """The reconstructions that layers of a viewer show, each once, in the order of the layers."""
    found: list[Reconstruction] = []
    for layer in viewer.layers:
        each = layer.metadata.get(KEY, {}).get("reconstruction")
        if each is not None and not any(each is known for known in found):
            found.append(each)
    return found


def named_reconstructions(viewer: ViewerModel) -> list[tuple[str, Reconstruction]]:
    """The same, each with the name of its uppermost image."""
    named: list[tuple[str, Reconstruction]] = []
    for each in reconstructions_in(viewer):
        layers = [
            layer
            for layer in viewer.layers
            if layer.metadata.get(KEY, {}).get("reconstruction") is each
        ]
        images = [layer for layer in layers if isinstance(layer, Image)]
        named.append(((images or layers)[-1].name, each))
    return named


def reconstruction_layers(
    reconstruction: Reconstruction, *, run: int = 1, prefix: str = ""
) -> list[LayerDataTuple]:
    """Layers of a reconstruction, bottom first.

    Coverage and disagreement (hidden), amplitude and phase patches (where they were kept),
    object amplitude, object phase, and the scan positions coloured by their misfit.

    Parameters
    ----------
    reconstruction : Reconstruction
        The result to show.
    run : int
        Its number among the reconstructions of this scan in the viewer.
    prefix : str
        What the names of the layers begin with.

    Returns
    -------
    list of LayerDataTuple
        Lengths in nm, or in pixels where the scan has no geometry; each layer's
        ``metadata["napari_ptychonn"]`` holds settings, card, provenance, report and the
        reconstruction itself.
    """
    placement, corner = _place(reconstruction)
    describe = _Description(reconstruction, run, prefix)
    maps = [
        _image(data, describe(kind) | placement.image(corner) | style | {"visible": False})
        for kind, data, style in (
            ("coverage", reconstruction.coverage, {"colormap": "viridis"}),
            ("disagreement", reconstruction.disagreement, {"colormap": "magma"}),
        )
    ]
    objects = object_layers(reconstruction, run=run, prefix=prefix)
    contrast = cast("dict[str, Any]", objects[0][1])["contrast_limits"]
    patches = _patches(reconstruction, placement, corner, contrast, describe)
    return [*maps, *patches, *objects, _misfit_points(reconstruction, placement, describe)]


def object_layers(
    reconstruction: Reconstruction, *, run: int = 1, prefix: str = ""
) -> list[LayerDataTuple]:
    """Only object amplitude and object phase of :func:`reconstruction_layers`."""
    placement, corner = _place(reconstruction)
    describe = _Description(reconstruction, run, prefix)
    return [
        _image(data, describe(kind) | placement.image(corner) | style)
        for kind, data, style in (
            ("object amplitude", np.abs(reconstruction.object), AMPLITUDE_STYLE),
            ("object phase", np.angle(reconstruction.object), PHASE_STYLE),
        )
    ]


def show_colorbars(layers: Iterable[Layer]) -> None:
    """Show the colorbars of object, maps and misfit; a hidden layer's waits with it.

    Patches have the object's colours, a probe's amplitude is of any scale, and positions
    without a misfit mean nothing by theirs.
    """
    for layer in layers:
        is_probe = layer.metadata.get(KEY, {}).get("kind", "").startswith("probe")
        if isinstance(layer, Image) and layer.ndim == 2 and not is_probe:
            layer.colorbar.visible = True
        elif isinstance(layer, Points) and "misfit" in layer.features:
            layer.face_colorbar.visible = True


def limits(values: NDArray[Any]) -> tuple[float, float]:
    """Contrast limits that a few extreme pixels do not spoil; (0, 1) where nothing is known."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, (0.5, 99.5)))
    # napari refuses an empty range; a flat map is shown at half brightness.
    margin = 0.0 if high > low else max(abs(low), 1.0) / 2
    return low - margin, high + margin


class _Description:
    """Name and metadata of the layers of one reconstruction."""

    def __init__(self, reconstruction: Reconstruction, run: int, prefix: str) -> None:
        remarks = [f"run {run}"] if run > 1 else []
        remarks += ["stopped early"] if reconstruction.report.stopped else []
        self._remark = f" ({', '.join(remarks)})" if remarks else ""
        self._begins = prefix + reconstruction.name
        self._known = {
            "scan_name": reconstruction.name,
            "run": run,
            "settings": reconstruction.settings.as_dict(),
            "card": json.loads(reconstruction.card.to_json()),
            "provenance": _provenance(reconstruction.provenance),
            "report": asdict(reconstruction.report),
            "reconstruction": reconstruction,
        }

    def __call__(self, kind: str) -> dict[str, Any]:
        return {
            "name": f"{self._begins} {kind}{self._remark}",
            "metadata": {KEY: {"kind": kind, **self._known}},
        }


def _place(reconstruction: Reconstruction) -> tuple[Placement, tuple[float, float]]:
    placement = Placement.of(reconstruction.unit, reconstruction.pixel)
    y, x = reconstruction.corner
    return placement, (y * placement.factor, x * placement.factor)


def _in_the_way(layer: Layer, other: Layer) -> bool:
    """Whether two layers lie on each other, or in units that do not go together."""
    if layer.units[-1] != other.units[-1]:
        return True
    (low, high), (least, most) = (each.extent.world[:, -2:] for each in (layer, other))
    return bool((low < most).all() and (least < high).all())


def _kind(layer: Layer) -> str:
    return str(layer.metadata[KEY]["kind"])


def _provenance(provenance: Provenance) -> dict[str, Any]:
    return {
        "path": None if provenance.path is None else str(provenance.path),
        "format": provenance.format,
        "datasets": dict(provenance.datasets),
        "assumptions": list(provenance.assumptions),
    }


def _image(data: Any, keywords: dict[str, Any]) -> LayerDataTuple:
    keywords = {"rgb": False, "multiscale": False} | keywords
    if "contrast_limits" not in keywords:
        keywords["contrast_limits"] = limits(data)
    return cast("LayerDataTuple", (data, keywords, "image"))


def _patches(
    reconstruction: Reconstruction,
    placement: Placement,
    corner: tuple[float, float],
    contrast: tuple[float, float],
    describe: _Description,
) -> list[LayerDataTuple]:
    """Patches at their true size, but beside the object, where they do not hide it.

    Their slider is the patterns': pattern, amplitude and phase of one point are seen at once.
    """
    patches = reconstruction.patches
    if patches is None:
        return []
    (height, width), (y, x) = reconstruction.object.shape, placement.pixel
    gap = TILE_GAP * height
    # The lower right is free: colorbars stand in the upper right corner.
    right = corner[1] + (width + gap) * x
    lower = corner[0] + (height - patches.shape[1]) * y
    upper = lower - (patches.shape[1] + gap) * y
    tiles: list[tuple[str, Any, tuple[float, float], dict[str, Any]]] = [
        (
            "amplitude patches",
            np.abs,
            (upper, right),
            AMPLITUDE_STYLE | {"contrast_limits": contrast},
        ),
        ("phase patches", np.angle, (lower, right), PHASE_STYLE),
    ]
    return [
        _image(
            patches_of_points(patches, reconstruction.indices, part),
            describe(kind) | placement.stack(place) | style,
        )
        for kind, part, place, style in tiles
    ]


def _misfit_points(
    reconstruction: Reconstruction, placement: Placement, describe: _Description
) -> LayerDataTuple:
    keywords = placement.points(reconstruction.positions)
    points = keywords.pop("data")
    keywords |= describe("misfit") | {
        "features": {"point": reconstruction.indices, "misfit": reconstruction.misfit},
        "face_color": "misfit",
        "face_colormap": "viridis",
        "face_contrast_limits": limits(reconstruction.misfit),
        # Small points are mostly smoothed edge, which has the border's colour whatever its width.
        "border_color": "misfit",
        "border_colormap": "viridis",
        "border_contrast_limits": limits(reconstruction.misfit),
        "border_width": 0,
        "size": 2 * point_size(points, placement.pixel),
    }
    return cast("LayerDataTuple", (points, keywords, "points"))
