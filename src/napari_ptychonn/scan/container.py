"""HDF5, npz and MATLAB files behind one face: names, shapes, small arrays, lazy patterns."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chunks import read_part
from napari_ptychonn.scan.dataset_info import MAX_LISTED, DatasetInfo
from napari_ptychonn.scan.heaps import GuardedFile
from napari_ptychonn.scan.mat5 import is_mat5, opened_mat5
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.npy_members import opened_zip, read_header, read_values
from napari_ptychonn.scan.patterns import ArrayPatterns, H5Patterns
from napari_ptychonn.scan.storage import (
    DAMAGE,
    names_in,
    reading,
    require_readable,
    require_small,
    resolve,
)

__all__ = ["Container", "DatasetInfo", "open_container"]

SCAN_FILE = "scan file"
"""What a file is, where nothing else is said."""
FILTERS = {
    307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle",
    32013: "zfp", 32015: "zstd", 32017: "sz", 32018: "fcidecomp", 32024: "sz3", 32026: "blosc2",
}  # fmt: skip
"""Registered filters (portal.hdfgroup.org) that hdf5plugin brings or detectors use."""
OWN_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_SCALEOFFSET)
"""HDF5's own, which go with a compression."""


class Container(Protocol):
    """A file of named arrays."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a dataset, or a link to one, of that name."""
        ...

    def info(self, name: str) -> DatasetInfo:
        """Shape and type of a dataset."""
        ...

    def infos(self) -> list[DatasetInfo]:
        """All datasets."""
        ...

    def array(self, name: str) -> NDArray[Any]:
        """A (small) dataset, read whole."""
        ...

    def attribute(self, name: str, key: str) -> Any | None:
        """An attribute of a dataset or group, None where there is none."""
        ...

    def patterns(self, name: str, bad: NDArray[np.bool_] | None) -> PatternSource:
        """A dataset as patterns; `bad` (H, W) pixels are read as 0."""
        ...


@contextmanager
def open_container(path: str | Path, subject: str = SCAN_FILE) -> Iterator[Container]:
    """Open a HDF5, npz or MATLAB file.

    Parameters
    ----------
    path : str or Path
        The file.
    subject : str
        What it is, for the error.

    Raises
    ------
    ScanError
        There is no such file, it is of another kind, or it is damaged.
    """
    try:
        with _opened(Path(path)) as container:
            yield container
    except ScanError as error:
        if error.subject != SCAN_FILE or subject == SCAN_FILE:
            raise
        raise ScanError(subject, error.where, error.problem, remedy=error.remedy) from None


@contextmanager
def _opened(file: Path) -> Iterator[Container]:
    if not file.is_file():
        problem = "it is a folder" if file.is_dir() else "there is no such file"
        raise ScanError(SCAN_FILE, file, problem, remedy="check the path")
    if zipfile.is_zipfile(file):
        with opened_zip(file) as archive:
            yield NpzContainer(file, archive)
        return
    if is_mat5(_start_of(file)):
        with opened_mat5(file) as container:
            yield container
        return
    with open_h5(file) as h5file:
        yield H5Container(file, h5file)


@contextmanager
def open_h5(path: Path) -> Iterator[h5py.File]:
    """Open a HDF5 file to read.

    Raises
    ------
    ScanError
        It cannot be read, is not HDF5, or is damaged.
    """
    start, is_hdf5 = _start_of(path), h5py.is_hdf5(path)
    if not is_hdf5 and start[:2] == b"PK":
        remedy = "copy it again, or write it again"
        raise ScanError(SCAN_FILE, path, "it is a damaged npz (zip) file", remedy=remedy)
    if not is_hdf5 and path.suffix.lower() == ".mda":
        problem = "MDA files of EPICS hold positions, not patterns"
        remedy = "give it with --positions, and the file of the patterns as the scan"
        raise ScanError(SCAN_FILE, path, problem, remedy=remedy)
    if not is_hdf5:
        remedy = "open a HDF5 file (.h5, .hdf5, .cxi, .nxs), an npz or a MATLAB file"
        problem = "it is neither HDF5 nor npz nor MATLAB" if start else "it is empty"
        raise ScanError(SCAN_FILE, path, problem, remedy=remedy)
    try:
        h5file = GuardedFile(path)
    except OSError as error:
        reason = "it is truncated" if "truncated" in str(error) else f"cannot be opened: {error}"
        remedy = "copy it again, or wait until it is written and closed"
        raise ScanError(SCAN_FILE, path, reason, remedy=remedy) from None
    with h5file:
        try:
            yield h5file
        except ScanError as error:
            if not h5file.is_damaged:
                raise
            problem = f"it is damaged, a heap of its texts is broken: {error.problem}"
            raise ScanError(SCAN_FILE, path, problem, remedy="copy it again") from None


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


@dataclass(frozen=True, slots=True)
class NpzContainer:
    """An open npz file.

    Parameters
    ----------
    path : Path
        The file.
    archive : ZipFile
        It, open.
    """

    path: Path
    archive: zipfile.ZipFile

    def has(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return _member(name) in self.archive.namelist()

    def info(self, name: str) -> DatasetInfo:
        """Shape and type from the array's header alone."""
        self._require(name)
        shape, dtype = read_header(self.archive, _member(name), self.path)
        packed = self.archive.getinfo(_member(name)).compress_type != zipfile.ZIP_STORED
        return DatasetInfo(name.lstrip("/"), shape, str(dtype), None, "zip" if packed else None)

    def infos(self) -> list[DatasetInfo]:
        """All arrays."""
        members = [name for name in self.archive.namelist() if name.endswith(".npy")]
        return [self.info(name.removesuffix(".npy")) for name in members[:MAX_LISTED]]

    def array(self, name: str) -> NDArray[Any]:
        """An array, read whole; ScanError where it cannot be."""
        self._require(name)
        return read_values(self.archive, _member(name), self.path)

    def attribute(self, name: str, key: str) -> Any | None:  # noqa: ARG002
        """None: npz files have no attributes."""
        return None

    def patterns(self, name: str, bad: NDArray[np.bool_] | None) -> PatternSource:
        """An array as patterns, in memory: a zip file cannot be read in pieces."""
        stack = self.array(name)
        if stack.ndim == 4:
            stack = stack.reshape(-1, *stack.shape[-2:])
        return ArrayPatterns(stack, self.path, name, bad)

    def _require(self, name: str) -> None:
        if not self.has(name):
            arrays = ", ".join(member.removesuffix(".npy") for member in self.archive.namelist())
            remedy = f"choose among: {arrays or 'nothing'}"
            raise ScanError("dataset", self.path, f"there is no array {name}", remedy=remedy)


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(128)
    except OSError as error:
        raise ScanError(
            SCAN_FILE, path, f"cannot be read: {error.strerror}", remedy="check its permissions"
        ) from None


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


def _member(name: str) -> str:
    return name.lstrip("/") + ".npy"
