"""Small datasets of a file, each checked: numbers, lengths, vectors, and chosen ones."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.storage import DAMAGE
from napari_ptychonn.scan.units import electronvolts, metres_per
from napari_ptychonn.words import counted

__all__ = [
    "attribute_number",
    "beam_energy_ev",
    "chosen_mask",
    "chosen_positions",
    "chosen_probe",
    "dataset_pair",
    "is_group",
    "length_m",
    "number",
    "reals",
    "shape_of",
    "unusable",
    "yx_vectors",
]

MAX_VALUES = 10_000_000
"""Nothing but patterns is longer than this."""


def shape_of(container: Container, name: str) -> tuple[int, ...] | None:
    """Shape of a dataset, None where there is none or it cannot be reached."""
    if not container.has(name):
        return None
    try:
        return container.info(name).shape
    except ScanError:
        return None


def is_group(container: Container, name: str) -> bool:
    """Whether a HDF5 file has a group of that name."""
    if not isinstance(container, H5Container):
        return False
    try:
        return isinstance(container.file.get(name), h5py.Group)
    except DAMAGE:
        return False


def number(container: Container, name: str) -> float | None:
    """One number; a series of readings stands for its mean; None where there is none.

    Raises
    ------
    ScanError
        The dataset holds anything else.
    """
    if not container.has(name):
        return None
    values = reals(container, name, "one number")
    if values.size == 0:
        raise unusable(container, name, "is empty, one number is needed")
    return float(values.mean())


def length_m(container: Container, name: str, unit: str) -> float | None:
    """A length in metres from the dataset's own unit, or `unit`; 0, which is unset, is None.

    Raises
    ------
    ScanError
        The dataset holds no number, or its unit is not known.
    """
    value = number(container, name)
    if not value:
        return None
    return abs(value) * metres_per(container.info(name).units or unit, container.path, name)


def beam_energy_ev(container: Container, name: str, unit: str) -> float | None:
    """A photon energy in eV from the dataset's own unit, or `unit`; None where it is unset.

    Raises
    ------
    ScanError
        The dataset holds no number.
    """
    value = number(container, name)
    return electronvolts(value, container.info(name).units or unit) if value else None


def attribute_number(container: Container, name: str, key: str) -> float | None:
    """An attribute that is a number, None where there is none.

    Raises
    ------
    ScanError
        The attribute is no finite number.
    """
    stored = container.attribute(name, key)
    if stored is None:
        return None
    try:
        value = math.nan if np.iscomplexobj(stored) else float(stored)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        # NumPy's scalars say their type when they are shown by repr.
        shown = stored.item() if isinstance(stored, np.generic) else stored
        raise ScanError(
            "attribute", container.path, f"{name}.{key} is {shown!r}, a number is needed",
            remedy="correct the file",
        )  # fmt: skip
    return value


def yx_vectors(container: Container, y: str, x: str) -> NDArray[np.float64]:
    """Positions (N, 2) as (y, x) from two datasets of equal length.

    Raises
    ------
    ScanError
        One is missing, holds no numbers, or they differ in length.
    """
    columns = [reals(container, name, "positions", finite=False).ravel() for name in (y, x)]
    if columns[0].size != columns[1].size:
        problem = f"{y} has {counted(columns[0].size, 'value')}, {x} has {columns[1].size}"
        remedy = "choose another dataset with --dataset positions=/PATH, or give --positions FILE"
        raise ScanError("positions", container.path, problem, remedy=remedy)
    return np.stack(columns, -1)


def chosen_positions(
    container: Container, options: ScanOptions
) -> tuple[NDArray[np.float64], str | None, str] | None:
    """Positions (N, 2) as (y, x), unit and dataset that the person chose, or None.

    Raises
    ------
    ScanError
        The dataset is no list of pairs (y, x) or triples (x, y, z), in columns or in rows; or
        one of two datasets, ``"Y, X"``, is no list of numbers.
    """
    name = options.datasets.get("positions")
    if name is None or options.brings_positions:
        return None
    if (pair := dataset_pair(container, name)) is not None:
        units = [container.info(part).units for part in pair]
        if units[0] != units[1]:
            problem = f"is in {units[1]}, but {pair[0]} is in {units[0]}"
            raise unusable(container, pair[1], problem)
        return yx_vectors(container, *pair), units[0], name
    stored = reals(container, name, "positions", finite=False)
    if stored.ndim == 2 and stored.shape[0] in (2, 3) and stored.shape[1] not in (2, 3):
        stored = stored.T
    if stored.ndim != 2 or stored.shape[1] not in (2, 3):
        raise unusable(container, name, f"has shape {stored.shape}, (N, 2), (y, x), is needed")
    if stored.shape[1] == 3:
        # Three columns are x, y, z wherever they are found.
        stored = stored[:, 1::-1]
    return np.ascontiguousarray(stored), container.info(name).units, name


def dataset_pair(container: Container, name: str) -> tuple[str, str] | None:
    """Two datasets (y, x) that a choice such as ``"/stage/y, /stage/x"`` means, else None."""
    y, comma, x = name.partition(",")
    if not comma or container.has(name):
        return None
    return y.strip(), x.strip()


def chosen_probe(container: Container, options: ScanOptions) -> NDArray[Any] | None:
    """The probe that the person chose, as stored, or None.

    Raises
    ------
    ScanError
        The dataset is missing or far too large.
    """
    name = options.datasets.get("probe")
    if name is None or options.probe_file is not None:
        return None
    shape = container.info(name).shape
    if math.prod(shape) > MAX_VALUES:
        raise unusable(container, name, f"has shape {shape}: it is no probe")
    return container.array(name)


def chosen_mask(
    container: Container, options: ScanOptions, default: str | None = None
) -> tuple[NDArray[np.bool_], str] | None:
    """Mask (H, W), True = good, where 0 is stored, and its dataset; None where there is none.

    Raises
    ------
    ScanError
        The dataset is no image of numbers.
    """
    name = options.datasets.get("mask")
    if name is None:
        if default is None or not container.has(default):
            return None
        name = default
    stored = reals(container, name, "a mask")
    if stored.ndim != 2:
        raise unusable(container, name, f"has shape {stored.shape}, a mask is (H, W)")
    return np.asarray(stored == 0, dtype=np.bool_), name


def reals(
    container: Container, name: str, what: str, *, finite: bool = True
) -> NDArray[np.float64]:
    """A small dataset as float64, in its shape.

    Raises
    ------
    ScanError
        It is missing, is too long for `what`, holds no real numbers, or some are not finite
        although they must be.
    """
    info = container.info(name)
    if math.prod(info.shape) > MAX_VALUES:
        raise unusable(container, name, f"has shape {info.shape}, which is too long for {what}")
    stored = container.array(name)
    if stored.dtype.kind not in "uifb":
        raise unusable(container, name, f"holds {stored.dtype}, real numbers are needed")
    values = stored.astype(np.float64)
    if finite and not np.isfinite(values).all():
        raise unusable(container, name, "has values that are not finite")
    return values


def unusable(container: Container, name: str, problem: str) -> ScanError:
    """The error for a dataset that is not what it must be."""
    remedy = "correct the file, or choose another dataset with --dataset ROLE=/PATH"
    return ScanError("dataset", container.path, f"{name} {problem}", remedy=remedy)
