"""A HDF5 file as named arrays: links followed, filters named, patterns left where they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.dataset_info import MAX_LISTED, DatasetInfo
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.patterns import H5Patterns
from napari_ptychonn.scan.storage import (
    DAMAGE,
    names_in,
    reading,
    require_readable,
    require_small,
    resolve,
)

__all__ = ["H5Container"]

FILTERS = {
    307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle",
    32013: "zfp", 32015: "zstd", 32017: "sz", 32018: "fcidecomp", 32024: "sz3", 32026: "blosc2",
}  # fmt: skip
"""Registered filters (portal.hdfgroup.org) that hdf5plugin brings or detectors use."""
OWN_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_SCALEOFFSET)
"""HDF5's own, which go with a compression."""


@dataclass(frozen=True, slots=True)
class H5Container:
    """An open HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    file : h5py.File
        It, open.
    """

    path: Path
    file: h5py.File

    def has(self, name: str) -> bool:
        """Whether there is a dataset, or a link to one, of that name."""
        try:
            found = self.file.get(name)
        except DAMAGE:
            found = None
        if found is not None:
            return isinstance(found, h5py.Dataset)
        return isinstance(self._link(name), h5py.ExternalLink)

    def info(self, name: str) -> DatasetInfo:
        """Shape and type of a dataset; ScanError where it is missing."""
        dataset = resolve(self.file, name, self.path)
        with reading(name, self.path):
            return _describe(dataset, name)

    def infos(self) -> list[DatasetInfo]:
        """All datasets, soft and external links to datasets included."""
        found: list[DatasetInfo] = []
        with reading("its list of datasets", self.path):
            _walk(self.file, self.file, "", found, set())
        return found

    def array(self, name: str) -> NDArray[Any]:
        """A (small) dataset, read whole; ScanError where it cannot be."""
        dataset = resolve(self.file, name, self.path)
        with reading(name, self.path):
            require_readable(dataset, name, self.path)
            require_small(dataset, name, self.path)
            return read_part(dataset)

    def attribute(self, name: str, key: str) -> Any | None:
        """An attribute of a dataset or group, None where there is none."""
        try:
            attributes = self.file[name].attrs
        except DAMAGE:
            return None
        with reading(f"{name}.{key}", self.path):
            return _plain(attributes.get(key))

    def patterns(self, name: str, bad: NDArray[np.bool_] | None) -> PatternSource:
        """A dataset as lazy patterns."""
        dataset = resolve(self.file, name, self.path)
        with reading(name, self.path):
            require_readable(dataset, name, self.path)
        return H5Patterns(self.path, name, bad=bad)

    def _link(self, name: str) -> object:
        try:
            return self.file.get(name, getlink=True)
        except DAMAGE:
            return None


def _walk(
    file: h5py.File, group: h5py.Group, prefix: str, found: list[DatasetInfo], seen: set[int]
) -> None:
    # Hard links can form a circle, too: a group is listed under one of its names.
    place = h5py.h5o.get_info(group.id).addr
    if place in seen:
        return
    seen.add(place)
    for name in names_in(group):
        if len(found) >= MAX_LISTED:
            return
        path = f"{prefix}/{name}"
        # Groups behind soft or external links are left out: they could form a circle.
        is_hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
        try:
            item = file[path]
        except DAMAGE:
            continue
        if isinstance(item, h5py.Dataset):
            try:
                found.append(_describe(item, path))
            except DAMAGE:
                found.append(DatasetInfo(path, (), "not readable"))
        elif isinstance(item, h5py.Group) and is_hard:
            _walk(file, item, path, found, seen)


def _describe(dataset: h5py.Dataset, path: str) -> DatasetInfo:
    units = _plain(dataset.attrs.get("units", dataset.attrs.get("unit")))
    return DatasetInfo(
        path,
        tuple(dataset.shape or ()),
        str(dataset.dtype),
        units if isinstance(units, str) else None,
        _compression(dataset),
    )


def _compression(dataset: h5py.Dataset) -> str | None:
    """How it is compressed; h5py knows only HDF5's own filters by name."""
    if dataset.compression != "unknown":
        known: str | None = dataset.compression
        return known
    plist = dataset.id.get_create_plist()
    codes = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
    others = [code for code in codes if code not in OWN_FILTERS]
    return ", ".join(FILTERS.get(code, f"filter {code}") for code in others) or None


def _plain(value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
