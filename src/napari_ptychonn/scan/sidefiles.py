"""Positions or a probe that lie in another file than the patterns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.dataset_info import DatasetInfo
from napari_ptychonn.scan.mda import read_mda
from napari_ptychonn.scan.npy_members import read_npy
from napari_ptychonn.scan.results.open import result_format
from napari_ptychonn.scan.side_positions import SidePositions, pairs_of, positions_in
from napari_ptychonn.scan.table_layouts import TableLayout
from napari_ptychonn.scan.tables import Table, read_table
from napari_ptychonn.scan.tree import POSITION_PAIRS, guess_roles

__all__ = [
    "WITH_DATASET",
    "column_names",
    "position_datasets",
    "read_positions",
    "read_probe",
]

WITH_DATASET = re.compile(r"^(?P<file>.+\.(?:h5|hdf5|hdf|cxi|nxs|mat|npz)):(?P<dataset>.+)$", re.I)
"""A dataset in another file: ``positions.h5:/stage/xy``."""
TEXT_ENDINGS = (".csv", ".txt", ".dat", ".tsv")
TABLE_ENDINGS = (*TEXT_ENDINGS, ".mda")
MAX_COLUMNS = 200
MAX_OFFERED = 8


def read_positions(
    path: str | Path,
    n_points: int,
    *,
    columns: tuple[str | int, str | int] | None = None,
    layout: TableLayout | None = None,
) -> SidePositions:
    """Read positions from HDF5, npz, npy, CSV, text or MDA.

    Parameters
    ----------
    path : str or Path
        The file; ``file.h5:/dataset`` picks a dataset. Columns are (y, x), unless headings
        of a text file say otherwise.
    n_points : int
        Number of patterns; helps to find the dataset.
    columns : (y, x), optional
        Columns to take, by number from 0 or, in a text file, by heading; a minus before it
        turns the sign around.
    layout : TableLayout, optional
        What the columns of a text file without headings are at this beamline.

    Raises
    ------
    ScanError
        The file cannot be read, or holds no pairs of numbers.
    """
    file, dataset = _split(path, "positions")
    ending = file.suffix.lower()
    if ending in TABLE_ENDINGS:
        return positions_in(_table(file), columns, layout if ending in TEXT_ENDINGS else None)
    if ending == ".npy":
        stored = read_npy(file, "positions")
        return SidePositions(pairs_of(stored, file, file.name, columns), None, str(file))
    with open_container(file, "positions") as container:
        if dataset is None:
            for pair in POSITION_PAIRS:
                if container.has(pair[0]) and container.has(pair[1]):
                    vectors = [container.array(name).reshape(-1) for name in pair[:2]]
                    used = f"{file}:{pair[0]}, {pair[1]}"
                    if vectors[0].shape != vectors[1].shape:
                        problem = f"{pair[0]} and {pair[1]} differ in length"
                        remedy = "write the file again"
                        raise ScanError("positions", file, problem, remedy=remedy)
                    return SidePositions(pairs_of(np.stack(vectors, -1), file, used), pair[2], used)
            dataset = _position_dataset(container, n_points)
        stored = container.array(dataset)
        if stored.ndim == 2 and stored.shape[0] == 2 and stored.shape[1] == n_points != 2:
            stored = stored.T
        unit = container.info(dataset).units
        pairs = pairs_of(stored, file, dataset, columns)
        return SidePositions(pairs, unit, f"{file}:{dataset}")


def column_names(path: str | Path) -> tuple[str, ...]:
    """What the columns of a file with positions are called; their numbers without headings.

    Parameters
    ----------
    path : str or Path
        As for :func:`read_positions`.

    Returns
    -------
    tuple of str
        Empty for HDF5 and npz files without a chosen dataset.

    Raises
    ------
    ScanError
        The file cannot be read.
    """
    file, dataset = _split(path, "positions")
    if file.suffix.lower() in TABLE_ENDINGS:
        table = _table(file)
        return table.headings or _numbered(table.values.shape)
    if file.suffix.lower() == ".npy":
        return _numbered(read_npy(file, "positions").shape)
    if dataset is None:
        return ()
    with open_container(file, "positions") as container:
        return _numbered(container.info(dataset).shape)


def position_datasets(path: str | Path) -> tuple[DatasetInfo, ...]:
    """Datasets of a HDF5 or npz file that may be positions, or hold columns with them.

    Parameters
    ----------
    path : str or Path
        As for :func:`read_positions`; which dataset it chooses makes no difference.

    Returns
    -------
    tuple of DatasetInfo
        In the order of the file; empty for files that are no HDF5 or npz.

    Raises
    ------
    ScanError
        The file cannot be read.
    """
    file, _ = _split(path, "positions")
    if not WITH_DATASET.match(f"{file}:/dataset"):
        return ()
    with open_container(file, "positions") as container:
        return tuple(info for info in container.infos() if _holds_columns(info))


def read_probe(path: str | Path) -> tuple[NDArray[Any], str]:
    """Read a probe from HDF5, npz or npy; results of reconstructions bring theirs.

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
    file, dataset = _split(path, "probe")
    if file.suffix.lower() == ".npy":
        return read_npy(file, "probe"), str(file)
    with open_container(file, "probe") as container:
        known = result_format(container) if dataset is None else None
        if known is not None:
            result = known.load(container)
            if result.probe is not None:
                return result.probe, f"{file}:{result.datasets['probe']}"
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


def _split(path: str | Path, role: str) -> tuple[Path, str | None]:
    match = WITH_DATASET.match(str(path))
    file, dataset = (Path(match["file"]), match["dataset"]) if match else (Path(path), None)
    if not file.is_file():
        raise ScanError(role, file, "there is no such file", remedy="check the path")
    return file, dataset


def _table(file: Path) -> Table:
    return read_mda(file) if file.suffix.lower() == ".mda" else read_table(file)


def _numbered(shape: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(map(str, range(shape[1]))) if len(shape) == 2 and shape[1] <= MAX_COLUMNS else ()


def _holds_columns(info: DatasetInfo) -> bool:
    is_real = info.dtype.lstrip("<>|=").startswith(("int", "uint", "float"))
    if len(info.shape) != 2 or not is_real:
        return False
    rows, columns = info.shape
    # Two rows are y and x as well.
    return min(rows, columns) >= 2 and (rows == 2 or columns <= MAX_COLUMNS)


def _position_dataset(container: Container, n_points: int) -> str:
    infos = container.infos()
    found = guess_roles(infos).get("positions")
    if found is not None:
        return found
    shapes = ((n_points, 2), (2, n_points))
    likely = [info.path for info in infos if info.shape in shapes]
    likely = likely or [i.path for i in infos if len(i.shape) == 2 and i.shape[1] == 2]
    if len(likely) == 1:
        return likely[0]
    problem = "no (N, 2) dataset is there"
    if likely:
        shown = ", ".join(likely[:MAX_OFFERED])
        problem = f"{len(likely)} datasets may be positions: {shown}"
    remedy = f"choose one with --positions {container.path.name}:/DATASET"
    raise ScanError("positions", container.path, problem, remedy=remedy)
