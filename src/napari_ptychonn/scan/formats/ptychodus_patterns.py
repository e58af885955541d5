"""ptychodus' patterns: an npz of ``patterns``, ``indexes`` and ``bad_pixels``, no positions.

Known from ptychodus' ``plugins/npz_diffraction_file.py``: patterns (N, H, W) are counts,
`indexes` number the scan points, and bad pixels are True. Positions are in the product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.entries import (
    chosen_mask,
    chosen_positions,
    chosen_probe,
    reals,
    shape_of,
)
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.selected import SelectedPatterns
from napari_ptychonn.words import counted

__all__ = ["PtychodusPatterns"]

PATTERNS, INDEXES, BAD_PIXELS = "patterns", "indexes", "bad_pixels"


@dataclass(frozen=True, slots=True)
class PtychodusPatterns:
    """Assembled patterns that ptychodus wrote."""

    name: str = field(default="ptychodus patterns", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are patterns with what ptychodus writes beside them."""
        if not isinstance(container, NpzContainer):
            return False
        if not (container.has(INDEXES) or container.has(BAD_PIXELS)):
            return False
        return len(shape_of(container, PATTERNS) or ()) == 3

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read patterns and mask; positions come from another file.

        Raises
        ------
        ScanError
            There are no positions, or a dataset is not what it must be.
        """
        notes: list[str] = []
        name = options.datasets.get("patterns", PATTERNS)
        datasets = {"patterns": name}
        mask = None
        if (chosen := chosen_mask(container, options, BAD_PIXELS)) is not None:
            mask, datasets["mask"] = chosen
        source = masked_source(container, name, mask)
        if container.has(INDEXES):
            source = _in_order(source, container, notes)
        positions, unit = None, None
        if (pairs := chosen_positions(container, options)) is not None:
            positions, unit, datasets["positions"] = pairs
        elif not options.brings_positions:
            remedy = "give the product with --positions PRODUCT.h5, or another --positions FILE"
            problem = "ptychodus stores them in the product, not with the patterns"
            raise ScanError("positions", container.path, problem, remedy=remedy)
        probe = chosen_probe(container, options)
        if probe is not None:
            datasets["probe"] = options.datasets["probe"]
        return Contents(
            source,
            datasets,
            positions=positions,
            positions_unit=unit,
            probe=probe,
            mask=mask,
            assumptions=tuple(notes),
        )


def _in_order(source: PatternSource, container: Container, notes: list[str]) -> PatternSource:
    """Patterns in the order of their numbers, which is that of a product's positions."""
    indexes: NDArray[Any] = reals(container, INDEXES, "numbers of scan points").ravel()
    if indexes.size != source.shape[0]:
        problem = (
            f"{INDEXES} has {counted(indexes.size, 'value')}, "
            f"but there are {source.shape[0]} patterns"
        )
        remedy = "write the file again"
        raise ScanError("patterns", container.path, problem, remedy=remedy)
    steps = np.diff(indexes)
    if (steps != 1).any():
        notes.append(
            f"patterns are numbered {indexes.min():g} to {indexes.max():g}, not in a row: they "
            "are read in the order of their numbers"
        )
    if (steps >= 0).all():
        return source
    return SelectedPatterns(source, np.argsort(indexes, kind="stable").astype(np.intp))
