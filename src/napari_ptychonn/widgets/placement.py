"""Where layers stand in the viewer: nanometres (or pixels), axis labels, corners.

Every layer gets units on every axis: one layer left without them makes the viewer's units
inconsistent, and the scale bar wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.model import LengthUnit

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["KEY", "Placement", "show_data"]

KEY = "napari_ptychonn"
"""Key in ``layer.metadata`` under which this plugin keeps what it knows about a layer."""

NM_PER_M = 1e9


@dataclass(frozen=True, slots=True)
class Placement:
    """How lengths of a scan become lengths on the screen.

    Attributes
    ----------
    unit : {"nm", "pixel"}
        Unit on the screen: nm, or object pixels where the pixel is unknown.
    factor : float
        Screen units in one unit of the scan.
    pixel : tuple[float, float]
        Object pixel (y, x) in `unit`.
    """

    unit: str
    factor: float
    pixel: tuple[float, float]

    @classmethod
    def of(cls, unit: LengthUnit, pixel: tuple[float, float]) -> Placement:
        """The placement for an object pixel (y, x) given in the scan's `unit`."""
        factor = NM_PER_M if unit == "m" else 1.0
        return cls("nm" if unit == "m" else "pixel", factor, (pixel[0] * factor, pixel[1] * factor))

    def points(self, positions: NDArray[np.float64]) -> dict[str, Any]:
        """Data (N, 2) and keywords of a Points layer for `positions` in the scan's unit."""
        return {
            "data": positions * self.factor,
            "units": (self.unit, self.unit),
            "axis_labels": ("y", "x"),
        }

    def image(
        self, corner: tuple[float, float], pixel: tuple[float, float] | None = None
    ) -> dict[str, Any]:
        """Keywords of an Image whose pixel [0, 0] has its centre at `corner` (y, x).

        Parameters
        ----------
        corner : tuple[float, float]
            Screen units.
        pixel : tuple[float, float], optional
            Screen units; the object pixel where it is not given.
        """
        return {
            "scale": pixel or self.pixel,
            "translate": corner,
            "units": (self.unit, self.unit),
            "axis_labels": ("y", "x"),
        }

    def stack(
        self, corner: tuple[float, float], pixel: tuple[float, float] | None = None
    ) -> dict[str, Any]:
        """The same for a stack of images with the scan point as its first axis."""
        flat = self.image(corner, pixel)
        return {
            "scale": (1.0, *flat["scale"]),
            "translate": (0.0, *flat["translate"]),
            "units": ("pixel", *flat["units"]),  # a number of points; napari knows no other word
            "axis_labels": ("point", *flat["axis_labels"]),
        }


def show_data(layer: Image, data: NDArray[Any], corner: tuple[float, float]) -> None:
    """Give a layer other data, with pixel [0, 0] at `corner` (y, x).

    napari draws everything anew for a corner that is told, even where it stays.
    """
    layer.data = data
    if not np.array_equal(layer.translate, corner):
        layer.translate = corner
