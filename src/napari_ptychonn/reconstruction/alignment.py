"""An object laid on a reference: what no pattern can tell is found, and taken away.

Patterns fix an object up to its global phase; an offset of the detector's centre adds a
phase ramp, and an offset of the probe's window a shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.registration import phase_cross_correlation
from skimage.restoration import unwrap_phase

from napari_ptychonn.errors import SettingsError

__all__ = ["Alignment", "Rectangle", "align"]

Rectangle = tuple[tuple[float, float], tuple[float, float]]
"""Scan coordinates (y, x), object pixels: the first corner, and the one opposite."""

_MOST_SHIFT_PX = 3.0
_FRAME_PX = 8
_FEWEST_PIXELS = 64
_COARSE_STEPS = 3
_FINE_STEPS = 6
_NEAR_THE_CUT_RAD = 0.75 * np.pi


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """An object laid on a reference.

    Attributes
    ----------
    object : ndarray, (h, w) complex128
        The object on the reference's pixels: shifted, levelled, turned in phase.
    reference : ndarray, (h, w) complex128
        The reference inside the region; 0 where it is unknown.
    known : ndarray, (h, w) bool
        Where both are known.
    shift_px : tuple[float, float]
        By how much (y, x) the object had to be moved, at most 3 pixels each way.
    ramp : tuple[float, float]
        Slope (y, x) of the phase ramp added to the object, radians per pixel.
    """

    object: NDArray[np.complex128]
    reference: NDArray[np.complex128]
    known: NDArray[np.bool_]
    shift_px: tuple[float, float]
    ramp: tuple[float, float]

    def phases(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Phases (h, w) of object and reference, counted from the reference's mean phase.

        Where the reference's phases come near ±π from there, both are unwrapped.
        """
        turn = np.exp(-1j * np.angle(self.reference[self.known].mean()))
        ours, theirs = (np.angle(values * turn) for values in (self.object, self.reference))
        # A few noisy pixels near the cut are no reason to unwrap; a thousandth may lie there.
        if np.quantile(np.abs(theirs[self.known]), 0.999) <= _NEAR_THE_CUT_RAD:
            return ours, theirs
        ours, theirs = _unwrapped(ours, self.known), _unwrapped(theirs, self.known)
        turns = np.rint(np.median((theirs - ours)[self.known]) / (2 * np.pi))
        return ours + 2 * np.pi * turns, theirs


def align(
    object_: NDArray[np.complexfloating],
    corner_px: tuple[float, float],
    reference: NDArray[np.complexfloating],
    reference_corner_px: tuple[float, float],
    region: Rectangle,
) -> Alignment:
    """Lay an object on a reference of the same pixel size.

    Parameters
    ----------
    object_ : ndarray, (H, W) complex
        The object; NaN where it is unknown.
    corner_px : tuple of float
        Scan coordinates (y, x), in object pixels, of the centre of its pixel [0, 0].
    reference : ndarray, (H′, W′) complex
        The reference, or the truth; NaN where it is unknown.
    reference_corner_px : tuple of float
        Scan coordinates of the centre of its pixel [0, 0].
    region : Rectangle
        Where to compare; pixels that only one of the two knows are left out.

    Returns
    -------
    Alignment

    Raises
    ------
    SettingsError
        They have fewer than 64 known pixels in common there.
    """
    pair = _Pair(object_, corner_px, reference, reference_corner_px, region)
    fit = _fit(pair)
    moved, known = pair.moved(fit)
    turn = np.exp(-1j * np.angle(np.vdot(pair.reference[known], moved[known])))
    return Alignment(
        object=moved * turn,
        reference=pair.reference,
        known=known,
        shift_px=(float(fit[0]), float(fit[1])),
        ramp=(float(fit[2]), float(fit[3])),
    )


class _Pair:
    """Object and reference on the reference's pixels inside the region.

    A fit is an array (4,): shift (y, x), pixels, and ramp (y, x), radians per pixel.
    """

    def __init__(
        self,
        object_: NDArray[np.complexfloating],
        corner_px: tuple[float, float],
        reference: NDArray[np.complexfloating],
        reference_corner_px: tuple[float, float],
        region: Rectangle,
    ) -> None:
        ends = np.sort(np.asarray(region, np.float64), axis=0) - np.asarray(reference_corner_px)
        first = np.ceil(ends[0] - 1e-6).astype(int)
        shape = np.maximum(np.floor(ends[1] + 1e-6).astype(int) - first + 1, 0)
        offset = np.asarray(reference_corner_px) - np.asarray(corner_px)
        whole = np.rint(offset).astype(int)
        self.reference = _cut(reference, first, shape)
        # A frame around the region gives its rim neighbours to interpolate from.
        given = _cut(object_, first + whole - _FRAME_PX, shape + 2 * _FRAME_PX)
        self._known_reference = np.isfinite(self.reference)
        self._unknown = ~np.isfinite(given)
        common = self._known_reference & ~_inner(self._unknown)
        if common.sum() < _FEWEST_PIXELS:
            raise SettingsError(
                "region",
                None,
                f"object and reference have {common.sum()} known pixels in common there",
                remedy="choose a region that both cover, and check both corners",
            )
        self.reference[~self._known_reference] = 0
        self._given = _filled(given, self._unknown)
        self._fraction = offset - whole
        self.y, self.x = (np.arange(side) - (side - 1) / 2 for side in self.reference.shape)
        power = float((np.abs(self.reference) ** 2).sum())
        if not power > 0:
            raise SettingsError("reference", None, "is zero there", remedy="choose another region")

    def moved(self, fit: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """The object on the reference's pixels, and where both are known."""
        tall, wide = self._given.shape
        y = np.arange(tall) - (tall - 1) / 2
        x = np.arange(wide) - (wide - 1) / 2
        level = self._given * np.exp(1j * (fit[2] * y[:, None] + fit[3] * x))
        shift = fit[:2] - self._fraction
        real, imaginary = (
            ndimage.shift(part, shift, order=3, mode="nearest") for part in (level.real, level.imag)
        )
        if not self._unknown.any():
            return _inner(real + 1j * imaginary), self._known_reference
        # What was filled in must not count, nor pixels interpolated from it.
        reach = ndimage.maximum_filter(self._unknown, 3)
        tainted = ndimage.shift(reach.astype(np.float64), shift, order=1, mode="nearest") > 1e-6
        return _inner(real + 1j * imaginary), self._known_reference & ~_inner(tainted)


def _fit(pair: _Pair) -> NDArray[np.float64]:
    """Shift and ramp: by correlation first, then by least squares."""
    fit = np.zeros(4)
    for _ in range(_COARSE_STEPS):
        moved, known = pair.moved(fit)
        fit[2:] += _ramp(np.where(known, moved.conj() * pair.reference, 0))
        moved, known = pair.moved(fit)
        turned = moved * np.exp(1j * np.angle(np.vdot(moved[known], pair.reference[known])))
        step, _, _ = phase_cross_correlation(
            _centred(pair.reference, known),
            _centred(turned, known),
            upsample_factor=20,
            normalization=None,
        )
        fit[:2] = np.clip(fit[:2] + step, -_MOST_SHIFT_PX, _MOST_SHIFT_PX)
    return _least_squares(pair, fit)


def _ramp(product: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Slope (y, x), radians per pixel, at which |Σ product · e^{i(k·r)}| is largest."""
    padded = tuple(2 * side for side in product.shape)
    spectrum = np.abs(np.fft.fft2(product, padded))
    peak = np.unravel_index(int(spectrum.argmax()), padded)
    k = np.asarray(
        [
            2 * np.pi * np.fft.fftfreq(side)[number]
            for side, number in zip(padded, peak, strict=True)
        ]
    )
    width = 2 * np.pi / np.asarray(padded)
    y, x = (np.arange(side) for side in product.shape)
    for _ in range(3):
        tries = np.linspace(-1, 1, 9)
        ky, kx = k[0] + width[0] * tries, k[1] + width[1] * tries
        sums = np.exp(-1j * np.outer(ky, y)) @ product @ np.exp(-1j * np.outer(x, kx))
        row, column = np.unravel_index(int(np.abs(sums).argmax()), sums.shape)
        k, width = np.asarray((ky[row], kx[column])), width / 6
    return k


def _least_squares(pair: _Pair, fit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gauss-Newton on shift, ramp, global phase and scale; steps that do not help are not made.

    The scale is fitted along so that a wrong one does not pull at the shift; it is not kept.
    """
    best = np.inf
    kept = fit
    for _ in range(_FINE_STEPS + 1):
        moved, known = pair.moved(fit)
        own = float(np.vdot(moved[known], moved[known]).real)
        if not own > 0:
            break
        turned = moved * (np.vdot(moved[known], pair.reference[known]) / own)
        missing = np.where(known, pair.reference - turned, 0)
        error = float((np.abs(missing) ** 2).sum() / known.sum())
        if not error < best:
            break
        best, kept = error, fit
        down, right = np.gradient(turned)
        slopes = (
            -down,
            -right,
            1j * pair.y[:, None] * turned,
            1j * pair.x[None, :] * turned,
            1j * turned,
            turned,
        )
        columns = np.stack([slope[known] for slope in slopes], 1)
        wanted = missing[known]
        normal = (columns.conj().T @ columns).real
        pull = (columns.conj().T @ wanted).real
        step = np.linalg.lstsq(normal, pull, rcond=1e-12)[0]
        fit = fit + step[:4]
        fit[:2] = np.clip(fit[:2], -_MOST_SHIFT_PX, _MOST_SHIFT_PX)
    return kept


def _unwrapped(phase: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    found = unwrap_phase(np.ma.array(phase, mask=~known), rng=0)
    return np.asarray(np.ma.getdata(found), np.float64)


def _centred(values: NDArray[np.complex128], known: NDArray[np.bool_]) -> NDArray[np.complex128]:
    return np.where(known, values - values[known].mean(), 0)


def _cut(
    array: NDArray[np.complexfloating], first: NDArray[Any], shape: NDArray[Any]
) -> NDArray[np.complex128]:
    """Part of an array, NaN where it does not reach."""
    part = np.full(tuple(shape), complex(np.nan, np.nan))
    start = np.clip(first, 0, array.shape)
    stop = np.clip(first + shape, start, array.shape)
    to = start - first
    size = stop - start
    part[to[0] : to[0] + size[0], to[1] : to[1] + size[1]] = array[
        start[0] : stop[0], start[1] : stop[1]
    ]
    return part


def _inner(array: NDArray[Any]) -> NDArray[Any]:
    return array[_FRAME_PX:-_FRAME_PX, _FRAME_PX:-_FRAME_PX]


def _filled(values: NDArray[np.complex128], unknown: NDArray[np.bool_]) -> NDArray[np.complex128]:
    """Put the nearest known value where there is none."""
    if not unknown.any():
        return values
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])
