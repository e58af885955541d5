"""Arrays of result files, each checked: complex images, layers, probe modes, pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.entries import reals
from napari_ptychonn.scan.matlab import matlab_image
from napari_ptychonn.words import counted

__all__ = ["image_size", "images", "pixel_pair", "probe_modes", "single_layer", "unfit"]

MAX_PIXELS = 2**28
"""No object or probe has more pixels than this."""


def images(container: Container, name: str, *, matlab: bool = False) -> NDArray[np.complex64]:
    """A complex image or a stack of them, (..., H, W).

    Parameters
    ----------
    container : Container
        The file.
    name : str
        Its dataset.
    matlab : bool
        Whether MATLAB wrote it, so that its axes are in reverse.

    Raises
    ------
    ScanError
        It is missing, or no image of numbers.
    """
    shape = container.info(name).shape
    if not 2 <= len(shape) <= 4 or min(shape) == 0 or math.prod(shape) > MAX_PIXELS:
        raise unfit(container, name, f"has shape {shape}, an image is (H, W)")
    stored = container.array(name)
    turned = matlab_image(stored)
    if turned.dtype.kind != "c":
        raise unfit(container, name, f"holds {stored.dtype}, complex numbers are needed")
    if not matlab:
        turned = np.swapaxes(turned, -2, -1)
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(turned, dtype=np.complex64)


def single_layer(stack: NDArray[np.complex64], notes: list[str]) -> NDArray[np.complex64]:
    """One object (H, W) of (..., H, W): layers along the beam are multiplied."""
    layers = stack.reshape(-1, *stack.shape[-2:])
    if len(layers) == 1:
        return layers[0]
    notes.append(f"the object has {len(layers)} layers, which are multiplied")
    with np.errstate(all="ignore"):
        product: NDArray[np.complex64] = layers.prod(axis=0)
    return product


def probe_modes(stack: NDArray[np.complex64], notes: list[str]) -> NDArray[np.complex64]:
    """Modes (modes, h, w) of (h, w), (modes, h, w) or (variations, modes, h, w)."""
    if stack.ndim == 4:
        if len(stack) > 1:
            notes.append("of the probe's variations (OPR modes) the first is used")
        return stack[0]
    return stack.reshape(-1, *stack.shape[-2:])


def pixel_pair(
    container: Container, name: str, y: float | None, x: float | None
) -> tuple[float, float]:
    """Object pixel (y, x), checked to be a size.

    Raises
    ------
    ScanError
        It is not recorded, or not positive.
    """
    if y is None or x is None:
        raise unfit(container, name, "is not recorded")
    if not (0 < y < math.inf and 0 < x < math.inf):
        raise unfit(container, name, f"is {y:g} × {x:g}, which is no size")
    return float(y), float(x)


def image_size(
    container: Container, group: str, shape: tuple[int, ...]
) -> tuple[float, float] | tuple[None, None]:
    """Object pixel (y, x) of a CXI image of `shape` from its `image_size`, (x, y) in metres.

    Raises
    ------
    ScanError
        It is no pair of numbers.
    """
    name = f"{group}/image_size"
    if not container.has(name):
        return None, None
    spans = reals(container, name, "the image's size").ravel()
    if spans.size < 2:
        raise unfit(container, name, f"has {counted(spans.size, 'value')}, (x, y) is needed")
    return float(spans[1]) / shape[0], float(spans[0]) / shape[1]


def unfit(container: Container, name: str, problem: str) -> ScanError:
    """The error for a result that lacks what it must have."""
    remedy = "give another result, or write this one again"
    return ScanError("result", container.path, f"{name} {problem}", remedy=remedy)
