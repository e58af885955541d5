"""Masks of which a file has one for each pattern, read as one mask for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.storage import DAMAGE, require_readable, resolve

__all__ = ["common_mask"]

MAX_FRAMES = 32
"""Frames looked at, evenly spread: masks rarely change within a scan."""
MAX_PIXELS = 2**25
"""Of all frames looked at together."""


def common_mask(
    container: Container,
    name: str,
    size: tuple[int, ...],
    is_good: Callable[[NDArray[Any]], NDArray[np.bool_]],
) -> tuple[NDArray[np.bool_], str | None]:
    """Pixels that are good in every frame of a mask (..., H, W).

    Parameters
    ----------
    container : Container
        The file.
    name : str
        Dataset of the mask.
    size : (H, W)
        Of the patterns.
    is_good : callable
        Tells good pixels from the stored values.

    Returns
    -------
    mask : ndarray, (H, W) bool
        True = good. Frames in which no pixel is good do not count.
    note : str or None
        Sentence for the provenance where the frames differ.

    Raises
    ------
    ScanError
        The dataset is missing, cannot be read, or is no mask of that size.
    """
    shape = container.info(name).shape
    if not 2 <= len(shape) <= 4 or not all(shape) or shape[-2:] != tuple(size):
        raise _no_mask(container, f"{name}: mask is {shape}, but patterns are {tuple(size)}")
    stored = _some_frames(container, name, shape)
    if stored.dtype.kind not in "uifb":
        raise _no_mask(container, f"{name} holds {stored.dtype}, numbers are needed")
    good = is_good(stored)
    useful = good[good.any((-2, -1))]
    if not len(useful):
        return good[0], None
    mask = np.asarray(useful.all(0), dtype=np.bool_)
    if (useful == mask).all():
        return mask, None
    note = (
        f"{name} differs from frame to frame: a pixel is left out that is bad in any of the "
        f"{len(stored)} frames looked at"
    )
    return mask, note


def _some_frames(container: Container, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """At most MAX_FRAMES frames, (K, H, W)."""
    n_frames = math.prod(shape[:-2])
    affordable = max(1, min(MAX_FRAMES, MAX_PIXELS // math.prod(shape[-2:])))
    chosen = np.unique(np.linspace(0, n_frames - 1, affordable).astype(np.intp))
    if n_frames == 1 or not isinstance(container, H5Container):
        return container.array(name).reshape(n_frames, *shape[-2:])[chosen]
    dataset = resolve(container.file, name, container.path)
    require_readable(dataset, name, container.path)
    places = [np.unravel_index(number, shape[:-2]) for number in chosen]
    try:
        return np.stack([read_part(dataset, tuple(map(int, place))) for place in places])
    except DAMAGE as error:
        raise _no_mask(container, f"{name} cannot be read: {error}") from None


def _no_mask(container: Container, problem: str) -> ScanError:
    remedy = "choose another mask with --dataset mask=/PATH"
    return ScanError("mask", container.path, problem, remedy=remedy)
