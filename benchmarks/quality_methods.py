"""The methods that are compared, each on the same points and the same device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from quality_judge import Problem
    from torch import Tensor

    from napari_ptychonn.network.weights import Network
    from napari_ptychonn.reconstruction.frame import Frame
    from napari_ptychonn.reconstruction.iterative_settings import Engine
    from napari_ptychonn.reconstruction.measurements import Measurements
    from napari_ptychonn.reconstruction.settings import Auto

__all__ = ["BEST", "METHODS", "NETWORK_METHODS", "Attempt", "CannotRun", "Failed", "Method"]

BEST = " (best)"
"""What the name of a method gets for its iteration nearest to the truth."""
MOST_ITERATIONS = 300
_LOOK_BACK = 20
_SETTLED = 0.002
_SEED = 0


class CannotRun(Exception):
    """A method does not apply to a scan, or is not installed."""


class Failed(CannotRun):
    """A method ended without a result, and should not have."""


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """What a method made of a problem.

    Attributes
    ----------
    method : str
        Its name.
    object : ndarray, (H, W) complex64
        NaN where it knows nothing.
    corner_px : tuple[float, float]
        Scan coordinates (y, x) of pixel [0, 0], object pixels.
    misfit : float
        R-factor over all points.
    seconds : float
        Wall time, without the time of the judge.
    iterations : int
        Sweeps or epochs.
    note : str
        What went wrong on the way.
    """

    method: str
    object: NDArray[np.complex64]
    corner_px: tuple[float, float]
    misfit: float
    seconds: float
    iterations: int
    note: str = ""


Method = Callable[["Problem", str], Iterator[Attempt]]
"""From a problem and a device, attempts; one that is run to convergence gives its best too."""


def _network(name: str, sweeps: int | Auto, problem: Problem, device: str) -> Iterator[Attempt]:
    from napari_ptychonn.errors import PtychonnError
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    settings = ReconstructionSettings(device=device, sweeps=sweeps, seed=_SEED)
    try:
        result = reconstruct(problem.scan, settings, network=_loaded(device))
    except (PtychonnError, np.linalg.LinAlgError) as why:
        raise Failed(f"{type(why).__name__}: {why}") from why
    corner = (result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1])
    report = result.report
    yield Attempt(name, result.object, corner, report.misfit, report.seconds, report.sweeps)


@cache
def _loaded(device: str) -> Network:
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device

    return load_network("ptychonn-probe", device=choose_device(device))


def _flat(problem: Problem, device: str) -> Iterator[Attempt]:
    """The product's own sweeps from a flat object, all photons fitted."""
    import torch

    from napari_ptychonn.optics.probe import scale_probe
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.events import never
    from napari_ptychonn.reconstruction.frame import make_frame
    from napari_ptychonn.reconstruction.measurements import Measurements
    from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object

    scan, where = problem.scan, choose_device(device)
    if scan.probe is None:
        raise CannotRun("sweeps need a probe, or a guess of one")
    began, judged = time.perf_counter(), 0.0
    every = np.arange(scan.n_points)
    measurements = Measurements(scan, every, where)
    frame = make_frame(scan.positions_px, scan.pattern_shape).to(where)
    sums = scan.patterns.read(every).sum((1, 2))
    probe, _ = scale_probe(scan.probe, sums, believed=True)
    flat = torch.ones(frame.shape, dtype=torch.complex64, device=where)
    best = Best("sweeps", problem)
    for event in sweep_object(
        measurements, frame, flat, torch.from_numpy(probe).to(where), MOST_ITERATIONS,
        update_probe=scan.probe_is_guess, seed=_SEED, batch_size=64, should_stop=never,
    ):  # fmt: skip
        if not isinstance(event, SweepState):
            continue
        seconds = time.perf_counter() - began - judged
        misfit = _misfit(measurements, frame, event.object, event.probe)
        found = event.object.cpu().numpy()
        best.offer(Attempt("sweeps", found, frame.corner_px, misfit, seconds, event.sweeps))
        judged = time.perf_counter() - began - seconds
        if best.settled:
            break
    yield from best.attempts()


def _ptychi(engine: Engine, problem: Problem, device: str) -> Iterator[Attempt]:
    """An engine of pty-chi from a flat object, with the settings found best for it."""
    import torch

    from napari_ptychonn.errors import SettingsError
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.frame import make_frame
    from napari_ptychonn.reconstruction.iterative import IterativeSettings, iterate
    from napari_ptychonn.reconstruction.measurements import Measurements

    scan, where = problem.scan, choose_device(device)
    settings = IterativeSettings(engine=engine, epochs=MOST_ITERATIONS, seed=_SEED, device=device)
    measurements = Measurements(scan, np.arange(scan.n_points), where)
    frame = make_frame(scan.positions_px, scan.pattern_shape).to(where)
    best, note = Best(engine, problem), ""
    try:
        for epoch in iterate(scan, settings):
            found, probe = (
                torch.from_numpy(part).to(where) for part in (epoch.object, epoch.probe)
            )
            misfit = _misfit(measurements, frame, found, probe)
            best.offer(
                Attempt(engine, epoch.object, epoch.corner_px, misfit, epoch.seconds, epoch.number)
            )
            if best.settled:
                break
    except SettingsError as refused:
        # Not installed, or diverged: the last epoch before that is all there is.
        note = str(refused)
    yield from best.attempts(note)


def _misfit(measurements: Measurements, frame: Frame, object_: Tensor, probe: Tensor) -> float:
    from napari_ptychonn.reconstruction.quality import misfit_of_points

    size = 64 if measurements.device.type == "cpu" else 1024
    *_, found = misfit_of_points(measurements, frame, object_, probe, batch_size=size)
    return found.total


class Best:
    """Follows an iterative method until it has settled, and keeps its best iteration.

    Parameters
    ----------
    name : str
        Name of the method.
    problem : Problem
        Whose judge says which iteration is the best: the method is not told.
    """

    def __init__(self, name: str, problem: Problem) -> None:
        self._name = name
        self._judge = problem.judge
        self._misfits: list[float] = []
        self._lowest = np.inf
        self._best: Attempt | None = None
        self._last: Attempt | None = None

    @property
    def settled(self) -> bool:
        """Whether the misfit fell by less than 0.2 % over the last twenty iterations."""
        if len(self._misfits) <= _LOOK_BACK:
            return False
        return self._misfits[-1] > (1 - _SETTLED) * self._misfits[-1 - _LOOK_BACK]

    def offer(self, iteration: Attempt) -> None:
        """Take an iteration; a running method may change its object afterwards."""
        self._misfits.append(iteration.misfit)
        self._last = iteration
        # Early ones change fast; of later ones every fifth will do.
        if iteration.iterations <= 20 or iteration.iterations % 5 == 0:
            self._judge_it(iteration)

    def attempts(self, note: str = "") -> Iterator[Attempt]:
        """The best iteration, and last the converged one.

        Raises
        ------
        CannotRun
            There was no iteration; `note` says why.
        """
        if self._last is None:
            raise CannotRun(note or "it made no iteration")
        self._judge_it(self._last)
        if self._best is not None:
            yield self._best
        yield replace(self._last, note=note)

    def _judge_it(self, iteration: Attempt) -> None:
        error = self._judge.error(iteration.object, iteration.corner_px)
        if error < self._lowest:
            self._lowest = error
            self._best = replace(
                iteration, method=self._name + BEST, object=iteration.object.copy()
            )


METHODS: dict[str, Method] = {
    "network": partial(_network, "network", 0),
    "auto": partial(_network, "auto", "auto"),
    "sweeps": _flat,
    "lsqml": partial(_ptychi, "lsqml"),
    "rpie": partial(_ptychi, "rpie"),
}
"""The network alone and with as many sweeps as ``auto`` chooses; sweeps and pty-chi from flat."""
NETWORK_METHODS = ("network", "auto")
