"""9-ID CSSI (APS): Data Exchange names, ``/exchange/data`` and ``/exchange/motor_pos``.

As ptychodus' readers of 9-ID take it: motor positions are (x, y) in mm. The file names no
geometry. Tomograms use ``/exchange/data`` too, and have no ``motor_pos``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import reals, shape_of, unusable
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Cssi"]

DATA = "/exchange/data"
POSITIONS = "/exchange/motor_pos"


@dataclass(frozen=True, slots=True)
class Cssi:
    """Files of 9-ID CSSI."""

    name: str = field(default="9-ID CSSI", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are a stack and motor positions."""
        return len(shape_of(container, DATA) or ()) == 3 and container.has(POSITIONS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read the positions.

        Raises
        ------
        ScanError
            The patterns or the positions cannot be used.
        """
        contents = chosen_contents(container, options, patterns=DATA)
        if contents.positions is not None or options.brings_positions:
            return contents
        stored = reals(container, POSITIONS, "positions", finite=False)
        if stored.ndim != 2 or stored.shape[1] < 2:
            raise unusable(container, POSITIONS, f"has shape {stored.shape}, not (N, 2)")
        note = "motor positions are taken as (x, y) in mm, without negation"
        return replace(
            contents,
            positions=np.ascontiguousarray(stored[:, 1::-1]),
            positions_unit=container.info(POSITIONS).units or "mm",
            datasets={**contents.datasets, "positions": POSITIONS},
            assumptions=(*contents.assumptions, note),
        )
