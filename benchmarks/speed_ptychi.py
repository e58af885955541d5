"""Time to picture against pty-chi's time to one that is as good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure, MissingData
from quality_judge import make_problem
from simulated import natural_scan
from stopwatch import Options, first_pass, in_words, most_threads, settle, threads

if TYPE_CHECKING:
    from quality_judge import Judge

    from napari_ptychonn.reconstruction.iterative_settings import Engine
    from napari_ptychonn.scan.model import Scan

__all__ = ["against_ptychi"]

_EPOCHS = 200
_ENGINES: tuple[Engine, ...] = ("lsqml", "rpie")


@dataclass(frozen=True, slots=True)
class _Picture:
    """How soon a picture was there, and how far from the truth it is."""

    name: str
    seconds: float
    nrmse: float


def against_ptychi(options: Options) -> Iterator[Figure]:
    """The network with all and with a fifth of the points; pty-chi with all of them.

    All are judged on every pixel that all the points shed light on. The clock of pty-chi
    runs while it is set up and computes, not while it is judged.
    """
    simulation = natural_scan(1e5)
    scan = simulation.scan
    judge = make_problem(scan, simulation.truth, 1.0).judge
    with threads(most_threads()):
        pictures = list(_pictures(options, scan, judge))
        case = f"network, {scan.n_points:,} points, {in_words(most_threads())}"
        for picture in pictures:
            yield Figure(case, f"{picture.name}: time", picture.seconds, "s")
            yield Figure(case, f"{picture.name}: NRMSE", picture.nrmse)
        for engine in _ENGINES:
            yield from _race(options, scan, judge, engine, pictures)


def _pictures(options: Options, scan: Scan, judge: Judge) -> Iterator[_Picture]:
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    network = load_network("ptychonn-probe", device=choose_device(options.device))
    for fraction in (1.0, 0.2):
        for passes in (1, ReconstructionSettings().passes):
            settings = ReconstructionSettings(
                device=options.device, fraction=fraction, passes=passes, sweeps=0
            )
            seconds = []
            for number in range(options.repeats + 1):
                settle(options.device)
                began = time.perf_counter()
                run = first_pass(scan, settings, network)
                settle(options.device)
                if number:
                    seconds.append(run.seconds if passes == 1 else time.perf_counter() - began)
            result = run.result
            corner = (result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1])
            name = f"{fraction:.0%} of the points, {passes} pass{'es' * (passes > 1)}"
            error = judge.error(result.object, corner)
            yield _Picture(name, float(np.median(seconds)), error)


def _race(
    options: Options, scan: Scan, judge: Judge, engine: Engine, pictures: list[_Picture]
) -> Iterator[Figure]:
    """How much later pty-chi has a picture as good as each of `pictures`."""
    from napari_ptychonn.errors import SettingsError
    from napari_ptychonn.reconstruction.iterative import IterativeSettings, iterate

    settings = IterativeSettings(
        engine=engine, epochs=_EPOCHS, update_probe=False, device=options.device
    )
    reached: dict[str, float] = {}
    target, nrmse, seconds, epochs = min(each.nrmse for each in pictures), np.inf, 0.0, 0
    try:
        for epoch in iterate(scan, settings):
            seconds, epochs = epoch.seconds, epoch.number
            nrmse = min(nrmse, judge.error(epoch.object, epoch.corner_px))
            for picture in pictures:
                if nrmse <= picture.nrmse:
                    reached.setdefault(picture.name, seconds)
            if nrmse <= target:
                break
    except SettingsError as refused:
        # Not installed; or diverged, and then what it found before stands.
        if not epochs:
            raise MissingData(str(refused)) from refused
    case = f"pty-chi {engine}, all the points"
    yield Figure(case, f"{epochs} epochs", seconds, "s")
    yield Figure(case, "lowest NRMSE", nrmse)
    final = pictures[-1].name
    for picture in pictures:
        when = reached.get(picture.name)
        # What was never reached took at least as long as was waited.
        said = "as good as" if when is not None else "NOT as good as"
        later = seconds if when is None else when
        bar = (">=", 100.0) if picture.name == final else None
        yield Figure(case, f"{said} {picture.name}", later, "s")
        yield Figure(f"{engine} / network", picture.name, later / picture.seconds, "×", bar)
