"""Looks into a scan file: what is in it, what it looks like, and its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.reconstruction.events import Event, Finished, Progress, ShouldStop
from napari_ptychonn.scan.describe import describe_text
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.tree import DatasetInfo, list_datasets
from napari_ptychonn.widgets.layers import scan_layers

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

__all__ = ["Look", "Opened", "look_into"]

LOOKED_AT = 64
"""Patterns that the mean is made of, spread over the scan."""
BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A scan that could be opened.

    Attributes
    ----------
    scan : Scan
        The scan.
    text : str
        What was recognised.
    mean : ndarray, (H, W) float64
        Mean of `averaged` patterns, counts, DC at the centre, as oriented.
    averaged : int
        How many.
    layers : list of LayerDataTuple
        What the viewer shows of it.
    """

    scan: Scan
    text: str
    mean: NDArray[np.float64]
    averaged: int
    layers: list[LayerDataTuple]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was found in a file.

    Attributes
    ----------
    path : Path
        The file.
    datasets : tuple of DatasetInfo
        Everything in it.
    opened : Opened or None
        The scan.
    problem : str
        Why there is none.
    """

    path: Path
    datasets: tuple[DatasetInfo, ...]
    opened: Opened | None
    problem: str = ""


def look_into(path: Path, options: ScanOptions, should_stop: ShouldStop) -> Iterator[Event[Look]]:
    """Open a scan file and read a few of its patterns.

    Yields
    ------
    Event
        Progress, and last Finished with the :class:`Look`. A scan that cannot be opened
        with these options is a finding, since other options may help.

    Raises
    ------
    ScanError
        Nothing can be read from the file.
    """
    datasets = list_datasets(path)
    try:
        scan = open_scan(path, options)
        total, averaged = np.zeros(scan.pattern_shape), 0
        chosen = np.unique(np.linspace(0, scan.n_points - 1, LOOKED_AT).round().astype(np.intp))
        for start in range(0, len(chosen), BATCH):
            patterns = scan.patterns.read(chosen[start : start + BATCH])
            total += patterns.sum(0, dtype=np.float64)
            averaged += len(patterns)
            yield Progress("reading", averaged, len(chosen))
            if should_stop():
                break
        layers = scan_layers(scan)
    except ScanError as error:
        yield Finished(Look(path, datasets, None, str(error)), stopped=should_stop())
        return
    opened = Opened(scan, describe_text(scan), total / averaged, averaged, layers)
    yield Finished(Look(path, datasets, opened), stopped=should_stop())
