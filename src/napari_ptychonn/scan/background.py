"""Counts that do not come from the sample, subtracted from every pattern."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.mask_files import read_image
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.patterns import ArrayPatterns, H5Patterns
from napari_ptychonn.scan.sidefiles import WITH_DATASET

__all__ = ["BackgroundPatterns", "read_background"]

MAX_FRAMES = 64
"""Dark frames that the mean is made of, spread over all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class BackgroundPatterns:
    """Patterns less a background; what would be negative is 0.

    Parameters
    ----------
    source : PatternSource
        (N, H, W).
    background : ndarray, (H, W) float32
        Counts of a pattern without the sample's.
    """

    source: PatternSource
    background: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        frames = self.source.read(indices)
        frames -= self.background
        return np.maximum(frames, 0, out=frames)


def read_background(
    given: float | str | Path, size: tuple[int, int], scan_file: Path
) -> tuple[NDArray[np.float32], NDArray[np.bool_], str]:
    """The background that a person chose.

    Parameters
    ----------
    given : float, str or Path
        Counts; or a file with a dark pattern (H, W), or with several (K, H, W), of which
        the mean is taken; or a dataset of the scan file.
    size : (H, W)
        Of the patterns as stored.
    scan_file : Path
        The scan.

    Returns
    -------
    background : ndarray, (H, W) float32
        0 where it is not known.
    known : ndarray, (H, W) bool
        False where the dark pattern is not finite.
    said : str
        What it is, for the provenance.

    Raises
    ------
    ScanError
        It cannot be read, or is of another shape.
    """
    if isinstance(given, int | float):
        return np.full(size, given, np.float32), np.ones(size, np.bool_), f"{given:g} counts"
    stored, used = _stored(given, scan_file)
    while stored.ndim > 3 and stored.shape[0] == 1:
        stored = stored[0]
    if stored.dtype.kind not in "uif" or stored.ndim not in (2, 3) or stored.shape[-2:] != size:
        problem = f"{used} is {stored.dtype} of shape {stored.shape}, patterns are {size}"
        remedy = "give a dark pattern of this detector with --background FILE:/DATASET"
        raise ScanError("background", scan_file, problem, remedy=remedy)
    mean = stored.astype(np.float64)
    if mean.ndim == 3:
        used = f"mean of {len(mean)} frames of {used}"
        mean = mean.mean(0)
    known = np.isfinite(mean)
    if not known.any():
        problem, remedy = f"{used} has no finite number", "choose another dark pattern"
        raise ScanError("background", scan_file, problem, remedy=remedy)
    return np.where(known, mean, 0).astype(np.float32), known, used


def _stored(given: str | Path, scan_file: Path) -> tuple[NDArray[Any], str]:
    """The dark pattern or patterns as stored, at most MAX_FRAMES of them."""
    file, dataset = Path(given), None
    if match := WITH_DATASET.match(str(given)):
        file, dataset = Path(match["file"]), match["dataset"]
    elif str(given).startswith("/") and not file.exists():
        file, dataset = scan_file, str(given)
    if dataset is None:
        return read_image(given, "background")
    if not file.is_file():
        raise ScanError("background", file, "there is no such file", remedy="check the path")
    with open_container(file, "background") as container:
        if file == scan_file and not container.has(dataset):
            problem = f"{dataset} is neither a file nor a dataset of the scan"
            remedy = "check the path, or give --background another one, or a number of counts"
            raise ScanError("background", scan_file, problem, remedy=remedy)
        return _some(container, dataset), f"{file}:{dataset}"


def _some(container: Container, name: str) -> NDArray[Any]:
    shape = container.info(name).shape
    if len(shape) != 3 or not isinstance(container, H5Container):
        return container.array(name)
    source = container.patterns(name, None)
    chosen = np.unique(np.linspace(0, shape[0] - 1, MAX_FRAMES).astype(np.intp))
    if not isinstance(source, H5Patterns | ArrayPatterns):
        return source.read(chosen)
    return source.as_stored(chosen)
