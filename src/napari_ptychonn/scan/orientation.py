"""The eight ways a detector can stand, and where its DC pixel is.

A code 0..7 has three bits. Transposing comes first: bit 2 (4) transposes, then
bit 1 (2) flips y (rows), then bit 0 (1) flips x (columns). Flips are taken about the
DC pixel (H // 2, W // 2), so that DC stays where it is also on even sides.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "N_ORIENTATIONS",
    "combine_orientations",
    "detect_dc",
    "inverse_orientation",
    "orient",
    "orientation_note",
    "orientation_text",
    "to_convention",
]

N_ORIENTATIONS = 8
ScalarT = TypeVar("ScalarT", bound=np.generic)


def orient(array: NDArray[ScalarT], code: int) -> NDArray[ScalarT]:
    """Turn the last two axes of patterns or a mask.

    Parameters
    ----------
    array : ndarray, (..., H, W)
        DC at (H // 2, W // 2).
    code : int
        Orientation 0..7.

    Returns
    -------
    ndarray, (..., H, W), or (..., W, H) where the code transposes
        DC at the centre again; a view where that is possible.

    Raises
    ------
    ValueError
        The code is not one of 0..7.
    """
    if not 0 <= code < N_ORIENTATIONS:
        raise ValueError(f"orientation {code} is not one of 0..7")
    turned = np.swapaxes(array, -2, -1) if code & 4 else array
    if code & 2:
        turned = _flip(turned, -2)
    if code & 1:
        turned = _flip(turned, -1)
    return turned


def inverse_orientation(code: int) -> int:
    """Code that undoes `code`.

    After a transpose a flip of x has become a flip of y: only codes 5 and 6, the two
    quarter turns, are not their own inverse.
    """
    return {5: 6, 6: 5}.get(code, code)


def combine_orientations(first: int, second: int) -> int:
    """Code that does `first`, and then `second`."""
    flips = first & 3
    if second & 4:
        # Flips of y and x change places under the transpose.
        flips = (flips >> 1) | ((flips & 1) << 1)
    return ((first ^ second) & 4) | (flips ^ (second & 3))


def orientation_text(code: int) -> str:
    """Say a code in words, for instance ``"transposed, y flipped"``."""
    words = [(4, "transposed"), (2, "y flipped"), (1, "x flipped")]
    return ", ".join(word for bit, word in words if code & bit) or "as stored"


def orientation_note(code: int) -> str:
    """The sentence that says how the patterns of a scan were turned."""
    return f"orientation {code}: patterns are {orientation_text(code)}"


def to_convention(array: NDArray[ScalarT], dc_at_corner: bool, code: int) -> NDArray[ScalarT]:
    """Bring stored patterns or a mask (..., H, W) to DC at the centre, oriented.

    Parameters
    ----------
    array : ndarray, (..., H, W)
        As stored.
    dc_at_corner : bool
        Whether DC is at pixel [0, 0]; it is moved to (H // 2, W // 2) first.
    code : int
        Orientation 0..7.

    Returns
    -------
    ndarray, (..., H, W), or (..., W, H) where the code transposes
    """
    centred = np.fft.fftshift(array, axes=(-2, -1)) if dc_at_corner else array
    return np.ascontiguousarray(orient(centred, code))


def detect_dc(
    mean_pattern: NDArray[Any],
    *,
    default: Literal["centre", "corner"] = "centre",
    decisive: float = 2.0,
) -> Literal["centre", "corner"]:
    """Find where DC is from the power near the corners and near the centre.

    Parameters
    ----------
    mean_pattern : ndarray, (H, W)
        Mean of some patterns, counts.
    default : {"centre", "corner"}
        The answer where neither has `decisive` times the power of the other.
    decisive : float
        Ratio of powers that decides.

    Returns
    -------
    {"centre", "corner"}
    """
    height, width = mean_pattern.shape
    power = np.asarray(mean_pattern, dtype=np.float64)
    # A few hot pixels must not outweigh the beam.
    power = np.minimum(power, np.quantile(power, 0.995))
    fy = np.abs(np.fft.fftfreq(height))[:, None]
    fx = np.abs(np.fft.fftfreq(width))[None, :]
    near_corner = (fy <= 0.2) & (fx <= 0.2)
    corner = float(power[near_corner].sum())
    centre = float(power[np.fft.fftshift(near_corner)].sum())
    if corner > decisive * centre:
        return "corner"
    if centre > decisive * corner:
        return "centre"
    return default


def _flip(array: NDArray[ScalarT], axis: int) -> NDArray[ScalarT]:
    flipped = np.flip(array, axis)
    # On an even side DC lies at n/2 and a plain flip puts it at n/2 − 1.
    return flipped if array.shape[axis] % 2 else np.roll(flipped, 1, axis)
