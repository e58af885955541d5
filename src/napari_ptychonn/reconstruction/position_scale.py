"""A wrong object pixel, noticed by scaling the positions.

An error of energy, distance or detector pixel makes the object pixel wrong, and so the
positions in pixels too large or too small by one factor. Neighbouring patterns then
agree best at another scale than 1. The same patterns with a probe farther out of focus fit
another scale nearly as well, so a probe that is only a guess pulls the answer with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.reconstruction.device import choose_device
from napari_ptychonn.reconstruction.events import ShouldStop, never
from napari_ptychonn.reconstruction.trials import Trial, excerpt, held_out, starting_probes
from napari_ptychonn.scan.model import Scan

__all__ = ["PositionScale", "position_scale"]

_SCALES = (0.8, 0.87, 0.93, 1.0, 1.07, 1.15, 1.25)
_SWEEPS = 3
_NOTICED = 0.03
_SURE = 3.0


@dataclass(frozen=True, slots=True)
class PositionScale:
    """How the misfit depends on the scale of the positions.

    Attributes
    ----------
    scale : float
        The factor that fits best; the object pixel is too large by it.
    scales, misfits : tuple of float
        What was tried, and R-factors of patterns that were not used.
    margin : float
        By how many times its noise the misfit at scale 1 is above the best one.
    probe_is_known : bool
        Whether the scan has a probe that is no guess; without one the scale is not to be
        trusted.
    """

    scale: float
    scales: tuple[float, ...]
    misfits: tuple[float, ...]
    margin: float
    probe_is_known: bool

    @property
    def is_off(self) -> bool:
        """Whether the pixel size is surely wrong, by 3 % or more."""
        far = abs(np.log(self.scale)) >= _NOTICED
        return bool(self.probe_is_known and self.is_inside and far and self.margin >= _SURE)

    @property
    def is_inside(self) -> bool:
        """Whether the misfit has its minimum among the scales, not at the end of them."""
        return 0 < int(np.argmin(self.misfits)) < len(self.misfits) - 1

    def text(self) -> str:
        """Say it in a sentence."""
        if self.is_off:
            return (
                f"The patterns fit best with positions {self.scale:.3g} times as large: the object "
                "pixel is too large by that factor; check energy, distance and detector pixel."
                if self.scale > 1
                else f"The patterns fit best with positions {self.scale:.3g} times as large: the "
                "object pixel is too small; check energy, distance and detector pixel."
            )
        if not (self.is_inside and np.isfinite(self.misfits).all()):
            return "The patterns do not tell the positions' scale."
        if not self.probe_is_known:
            return (
                f"The patterns fit best with positions {self.scale:.3g} times as large, but the "
                "probe is only a guess, and its defocus shifts that."
            )
        return f"The positions' scale fits: the best one is {self.scale:.3g}."


def position_scale(
    scan: Scan, *, device: str = "auto", should_stop: ShouldStop = never
) -> PositionScale:
    """Try scales of the positions from 0.8 to 1.25.

    Parameters
    ----------
    scan : Scan
        In the right orientation.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, …
    should_stop : callable, optional
        Asked at every batch; scales not tried by then have misfit NaN.

    Raises
    ------
    ScanError
        The scan is a near-field one, or has no light.
    SettingsError
        There is no such device.
    """
    place = choose_device(device)
    small = excerpt(scan)
    held = held_out(small)
    known = scan.probe is not None and not scan.probe_is_guess
    probe = starting_probes(small)[0]
    middle = small.positions.mean(0)
    scores = np.full((len(_SCALES), int(held.sum())), np.nan)
    for row, scale in enumerate(_SCALES):
        wider = replace(small, positions=middle + scale * (small.positions - middle))
        trial = Trial(wider, probe, held, update_probe=not known, device=place)
        for _ in range(_SWEEPS):
            trial.sweep(should_stop)
        if trial.sweeps == _SWEEPS:
            scores[row] = trial.misfits()
    misfits = scores.mean(1)
    if not np.isfinite(misfits).all():
        return PositionScale(1.0, _SCALES, tuple(misfits.tolist()), 0.0, known)
    best = int(misfits.argmin())
    return PositionScale(
        scale=_least(np.log(_SCALES), misfits),
        scales=_SCALES,
        misfits=tuple(misfits.tolist()),
        margin=_margin(scores[_SCALES.index(1.0)] - scores[best]),
        probe_is_known=known,
    )


def _least(places: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Exponential of the place of the least value, by a parabola through it and its neighbours."""
    best = int(np.clip(values.argmin(), 1, len(values) - 2))
    near = slice(best - 1, best + 2)
    bend, slope, _ = np.polyfit(places[near] - places[best], values[near], 2)
    if not bend > 0:
        return float(np.exp(places[values.argmin()]))
    low, high = places[near][[0, 2]]
    return float(np.exp(np.clip(places[best] - slope / (2 * bend), low, high)))


def _margin(above: NDArray[np.float64]) -> float:
    error = above.std(ddof=1) / np.sqrt(len(above))
    return float(above.mean() / max(error, np.finfo(float).tiny)) if above.any() else 0.0
