"""NSLS-II MATLAB v7.3 files: ``det_data``, ``pos_xy``, ``prb``.

Names and units are those that ptychodus reads under "NSLS-II MATLAB": positions (N, 3) in
µm, of which the last two columns are x and y, distance and detector pixel in µm, energy in
keV. Version 7.3 is HDF5, seen in reverse from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import beam_energy_ev, length_m
from napari_ptychonn.scan.matlab import MATLAB_ORIENTATION, matlab_image
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["NslsMatlab"]

PATTERNS, POSITIONS, PROBE = "det_data", "pos_xy", "prb"


@dataclass(frozen=True, slots=True)
class NslsMatlab:
    """Patterns, positions and probe of NSLS-II's MATLAB scripts."""

    name: str = field(default="NSLS-II MATLAB", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are detector data of that name."""
        return not isinstance(container, NpzContainer) and container.has(PATTERNS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, probe and geometry.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes = [
            f"{PATTERNS} is taken as intensities",
            "patterns are taken as written by MATLAB, transposed; from Python: orientation 0",
        ]
        contents = chosen_contents(container, _with_probe(container, options), patterns=PATTERNS)
        is_missing = contents.positions is None and not options.brings_positions
        if is_missing and container.has(POSITIONS):
            contents = replace(
                contents,
                positions=_positions(container),
                positions_unit=container.info(POSITIONS).units or "um",
                datasets={**contents.datasets, "positions": POSITIONS},
            )
        energy = beam_energy_ev(container, "energy", "keV")
        pitch = length_m(container, "det_pixel_size", "um")
        return replace(
            contents,
            probe=None if contents.probe is None else matlab_image(contents.probe),
            wavelength_m=None if energy is None else HC_EV_M / energy,
            distance_m=length_m(container, "det_dist", "um"),
            detector_pixel_m=None if pitch is None else (pitch, pitch),
            orientation=MATLAB_ORIENTATION,
            orientation_is_known=False,
            assumptions=(*contents.assumptions, *notes),
        )


def _with_probe(container: Container, options: ScanOptions) -> ScanOptions:
    if "probe" in options.datasets or not container.has(PROBE):
        return options
    return replace(options, datasets={**options.datasets, "probe": PROBE})


def _positions(container: Container) -> NDArray[np.float64]:
    points, _ = point_list(container, POSITIONS, by_column=True, at_most=16)
    first = 0 if points.shape[1] == 2 else 1
    return np.ascontiguousarray(points[:, [first + 1, first]])
