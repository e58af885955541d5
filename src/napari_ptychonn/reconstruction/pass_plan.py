"""How many passes there are, and how far each of them goes.

Early passes move far, later ones average more, and the last one averages most: once the
misfit has settled, what a small regularisation still moves is mostly noise. A scan whose
points lie close is done in four; where they lie far apart passes are cheap, and there are
more. Where few photons were counted more than four add noise, and the network is asked
four times: its errors there are its own, and partly average out. There, and where points
lie far apart, the object is weighed against all patterns between the passes; where some is
noise, before the last two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_ptychonn.reconstruction.settings import Auto
from napari_ptychonn.reconstruction.weighing import Weighing

__all__ = ["FEW_COVERS", "PassPlan", "PassTurn", "sweeps_of_a_pass"]

_FEWEST, _MOST, _MOST_APART = 4, 20, 40
_COVER_OF_ALL = 50.0
"""The misfit is no guide: with a fifth of the points it stays as it is from the sixth pass on, and
the error goes down from 0.095 to 0.082 (code) until the twelfth."""
_APART = 0.6
"""Where less is covered, islands hardly know of each other: forty passes instead of twenty bring
each of five scans of photographs down, by 2 % in the mean."""
FEW_COVERS = 2.0
"""With fewer, points hardly overlap."""
_PASSES_OF_NOISE = 4
_FEWEST_TO_SETTLE = 3
_COVERS_PER_PASS = (8.0, 16.0, 24.0)
_MOST_SWEEPS = 16
_MOMENTUM = 0.6
_MOSTLY_SIGNAL, _HARDLY_NOISE = 0.4, 0.75
"""Shares of what the first sweep missed that photon noise does not explain."""
_WEIGHING_NOISE = Weighing(stiffness=10.0, turns=5)
"""Thirteen scans of photographs at 10² to 10⁴ photons are worse by 1 and 2 % with 5 and 20, and as
good with ten turns."""
_LAST_WEIGHED = 2
"""Passes that it takes where some is noise: 0.955 of the error without, as with all passes; 0.959
with the last one alone (four scans at 10⁴ and 3·10⁴ photons)."""
_WEIGHING_FEW_POINTS = Weighing(stiffness=100.0, turns=5)
"""Of seven scans with few points and 10⁵ photons two became worse with 10, by 4 and 15 %; with 100
one did, by 1 %, and the others got better by up to 41 %. One weighing goes on where the last ended:
ten turns gain nothing more."""
_VIEWS_OF_NOISE = 4
"""NRMSE with 4 against 1: 0.308 and 0.325 (brick-grass-1e2), 0.172 and 0.177 (camera-coins-1e3);
with 10⁵ photons nothing is gained."""


@dataclass(frozen=True, slots=True)
class PassTurn:
    """What the next pass is told.

    Attributes
    ----------
    number : int
        Its number, from 1.
    like : int
        Number of the pass from a flat object that has come as far: early ones move far, later
        ones average more.
    momentum : float
        How much of its way a sweep goes on by itself; 0: nothing.
    settles : bool
        Whether it is the last one, which averages.
    views : int
        Quarter turns under which the network sees the object, 1 to 4; its answers are averaged.
    weighing : Weighing or None
        How the object is weighed against all patterns before; None: it is not.
    """

    number: int
    like: int
    momentum: float
    settles: bool
    views: int = 1
    weighing: Weighing | None = None


class PassPlan:
    """Gives one turn after the other, and is told how each went.

    Parameters
    ----------
    wanted : int or "auto"
        How many passes; "auto": 50 / `cover`, 4 to 20; 40 where points are islands; four where
        the first pass met mostly noise.
    cover : float
        How often a typical pixel is seen, as :func:`sweeping.cover_of` tells.
    come : int
        Passes that the object to start from is worth; 0: it is flat.
    mostly_noise : bool, optional
        Whether what a flat object misses is mostly photon noise, where that is known before.
    are_photons : bool
        Whether the measured values are photon counts.

    Attributes
    ----------
    cover : float
        As given.
    met_mostly_noise : bool
        Whether what the first pass met, from a flat object, was mostly photon noise.
    """

    def __init__(
        self,
        wanted: int | Auto,
        cover: float,
        *,
        come: int = 0,
        mostly_noise: bool | None = None,
        are_photons: bool = True,
    ) -> None:
        most = int(np.clip(round(_COVER_OF_ALL / cover), _FEWEST, _MOST))
        most = _MOST_APART if cover < _APART else most
        self.cover = cover
        self._is_auto = wanted == "auto"
        self._most = most if wanted == "auto" else wanted
        self._done = 0
        self._momentum = 0.0
        self._come = come
        self._are_photons = are_photons
        self._knows_noise = mostly_noise is not None
        self.met_mostly_noise = bool(mostly_noise)
        self._met_noise = self.met_mostly_noise

    @property
    def expected(self) -> int:
        """How many there will be, as far as one can tell."""
        return self._most

    @property
    def weighing(self) -> Weighing | None:
        """How what the network made so far is weighed against all patterns; None: not at all.

        Slow errors are left where points or photons are few. Elsewhere sweeps end them at less
        cost: weighing brings a dense scan at 10⁵ photons from 0.029 to 0.028 in twice the time.
        """
        if not self._done + self._come or not self._are_photons:
            return None
        if self.met_mostly_noise:
            return _WEIGHING_NOISE
        if self.cover < FEW_COVERS:
            return _WEIGHING_FEW_POINTS
        is_late = self._most - self._done <= _LAST_WEIGHED
        return _WEIGHING_NOISE if self._met_noise and is_late else None

    @property
    def weighings(self) -> int:
        """How many there will be from here on, as far as one can tell."""
        left = self._most - self._done
        if not self._are_photons:
            return 0
        if self.met_mostly_noise:
            return left + 1
        if self.cover < FEW_COVERS:
            return left
        return min(left, _LAST_WEIGHED) if self._met_noise else 0

    @property
    def last_weighing(self) -> Weighing | None:
        """The same for the last answer, which the network has with the sweeps that averaged.

        Where little is noise what these found is finer than what weighing knows of.
        """
        return self.weighing if self.met_mostly_noise else None

    def turns(self) -> Iterator[PassTurn]:
        """Passes in order; :meth:`took` is to be called after each."""
        while self._done < self._most:
            number = self._done + 1
            views = _VIEWS_OF_NOISE if self.met_mostly_noise else 1
            like = number + self._come
            settles = number == self._most and like >= _FEWEST_TO_SETTLE
            yield PassTurn(number, like, self._momentum, settles, views, self.weighing)

    def took(self, beyond_noise: float) -> None:
        """Take what a complete pass met.

        Parameters
        ----------
        beyond_noise : float
            Share of the misfit of its first sweep that photon noise does not explain.
        """
        # From a flat object a misfit that is mostly noise means that there is little to find:
        # momentum would then carry noise along.
        if not self._done:
            if not self._knows_noise:
                self.met_mostly_noise = beyond_noise <= _MOSTLY_SIGNAL
                self._met_noise = beyond_noise <= _HARDLY_NOISE
            self._momentum = 0.0 if self.met_mostly_noise else _MOMENTUM
            if self._is_auto and self.met_mostly_noise:
                self._most = _PASSES_OF_NOISE
        self._done += 1


def sweeps_of_a_pass(cover: float, number: int) -> int:
    """Sweeps before the network is asked, 1 to 16: where one brings little, it costs little.

    Later passes have more: the network can only tell noise from the sample where the sweeps
    have brought what the patterns know.

    Parameters
    ----------
    cover : float
        How often a typical pixel is seen by one sweep.
    number : int
        Number of the pass, from 1.
    """
    wanted = _COVERS_PER_PASS[min(number, len(_COVERS_PER_PASS)) - 1]
    return int(np.clip(round((wanted / cover) ** 1.5), 1, _MOST_SWEEPS))
