"""A reconstructed object with the coordinates to cut it at scan positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.model import LengthUnit

__all__ = ["ObjectResult", "ResultFormat"]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectResult:
    """What a reconstruction found, whichever program made it.

    The patch under the probe at position q, in `unit`, has its middle pixel (h // 2, w // 2)
    at index (q − corner) / pixel of the object.

    Attributes
    ----------
    object : ndarray, (H, W) complex64
        Complex transmission; may be NaN where nothing was measured.
    pixel : tuple[float, float]
        Object pixel (y, x) in `unit` (1.0 where the unit is "px").
    unit : {"m", "px"}
        Unit of `pixel`, `corner` and `positions`.
    corner : tuple[float, float]
        Coordinates (y, x), in `unit`, of the centre of pixel [0, 0].
    path : Path
        The file.
    format : str
        Name of its format, for people.
    datasets : Mapping[str, str]
        Role (``object``, ``probe``, ``positions``) to the dataset used.
    is_placed : bool
        Whether `corner` is known, from the file or from what its positions count from.
    is_start : bool
        Whether the object is only something flat to start from, and nothing was
        reconstructed.
    probe : ndarray, (modes, h, w) complex64, or None
        Centred, any scale.
    positions : ndarray, (N, 2) float64, or None
        Probe centres (y, x) in the coordinates of `corner`, in `unit`.
    energy_ev, distance_m : float or None
        Photon energy, and sample to detector, where they are recorded.
    notes : tuple of str
        Sentences that say what the file did not.

    See Also
    --------
    napari_ptychonn.scan.results.place.placed_on : bring it to the coordinates of a scan.
    """

    object: NDArray[np.complex64]
    pixel: tuple[float, float]
    unit: LengthUnit
    corner: tuple[float, float]
    path: Path
    format: str
    datasets: Mapping[str, str] = field(default_factory=dict)
    is_placed: bool = True
    is_start: bool = False
    probe: NDArray[np.complex64] | None = None
    positions: NDArray[np.float64] | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def pixel_m(self) -> tuple[float, float] | None:
        """Object pixel (y, x) in metres, None where it is not known."""
        return self.pixel if self.unit == "m" else None


class ResultFormat(Protocol):
    """A format of result files."""

    @property
    def name(self) -> str:
        """Its name, for people."""
        ...

    def detect(self, container: Container) -> bool:
        """Whether a file is of this format; looks at names and shapes only."""
        ...

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            Something is missing or cannot be read.
        """
        ...
