"""LCLS XPP: Jungfrau images shot by shot, stages and beam monitor beside them.

As ptychodus' ``lcls_file_readers.py`` takes it: ``/lmc/ch03`` to ``ch05`` are the stages' x, y
and z in µm, the vertical position is −ch05, the horizontal one −ch03 where the sample stands
at 180°, and shots whose ``/ipm2/sum`` is out of range are dropped. ptychodus' range, 2000 to
3000, is that of one experiment; here it is a fifth around the median.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import reals, yx_vectors
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.selected import SelectedPatterns
from napari_ptychonn.words import counted

__all__ = ["Xpp"]

DATA = "/jungfrau1M/image_img"
STAGES = ("/lmc/ch05", "/lmc/ch03")
MONITOR = "/ipm2/sum"
TOLERANCE = 0.2


@dataclass(frozen=True, slots=True)
class Xpp:
    """Files of LCLS XPP."""

    name: str = field(default="LCLS XPP", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are images of the Jungfrau."""
        return container.has(DATA)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, and drop the shots that cannot be used.

        Raises
        ------
        ScanError
            Patterns, positions or monitor cannot be used, or too few shots remain.
        """
        contents = chosen_contents(container, options, patterns=DATA)
        if contents.positions is not None or options.brings_positions:
            return contents
        if not all(container.has(name) for name in STAGES):
            return contents
        positions = -yx_vectors(container, *STAGES)
        n_shots = contents.patterns.shape[0]
        notes = ["y is −ch05 and x is −ch03, for a sample that stands at 180°"]
        if len(positions) != n_shots:
            problem = (
                f"{STAGES[0]} has {counted(len(positions), 'value')}, {DATA} {n_shots} patterns"
            )
            remedy = "write the file again, or give --positions FILE"
            raise ScanError("positions", container.path, problem, remedy=remedy)
        usable = np.isfinite(positions).all(1)
        if container.has(MONITOR):
            light = reals(container, MONITOR, "a beam monitor", finite=False).ravel()
            if len(light) != n_shots:
                problem = f"{MONITOR} has {counted(len(light), 'value')}, {DATA} {n_shots} patterns"
                raise ScanError("shots", container.path, problem, remedy="write the file again")
            known = light[np.isfinite(light)]
            middle = float(np.median(known)) if known.size else 0.0
            usable &= np.abs(light - middle) <= TOLERANCE * abs(middle)
            notes.append(
                f"shots whose {MONITOR} is more than {TOLERANCE:.0%} from its median, "
                f"{middle:g}, are dropped"
            )
        chosen = np.flatnonzero(usable).astype(np.intp)
        if len(chosen) < 2:
            problem = f"{len(chosen)} of {n_shots} shots have light and a position"
            remedy = f"check {MONITOR} and {', '.join(STAGES)}"
            raise ScanError("shots", container.path, problem, remedy=remedy)
        notes.append(f"{len(chosen)} of {n_shots} shots are used")
        return replace(
            contents,
            patterns=SelectedPatterns(contents.patterns, chosen),
            positions=np.ascontiguousarray(positions[chosen]),
            positions_unit="um",
            datasets={**contents.datasets, "positions": ", ".join(STAGES)},
            assumptions=(*contents.assumptions, *notes),
        )
