"""Crops of a room's object: what a training step sees of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Crop", "Slices", "draw_crop"]

Slices = tuple[slice, slice]

_MARGIN = 24
"""Pixels at a cut edge where the network lacks neighbours."""
_SMALLEST, _LARGEST = 128, 256
_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an object.

    Attributes
    ----------
    outer : (slice, slice)
        What the network sees; sides are multiples of 8.
    inner : (slice, slice)
        What is believed of its answer: without a margin, except at the object's own edge.
    inside : (slice, slice)
        The same, counted from the start of `outer`.
    """

    outer: Slices
    inner: Slices
    inside: Slices

    def holds(self, places: Tensor, radius: float) -> Tensor:
        """Which of the points (K, 2) have their light, of that radius, inside, (K,) bool."""
        first = torch.tensor([part.start for part in self.inner], device=places.device)
        last = torch.tensor([part.stop - 1 for part in self.inner], device=places.device)
        return ((places - radius >= first) & (places + radius <= last)).all(1)


def draw_crop(
    shape: tuple[int, int], centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> Crop:
    """A crop that holds the light about a point.

    Parameters
    ----------
    shape : tuple of int
        Object (H, W), pixels, 8 or more each.
    centre : tuple of float
        Place (y, x) of the point.
    radius : float
        Radius of the light, pixels; it must stay inside the margins.
    rng : Generator
        Draws where in the crop the point lies.
    """
    wanted = int(np.clip(4 * radius + 2 * _MARGIN, _SMALLEST, _LARGEST))
    outer, inner, inside = [], [], []
    for length, middle in zip(shape, centre, strict=True):
        side = min(wanted, length) // _MULTIPLE * _MULTIPLE
        slack = max(0.0, side / 2 - _MARGIN - radius)
        start = round(middle - side / 2 + rng.uniform(-slack, slack))
        start = min(max(0, start), length - side)
        # Fewer than a multiple of 8 pixels beyond the crop are the dark rim.
        low = 0 if start < _MULTIPLE else _MARGIN
        high = 0 if start + side > length - _MULTIPLE else _MARGIN
        outer.append(slice(start, start + side))
        inner.append(slice(start + low, start + side - high))
        inside.append(slice(low, side - high))
    return Crop((outer[0], outer[1]), (inner[0], inner[1]), (inside[0], inside[1]))
