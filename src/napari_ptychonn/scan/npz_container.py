"""A npz file as named arrays."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.dataset_info import MAX_LISTED, DatasetInfo
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.npy_members import read_header, read_values
from napari_ptychonn.scan.patterns import ArrayPatterns

__all__ = ["NpzContainer"]


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


def _member(name: str) -> str:
    return name.lstrip("/") + ".npy"
