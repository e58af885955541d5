"""How near an object is to a reference, once what no pattern can tell is set aside.

Shift, phase ramp and global phase, and nothing else, are removed before the two are compared
(:mod:`napari_ptychonn.reconstruction.alignment`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.reconstruction.alignment import Alignment, Rectangle, align

__all__ = ["Comparison", "compare", "measure"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an object and a reference have in common inside a region.

    Attributes
    ----------
    phase_correlation : float
        Pearson correlation of the phases, counted from the reference's mean phase. Where
        the reference's phases come near ±π from there, both are unwrapped before.
    amplitude_correlation : float
        Pearson correlation of the amplitudes; NaN where one of them is constant.
    nrmse : float
        ‖object − reference‖ / ‖reference‖, complex.
    nrmse_scaled : float
        The same with the object scaled by the real factor that makes it smallest.
    shift_px, ramp : tuple[float, float]
        As in :class:`~napari_ptychonn.reconstruction.alignment.Alignment`.
    pixels : int
        Pixels compared.
    """

    phase_correlation: float
    amplitude_correlation: float
    nrmse: float
    nrmse_scaled: float
    shift_px: tuple[float, float]
    ramp: tuple[float, float]
    pixels: int


def compare(
    object_: NDArray[np.complexfloating],
    corner_px: tuple[float, float],
    reference: NDArray[np.complexfloating],
    reference_corner_px: tuple[float, float],
    region: Rectangle,
) -> Comparison:
    """Compare an object with a reference of the same pixel size.

    Parameters, and the error, are those of :func:`align`.
    """
    return measure(align(object_, corner_px, reference, reference_corner_px, region))


def measure(aligned: Alignment) -> Comparison:
    """Say how near an aligned object is to its reference."""
    known = aligned.known
    ours, theirs = aligned.object[known], aligned.reference[known]
    phases = aligned.phases()
    power = float(np.vdot(theirs, theirs).real)
    own = float(np.vdot(ours, ours).real)
    scale = float(np.vdot(ours, theirs).real) / own if own > 0 else 1.0
    return Comparison(
        phase_correlation=_correlation(phases[0][known], phases[1][known]),
        amplitude_correlation=_correlation(np.abs(ours), np.abs(theirs)),
        nrmse=float(np.linalg.norm(ours - theirs) / np.sqrt(power)),
        nrmse_scaled=float(np.linalg.norm(scale * ours - theirs) / np.sqrt(power)),
        shift_px=aligned.shift_px,
        ramp=aligned.ramp,
        pixels=int(known.sum()),
    )


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    a, b = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / size) if size > 1e-9 * len(a) else float("nan")
