"""From raw counts to the input of a `ptychonn` network, as its card says.

A network of this family saw its patterns cut, shrunk and scaled in one fixed way; here
that way is repeated, with the statistics of the whole scan gathered in one bounded pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from napari_ptychonn.errors import NetworkError, ScanError
from napari_ptychonn.network.card import Preprocessing
from napari_ptychonn.scan.model import PatternSource

__all__ = [
    "FLUX_QUANTILE",
    "StackStatistics",
    "gather_statistics",
    "levels",
    "needs_statistics",
    "patch_pixel_scale",
    "processed_shape",
    "transform",
]

FLUX_QUANTILE = 0.95
"""Quantile of the pattern sums that stands for a pattern with no sample: high enough to
pass absorbing points by, low enough to ignore a few frames that are far too bright."""


@dataclass(frozen=True, slots=True)
class StackStatistics:
    """What must be known of the whole scan before one pattern can be transformed.

    Attributes
    ----------
    mean_pattern : ndarray, (h, w) float64
        Mean of the cut, shrunk and thresholded patterns, counts.
    mean : float
        Mean over the stack (and all pixels) of what is to be standardised, counts: 0
        where the mean pattern is subtracted first.
    std : float
        Its standard deviation, counts.
    flux : float
        Counts of a raw pattern with no sample.
    """

    mean_pattern: NDArray[np.float64]
    mean: float
    std: float
    flux: float


def needs_statistics(preprocessing: Preprocessing) -> bool:
    """Whether :func:`transform` needs the statistics of the scan."""
    return (
        preprocessing.subtract_mean_pattern
        or preprocessing.standardise
        or preprocessing.flux is not None
    )


def processed_shape(preprocessing: Preprocessing, shape: tuple[int, int]) -> tuple[int, int]:
    """Shape (h, w) of a preprocessed pattern.

    Parameters
    ----------
    preprocessing : Preprocessing
        Of the network's card.
    shape : tuple of int
        (H, W) of a raw pattern, pixels.

    Raises
    ------
    NetworkError
        Nothing is left after the cut, or the rest cannot be shrunk to the wanted square.
    """
    crop, side = preprocessing.crop, preprocessing.resize
    height, width = shape[0] - 2 * crop, shape[1] - 2 * crop
    size = f"{shape[0]}×{shape[1]} pixels"
    remedy = "choose a network made for this detector, or 'ptychonn-probe', which takes any"
    remedy += " size that is a multiple of 8"
    if min(height, width) < 1:
        problem = f"patterns have {size}, and the network cuts {crop} from every side"
        raise NetworkError("pattern size", None, problem, remedy=remedy)
    if side is None:
        return height, width
    if height != width or height < side:
        problem = f"patterns have {size}, which leaves {height}×{width} after the cut of {crop}"
        problem += f" from every side, but the network shrinks a square to {side}×{side}"
        raise NetworkError("pattern size", None, problem, remedy=remedy)
    return side, side


def patch_pixel_scale(preprocessing: Preprocessing, shape: tuple[int, int]) -> tuple[float, float]:
    """Size (y, x) of a predicted pixel in object pixels of the scan.

    An object pixel is λz / (N p): cutting the detector makes it larger. Shrinking leaves
    it and makes the field smaller.

    Parameters are those of :func:`processed_shape`.
    """
    cut = 2 * preprocessing.crop
    return shape[0] / (shape[0] - cut), shape[1] / (shape[1] - cut)


def gather_statistics(
    source: PatternSource,
    preprocessing: Preprocessing,
    *,
    indices: NDArray[np.intp] | None = None,
    mask: NDArray[np.bool_] | None = None,
    batch_size: int = 32,
    should_stop: Callable[[], bool] | None = None,
) -> StackStatistics:
    """Statistics of a whole stack in one pass; memory is that of one batch.

    Parameters
    ----------
    source : PatternSource
        Raw patterns (N, H, W), counts.
    preprocessing : Preprocessing
        Of the network's card.
    indices : ndarray of int, optional
        The patterns to use; None: all.
    mask : ndarray, (H, W) bool, optional
        True = good pixel; bad ones count as 0.
    batch_size : int
        Patterns read at a time.
    should_stop : callable, optional
        Asked after every batch; when true, the answer is that of the patterns read so far.

    Returns
    -------
    StackStatistics

    Raises
    ------
    NetworkError
        The patterns are too small for the cut.
    ScanError
        There is no pattern, or standardising is asked of patterns without any contrast.
    """
    chosen = np.arange(source.shape[0]) if indices is None else np.asarray(indices, np.intp)
    shape = processed_shape(preprocessing, source.shape[1:])
    count = 0
    mean_pattern = np.zeros(shape)
    squares = np.zeros(shape)
    sums: list[NDArray[np.float64]] = []
    for start in range(0, len(chosen), batch_size):
        raw = _good(source.read(chosen[start : start + batch_size]), mask)
        sums.append(raw.sum((-2, -1), dtype=np.float64))
        batch = _cut_and_shrink(raw, preprocessing)
        # Chan's update: exact where Σx² − N·mean² would lose digits at high counts.
        here = batch.mean(0)
        step = here - mean_pattern
        total = count + len(batch)
        squares += ((batch - here) ** 2).sum(0) + step**2 * (count * len(batch) / total)
        mean_pattern += step * (len(batch) / total)
        count = total
        if should_stop is not None and should_stop():
            break
    if not count:
        raise ScanError("patterns", None, "no pattern to read", remedy="choose more scan points")
    variance = float((squares / count).mean())
    mean = 0.0
    if not preprocessing.subtract_mean_pattern:
        mean = float(mean_pattern.mean())
        variance += float(mean_pattern.var())
    if preprocessing.standardise and variance <= 0:
        raise ScanError(
            "patterns", None, f"the {count} patterns do not differ, so they have no contrast",
            remedy="use more scan points, or a scan with photons in it",
        )  # fmt: skip
    flux = float(np.quantile(np.concatenate(sums), FLUX_QUANTILE))
    return StackStatistics(mean_pattern, mean, variance**0.5, flux)


def transform(
    patterns: NDArray[np.float32],
    preprocessing: Preprocessing,
    statistics: StackStatistics | None = None,
    *,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Turn raw patterns into the network's input.

    Parameters
    ----------
    patterns : ndarray, (B, H, W) float32
        Raw counts, DC at the centre.
    preprocessing : Preprocessing
        Of the network's card.
    statistics : StackStatistics, optional
        Of the whole scan; needed where :func:`needs_statistics` says so.
    mask : ndarray, (H, W) bool, optional
        True = good pixel; bad ones count as 0.

    Returns
    -------
    ndarray, (B, h, w) float32
        Ready for the network, but for the channel axis.

    Raises
    ------
    NetworkError
        The patterns are too small for the cut.
    ScanError
        Flux is asked of a scan without photons.
    ValueError
        Statistics are needed and not given.
    """
    processed_shape(preprocessing, (patterns.shape[-2], patterns.shape[-1]))
    batch = _cut_and_shrink(_good(patterns, mask), preprocessing)
    if not needs_statistics(preprocessing):
        return batch.astype(np.float32)
    if statistics is None:
        raise ValueError("this preprocessing needs the statistics of the whole scan")
    offset, factor = levels(preprocessing, statistics)
    return ((batch - offset) * factor).astype(np.float32)


def levels(
    preprocessing: Preprocessing, statistics: StackStatistics | None
) -> tuple[NDArray[np.float64], float]:
    """What :func:`transform` subtracts from the shrunk counts, and then multiplies them by.

    Parameters are those of :func:`transform`, and so are the errors.

    Returns
    -------
    offset : ndarray, (h, w) or () float64
        Counts.
    factor : float
        For both.
    """
    offset, factor = np.zeros(()), 1.0
    if statistics is None:
        return offset, factor
    if preprocessing.subtract_mean_pattern:
        offset = statistics.mean_pattern
    if preprocessing.standardise:
        # A flux would be divided out again.
        return offset + statistics.mean, 1 / statistics.std
    if preprocessing.flux is not None:
        if statistics.flux <= 0:
            raise ScanError(
                "patterns", None, "almost no pattern has a photon, so the flux is unknown",
                remedy="check the mask and the patterns' dataset",
            )  # fmt: skip
        factor = preprocessing.flux / statistics.flux
    return offset, factor


def _good(patterns: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    return patterns if mask is None else np.where(mask, patterns, np.float32(0))


def _cut_and_shrink(
    patterns: NDArray[np.float32], preprocessing: Preprocessing
) -> NDArray[np.float64]:
    crop, side = preprocessing.crop, preprocessing.resize
    height, width = patterns.shape[-2:]
    # In float64: shrinking in float32 costs the published result its sixth digit.
    batch = patterns[:, crop : height - crop, crop : width - crop].astype(np.float64)
    if side is not None and batch.shape[1:] != (side, side):
        shape = (len(batch), side, side)
        batch = resize(batch, shape, order=1, anti_aliasing=True, preserve_range=True)
    if preprocessing.threshold > 0:
        batch[batch < preprocessing.threshold] = 0
    return batch
