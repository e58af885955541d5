"""PtychoNN's npz: ``arr_0``, a raster of patterns, or ``reciprocal`` with ``position``.

``arr_0`` (rows, columns, H, W) is what ``numpy.savez`` makes of the data that the network
was published with (repository mcherukara/PtychoNN); it has no positions. ``reciprocal``,
``real`` and ``position`` are the names of the test data of the position correction with
PtychoNN (repository mdw771/probe_position_correction_w_ptychonn): positions are (y, x) in
metres, and counts above 32,767 have become negative in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import chosen_mask, chosen_positions, chosen_probe, shape_of
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.patterns import ArrayPatterns

__all__ = ["PtychoNNArrays"]

RASTER, RECIPROCAL, POSITION = "arr_0", "reciprocal", "position"
MIN_SIDE = 8
REAL = re.compile(r"[<>|=]?(?:u?int|float|[uif]\d)")
WRAP = 65536
"""What a 16 bit count lost when it was read as a signed number."""


@dataclass(frozen=True, slots=True)
class PtychoNNArrays:
    """Training and test data of PtychoNN."""

    name: str = field(default="PtychoNN npz", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a raster of patterns, or patterns called reciprocal."""
        if not isinstance(container, NpzContainer):
            return False
        reciprocal = shape_of(container, RECIPROCAL) or ()
        if len(reciprocal) in (3, 4) and min(reciprocal[-2:]) >= MIN_SIDE:
            return True
        raster = shape_of(container, RASTER) or ()
        if len(raster) != 4 or min(raster[-2:]) < MIN_SIDE:
            return False
        return bool(REAL.match(container.info(RASTER).dtype))

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read patterns and, where there are any, positions.

        Raises
        ------
        ScanError
            There are no positions, or a dataset is not what it must be.
        """
        notes: list[str] = []
        mask = chosen_mask(container, options)
        datasets = {} if mask is None else {"mask": mask[1]}
        default = RECIPROCAL if container.has(RECIPROCAL) else RASTER
        datasets["patterns"] = name = options.datasets.get("patterns", default)
        stored = _unwrapped(container.array(name), name, notes)
        grid = stored.shape[:2] if stored.ndim == 4 else None
        if grid is not None:
            stored = stored.reshape(-1, *stored.shape[-2:])
            notes.append(f"{name} is a raster of {grid[0]} × {grid[1]} points, row by row")
        positions, unit = None, None
        if (chosen := chosen_positions(container, options)) is not None:
            positions, unit, datasets["positions"] = chosen
        elif not options.brings_positions:
            positions, unit = _positions(container, grid), "m"
            datasets["positions"] = POSITION
            notes.append(f"{POSITION} is taken as (y, x) in metres")
        probe = chosen_probe(container, options)
        if probe is not None:
            datasets["probe"] = options.datasets["probe"]
        return Contents(
            ArrayPatterns(stored, container.path, name, None if mask is None else ~mask[0]),
            datasets,
            positions=positions,
            positions_unit=unit,
            probe=probe,
            mask=None if mask is None else mask[0],
            assumptions=tuple(notes),
        )


def _unwrapped(stored: NDArray[Any], name: str, notes: list[str]) -> NDArray[Any]:
    if stored.dtype.kind != "i" or not stored.size or stored.min() >= 0:
        return stored
    if stored.min() < -WRAP // 2:
        return stored
    wide = stored.astype(np.int32)
    notes.append(f"negative values of {name} are counts above 32,767 that were wrapped: +65,536")
    return np.where(wide < 0, wide + WRAP, wide)


def _positions(container: Container, grid: tuple[int, ...] | None) -> NDArray[np.float64]:
    if container.has(POSITION):
        return point_list(container, POSITION, by_column=False)[0]
    raster, problem = "ROWS,COLUMNS,STEP", "there are none in the file"
    if grid is not None:
        raster = f"{grid[0]},{grid[1]},STEP"
        problem = f"the file is a raster of {grid[0]} × {grid[1]} points and records no step"
    remedy = f"give --raster {raster} with --positions-unit, or --positions FILE"
    raise ScanError("positions", container.path, problem, remedy=remedy)
