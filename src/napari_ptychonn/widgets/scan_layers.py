"""A scan in the viewer: its patterns as a lazy stack, its positions as points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.placement import KEY, Placement
from napari_ptychonn.widgets.stacks import log_patterns

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.types import LayerDataTuple

__all__ = [
    "POSITIONS_STYLE",
    "add_layers",
    "add_scan",
    "look_at",
    "make_layers",
    "pattern_tile",
    "point_size",
    "scan_layers",
    "scan_placement",
    "scans_in",
]

# Small points are mostly smoothed edge, which has the border's colour whatever its width.
POSITIONS_STYLE = {"face_color": "#3fb6ff", "border_color": "#3fb6ff", "border_width": 0}
CONTRAST_FRAMES = 12
"""Patterns that are looked at, one by one, to set the contrast."""
TILE_GAP = 0.06
"""Gap between the object's field and the patterns beside it, in heights of the field."""
TILE_SHARE = 0.5
"""Least height of the patterns on the screen, in heights of the field."""


def scan_layers(scan: Scan) -> list[LayerDataTuple]:
    """Layers of a scan as napari's readers give them.

    Parameters
    ----------
    scan : Scan
        The scan; of its patterns only a few are read, for the contrast.

    Returns
    -------
    list of LayerDataTuple
        Patterns (Image, (N, H, W), log10(1 + counts)) and positions (Points).

    Raises
    ------
    ScanError
        A pattern cannot be read, or is no count.
    """
    return [_patterns(scan), _positions(scan)]


def add_scan(viewer: ViewerModel, scan: Scan) -> list[Layer]:
    """Add the layers of a scan to a viewer and show all of them.

    Raises
    ------
    ScanError
        As :func:`scan_layers`.
    """
    layers = make_layers(scan_layers(scan))
    add_layers(viewer, layers)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
    return layers


def scans_in(viewer: ViewerModel) -> list[Scan]:
    """The scans that layers of a viewer belong to, each once, in the order of the layers."""
    scans: list[Scan] = []
    for layer in viewer.layers:
        scan = layer.metadata.get(KEY, {}).get("scan")
        # By identity: equality of arrays is no truth value.
        if scan is not None and not any(scan is known for known in scans):
            scans.append(scan)
    return scans


def make_layers(tuples: list[LayerDataTuple]) -> list[Layer]:
    """Layers from layer data tuples."""
    return [Layer.create(*cast("tuple[Any, ...]", each)) for each in tuples]


def add_layers(viewer: ViewerModel, layers: list[Layer]) -> None:
    """Add layers to a viewer, the last on top; the scene is rebuilt once for all."""
    with viewer.layers.batched_update():
        viewer.layers.extend(layers)


def look_at(viewer: ViewerModel, layer: Layer) -> None:
    """Fit a layer to the canvas, with those beside it that are shown in the same units.

    Among layers in nm those of a scan in pixels are a speck, or make one of the others.
    """
    unit = layer.units[-1]
    viewer.reset_view(
        layers=[
            each
            for each in viewer.layers
            if each is layer or (each.visible and each.units[-1] == unit)
        ]
    )


def scan_placement(scan: Scan) -> Placement:
    """How lengths of `scan` become lengths on the screen."""
    return Placement.of(scan.unit, scan.pixel_m or (1.0, 1.0))


def point_size(positions: NDArray[np.float64], pixel: tuple[float, float]) -> float:
    """Diameter of a point on the screen that leaves room between neighbours.

    Parameters
    ----------
    positions : ndarray, (N, 2) float64
        Screen units.
    pixel : tuple[float, float]
        Object pixel, screen units; it decides where there is a single point.
    """
    # Importing it takes longer than the rest of a dock.
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return 4 * max(pixel)
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    return max(0.3 * float(np.median(nearest)), max(pixel) / 4)


def _patterns(scan: Scan) -> LayerDataTuple:
    placement = scan_placement(scan)
    keywords = {
        "name": f"{scan.name} patterns",
        "metadata": {KEY: {"kind": "patterns", "scan": scan}},
        "colormap": "inferno",
        "contrast_limits": _pattern_contrast(scan),
        "rgb": False,
        "multiscale": False,
        **pattern_tile(scan, placement),
    }
    return cast("LayerDataTuple", (log_patterns(scan.patterns), keywords, "image"))


def pattern_tile(scan: Scan, placement: Placement) -> dict[str, Any]:
    """Place of the patterns: left of where the object will be.

    A detector pixel has no place and no size on the sample. In pixels beside nanometres it
    would break the viewer's units; in millimetres, the detector's own, it would dwarf the
    object a thousandfold. So the patterns are drawn as a tile in the object's units, at a
    size that is good to look at; the scale bar is not meant for them.

    Parameters
    ----------
    scan : Scan
        The scan.
    placement : Placement
        Its :func:`scan_placement`.

    Returns
    -------
    dict
        Scale, translation, units and axis labels of a stack (N, H, W).
    """
    positions = scan.positions * placement.factor
    window = np.multiply(scan.pattern_shape, placement.pixel)
    low, high = positions.min(0) - window / 2, positions.max(0) + window / 2
    field = high - low
    zoom = max(1.0, TILE_SHARE * field[0] / window[0])
    corner = (low[0], low[1] - TILE_GAP * field[0] - zoom * window[1])
    pixel = (zoom * placement.pixel[0], zoom * placement.pixel[1])
    return placement.stack((float(corner[0]), float(corner[1])), pixel)


def _pattern_contrast(scan: Scan) -> tuple[float, float]:
    """0 to the brightest good pixel, on the log scale, of patterns from all over the scan."""
    chosen = np.unique(np.linspace(0, scan.n_points - 1, CONTRAST_FRAMES).round().astype(int))
    brightest = 0.0
    for index in chosen:
        counts = scan.patterns.read(np.array([index]))[0]
        brightest = max(brightest, float(counts[scan.mask].max(initial=0)))
    return 0.0, float(np.log10(1 + brightest)) or 1.0


def _positions(scan: Scan) -> LayerDataTuple:
    placement = scan_placement(scan)
    keywords = placement.points(scan.positions)
    points = keywords.pop("data")
    keywords |= {
        "name": f"{scan.name} positions",
        "metadata": {KEY: {"kind": "positions", "scan": scan}},
        "size": point_size(points, placement.pixel),
        **POSITIONS_STYLE,
        "features": {"point": np.arange(scan.n_points)},
    }
    return cast("LayerDataTuple", (points, keywords, "points"))
