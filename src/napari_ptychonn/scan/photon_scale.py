"""Values that are no photon counts, brought to them: networks and sweeps weigh noise by photons."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.amplitudes import sampled_values, step_of
from napari_ptychonn.scan.model import PatternSource, Scan

__all__ = ["ScaledPatterns", "in_photons"]

_LOOKED_AT = 3
_NORMALISED = 1.0
_ASSUMED_PHOTONS = 1e6
"""So many that hardly anything is taken for noise."""


@dataclass(frozen=True, slots=True, eq=False)
class ScaledPatterns:
    """Patterns of any scale, read as photons.

    Parameters
    ----------
    source : PatternSource
        (N, H, W) values.
    one : float
        What one photon gave.
    whole : bool
        Whether all values are whole multiples of it, but for rounding.
    """

    source: PatternSource
    one: float
    whole: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 photons."""
        photons = self.source.read(indices) / np.float32(self.one)
        return np.rint(photons) if self.whole else photons


def in_photons(scan: Scan, stored: PatternSource | None = None) -> tuple[Scan, str | None]:
    """A scan with its patterns, and its probe along with them, in photons.

    Whole numbers are taken as photons. Others that are whole multiples of one value are as many
    photons as that multiple says. Values up to 1 without such steps were normalised, and nobody
    knows how many photons they were: the brightest pattern is taken to have 10⁶.

    Parameters
    ----------
    scan : Scan
        The scan.
    stored : PatternSource, optional
        Its patterns before a background was subtracted, which leaves steps of its own; None:
        nothing was.

    Returns
    -------
    scan : Scan
        The same one, where nothing was to be done.
    note : str or None
        What was done, for the assumptions.
    """
    n_points = scan.n_points
    few = np.unique(np.linspace(0, n_points - 1, min(_LOOKED_AT, n_points)).round().astype(np.intp))
    source = scan.patterns if stored is None else stored
    if all(_are_whole(source.read(np.array([number]))) for number in few):
        return scan, None
    values = sampled_values(source)
    one = step_of(values) if values.size else None
    if one is not None:
        note = f"values are whole multiples of {one:.4g}, which is taken as one photon"
        return _scaled(scan, one, whole=stored is None), note
    if not values.size or values.max() > _NORMALISED:
        return scan, None
    brightest = max(float(scan.patterns.read(np.array([number])).sum()) for number in few)
    note = (
        f"values are normalised, and their photons are not known: {_ASSUMED_PHOTONS:.0e} are "
        "taken for a bright pattern"
    )
    return _scaled(scan, brightest / _ASSUMED_PHOTONS, whole=False), note


def _scaled(scan: Scan, one: float, *, whole: bool) -> Scan:
    probe = None if scan.probe is None else (scan.probe / np.sqrt(one)).astype(np.complex64)
    return replace(scan, patterns=ScaledPatterns(scan.patterns, one, whole), probe=probe)


def _are_whole(values: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(values, np.rint(values)))
