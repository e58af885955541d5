"""The judge of a run: it knows the truth, and no method does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.alignment import Alignment, Rectangle
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.simulation.truth import Truth

__all__ = ["Judge", "Problem", "Score", "make_problem"]

LEAST_LIGHT = 0.1
"""Pixels with less light than this share of a well-lit one are not compared."""


@dataclass(frozen=True, slots=True)
class Score:
    """How near an object is to the truth, inside the illuminated region.

    Attributes
    ----------
    nrmse, nrmse_scaled, phase_correlation, amplitude_correlation
        As in :class:`napari_ptychonn.reconstruction.comparison.Comparison`.
    nrmse_islands : float
        NRMSE after each connected part of the illuminated region got its own phase, and all
        one ramp: patterns do not tell the phase of one part from that of another.
    ssim_amplitude, ssim_phase, resolution_px
        As in :class:`napari_ptychonn.reconstruction.fidelity.Fidelity`.
    pixels : int
        Pixels compared.
    """

    nrmse: float
    nrmse_scaled: float
    nrmse_islands: float
    phase_correlation: float
    amplitude_correlation: float
    ssim_amplitude: float
    ssim_phase: float
    resolution_px: float
    pixels: int


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Compares objects with the truth after global phase, ramp and shift are removed.

    Attributes
    ----------
    truth : ndarray, (H, W) complex64
        NaN where too little light fell.
    corner_px : tuple[float, float]
        Scan coordinates (y, x) of its pixel [0, 0], object pixels.
    region : Rectangle
        Around the probe centres.
    scale_is_free : bool
        Whether the probe is to be found, so that it can share out any factor with the object.
    """

    truth: NDArray[np.complex64]
    corner_px: tuple[float, float]
    region: Rectangle
    scale_is_free: bool

    def align(self, object_: NDArray[np.complex64], corner_px: tuple[float, float]) -> Alignment:
        """Lay an object (H, W) on the truth; where it is NaN, it counts as empty (1)."""
        from napari_ptychonn.reconstruction.alignment import align

        whole = np.where(np.isfinite(object_), object_, np.complex64(1))
        return align(whole, corner_px, self.truth, self.corner_px, self.region)

    def error(self, object_: NDArray[np.complex64], corner_px: tuple[float, float]) -> float:
        """NRMSE of an object (H, W) alone, up to its scale where that is free."""
        from napari_ptychonn.reconstruction.comparison import measure

        same = measure(self.align(object_, corner_px))
        return same.nrmse_scaled if self.scale_is_free else same.nrmse

    def score(self, aligned: Alignment) -> Score:
        """All figures of an aligned object."""
        from napari_ptychonn.reconstruction.comparison import measure
        from napari_ptychonn.reconstruction.fidelity import fidelity

        same, shared = measure(aligned), fidelity(aligned)
        return Score(
            nrmse=same.nrmse,
            nrmse_scaled=same.nrmse_scaled,
            nrmse_islands=_error_of_islands(aligned),
            phase_correlation=same.phase_correlation,
            amplitude_correlation=same.amplitude_correlation,
            ssim_amplitude=shared.ssim_amplitude,
            ssim_phase=shared.ssim_phase,
            resolution_px=shared.resolution_px,
            pixels=same.pixels,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A scan as methods see it, and its judge.

    Attributes
    ----------
    scan : Scan
        Only the points to use.
    judge : Judge
        Asked for scores; methods hand it objects, and read nothing from it.
    """

    scan: Scan
    judge: Judge


def make_problem(scan: Scan, truth: Truth, fraction: float) -> Problem:
    """Leave out points, and lay out the judge.

    The region is the rectangle around all probe centres of the scan, so that it stays the
    same with fewer points; in it, only pixels on which those points shed light are compared.
    """
    from napari_ptychonn.reconstruction.points import select_points
    from napari_ptychonn.scan.patterns import ArrayPatterns

    chosen = select_points(scan.positions, fraction, None)
    used = replace(
        scan,
        patterns=ArrayPatterns(scan.patterns.read(chosen)),
        positions=scan.positions[chosen],
    )
    low, high = scan.positions_px.min(0), scan.positions_px.max(0)
    corner = (truth.corner_m[0] / truth.pixel_m, truth.corner_m[1] / truth.pixel_m)
    judge = Judge(
        truth=_lit(truth, truth.positions[chosen] / truth.pixel_m - corner),
        corner_px=corner,
        region=((float(low[0]), float(low[1])), (float(high[0]), float(high[1]))),
        scale_is_free=scan.probe is None or scan.probe_is_guess,
    )
    return Problem(used, judge)


def _error_of_islands(aligned: Alignment) -> float:
    # The ramp that joins islands of free phases best is not the one within them.
    product = np.where(aligned.known, aligned.object.conj() * aligned.reference, 0)
    slope_y = np.angle(np.vdot(product[:-1], product[1:]))
    slope_x = np.angle(np.vdot(product[:, :-1], product[:, 1:]))
    y, x = (np.arange(side) for side in product.shape)
    level = aligned.object * np.exp(1j * (slope_y * y[:, None] + slope_x * x))
    islands, count = ndimage.label(aligned.known)
    missed = 0.0
    for number in range(1, count + 1):
        ours = level[islands == number]
        theirs = aligned.reference[islands == number]
        turn = np.exp(-1j * np.angle(np.vdot(theirs, ours)))
        missed += float((np.abs(turn * ours - theirs) ** 2).sum())
    power = float((np.abs(aligned.reference[aligned.known]) ** 2).sum())
    return float(np.sqrt(missed / power))


def _lit(truth: Truth, centres: NDArray[np.float64]) -> NDArray[np.complex64]:
    """The true object, NaN where the points at `centres` (pixels of it) shed too little light."""
    light = np.zeros(truth.object.shape)
    intensity = (np.abs(truth.probe) ** 2).sum(0)
    height, width = intensity.shape
    for row, column in np.rint(centres).astype(int) - (height // 2, width // 2):
        light[row : row + height, column : column + width] += intensity
    well_lit = np.median(light[light > light.max() / 4])
    return np.where(light >= LEAST_LIGHT * well_lit, truth.object, np.complex64(np.nan))
