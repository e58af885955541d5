"""What is in a file, and which dataset is probably what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.storage import DAMAGE

__all__ = ["POSITION_PAIRS", "DatasetInfo", "Entry", "guess_roles", "list_datasets", "list_entries"]

MAX_DETAILED = 1000
"""Attributes and single values are read of so many datasets at most."""
MAX_ATTRIBUTES = 40
MAX_TEXT = 200
MAX_SINGLE_BYTES = 4096

NAMES: Mapping[str, Sequence[str]] = {
    "patterns": (
        "data", "dp", "patterns", "diffraction", "reciprocal", "intensities", "intensity",
        "ptychogram", "diff3d", "det_data", "frames", "measurements", "det_images", "arr_0",
        "data_000001", "image_img",
    ),
    "positions": (
        "scan", "positions", "position", "translation", "points", "encoder", "scan_positions",
        "pos_xy", "motor_pos", "coordinates", "probe_positions", "pos",
    ),
    "probe": ("probe", "probe_guess", "probeguess", "illumination", "prb"),
    "mask": ("mask", "bad_pixels", "pixel_mask"),
}  # fmt: skip
"""Names that files use, the most telling first."""

POSITION_PAIRS: Sequence[tuple[str, str, str]] = (
    ("probe_position_y_m", "probe_position_x_m", "m"),
    ("ppY", "ppX", "m"),
    ("ycoords", "xcoords", "px"),
)
"""Datasets that hold y and x apart, and their unit."""


def list_datasets(path: str | Path) -> tuple[DatasetInfo, ...]:
    """All datasets of a HDF5 or npz file, in the order of the file.

    Raises
    ------
    ScanError
        The file cannot be opened.
    """
    with open_container(path) as container:
        return tuple(container.infos())


@dataclass(frozen=True, slots=True)
class Entry:
    """One dataset as a person wants to see it.

    Attributes
    ----------
    info : DatasetInfo
        Path, shape, type, unit, compression.
    attributes : tuple of (str, str)
        Its attributes, and those of its group, shortened.
    value : str
        Of a single number or word; empty for anything larger.
    """

    info: DatasetInfo
    attributes: tuple[tuple[str, str], ...] = ()
    value: str = ""


def list_entries(path: str | Path) -> tuple[Entry, ...]:
    """All datasets of a HDF5 or npz file with their attributes, in the order of the file.

    Raises
    ------
    ScanError
        The file cannot be opened.
    """
    with open_container(path) as container:
        infos = container.infos()
        detailed = [
            Entry(info, _attributes(container, info.path), _value(container, info))
            for info in infos[:MAX_DETAILED]
        ]
        return (*detailed, *(Entry(info) for info in infos[MAX_DETAILED:]))


def guess_roles(infos: Sequence[DatasetInfo]) -> dict[str, str]:
    """Guess which datasets are patterns, positions, probe and mask.

    Parameters
    ----------
    infos : sequence of DatasetInfo
        As listed.

    Returns
    -------
    dict
        Role to dataset; a role of which nothing is known is left out.
    """
    roles: dict[str, str] = {}
    stacks = [info for info in infos if len(info.shape) in (3, 4) and _is_real(info)]
    stacks = [info for info in stacks if min(info.shape[-2:]) >= 8]
    patterns = _named(stacks, "patterns")
    if patterns is None and len(stacks) == 1:
        patterns = stacks[0]
    n_points = 0
    if patterns is not None:
        roles["patterns"] = patterns.path
        n_points = patterns.shape[0] if len(patterns.shape) == 3 else 0
        n_points = n_points or patterns.shape[0] * patterns.shape[1]
    pairs = [info for info in infos if _is_pairs(info, n_points)]
    positions = _named(pairs, "positions") or (pairs[0] if len(pairs) == 1 else None)
    if positions is not None:
        roles["positions"] = positions.path
    probes = [info for info in infos if info.dtype.startswith("complex") and len(info.shape) >= 2]
    probe = _named(probes, "probe")
    if probe is not None:
        roles["probe"] = probe.path
    if patterns is not None:
        masks = [info for info in infos if info.shape == patterns.shape[-2:]]
        mask = _named(masks, "mask")
        if mask is not None:
            roles["mask"] = mask.path
    return roles


def _named(infos: Sequence[DatasetInfo], role: str) -> DatasetInfo | None:
    for name in NAMES[role]:
        for info in infos:
            if info.path.rsplit("/", 1)[-1].lower() == name:
                return info
    return None


def _is_real(info: DatasetInfo) -> bool:
    return info.dtype.lstrip("<>|=").startswith(("int", "uint", "float"))


def _is_pairs(info: DatasetInfo, n_points: int) -> bool:
    if len(info.shape) != 2 or not _is_real(info):
        return False
    rows, columns = info.shape
    if n_points:
        return (rows == n_points and columns in (2, 3)) or (rows in (2, 3) and columns == n_points)
    return columns == 2


def _attributes(container: Container, name: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(container, H5Container):
        return ()
    found: list[tuple[str, str]] = []
    group = name.rsplit("/", 1)[0] or "/"
    for place, before in ((name, ""), (group, f"{group}: ")):
        try:
            stored = container.file[place].attrs
            keys = list(stored)[:MAX_ATTRIBUTES]
        except DAMAGE:
            found.append((before, "attributes cannot be read"))
            continue
        found += [(f"{before}{key}", _attribute(stored, key)) for key in keys]
    return tuple(found)


def _attribute(stored: h5py.AttributeManager, key: str) -> str:
    try:
        return _text(stored[key])
    except DAMAGE as error:
        return f"cannot be read: {error}"


def _value(container: Container, info: DatasetInfo) -> str:
    if math.prod(info.shape) != 1:
        return ""
    try:
        kind = np.dtype(info.dtype)
    except TypeError:
        # A compound type, spelled out, or none that can be read.
        return ""
    if kind.kind == "V" or kind.itemsize > MAX_SINGLE_BYTES:
        return ""
    try:
        return _text(container.array(info.path))
    except (ScanError, RuntimeError, TypeError, ValueError) as error:
        return f"cannot be read: {error}"


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    words = f"{value:.6g}" if isinstance(value, float) else str(value)
    words = " ".join(words.split())
    return words if len(words) <= MAX_TEXT else words[: MAX_TEXT - 1] + "…"
