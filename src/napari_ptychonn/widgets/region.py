"""A Shapes layer as the region of a scan."""

from __future__ import annotations

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction.settings import Region
from napari_ptychonn.scan.model import Scan

__all__ = ["region_from_shapes"]

METRES_PER_NM = 1e-9
ELLIPSE_CORNERS = 64


def region_from_shapes(layer: Shapes, scan: Scan) -> Region:
    """The polygon that is drawn, in scan coordinates.

    A single shape is taken, or the one that is selected among several.

    Parameters
    ----------
    layer : Shapes
        Drawn over the scan's layers; a layer in pixels is taken to lie in the viewer's nm.
    scan : Scan
        The scan that the region is for.

    Raises
    ------
    SettingsError
        There is no shape, there are several and not one is selected, or it is a line.
    """
    selected = sorted(layer.selected_data) or list(range(len(layer.data)))
    if len(selected) != 1:
        found = "no shape" if not selected else f"{len(selected)} shapes"
        raise SettingsError(
            "region", None, f"layer '{layer.name}' has {found}",
            remedy="draw one polygon around the points to use, or select one shape",
        )  # fmt: skip
    kind = layer.shape_type[selected[0]]
    if kind not in ("polygon", "rectangle", "ellipse"):
        raise SettingsError(
            "region", None, f"a {kind} in layer '{layer.name}' encloses nothing",
            remedy="draw a polygon, a rectangle or an ellipse",
        )  # fmt: skip
    corners = np.asarray(layer.data[selected[0]], dtype=float)
    if kind == "ellipse":
        corners = _ellipse(corners)
    world = np.array([layer.data_to_world(corner)[-2:] for corner in corners])
    if scan.unit == "m":
        world *= _metres(layer)
    return Region(tuple((float(y), float(x)) for y, x in world))


def _ellipse(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the ellipse in a box of four corners."""
    centre = box.mean(0)
    first, second = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)[:, None]
    return centre + np.cos(angle) * first + np.sin(angle) * second


def _metres(layer: Shapes) -> NDArray[np.float64]:
    """Metres (y, x) in one unit of the layer's world."""
    return np.array(
        [
            (1 * unit).to("m").magnitude if unit.is_compatible_with("m") else METRES_PER_NM
            for unit in layer.units[-2:]
        ]
    )
