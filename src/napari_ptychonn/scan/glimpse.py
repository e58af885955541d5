"""What datasets look like before they make a scan: a picture, a line, or points.

Values are read as they are stored: no mask, no orientation, nothing refused for its values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.entries import chosen_positions
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.raster import raster_positions
from napari_ptychonn.scan.sidefiles import read_positions
from napari_ptychonn.scan.storage import DAMAGE, require_readable, resolve

__all__ = ["DatasetGlimpse", "Glimpse", "glimpse_dataset", "glimpse_scan"]

LOOKED_AT = 16
"""Patterns that a mean is made of, spread over the scan."""
SMALLEST_PICTURE = 8
MAX_FRAME = 20_000_000
MAX_LIST = 5_000_000
MAX_SIDE = 512
"""Values that are read at most; pixels of a picture that are shown."""
HEIGHT_OF_LINE = 0.6
"""Of a drawn line, in parts of its width."""


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """The patterns and positions that were chosen, as far as they can be read.

    Attributes
    ----------
    mean : ndarray, (H, W) float64, or None
        Mean of `averaged` patterns as stored, values below 0 and NaN read as 0.
    averaged : int
        How many.
    positions : ndarray, (N, 2) float64, or None
        (y, x) as stored.
    """

    mean: NDArray[np.float64] | None = None
    averaged: int = 0
    positions: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DatasetGlimpse:
    """One dataset.

    Attributes
    ----------
    text : str
        What can be said of its values.
    picture : ndarray, (H, W) float64, or None
        Of an image or of the middle one of a stack, its modulus where it is complex.
    points : ndarray, (N, 2) float64, or None
        (y, x) of a list of pairs, or of the line that a list of numbers draws.
    """

    text: str
    picture: NDArray[np.float64] | None = None
    points: NDArray[np.float64] | None = None


def glimpse_scan(path: str | Path, options: ScanOptions) -> Glimpse:
    """Look at the chosen patterns and positions, although they may not make a scan yet.

    Parameters
    ----------
    path : str or Path
        A HDF5 or npz file.
    options : ScanOptions
        The choices.

    Raises
    ------
    ScanError
        The file cannot be opened. What is chosen and cannot be shown is left out; opening
        the scan says why.
    """
    with open_container(path) as container:
        mean, averaged, n_points = None, 0, 0
        try:
            name = options.datasets.get("patterns")
            if name is not None:
                mean, averaged, n_points = _mean(container, name)
        except ScanError:
            mean, averaged = None, 0
        try:
            positions = _positions(container, options, n_points)
        except ScanError:
            positions = None
    return Glimpse(mean, averaged, positions)


def glimpse_dataset(path: str | Path, name: str) -> DatasetGlimpse:
    """Look at one dataset.

    Parameters
    ----------
    path : str or Path
        A HDF5 or npz file.
    name : str
        The dataset.

    Raises
    ------
    ScanError
        The file cannot be opened, or the dataset cannot be read.
    """
    with open_container(path) as container:
        info = container.info(name)
        kind = _kind(info.dtype)
        if kind not in "iufcb":
            text = "empty" if 0 in info.shape else f"{info.dtype}, which has no picture"
            if math.prod(info.shape) == 1 and kind in "SO":
                text = str(_decoded(container.array(name)))
            return DatasetGlimpse(text)
        if 0 in info.shape:
            return DatasetGlimpse("empty")
        shape = info.shape
        if len(shape) >= 2 and min(shape[-2:]) >= SMALLEST_PICTURE:
            if math.prod(shape[-2:]) > MAX_FRAME:
                return DatasetGlimpse("too large to show")
            place = np.unravel_index(math.prod(shape[:-2]) // 2, shape[:-2]) if shape[2:] else ()
            frame = _real(_read(container, name, place))
            where = f"frame {', '.join(map(str, place))}: " if place else ""
            coarse = max(1, math.ceil(max(frame.shape) / MAX_SIDE))
            return DatasetGlimpse(where + _range(frame), picture=frame[::coarse, ::coarse])
        if math.prod(shape) > MAX_LIST:
            return DatasetGlimpse("too long to show")
        values = _real(_read(container, name, ()))
        if values.size == 1:
            return DatasetGlimpse(f"{values.item():.6g}")
        return DatasetGlimpse(_range(values), points=_points(values))


def _mean(container: Container, name: str) -> tuple[NDArray[np.float64], int, int]:
    shape = container.info(name).shape
    n_points = math.prod(shape[:-2])
    wrong = len(shape) not in (3, 4) or 0 in shape or math.prod(shape[-2:]) > MAX_FRAME
    if wrong or _kind(container.info(name).dtype) not in "iufb":
        problem = f"{name} has shape {shape} and cannot be shown"
        remedy = "choose another dataset with --dataset patterns=/PATH"
        raise ScanError("patterns", container.path, problem, remedy=remedy)
    chosen = np.unique(np.linspace(0, n_points - 1, LOOKED_AT).round().astype(np.intp))
    total = np.zeros(shape[-2:])
    whole = None if isinstance(container, H5Container) else container.array(name)
    for number in chosen:
        place = np.unravel_index(number, shape[:-2])
        frame = _read(container, name, place) if whole is None else whole[place]
        total += np.maximum(_real(frame), 0)
    return total / len(chosen), len(chosen), n_points


def _positions(
    container: Container, options: ScanOptions, n_points: int
) -> NDArray[np.float64] | None:
    if options.positions_file is not None:
        side = read_positions(options.positions_file, n_points, columns=options.positions_columns)
        found: NDArray[np.float64] | None = side.positions
    elif options.raster is not None:
        rows, columns, _ = options.raster
        found = raster_positions(options.raster, n_points or rows * columns, container.path)
    else:
        chosen = chosen_positions(container, options)
        found = None if chosen is None else chosen[0]
    if found is None:
        return None
    finite = found[np.isfinite(found).all(1)]
    return finite if len(finite) else None


def _read(container: Container, name: str, place: tuple[Any, ...]) -> NDArray[Any]:
    if not isinstance(container, H5Container):
        return np.asarray(container.array(name)[place])
    dataset: h5py.Dataset = resolve(container.file, name, container.path)
    require_readable(dataset, name, container.path)
    try:
        return read_part(dataset, tuple(map(int, place)))
    except DAMAGE as error:
        problem, remedy = f"{name} cannot be read: {error}", "copy the file again"
        raise ScanError("dataset", container.path, problem, remedy=remedy) from None


def _real(values: NDArray[Any]) -> NDArray[np.float64]:
    shown = np.abs(values) if values.dtype.kind == "c" else values
    return np.nan_to_num(np.asarray(shown, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _points(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if values.ndim == 2 and min(values.shape) in (2, 3):
        columns = values.T if values.shape[1] in (2, 3) else values
        # As elsewhere: pairs are (y, x), triples (x, y, z).
        return np.stack([columns[i] for i in ((0, 1) if len(columns) == 2 else (1, 0))], -1)
    if values.ndim != 1:
        return None
    along = np.linspace(0, 1, values.size)
    span = float(np.ptp(values)) or 1.0
    return np.stack([-HEIGHT_OF_LINE * (values - values.min()) / span, along], -1)


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.4g} to {values.max():.4g}, mean {values.mean():.4g}"


def _kind(dtype: str) -> str:
    try:
        return np.dtype(dtype).kind
    except TypeError:
        # A compound type, spelled out.
        return "V"


def _decoded(stored: NDArray[Any]) -> str:
    value = stored.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
