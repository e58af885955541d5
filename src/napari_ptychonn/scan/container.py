"""HDF5, npz and MATLAB files behind one face: names, shapes, small arrays, lazy patterns."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.heaps import GuardedFile
from napari_ptychonn.scan.mat5 import is_mat5, opened_mat5
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.npy_members import opened_zip
from napari_ptychonn.scan.npz_container import NpzContainer

__all__ = ["Container", "if_network", "open_container"]

SCAN_FILE = "scan file"
"""What a file is, where nothing else is said."""


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
        remedy += if_network(path)
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


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(128)
    except OSError as error:
        raise ScanError(
            SCAN_FILE, path, f"cannot be read: {error.strerror}", remedy="check its permissions"
        ) from None


def if_network(path: Path) -> str:
    """What a remedy adds where a network's file was taken for a scan; empty for other files."""
    if path.suffix.lower() not in (".safetensors", ".pth", ".pt", ".ckpt"):
        return ""
    return (
        "; the weights of a network are imported with 'Manage… > Import…' beside the list of "
        "networks, or with 'napari-ptychonn networks import FILE'"
    )
