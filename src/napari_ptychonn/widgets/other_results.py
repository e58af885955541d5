"""What another program reconstructed, in the viewer: object, probe, positions.

See Also
--------
napari_ptychonn.widgets.result_layers : this plugin's own, with misfit and coverage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.widgets.placement import KEY, Placement
from napari_ptychonn.widgets.result_layers import AMPLITUDE_STYLE, PHASE_STYLE, limits
from napari_ptychonn.widgets.scan_layers import POSITIONS_STYLE, point_size

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

__all__ = ["other_result_layers"]

TILE_GAP = 0.06
"""Gap between the object and the probe beside it, in heights of the object."""


def other_result_layers(result: ObjectResult) -> list[LayerDataTuple]:
    """Layers of a result, bottom first: probe, object amplitude, object phase, positions.

    Parameters
    ----------
    result : ObjectResult
        What a file holds; probe and positions (hidden) only where it has them.

    Returns
    -------
    list of LayerDataTuple
        Lengths in nm, or in pixels where the file has no pixel size. The probe lies left of
        the object at its true size, its modes (if several) along a slider. Each layer's
        ``metadata["napari_ptychonn"]`` says which program and datasets it is of.
    """
    placement = Placement.of(result.unit, result.pixel)
    corner = (result.corner[0] * placement.factor, result.corner[1] * placement.factor)
    objects = [
        _image(result, "object amplitude", np.abs(result.object), placement.image(corner)),
        _image(result, "object phase", np.angle(result.object), placement.image(corner)),
    ]
    return [*_probe(result, placement, corner), *objects, *_positions(result, placement)]


def _probe(
    result: ObjectResult, placement: Placement, corner: tuple[float, float]
) -> list[LayerDataTuple]:
    probe = result.probe
    if probe is None or not len(probe):
        return []
    gap = TILE_GAP * result.object.shape[0]
    left = corner[1] - (probe.shape[-1] + gap) * placement.pixel[1]
    lower = corner[0] + (probe.shape[-2] + gap) * placement.pixel[0]
    layers = []
    for kind, values, top in (
        ("probe amplitude", np.abs(probe), corner[0]),
        ("probe phase", np.angle(probe), lower),
    ):
        place = placement.stack((top, left)) | {"axis_labels": ("mode", "y", "x")}
        if len(probe) == 1:
            values, place = values[0], placement.image((top, left))
        layers.append(_image(result, kind, values, place))
    return layers


def _positions(result: ObjectResult, placement: Placement) -> list[LayerDataTuple]:
    if result.positions is None or not len(result.positions):
        return []
    keywords = placement.points(result.positions)
    points = keywords.pop("data")
    keywords |= _described(result, "positions") | {
        "size": point_size(points, placement.pixel),
        **POSITIONS_STYLE,
        "visible": False,
        "features": {"point": np.arange(len(points))},
    }
    return [cast("LayerDataTuple", (points, keywords, "points"))]


def _image(
    result: ObjectResult, kind: str, values: np.ndarray[Any, Any], place: dict[str, Any]
) -> LayerDataTuple:
    style = PHASE_STYLE if kind.endswith("phase") else AMPLITUDE_STYLE
    keywords = {"rgb": False, "multiscale": False} | _described(result, kind) | place | style
    if "contrast_limits" not in keywords:
        keywords["contrast_limits"] = limits(values)
    return cast("LayerDataTuple", (values.astype(np.float32), keywords, "image"))


def _described(result: ObjectResult, kind: str) -> dict[str, Any]:
    known = {
        "kind": kind,
        "provenance": {
            "path": str(result.path),
            "format": result.format,
            "datasets": dict(result.datasets),
            "assumptions": list(result.notes),
        },
    }
    start = " (a start, not reconstructed)" if result.is_start and "object" in kind else ""
    return {"name": f"{result.path.stem} {kind}{start}", "metadata": {KEY: known}}
