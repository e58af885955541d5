"""PtychoPINN's npz: ``diff3d`` or ``diffraction``, ``xcoords``, ``ycoords``, ``probeGuess``.

Known from PtychoPINN's data contracts (``docs/data_contracts.md`` of its repository):
floating point patterns are amplitudes unless they are counts, integers are raw counts;
older files (those of LCLS, which ptychodus calls SLAC's) keep the points on the last axis;
coordinates are in object pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.amplitudes import looks_like_amplitudes
from napari_ptychonn.scan.combined import SquaredPatterns
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import (
    chosen_mask,
    chosen_positions,
    chosen_probe,
    shape_of,
    yx_vectors,
)
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.patterns import ArrayPatterns

__all__ = ["PtychoPinn"]

PATTERNS = ("diff3d", "diffraction")
POSITIONS = ("ycoords", "xcoords")
PROBE = "probeGuess"


@dataclass(frozen=True, slots=True)
class PtychoPinn:
    """Training and test files of PtychoPINN."""

    name: str = field(default="PtychoPINN", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are patterns with a guess of the probe, under PtychoPINN's names."""
        if not isinstance(container, NpzContainer) or not container.has(PROBE):
            return False
        return any(len(shape_of(container, name) or ()) in (3, 4) for name in PATTERNS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read patterns, positions and probe.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes: list[str] = []
        mask = chosen_mask(container, options)
        datasets = {} if mask is None else {"mask": mask[1]}
        name = next((known for known in PATTERNS if container.has(known)), PATTERNS[0])
        datasets["patterns"] = name = options.datasets.get("patterns", name)
        stored = _points_first(container, name, notes)
        source: PatternSource = ArrayPatterns(
            stored, container.path, name, None if mask is None else ~mask[0]
        )
        if _is_amplitude(source, stored.dtype):
            source = SquaredPatterns(source, container.path, name)
            notes.append(
                f"{name} is taken as amplitudes and squared, as PtychoPINN stores them; its "
                "photon scale is not recorded"
            )
        else:
            notes.append(f"{name} holds whole steps and is taken as counts")
        positions, unit = None, None
        if (chosen := chosen_positions(container, options)) is not None:
            positions, unit, datasets["positions"] = chosen
        elif not options.brings_positions and any(container.has(each) for each in POSITIONS):
            positions, unit = yx_vectors(container, *POSITIONS), "px"
            datasets["positions"] = ", ".join(POSITIONS)
        probe = chosen_probe(container, options)
        if probe is not None:
            datasets["probe"] = options.datasets["probe"]
        elif options.probe_file is None and container.has(PROBE):
            datasets["probe"], probe = PROBE, container.array(PROBE)
        return Contents(
            source,
            datasets,
            positions=positions,
            positions_unit=unit,
            probe=probe,
            probe_is_guess="guess" in datasets.get("probe", "").lower(),
            mask=None if mask is None else mask[0],
            assumptions=tuple(notes),
        )


def _points_first(container: Container, name: str, notes: list[str]) -> NDArray[Any]:
    """Patterns (N, H, W), whichever axis the file has the points on."""
    stored = container.array(name)
    if stored.ndim == 4 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    if stored.ndim != 3:
        return stored
    n_points = max((np.prod(shape_of(container, each) or (0,)) for each in POSITIONS), default=0)
    pattern = (shape_of(container, PROBE) or ())[-2:]
    fits = [
        stored.shape[axis] == n_points or other == pattern
        for axis, other in ((0, stored.shape[1:]), (2, stored.shape[:2]))
    ]
    if fits == [False, True]:
        notes.append(f"{name} has its points on the last axis")
        return np.moveaxis(stored, -1, 0)
    return stored


def _is_amplitude(source: PatternSource, dtype: np.dtype[Any]) -> bool:
    if dtype.kind != "f":
        return False
    # Values without steps tell nothing; PtychoPINN's own are amplitudes.
    return looks_like_amplitudes(source) is not False
