"""Masks between the detector's pixels, as stored, and those of a scan, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.background import BackgroundPatterns
from napari_ptychonn.scan.binning import BinnedPatterns, bin_mask, unbin_mask
from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.orientation import inverse_orientation, orient, to_convention
from napari_ptychonn.scan.selected import SelectedPatterns
from napari_ptychonn.scan.views import CroppedPatterns, MaskedPatterns, OrientedPatterns

__all__ = ["detector_shape", "mask_of_detector", "mask_of_scan"]


def detector_shape(patterns: PatternSource) -> tuple[int, int]:
    """(H, W) of the patterns as stored, before they were turned, cut and binned."""
    match patterns:
        case (
            MaskedPatterns()
            | BackgroundPatterns()
            | SelectedPatterns()
            | OrientedPatterns()
            | CroppedPatterns()
            | BinnedPatterns()
        ):
            return detector_shape(patterns.source)
    return patterns.shape[1:]


def mask_of_scan(patterns: PatternSource, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of the detector brought to the pixels of a scan.

    Parameters
    ----------
    patterns : PatternSource
        Of the scan, (N, H, W).
    mask : ndarray, :func:`detector_shape` bool
        True = good.

    Returns
    -------
    ndarray, (H, W) bool
        Pixels that patterns were padded with are bad.
    """
    match patterns:
        case MaskedPatterns() | BackgroundPatterns() | SelectedPatterns():
            return mask_of_scan(patterns.source, mask)
        case OrientedPatterns():
            inner = mask_of_scan(patterns.source, mask)
            return to_convention(inner, patterns.dc_at_corner, patterns.code)
        case CroppedPatterns():
            inner = mask_of_scan(patterns.source, mask)
            return np.asarray(crop_or_pad(inner, patterns.size, centre=patterns.centre))
        case BinnedPatterns():
            return bin_mask(mask_of_scan(patterns.source, mask), patterns.factor)
    return mask


def mask_of_detector(patterns: PatternSource, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of a scan brought to the pixels of the detector.

    Parameters
    ----------
    patterns : PatternSource
        Of the scan, (N, H, W).
    mask : ndarray, (H, W) bool
        True = good.

    Returns
    -------
    ndarray, :func:`detector_shape` bool
        Pixels that the scan does not use are good.
    """
    match patterns:
        case MaskedPatterns() | BackgroundPatterns() | SelectedPatterns():
            return mask_of_detector(patterns.source, mask)
        case OrientedPatterns():
            turned = orient(mask, inverse_orientation(patterns.code))
            if patterns.dc_at_corner:
                turned = np.fft.ifftshift(turned)
            return mask_of_detector(patterns.source, np.ascontiguousarray(turned))
        case CroppedPatterns():
            size = patterns.source.shape[1:]
            return mask_of_detector(patterns.source, _uncropped(mask, size, patterns.centre))
        case BinnedPatterns():
            wide = unbin_mask(mask, patterns.factor, patterns.source.shape[1:])
            return mask_of_detector(patterns.source, wide)
    return mask


def _uncropped(
    mask: NDArray[np.bool_], size: tuple[int, int], centre: tuple[int, int] | None
) -> NDArray[np.bool_]:
    """The mask laid into one of `size`, where it was cut out with `centre`."""
    height, width = mask.shape
    y, x = centre or (size[0] // 2, size[1] // 2)
    # What lies at the middle of the large mask, counted in the small one.
    middle = (height // 2 - y + size[0] // 2, width // 2 - x + size[1] // 2)
    return np.asarray(~crop_or_pad(~mask, size, centre=middle), dtype=np.bool_)
