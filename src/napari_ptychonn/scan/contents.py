"""What a format found in a file, before it becomes a scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.table_layouts import TableLayout

__all__ = ["Contents", "ScanFormat", "masked_source"]


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """A scan file as its format understands it; arrays as stored.

    Attributes
    ----------
    patterns : PatternSource
        (N, H, W) as stored; pixels that the file's mask marks as bad are read as 0.
    datasets : Mapping[str, str]
        Role to the dataset used, for the provenance.
    positions : ndarray, (N, 2), or None
        Probe centres (y, x) in `positions_unit`; None: they must come from another file.
    positions_unit : str or None
        Unit as files spell it, or ``"px"``; None: not recorded.
    probe : ndarray or None
        (..., H, W) complex, centred.
    probe_is_guess : bool
        Whether the file says that the probe is only a start.
    mask : ndarray, (H, W) bool, or None
        True = good pixel, in the orientation of the patterns.
    background : ndarray, (H, W) float32, or None
        Counts to subtract from every pattern.
    saturation : float or None
        Counts from which a pixel is saturated, where they are known.
    wavelength_m, distance_m : float or None
        As recorded.
    detector_pixel_m, pixel_m : (y, x) or None
        Detector pixel and object pixel, metres, as recorded.
    dc : {"centre", "corner"}
        Where this format has DC; what the patterns show overrides it.
    orientation : int
        Orientation of this format, 0..7.
    orientation_is_known : bool
        Whether the format documents it; else `orientation` is only the likeliest.
    centre : (y, x) or None
        Pixel of the stored patterns that the direct beam hits, as recorded; the patterns
        are cropped around it.
    positions_file : Path or None
        File beside the scan that holds the positions; one that the person gives wins.
    positions_layout : TableLayout or None
        Columns of this beamline's position files, which have no headings.
    near_field : str or None
        Sentence that says why the file is a near-field scan.
    assumptions : tuple of str
        Sentences for the provenance.
    """

    patterns: PatternSource
    datasets: Mapping[str, str]
    positions: NDArray[np.float64] | None = None
    positions_unit: str | None = None
    probe: NDArray[Any] | None = None
    probe_is_guess: bool = False
    mask: NDArray[np.bool_] | None = None
    background: NDArray[np.float32] | None = None
    saturation: float | None = None
    wavelength_m: float | None = None
    distance_m: float | None = None
    detector_pixel_m: tuple[float, float] | None = None
    pixel_m: tuple[float, float] | None = None
    dc: Literal["centre", "corner"] = "centre"
    orientation: int = 0
    orientation_is_known: bool = True
    centre: tuple[float, float] | None = None
    positions_file: Path | None = None
    positions_layout: TableLayout | None = None
    near_field: str | None = None
    assumptions: tuple[str, ...] = field(default_factory=tuple)


class ScanFormat(Protocol):
    """A file format."""

    @property
    def name(self) -> str:
        """Its name, for people."""
        ...

    def detect(self, container: Container) -> bool:
        """Whether a file is of this format; looks at names and shapes only."""
        ...

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read everything but the patterns.

        Raises
        ------
        ScanError
            Something is missing or cannot be read.
        """
        ...


def masked_source(container: Container, name: str, mask: NDArray[np.bool_] | None) -> PatternSource:
    """Patterns of dataset `name`, with the pixels that `mask` (H, W) marks False read as 0.

    Raises
    ------
    ScanError
        The dataset cannot be used, or the mask has another shape.
    """
    return container.patterns(name, None if mask is None else ~mask)
