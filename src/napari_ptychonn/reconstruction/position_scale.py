"""A wrong object pixel, or unit of the positions, noticed by scaling the positions.

An error of energy, distance, detector pixel or unit makes all positions in pixels too large
or too small by one factor; neighbouring patterns then agree best at another scale than 1.
Four things pull the answer, and were each worth several per cent:

- Patterns held out prefer a scale that is too small, since closer points tell more of each
  other. So the points judge themselves: by the misfit that a sweep meets on its way.
- Low frequencies of the object come last, and before they have come it is as if the positions
  were scaled along. So sweeps go on until the answer rests.
- Positions tell the scale by their distances: the points reach four probes far.
- A detector cut where one per cent of the light is left fits a coarser object.

A probe that is refined along hides a wrong scale in its defocus for long: where it is only a
guess, the answer often does not come to rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ptychonn.reconstruction.device import choose_device
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Progress,
    ShouldStop,
    never,
    result_of,
)
from napari_ptychonn.reconstruction.trials import Trial, excerpt, starting_probes
from napari_ptychonn.scan.model import Scan

__all__ = ["PositionScale", "position_scale", "position_scale_events"]

_POINTS = 100
_REACH = 2.0
"""In diameters of the probe."""
_LIGHT_KEPT = 0.9999
_STEP = 0.025
"""Of the logarithm of the scale."""
_COARSE = range(-8, 9, 2)
_COARSE_SWEEPS = 8
_SWEEPS = (16, 32)
_FARTHEST = 12
_RESTS = 0.004
_STILL_MOVES = 0.015
"""What moves farther within half of the sweeps does not come to rest within twice as many."""
_MOST_ERROR = 0.006
_LEAST_BEND = 5.0
"""Of the logarithm of the misfit: 5 % more misfit where the scale is off by 10 %."""
_DRAWS = 100
_OFF = 0.03
_OFF_WITH_GUESS = 0.05


@dataclass(frozen=True, slots=True)
class PositionScale:
    """How the misfit depends on the scale of the positions.

    Attributes
    ----------
    scale : float
        The factor that fits best; NaN where none was found.
    error : float
        How far the scale may be off, relative: from drawing points, from how far it still
        moved along the sweeps, and from how rough the misfit is.
    sure : bool
        Whether the misfit has a clear minimum there.
    scales, misfits : tuple of float
        What was tried, ascending, and the R-factors met by the last sweep of each.
    probe : {"known", "guess", "none"}
        What the scan has; without a probe nothing is tried.
    stopped : bool
        Whether it was stopped early.
    """

    scale: float
    error: float
    sure: bool
    scales: tuple[float, ...]
    misfits: tuple[float, ...]
    probe: str
    stopped: bool

    @property
    def is_off(self) -> bool:
        """Whether the positions are surely too large or too small.

        By 3 % or more with a known probe; with a guess, whose error pulls the scale, by 5 %.
        """
        least = _OFF if self.probe == "known" else _OFF_WITH_GUESS
        return self.sure and bool(abs(np.log(self.scale)) >= least)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        known = np.isfinite(self.scale)
        return {
            "scale": self.scale if known else None,
            "error": self.error if known else None,
            "sure": self.sure,
            "off": self.is_off,
        }

    def text(self) -> str:
        """Say it in a sentence."""
        if self.is_off:
            return (
                f"The positions fit best when scaled by {self.scale:.3g}: check the pixel size "
                "(energy, distance, detector pixel) or the unit of the positions."
            )
        if self.sure:
            return f"The positions' scale fits: {self.scale:.3f} ± {max(self.error, 1e-3):.3f}."
        if self.stopped:
            return "The check of the positions' scale was stopped."
        why = {
            "known": "the misfit has no clear minimum",
            "guess": "the probe is only a guess, whose defocus changes it too",
            "none": "that needs a probe",
        }
        return f"Whether the positions' scale is right cannot be told: {why[self.probe]}."


def position_scale(
    scan: Scan,
    *,
    device: str = "auto",
    on_event: Callable[[Event[PositionScale]], None] | None = None,
    should_stop: ShouldStop = never,
) -> PositionScale:
    """Find by which factor the positions fit best, from about 0.8 to 1.25.

    Parameters
    ----------
    scan : Scan
        In the right orientation.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, …
    on_event : callable, optional
        Called with every event.
    should_stop : callable, optional
        Asked at every batch.

    Raises
    ------
    ScanError
        The scan is a near-field one, or has no light.
    SettingsError
        There is no such device.
    """
    return result_of(position_scale_events(scan, device=device, should_stop=should_stop), on_event)


def position_scale_events(
    scan: Scan, *, device: str = "auto", should_stop: ShouldStop = never
) -> Iterator[Event[PositionScale]]:
    """Find the scale of the positions, telling how it goes.

    Parameters are those of :func:`position_scale`.

    Yields
    ------
    Event
        Progress; last, Finished with the :class:`PositionScale`.

    Raises
    ------
    ScanError, SettingsError
        As :func:`position_scale`.
    """
    place = choose_device(device)
    if scan.probe is None:
        nothing = PositionScale(np.nan, np.nan, False, (), (), "none", False)
        yield Finished(nothing, stopped=False)
        return
    reach = _REACH * _diameter(scan.probe)
    trials = _Trials(excerpt(scan, _POINTS, reach_px=reach, light=_LIGHT_KEPT), place)
    done, total = 0, len(_COARSE) * _COARSE_SWEEPS + 4 * _SWEEPS[0]
    found = _Minimum(np.nan, np.nan, 0.0)
    for _ in trials.sweep(_COARSE, _COARSE_SWEEPS, should_stop):
        done += 1
        yield Progress("scale of the positions", done, total)
    centre = 0 if should_stop() else min(_COARSE, key=lambda step: trials.met[step][-1])
    for sweeps in _SWEEPS:
        while not should_stop():
            for _ in trials.sweep(_around(centre), sweeps, should_stop):
                done += 1
                yield Progress("scale of the positions", done, max(total, done))
            if should_stop():
                break
            least = min(_around(centre), key=lambda step: trials.met[step][sweeps - 1])
            if abs(least - centre) < 2 or abs(least) >= _FARTHEST:
                break
            centre = least
        if should_stop():
            break
        found = trials.minimum(centre, sweeps)
        if not _RESTS < found.moved < _STILL_MOVES:
            break
    result = trials.result(found, "guess" if scan.probe_is_guess else "known", should_stop())
    yield Finished(result, stopped=result.stopped)


@dataclass(frozen=True, slots=True)
class _Minimum:
    """Of the logarithm of the misfit over the logarithm of the scale."""

    place: float
    error: float
    bend: float
    moved: float = np.inf


class _Trials:
    """Trials of scales, each a whole number of steps from 1, and the misfit each sweep met."""

    def __init__(self, scan: Scan, device: torch.device) -> None:
        self.met: dict[int, list[float]] = {}
        self._scan, self._device = scan, device
        self._probe = starting_probes(scan)[0]
        self._middle = scan.positions.mean(0)
        self._trials: dict[int, Trial] = {}

    def sweep(self, steps: range, sweeps: int, should_stop: ShouldStop) -> Iterator[None]:
        """Bring the trials of these scales to that many sweeps."""
        for step in steps:
            if step not in self._trials:
                self._trials[step], self.met[step] = self._start(step), []
            trial, met = self._trials[step], self.met[step]
            while trial.sweeps < sweeps:
                trial.sweep(should_stop)
                if should_stop():
                    return
                met.append(trial.met)
                yield

    def minimum(self, centre: int, sweeps: int) -> _Minimum:
        """Where the misfit around a scale is least, how surely, and how it came there."""
        steps = _around(centre)
        met = np.log([self.met[step][:sweeps] for step in steps])
        # On its way to rest it may turn back, so two places are not enough.
        eighth = sweeps // 8
        way = np.array([_vertex(met[:, -1 - back])[0] for back in range(0, sweeps // 2, eighth)])
        place, bend = _vertex(met[:, -1])
        rough = _roughness(met[:, -1], bend)
        points = np.stack([self._trials[step].misfits(fitted=True) for step in steps])
        rng = np.random.default_rng(0)
        draws = rng.integers(0, points.shape[1], (_DRAWS, points.shape[1]))
        drawn = [_vertex(np.log(points[:, chosen].mean(1)))[0] for chosen in draws]
        moved = float(np.abs(way - place).max())
        error = math.hypot(float(np.std(drawn)), moved, rough)
        return _Minimum(centre * _STEP + place, error, bend, moved)

    def result(self, found: _Minimum, probe: str, stopped: bool) -> PositionScale:
        steps = sorted(step for step, met in self.met.items() if met)
        return PositionScale(
            scale=float(np.exp(found.place)),
            error=found.error,
            sure=bool(found.error <= _MOST_ERROR and found.bend >= _LEAST_BEND),
            scales=tuple(float(np.exp(_STEP * step)) for step in steps),
            misfits=tuple(self.met[step][-1] for step in steps),
            probe=probe,
            stopped=stopped,
        )

    def _start(self, step: int) -> Trial:
        factor = np.exp(_STEP * step)
        moved = self._middle + factor * (self._scan.positions - self._middle)
        return Trial(
            replace(self._scan, positions=moved),
            self._probe,
            np.zeros(self._scan.n_points, np.bool_),
            update_probe=self._scan.probe_is_guess,
            device=self._device,
        )


def _around(centre: int) -> range:
    return range(centre - 2, centre + 3)


def _vertex(logged: NDArray[np.float64]) -> tuple[float, float]:
    """Place and bend of the parabola through five values, a step apart; NaN beyond them."""
    places = _STEP * np.arange(-2, 3)
    bend, slope, _ = np.polyfit(places, logged, 2)
    place = -slope / (2 * bend) if bend > 0 else np.nan
    return float(place if abs(place) <= 3 * _STEP else np.nan), float(bend)


def _roughness(logged: NDArray[np.float64], bend: float) -> float:
    """Error of the place that follows from how far five values lie off their parabola."""
    places = _STEP * np.arange(-2, 3)
    off = logged - np.polyval(np.polyfit(places, logged, 2), places)
    # Two of the five say how far off they are; the slope at the middle follows from all.
    slope_error = np.sqrt(np.square(off).sum() / 2 / np.square(places).sum())
    return float(slope_error / (2 * bend)) if bend > 0 else np.inf


def _diameter(probe: NDArray[np.complex64]) -> float:
    """Side of the square that the light of a probe (modes, h, w) fills, pixels."""
    weight = np.square(np.abs(probe)).sum(0, dtype=np.float64)
    return float(weight.sum() / np.sqrt(np.square(weight).sum()))
