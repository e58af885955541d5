"""The mask of a scan as a Labels layer over its mean pattern: painting masks pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_ptychonn.scan.mask import unmeasured_pixels, with_mask
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.placement import KEY
from napari_ptychonn.widgets.scan_layers import pattern_tile, scan_placement

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["BAD", "UNMEASURED", "add_mask_layers", "mask_labels", "mask_layer", "painted"]

BAD, UNMEASURED = 1, 2
"""Labels of a pixel that is masked, and of one that no painting can make good."""
COLOURS = {None: "transparent", 0: "transparent", BAD: "#22d3ee", UNMEASURED: "#7c8796"}
OPACITY = 0.55
BRUSH_PX = 3


def add_mask_layers(viewer: ViewerModel, scan: Scan, mean: NDArray[np.float64]) -> Labels:
    """Show the mask of a scan, ready to be painted, over its mean pattern.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer; a mask of this scan that is there already is selected instead.
    scan : Scan
        The scan.
    mean : ndarray, (H, W)
        Its mean pattern, counts.
    """
    layer = mask_layer(viewer, scan)
    if layer is None:
        tile = pattern_tile(scan, scan_placement(scan))
        flat = {name: values[-2:] for name, values in tile.items()}
        picture = Image(
            np.log10(1 + np.maximum(mean, 0)).astype(np.float32),
            name=f"{scan.name} mean pattern",
            colormap="inferno",
            metadata={KEY: {"kind": "mean pattern"}},
            **flat,
        )
        layer = Labels(
            mask_labels(scan, scan.mask),
            name=f"mask of {scan.name}",
            colormap=DirectLabelColormap(color_dict=cast("dict[int | None, Any]", COLOURS)),
            opacity=OPACITY,
            metadata={KEY: {"kind": "mask", "mask of": scan}},
            **flat,
        )
        viewer.layers.extend([picture, layer])
    layer.selected_label = BAD
    layer.brush_size = BRUSH_PX
    layer.mode = "paint"
    viewer.layers.selection.active = layer
    return layer


def mask_labels(scan: Scan, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Labels (H, W) of a mask, True = good."""
    labels = np.where(mask, 0, BAD).astype(np.uint8)
    labels[unmeasured_pixels(scan)] = UNMEASURED
    return labels


def mask_layer(viewer: ViewerModel, scan: Scan) -> Labels | None:
    """The layer with the mask of a scan, the uppermost of several."""
    for layer in reversed(viewer.layers):
        # By identity: scans hold arrays, whose equality is no truth value.
        if isinstance(layer, Labels) and layer.metadata.get(KEY, {}).get("mask of") is scan:
            return layer
    return None


def painted(viewer: ViewerModel, scan: Scan) -> Scan:
    """The scan with the mask that is painted for it, or as it is where none is.

    Raises
    ------
    ScanError
        The painting leaves no good pixel.
    """
    layer = mask_layer(viewer, scan)
    if layer is None:
        return scan
    mask = np.asarray(layer.data) == 0
    if np.array_equal(mask & ~unmeasured_pixels(scan), scan.mask):
        return scan
    return with_mask(scan, mask)
