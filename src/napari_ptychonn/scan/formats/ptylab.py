"""PtyLab: ``ptychogram``, ``encoder``, ``dxd``, ``zo`` and ``wavelength``, all in metres.

Names and meanings are those of ``ExperimentalData`` and ``readHdf5`` of PtyLab.py: the
encoder is where the probe is, (row, column), and `orientation` counts as ours do. Files of
PtyLab.m are seen in reverse from here: the encoder is (2, N) and the patterns, too, are
transposed (PtyLab.py's helical beam example turns them so by hand).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import length_m, number, shape_of
from napari_ptychonn.scan.matlab import MATLAB_ORIENTATION
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.orientation import N_ORIENTATIONS

__all__ = ["PtyLab"]

PATTERNS, POSITIONS = "ptychogram", "encoder"
FOURIER = "zled"
COLOURS = "spectralDensity"
TILT = "theta"


@dataclass(frozen=True, slots=True)
class PtyLab:
    """Conventional ptychography of PtyLab.py, PtyLab.m and PtyLab.jl."""

    name: str = field(default="PtyLab", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a ptychogram, and an encoder or the file's own geometry."""
        others = (POSITIONS, "dxd", "zo", FOURIER)
        return container.has(PATTERNS) and any(container.has(name) for name in others)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions and geometry.

        Raises
        ------
        ScanError
            It is a scan of Fourier ptychography, or a dataset is missing or unusable.
        """
        if container.has(FOURIER):
            problem = f"{FOURIER} is in it: it is a scan of Fourier ptychography"
            remedy = "reconstruct it with PtyLab; only scans with a moved probe can be used here"
            raise ScanError("scan file", container.path, problem, remedy=remedy)
        contents = chosen_contents(container, options, patterns=PATTERNS)
        notes: list[str] = []
        if max(shape_of(container, COLOURS) or (1,)) > 1:
            notes.append(f"{COLOURS} lists several wavelengths: only one, wavelength, is used")
        if container.has(TILT):
            notes.append(f"{TILT} is recorded: the patterns are used without correcting the tilt")
        pitch = length_m(container, "dxd", "m")
        positions, turned = _positions(container, options)
        if contents.positions is None and positions is not None:
            contents = replace(
                contents,
                positions=positions,
                positions_unit=container.info(POSITIONS).units or "m",
                datasets={**contents.datasets, "positions": POSITIONS},
            )
        return replace(
            contents,
            wavelength_m=length_m(container, "wavelength", "m"),
            distance_m=length_m(container, "zo", "m"),
            detector_pixel_m=None if pitch is None else (pitch, pitch),
            orientation=_orientation(container, turned, notes),
            assumptions=(*contents.assumptions, *notes),
        )


def _positions(
    container: Container, options: ScanOptions
) -> tuple[NDArray[np.float64] | None, bool]:
    """Positions of the file, and whether MATLAB wrote it, which also turns the patterns."""
    if not container.has(POSITIONS):
        return None, False
    try:
        positions, turned = point_list(container, POSITIONS, by_column=False)
    except ScanError:
        if options.brings_positions or "positions" in options.datasets:
            return None, False
        raise
    return (None if options.brings_positions else positions), turned


def _orientation(container: Container, turned: bool, notes: list[str]) -> int:
    stored = number(container, "orientation")
    if stored is not None:
        if stored in range(N_ORIENTATIONS):
            return int(stored)
        notes.append(f"orientation {stored:g} is not one of 0 to 7 and is not used")
    if turned:
        notes.append("the encoder is (2, N), as MATLAB writes it: patterns are transposed, too")
        return MATLAB_ORIENTATION
    return 0
