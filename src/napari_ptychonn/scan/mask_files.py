"""Masks in files of their own: npy, npz, HDF5, TIFF and PNG.

In all of them 0 is a good pixel and anything else a bad one, as in CXI and NeXus files and in
the masks that pyFAI draws.
"""

from __future__ import annotations

import logging
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_ptychonn.errors import OutputError, ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.npy_members import read_npy
from napari_ptychonn.scan.sidefiles import WITH_DATASET
from napari_ptychonn.scan.tree import guess_roles

__all__ = ["MASK_ENDINGS", "read_image", "read_mask", "write_mask"]

MASK_ENDINGS = (".npy", ".h5", ".hdf5", ".tif", ".tiff", ".png")
"""What :func:`write_mask` writes."""
DATASET = "mask"
TIFF = (".tif", ".tiff")
DAMAGE = (
    OSError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, RuntimeError,
    SyntaxError, MemoryError, struct.error, zlib.error, AssertionError,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What the readers of TIFF and PNG raise over damaged files."""
PLAIN_MODES = ("1", "L", "I", "I;16", "F")
"""Pillow's names for pictures of one number a pixel."""
MAX_PIXELS = 2**26
"""Of a picture; detectors have fewer."""
MAX_PACKING = 500
"""Larger pictures that shrink by more than this hold next to nothing."""


def read_mask(path: str | Path) -> tuple[NDArray[np.bool_], str]:
    """Read a mask.

    Parameters
    ----------
    path : str or Path
        npy, TIFF, PNG, npz or HDF5; ``file.h5:/dataset`` picks a dataset.

    Returns
    -------
    mask : ndarray, (H, W) bool
        True = good: 0 in the file.
    used : str
        File and dataset, for the provenance.

    Raises
    ------
    ScanError
        The file cannot be read, or holds no mask.
    """
    stored, used = read_image(path, "mask")
    if stored.ndim == 3 and stored.shape[0] == 1:
        stored = stored[0]
    if stored.ndim != 2 or stored.dtype.kind not in "buif":
        problem = f"{used} has shape {stored.shape} and type {stored.dtype}"
        remedy = "a mask is an image (height, width) of numbers, 0 = good"
        raise ScanError("mask", Path(path), problem, remedy=remedy)
    return np.asarray(stored == 0, dtype=np.bool_), used


def write_mask(path: str | Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask; the file appears when it is complete.

    Parameters
    ----------
    path : str or Path
        Its ending chooses the format, one of :data:`MASK_ENDINGS`.
    mask : ndarray, (H, W) bool
        True = good, written as 0.

    Raises
    ------
    OutputError
        The ending is not known, or the file cannot be written.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in MASK_ENDINGS:
        remedy = "end it with one of " + ", ".join(MASK_ENDINGS)
        raise OutputError("mask", target, f"{ending or 'no'} ending is not known", remedy=remedy)
    bad = np.asarray(~mask, dtype=np.uint8)
    partial = target.with_name(f".{target.stem}.{os.getpid()}{ending}")
    try:
        if ending == ".npy":
            np.save(partial, bad)
        elif ending in TIFF:
            tifffile.imwrite(partial, 255 * bad)
        elif ending == ".png":
            Image.fromarray(255 * bad).save(partial)
        else:
            with h5py.File(partial, "w") as file:
                file.create_dataset(DATASET, data=bad, compression="gzip")
        partial.replace(target)
    except OSError as error:
        remedy = "choose a folder that can be written and has space"
        problem = f"cannot be written: {error.strerror or error}"
        raise OutputError("mask", target, problem, remedy=remedy) from None
    finally:
        partial.unlink(missing_ok=True)


def read_image(path: str | Path, role: str) -> tuple[NDArray[Any], str]:
    """Read an array of pixels from any file that can hold one.

    Parameters
    ----------
    path : str or Path
        npy, TIFF, PNG, npz or HDF5; ``file.h5:/dataset`` picks a dataset.
    role : str
        What it is, for finding its dataset and for the error.

    Returns
    -------
    array : ndarray
        As stored.
    used : str
        File and dataset, for the provenance.

    Raises
    ------
    ScanError
        The file cannot be read, or does not say which dataset it is.
    """
    match = WITH_DATASET.match(str(path))
    file, dataset = (Path(match["file"]), match["dataset"]) if match else (Path(path), None)
    if not file.is_file():
        raise ScanError(role, file, "there is no such file", remedy="check the path")
    ending = file.suffix.lower()
    if ending == ".npy":
        return read_npy(file, role), str(file)
    try:
        if ending in TIFF:
            return _tiff(file), str(file)
        if ending == ".png":
            return _png(file), str(file)
    except DAMAGE as error:
        problem, remedy = f"cannot be read: {error}", "write the file again"
        raise ScanError(role, file, problem, remedy=remedy) from None
    with open_container(file, role) as container:
        name = dataset or _likely(container, role)
        return container.array(name), f"{file}:{name}"


def _tiff(file: Path) -> NDArray[Any]:
    with _quiet_tifffile(), tifffile.TiffFile(file) as tiff:
        if not tiff.series:
            raise ValueError("there is no picture in it")
        series, size = tiff.series[0], file.stat().st_size
        if math.prod(series.shape) > max(MAX_PIXELS, MAX_PACKING * size):
            raise ValueError(f"{size} bytes would unpack to a picture of shape {series.shape}")
        for page in series.pages:
            if page is not None:
                _require_whole(page, size)
        return np.asarray(series.asarray())


def _require_whole(page: Any, size: int) -> None:
    """What a damaged file lacks of a page, tifffile would fill with zeros: with good pixels."""
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    there = [count for offset, count in parts if 0 < offset < offset + count <= size]
    wanted = math.prod(page.chunked)
    if len(there) < wanted:
        raise ValueError(f"of {wanted} parts of the picture {len(there)} are there")
    if page.compression == 1 and sum(there) < page.nbytes:
        raise ValueError(f"of {page.nbytes} bytes of the picture {sum(there)} are there")


@contextmanager
def _quiet_tifffile() -> Iterator[None]:
    """What tifffile notices it logs, tag by tag; one error says what matters of it."""
    log = logging.getLogger("tifffile")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _png(file: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"it claims {picture.width} × {picture.height} pixels")
            return np.asarray(picture if picture.mode in PLAIN_MODES else picture.convert("L"))


def _likely(container: Container, role: str) -> str:
    infos = container.infos()
    guess = guess_roles(infos).get(role)
    named = [info.path for info in infos if info.path.rsplit("/", 1)[-1].lower() == role]
    images = [info.path for info in infos if len(info.shape) == 2 and min(info.shape) > 2]
    for found in (named, [guess] if guess else [], images):
        if len(found) == 1:
            return found[0]
    problem = f"it is not known which dataset is the {role}"
    remedy = f"choose it with {container.path.name}:/DATASET"
    if images:
        remedy += " among " + ", ".join(images[:8])
    raise ScanError(role, container.path, problem, remedy=remedy)
