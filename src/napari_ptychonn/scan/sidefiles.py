"""Positions or a probe that lie in another file than the patterns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.tree import POSITION_PAIRS, guess_roles

__all__ = ["read_positions", "read_probe"]

WITH_DATASET = re.compile(r"^(?P<file>.+\.(?:h5|hdf5|hdf|cxi|nxs|mat|npz)):(?P<dataset>.+)$", re.I)
TEXT_ENDINGS = (".csv", ".txt", ".dat", ".tsv")


def read_positions(path: str | Path, n_points: int) -> tuple[NDArray[np.float64], str | None, str]:
    """Read positions from HDF5, npz, npy, CSV or text.

    Parameters
    ----------
    path : str or Path
        The file; ``file.h5:/dataset`` picks a dataset. Columns are (y, x); a text file may
        have a line of headings and any of comma, semicolon, tab or space between them.
    n_points : int
        Number of patterns; helps to find the dataset.

    Returns
    -------
    positions : ndarray, (M, 2) float64
        As stored.
    unit : str or None
        Where the file says it.
    used : str
        File and dataset, for the provenance.

    Raises
    ------
    ScanError
        The file cannot be read, or holds no pairs of numbers.
    """
    file, dataset = _split(path)
    ending = file.suffix.lower()
    if ending in TEXT_ENDINGS:
        return _pairs(_text(file), file, file.name), None, str(file)
    if ending == ".npy":
        return _pairs(_npy(file, "positions"), file, file.name), None, str(file)
    with open_container(file) as container:
        if dataset is None:
            for pair in POSITION_PAIRS:
                if container.has(pair[0]) and container.has(pair[1]):
                    columns = [container.array(name).reshape(-1) for name in pair[:2]]
                    used = f"{file}:{pair[0]}, {pair[1]}"
                    return _pairs(np.stack(columns, -1), file, used), pair[2], used
            dataset = _position_dataset(container, n_points)
        stored = container.array(dataset)
        if stored.ndim == 2 and stored.shape[0] == 2 and stored.shape[1] == n_points != 2:
            stored = stored.T
        unit = container.info(dataset).units
        return _pairs(stored, file, dataset), unit, f"{file}:{dataset}"


def read_probe(path: str | Path) -> tuple[NDArray[Any], str]:
    """Read a probe from HDF5, npz (a ptychodus product, for instance) or npy.

    Parameters
    ----------
    path : str or Path
        The file; ``file.h5:/dataset`` picks a dataset.

    Returns
    -------
    probe : ndarray, (..., H, W)
        As stored.
    used : str
        File and dataset, for the provenance.

    Raises
    ------
    ScanError
        The file cannot be read, or has no probe.
    """
    file, dataset = _split(path)
    if file.suffix.lower() == ".npy":
        return _npy(file, "probe"), str(file)
    with open_container(file) as container:
        if dataset is None:
            infos = container.infos()
            complex_ones = [info for info in infos if info.dtype.startswith("complex")]
            dataset = guess_roles(infos).get("probe")
            if dataset is None and len(complex_ones) == 1:
                dataset = complex_ones[0].path
            if dataset is None:
                remedy = f"choose one with --probe {file.name}:/DATASET"
                problem = "it is not known which dataset is the probe"
                raise ScanError("probe", file, problem, remedy=remedy)
        return container.array(dataset), f"{file}:{dataset}"


def _split(path: str | Path) -> tuple[Path, str | None]:
    match = WITH_DATASET.match(str(path))
    file, dataset = (Path(match["file"]), match["dataset"]) if match else (Path(path), None)
    if not file.is_file():
        raise ScanError("side file", file, "there is no such file", remedy="check the path")
    return file, dataset


def _position_dataset(container: Container, n_points: int) -> str:
    infos = container.infos()
    found = guess_roles(infos).get("positions")
    if found is None:
        shapes = ((n_points, 2), (2, n_points))
        found = next((info.path for info in infos if info.shape in shapes), None)
    if found is None:
        found = next((i.path for i in infos if len(i.shape) == 2 and i.shape[1] == 2), None)
    if found is None:
        remedy = f"choose one with --positions {container.path.name}:/DATASET"
        raise ScanError("positions", container.path, "no (N, 2) dataset is there", remedy=remedy)
    return found


def _pairs(stored: NDArray[Any], file: Path, name: str) -> NDArray[np.float64]:
    if stored.ndim != 2 or stored.shape[1] != 2 or stored.dtype.kind not in "uif":
        raise ScanError(
            "positions",
            file,
            f"{name} has shape {stored.shape} and type {stored.dtype}",
            remedy="two columns of numbers, (y, x), are needed",
        )
    return np.asarray(stored, dtype=np.float64)


def _text(file: Path) -> NDArray[np.float64]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "save it as plain text (UTF-8)"
        raise ScanError("positions", file, f"cannot be read: {error}", remedy=remedy) from None
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        words = [word for word in re.split(r"[,;\s]+", line.split("#", 1)[0].strip()) if word]
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            if not rows:  # a line of headings
                continue
            raise _bad_line(file, number, line) from None
        if len(row) != 2:
            raise _bad_line(file, number, line)
        rows.append(row)
    if not rows:
        remedy = "two columns of numbers, (y, x), are needed"
        raise ScanError("positions", file, "no numbers are in it", remedy=remedy)
    return np.asarray(rows, dtype=np.float64)


def _bad_line(file: Path, number: int, line: str) -> ScanError:
    problem = f"line {number} is not two numbers: {line.strip()[:60]!r}"
    remedy = "keep two columns, (y, x), and nothing else"
    return ScanError("positions", file, problem, remedy=remedy)


def _npy(file: Path, subject: str) -> NDArray[Any]:
    try:
        return np.asarray(np.load(file, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        remedy = "write it again with numpy.save"
        raise ScanError(subject, file, f"cannot be read: {error}", remedy=remedy) from None
