"""Several detector pixels summed to one.

The object pixel λz / (N p) stays what it is, since N shrinks as p grows; what shrinks is the
window on the object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.fit import fit_scan, fit_window
from napari_ptychonn.scan.model import PatternSource, Scan
from napari_ptychonn.scan.views import MaskedPatterns

__all__ = ["BinnedPatterns", "bin_mask", "bin_scan", "unbin_mask"]

MIN_SIDE = 8


@dataclass(frozen=True, slots=True, eq=False)
class BinnedPatterns:
    """Patterns whose pixels are sums over squares of `factor` × `factor` pixels.

    Parameters
    ----------
    source : PatternSource
        (N, H, W), sides multiples of `factor`, DC at the centre.
    factor : int
        Side of a square. Of an even one the DC pixel lies half a pixel before the middle.
    """

    source: PatternSource
    factor: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H // factor, W // factor)."""
        n, height, width = self.source.shape
        return n, height // self.factor, width // self.factor

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W) after binning, float32 counts."""
        frames = _aligned(self.source.read(indices), self.factor)
        summed: NDArray[np.float32] = frames.sum((-3, -1), dtype=np.float32)
        return summed


def bin_mask(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Squares of a mask (H, W) whose pixels are all good."""
    return np.asarray(_aligned(mask, factor).all((-3, -1)), dtype=np.bool_)


def unbin_mask(mask: NDArray[np.bool_], factor: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of `size` with every pixel as the square (of `mask`) that it belongs to.

    Pixels beyond the squares are good.
    """
    wide = np.repeat(np.repeat(~mask, factor, -2), factor, -1)
    starts = [_start(side, factor) for side in size]
    centre = (size[0] // 2 - starts[0], size[1] // 2 - starts[1])
    return ~crop_or_pad(wide, size, centre=centre)


def bin_scan(scan: Scan, factor: int) -> Scan:
    """Sum squares of `factor` × `factor` detector pixels.

    Parameters
    ----------
    scan : Scan
        The scan; where `factor` does not divide a side, patterns are cropped first.
    factor : int
        1 or more.

    Returns
    -------
    Scan
        Detector pixel and probe follow; a square with a bad pixel is bad.

    Raises
    ------
    ScanError
        Less than 8 pixels would be left.
    """
    if factor == 1:
        return scan
    height, width = (side // factor for side in scan.pattern_shape)
    if min(height, width) < MIN_SIDE:
        problem = f"patterns of {scan.pattern_shape} binned by {factor} leave {(height, width)}"
        remedy = f"bin less: {MIN_SIDE} pixels are needed"
        raise ScanError("binning", scan.provenance.path, problem, remedy=remedy)
    size = (height * factor, width * factor)
    if size != scan.pattern_shape:
        scan = fit_scan(scan, size)
    patterns, geometry = scan.patterns, scan.geometry
    mask = bin_mask(scan.mask, factor)
    if isinstance(patterns, MaskedPatterns) and patterns.unmeasured is not None:
        binned = BinnedPatterns(patterns.source, factor)
        patterns = MaskedPatterns(binned, mask, ~bin_mask(~patterns.unmeasured, factor))
    else:
        patterns = BinnedPatterns(patterns, factor)
    if geometry is not None:
        pitch = geometry.detector_pixel_m
        geometry = replace(geometry, detector_pixel_m=(factor * pitch[0], factor * pitch[1]))
    note = (
        f"{factor} × {factor} detector pixels are summed to one: patterns are "
        f"{height} × {width} pixels, and the object pixel stays"
    )
    provenance = scan.provenance
    return replace(
        scan,
        patterns=patterns,
        mask=mask,
        geometry=geometry,
        probe=None if scan.probe is None else _probe(scan.probe, factor),
        provenance=replace(provenance, assumptions=(*provenance.assumptions, note)),
    )


def _start(side: int, factor: int) -> int:
    """First pixel of the first square: DC lies in square (side // factor) // 2, in its middle."""
    return side // 2 - (factor - 1) // 2 - (side // factor // 2) * factor


def _aligned(frames: NDArray[Any], factor: int) -> NDArray[Any]:
    """Frames as (..., squares, factor, squares, factor); what is beyond the edge is 0."""
    height, width = frames.shape[-2:]
    rows, columns = height // factor, width // factor
    size = (rows * factor, columns * factor)
    centre = (
        _start(height, factor) + size[0] // 2,
        _start(width, factor) + size[1] // 2,
    )
    cut = crop_or_pad(frames, size, centre=centre)
    return cut.reshape(*frames.shape[:-2], rows, factor, columns, factor)


def _probe(probe: NDArray[np.complex64], factor: int) -> NDArray[np.complex64]:
    """The probe (modes, h, w) in the smaller window.

    The middle of an even square lies half a detector pixel beyond DC, which is a slope of
    the probe's phase.
    """
    height, width = probe.shape[-2:]
    if factor % 2 == 0:
        y = (np.arange(height) - height // 2) / height
        x = (np.arange(width) - width // 2) / width
        probe = (probe * np.exp(-1j * np.pi * (y[:, None] + x))).astype(np.complex64)
    return fit_window(probe, (height // factor, width // factor))
