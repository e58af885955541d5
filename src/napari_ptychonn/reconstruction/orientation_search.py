"""What trying all eight orientations of the detector found, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.orientation import orientation_text

__all__ = ["OrientationSearch", "OrientationTrial", "best_and_tied", "noise_above"]

_SURE = 4.0
_BY_FAR = 8.0
_WORSE = 1.02
_FEWEST_JUDGES = 5


@dataclass(frozen=True, slots=True, eq=False)
class OrientationTrial:
    """One of the eight.

    Attributes
    ----------
    code : int
        Orientation 0..7 of the stored patterns.
    misfit : float
        R-factor of patterns that were not used; NaN where the search was stopped before.
    worse : float
        By how many times its own noise the misfit is above the best one's; 0 for the best.
    picture : ndarray, (h, w) complex64
        The object after these few sweeps.
    """

    code: int
    misfit: float
    worse: float
    picture: NDArray[np.complex64]


@dataclass(frozen=True, slots=True, eq=False)
class OrientationSearch:
    """What trying all orientations found.

    Attributes
    ----------
    trials : tuple of OrientationTrial
        All eight, by code.
    best : int
        The code with the lowest misfit: what ``ScanOptions(orientation=...)`` takes.
    present : int
        The code that the scan was opened with.
    margin : float
        By how many times its noise the nearest other one is worse.
    tied : tuple of int
        Codes that cannot be told from the best one, without it.
    points, sweeps : int
        What the trials were made of.
    stopped : bool
        Whether it was stopped early.
    """

    trials: tuple[OrientationTrial, ...]
    best: int
    present: int
    margin: float
    tied: tuple[int, ...]
    points: int
    sweeps: int
    stopped: bool

    @property
    def sure(self) -> bool:
        """Whether one code is clearly better than all others."""
        return not self.tied

    @property
    def answer(self) -> int:
        """The code to use: the best; where it is not sure, the present one."""
        return self.best if self.sure else self.present

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; no pictures."""
        return {
            "best": self.best,
            "present": self.present,
            "sure": self.sure,
            "margin": self.margin if np.isfinite(self.margin) else None,
            "tied": list(self.tied),
            "misfits": [t.misfit if np.isfinite(t.misfit) else None for t in self.trials],
        }

    def text(self) -> str:
        """Say it in a sentence or two."""
        best = self.trials[self.best]
        if self.stopped and not np.isfinite(best.misfit):
            return "The search for the orientation was stopped before it had found anything."
        if self.sure:
            others = [trial.misfit for trial in self.trials if trial.code != self.best]
            said = (
                f"Orientation {self.best} ({orientation_text(self.best)}) fits best, "
                f"{'clearly' if self.margin < _BY_FAR else 'by far'}: misfit "
                f"{best.misfit:.2g}, the others {min(others):.2g} or more, {self.margin:.0f} times "
                "the noise above."
            )
            return said if self.best == self.present else f"{said} The scan has {self.present}."
        codes = ", ".join(str(code) for code in sorted((self.best, *self.tied)))
        said = f"Cannot tell: orientations {codes} fit alike (misfit {best.misfit:.2g}): "
        if self.stopped:
            return said + "the search was stopped before it was through."
        half_turn = len(self.tied) == 1 and self.tied[0] ^ self.best == 3
        return said + (
            "they differ by half a turn, which only a known probe tells."
            if half_turn
            else "the points are too few or too far apart, or sample and probe too plain."
        )


def best_and_tied(scores: NDArray[np.float64], present: int) -> tuple[int, tuple[int, ...]]:
    """The best code, and those that cannot be told from it.

    Parameters
    ----------
    scores : ndarray, (8, H) float64
        Misfit of every code with each of H held-out patterns; NaN where it is not known.
    present : int
        The code that the scan was opened with: the best one where nothing is known.

    Returns
    -------
    best : int
        The code with the lowest misfit.
    tied : tuple of int
        The others that are not clearly worse.
    """
    if scores.shape[1] == 0 or not np.isfinite(scores).all():
        others = tuple(code for code in range(len(scores)) if code != present)
        return present, others
    means = scores.mean(1)
    best = int(means.argmin())
    clear = (noise_above(scores, best) >= _SURE) & (means >= _WORSE * means[best])
    if scores.shape[1] < _FEWEST_JUDGES:
        clear[:] = False
    return best, tuple(code for code in range(len(scores)) if code != best and not clear[code])


def noise_above(scores: NDArray[np.float64], best: int) -> NDArray[np.float64]:
    """How far each (8,) is above the best, point by point, in standard errors.

    Logarithms are compared: a few points see most of the sample's structure, and would drown
    the others, which say the same.

    Parameters
    ----------
    scores : ndarray, (8, H) float64
        As for :func:`best_and_tied`.
    best : int
        The code to compare with.
    """
    count = scores.shape[1]
    if count < 2:
        return np.zeros(len(scores))
    logged = np.log(np.maximum(scores, np.finfo(float).tiny))
    above = logged - logged[best]
    error = above.std(1, ddof=1) / np.sqrt(count)
    found: NDArray[np.float64] = above.mean(1) / np.maximum(error, np.finfo(float).tiny)
    return found
