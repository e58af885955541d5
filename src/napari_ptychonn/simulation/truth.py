"""What a simulated scan really was: object, probe and positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Truth"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The truth behind a simulated scan.

    Attributes
    ----------
    object : ndarray, (H, W) complex64
        Transmission over all that the probe's window touched.
    pixel_m : float
        Object pixel, metres, along y and x.
    corner_m : tuple[float, float]
        Scan coordinates (y, x) of the object's pixel [0, 0], metres.
    probe : ndarray, (modes, h, w) complex64
        Probe centred at (h // 2, w // 2); Σ|P|² over all modes is the photons of a
        pattern without sample.
    positions : ndarray, (N, 2) float64
        True probe centres (y, x) in scan coordinates, metres.
    """

    object: NDArray[np.complex64]
    pixel_m: float
    corner_m: tuple[float, float]
    probe: NDArray[np.complex64]
    positions: NDArray[np.float64]
