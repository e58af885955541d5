"""HXN and CSX (NSLS-II): ``diffamp`` and ``points`` of nsls2ptycho's ``save_data``.

``HXN_databroker.py`` and ``CSX_databroker.py`` of ptycho_gui crop every frame around the
beam, turn it by ``rot90(axes=(1, 0))``, move DC to the corner, clear counts below a
threshold and store the square root. ``points`` is (2, N) in µm, x first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import cos, radians, sin
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.combined import SquaredPatterns
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import length_m, number
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Hxn"]

PATTERNS, POSITIONS = "diffamp", "points"
ScalarT = TypeVar("ScalarT", bound=np.generic)
UNDO_ROT90 = 6
"""Transposed, y flipped: undoes ``rot90(axes=(1, 0))``."""


@dataclass(frozen=True, slots=True)
class Hxn:
    """Amplitudes prepared for nsls2ptycho."""

    name: str = field(default="NSLS-II HXN", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are diffraction amplitudes of that name."""
        return container.has(PATTERNS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions and geometry; amplitudes become counts as they are read.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        contents = chosen_contents(container, options, patterns=PATTERNS)
        notes = [
            f"{contents.datasets['patterns']} holds amplitudes: they are squared",
            "patterns are turned back to the detector's view and the stage's signs are taken "
            "as plus; nsls2ptycho's signs are not in the file: where x or y is reversed there, "
            "try orientation 4",
        ]
        is_missing = contents.positions is None and not options.brings_positions
        if is_missing and container.has(POSITIONS):
            contents = replace(
                contents,
                positions=_positions(container, notes),
                positions_unit=container.info(POSITIONS).units or "um",
                datasets={**contents.datasets, "positions": POSITIONS},
            )
        pitch = length_m(container, "ccd_pixel_um", "um")
        wavelength = length_m(container, "lambda_nm", "nm")
        distance = length_m(container, "z_m", "m")
        pixel = [length_m(container, f"{axis}_pixel_m", "m") for axis in "yx"]
        is_known = None not in (pitch, wavelength, distance)
        return replace(
            contents,
            patterns=_Recentred(
                SquaredPatterns(contents.patterns, container.path, contents.datasets["patterns"])
            ),
            mask=None if contents.mask is None else _recentre(contents.mask),
            wavelength_m=wavelength,
            distance_m=distance,
            detector_pixel_m=None if pitch is None else (pitch, pitch),
            pixel_m=(pixel[0], pixel[1]) if pixel[0] and pixel[1] and not is_known else None,
            dc="corner",
            orientation=UNDO_ROT90,
            orientation_is_known=False,
            assumptions=(*contents.assumptions, *notes),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Recentred:
    """Patterns whose DC is moved from [0, -1], where the turn leaves it, to [0, 0]."""

    source: PatternSource

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        return _recentre(self.source.read(indices))


def _recentre(array: NDArray[ScalarT]) -> NDArray[ScalarT]:
    # Both programs cut even sides, with the beam at n / 2; turning moves it to n / 2 - 1.
    return np.roll(array, 1, axis=-1) if array.shape[-1] % 2 == 0 else array


def _positions(container: Container, notes: list[str]) -> NDArray[np.float64]:
    points, _ = point_list(container, POSITIONS, by_column=True)
    x, y = points.T
    angle = number(container, "angle")
    if angle:
        share = abs(cos(radians(angle)) if abs(angle) <= 45 else sin(radians(angle)))
        notes.append(
            f"x is multiplied by {share:.4g} for the sample's angle of {angle:g}°, which is what "
            "nsls2ptycho does unless told otherwise"
        )
        x = x * share
    return np.stack([y, x], -1)
