"""The orientation of the detector, found by trying all eight.

What the patterns can tell, and what they cannot. Let I_j(q) = |F[P(r) O(r + x_j)](q)|²:

- Turning the detector by half a turn gives I_j(−q), which is just what P* and O* at the same
  positions give. So codes that differ by 3 (both flips) fit equally well where the probe is
  free; only a probe that is known, or guessed with the right sign of its defocus, tells
  them apart. A probe without phase (a pinhole in focus) never does.
- Negating all positions equals turning probe and object by half a turn, and the detector
  with them: with x_j → −x_j, I_j(−q) is what P(−r) and O(−r) give. So the eight codes times the
  sign of the positions are not sixteen cases: a scan with negated positions is found as the
  code that differs by 3, with the object turned by half a turn, and nothing in the patterns says
  which of the two it was (unless the probe is known and does not equal itself turned). The
  same holds for one axis: negating x alone is the flip of x, with the object mirrored. What is
  measured is how detector and stage stand *to each other*, and these are the eight.
- Points on one line, or a sample that repeats or hardly scatters, leave more codes alike.

So the eight are tried, the positions as they are; codes that the patterns do not tell apart
are given as tied, and then the answer is not sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

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
from napari_ptychonn.reconstruction.orientation_search import (
    OrientationSearch,
    OrientationTrial,
    best_and_tied,
    noise_above,
)
from napari_ptychonn.reconstruction.trials import Trial, excerpt, held_out, starting_probes
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.orientation import (
    N_ORIENTATIONS,
    combine_orientations,
    inverse_orientation,
    orient,
)
from napari_ptychonn.scan.views import OrientedPatterns

__all__ = ["find_orientation", "orientation_events", "turned_scan"]

_FEWEST_SWEEPS = 3
_MOST_SWEEPS = 8


def find_orientation(
    scan: Scan,
    *,
    device: str = "auto",
    on_event: Callable[[Event[OrientationSearch]], None] | None = None,
    should_stop: ShouldStop = never,
) -> OrientationSearch:
    """Try all eight orientations of the detector, and return when it is done.

    Parameters
    ----------
    scan : Scan
        In any orientation. A probe that is a guess is refined along; where there is none,
        several are tried.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, …
    on_event : callable, optional
        Called with every event.
    should_stop : callable, optional
        Asked at every batch.

    Returns
    -------
    OrientationSearch
        Open the scan again with ``ScanOptions(orientation=search.answer)``.

    Raises
    ------
    ScanError
        The scan is a near-field one, or has no light.
    SettingsError
        There is no such device.
    """
    return result_of(orientation_events(scan, device=device, should_stop=should_stop), on_event)


def orientation_events(
    scan: Scan, *, device: str = "auto", should_stop: ShouldStop = never
) -> Iterator[Event[OrientationSearch]]:
    """Try all eight orientations, telling how it goes.

    Parameters are those of :func:`find_orientation`.

    Yields
    ------
    Event
        Progress; last, Finished with the :class:`OrientationSearch`.

    Raises
    ------
    ScanError, SettingsError
        As :func:`find_orientation`.
    """
    place = choose_device(device)
    small = excerpt(scan)
    held = held_out(small)
    present = scan.provenance.orientation
    trials: list[Trial] = []
    done, total = 0.0, float(N_ORIENTATIONS * _MOST_SWEEPS)
    for code in range(N_ORIENTATIONS):
        turned = turned_scan(small, code)
        trials.append(_best_start(turned, held, place, should_stop))
        done += trials[-1].sweeps
        yield Progress("orientation: first sweep", done, total)
    scores = _scores(trials)
    while trials[0].sweeps < _MOST_SWEEPS and not should_stop():
        for trial in trials:
            trial.sweep(should_stop)
            done += 1
            yield Progress(f"orientation: sweep {trial.sweeps}", done, total)
        if should_stop():
            break
        scores = _scores(trials)
        if trials[0].sweeps >= _FEWEST_SWEEPS and not best_and_tied(scores, present)[1]:
            break
    search = _search(trials, scores, present, small.n_points, stopped=should_stop())
    yield Finished(search, stopped=search.stopped)


def turned_scan(scan: Scan, code: int) -> Scan:
    """The same scan with its stored patterns in orientation `code`.

    Positions and probe stay: it is the detector that stands differently.
    """
    turn = combine_orientations(inverse_orientation(scan.provenance.orientation), code)
    pixel, geometry = scan.pixel_m, scan.geometry
    if turn & 4:
        pixel = pixel and (pixel[1], pixel[0])
        if geometry is not None:
            pitch = geometry.detector_pixel_m
            geometry = replace(geometry, detector_pixel_m=(pitch[1], pitch[0]))
    return replace(
        scan,
        patterns=OrientedPatterns(scan.patterns, False, turn),
        mask=np.ascontiguousarray(orient(scan.mask, turn)),
        pixel_m=pixel,
        geometry=geometry,
        provenance=replace(scan.provenance, orientation=code),
    )


def _best_start(
    scan: Scan, held: NDArray[np.bool_], device: torch.device, should_stop: ShouldStop
) -> Trial:
    """A trial after its first sweep; of several probes, the one that explains most."""
    refined = scan.probe is None or scan.probe_is_guess
    best: Trial | None = None
    for probe in starting_probes(scan):
        trial = Trial(scan, probe, held, update_probe=refined, device=device)
        trial.sweep(should_stop)
        if best is None or trial.met < best.met:
            best = trial
    assert best is not None
    return best


def _scores(trials: list[Trial]) -> NDArray[np.float64]:
    """Misfits (8, H) of the held-out points; NaN before the first sweep."""
    return np.stack([trial.misfits() if trial.sweeps else _unknown(trial) for trial in trials])


def _unknown(trial: Trial) -> NDArray[np.float64]:
    return np.full(len(trial.misfits()), np.nan)


def _search(
    trials: list[Trial],
    scores: NDArray[np.float64],
    present: int,
    points: int,
    *,
    stopped: bool,
) -> OrientationSearch:
    best, tied = best_and_tied(scores, present)
    worse = noise_above(scores, best)
    known = bool(scores.size) and bool(np.isfinite(scores).all())
    misfits = scores.mean(1) if scores.size else np.full(len(trials), np.nan)
    return OrientationSearch(
        trials=tuple(
            OrientationTrial(code, float(misfits[code]), float(worse[code]), trial.picture())
            for code, trial in enumerate(trials)
        ),
        best=best,
        present=present,
        margin=float(np.delete(worse, best).min()) if known else float("nan"),
        tied=tied,
        points=points,
        sweeps=trials[0].sweeps,
        stopped=stopped,
    )
