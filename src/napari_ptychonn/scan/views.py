"""Patterns seen otherwise than they are stored: turned, cropped or padded, masked.

See Also
--------
napari_ptychonn.scan.patterns : Where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.crop import crop_or_pad
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.orientation import to_convention
from napari_ptychonn.scan.patterns import MAX_RUN_BYTES

__all__ = ["CroppedPatterns", "MaskedPatterns", "OrientedPatterns"]


@dataclass(frozen=True, slots=True, eq=False)
class OrientedPatterns:
    """Patterns brought to the convention: DC at the centre, axes along the positions.

    Parameters
    ----------
    source : PatternSource
        The patterns as stored.
    dc_at_corner : bool
        Whether they have DC at pixel [0, 0]; it is moved to (H // 2, W // 2) first.
    code : int
        Orientation 0..7 (see :mod:`napari_ptychonn.scan.orientation`).
    """

    source: PatternSource
    dc_at_corner: bool = False
    code: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W) after the turn."""
        n, height, width = self.source.shape
        return (n, width, height) if self.code & 4 else (n, height, width)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        return to_convention(self.source.read(indices), self.dc_at_corner, self.code)


@dataclass(frozen=True, slots=True, eq=False)
class CroppedPatterns:
    """Patterns cut, or padded with zeros, around their DC pixel.

    Parameters
    ----------
    source : PatternSource
        Patterns with DC at the centre, or at `centre`.
    size : tuple[int, int]
        (H, W) wanted.
    centre : tuple[int, int], optional
        The DC pixel (y, x) of `source` that is to lie at (H // 2, W // 2);
        None: (H // 2, W // 2) of the source.
    """

    source: PatternSource
    size: tuple[int, int]
    centre: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W) after the cut."""
        return self.source.shape[0], self.size[0], self.size[1]

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        wanted = np.asarray(indices, dtype=np.intp)
        cut = np.empty((wanted.size, *self.size), np.float32)
        # What a window is cut from may be many times as large.
        _, height, width = self.source.shape
        batch = max(1, MAX_RUN_BYTES // (4 * height * width))
        for start in range(0, wanted.size, batch):
            frames = self.source.read(wanted[start : start + batch])
            cut[start : start + batch] = crop_or_pad(frames, self.size, centre=self.centre)
        return cut


@dataclass(frozen=True, slots=True, eq=False)
class MaskedPatterns:
    """Patterns whose bad pixels are 0, so that no sum over a pattern meets a hot one.

    Parameters
    ----------
    source : PatternSource
        The patterns.
    mask : ndarray, (H, W) bool
        True = good pixel.
    unmeasured : ndarray, (H, W) bool, optional
        Pixels that no mask can make good, since `source` has no counts there: those that
        the file marks, and those that patterns were padded with. None: all bad ones.
    """

    source: PatternSource
    mask: NDArray[np.bool_]
    unmeasured: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts."""
        frames = self.source.read(indices)
        frames[:, ~self.mask] = 0
        return frames
