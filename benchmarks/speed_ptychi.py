"""Time to picture against pty-chi's time to one that is as good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure, MissingData
from quality_judge import make_problem
from simulated import natural_scan
from stopwatch import Options, first_pass, in_words, settle, threads

if TYPE_CHECKING:
    from quality_judge import Judge

    from napari_ptychonn.reconstruction.iterative_settings import Engine
    from napari_ptychonn.scan.model import Scan

__all__ = ["against_ptychi"]

_EPOCHS = 200
_GPU_PATIENCE_S = 20.0
_ENGINES: tuple[Engine, ...] = ("lsqml", "rpie")


@dataclass(frozen=True, slots=True)
class _Picture:
    """How soon a picture was there, and how far from the truth it is."""

    name: str
    seconds: float
    processor: float
    nrmse: float


def against_ptychi(options: Options) -> Iterator[Figure]:
    """The network with all and with a fifth of the points; pty-chi with all of them.

    All are judged on every pixel that all the points shed light on. The clock of pty-chi
    runs while it is set up and computes, not while it is judged. On a GPU both have run before,
    and an engine that has not got there after 20 s is not waited for.
    """
    simulation = natural_scan(1e5)
    scan = simulation.scan
    judge = make_problem(scan, simulation.truth, 1.0).judge
    with threads(options.threads):
        pictures = list(_pictures(options, scan, judge))
        case = f"network, {scan.n_points:,} points, {in_words(options.threads)}"
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
            runs = []
            for _ in range(options.repeats + 1):
                clock = _Clock()
                run = first_pass(scan, settings, network)
                settle(options.device)
                spent = (run.seconds, run.processor) if passes == 1 else clock.read()
                runs.append(spent)
            result = run.result
            wall, processor = (float(np.median(column)) for column in zip(*runs[1:], strict=True))
            corner = (result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1])
            name = f"{fraction:.0%} of the points, {'1 pass' if passes == 1 else 'all passes'}"
            error = judge.error(result.object, corner)
            yield _Picture(name, wall, processor, error)


def _race(
    options: Options, scan: Scan, judge: Judge, engine: Engine, pictures: list[_Picture]
) -> Iterator[Figure]:
    """How much later pty-chi has a picture as good as each of `pictures`."""
    from napari_ptychonn.errors import SettingsError
    from napari_ptychonn.reconstruction.iterative import IterativeSettings, iterate

    settings = IterativeSettings(
        engine=engine, epochs=_EPOCHS, update_probe=False, device=options.device
    )
    reached: dict[str, tuple[float, float]] = {}
    target, nrmse, epochs = min(each.nrmse for each in pictures), np.inf, 0
    spent = np.zeros(2)
    if options.device.startswith("cuda"):
        # Both have loaded their kernels before they are timed; some of pty-chi's are compiled.
        with suppress(SettingsError):
            next(iterate(scan, settings))
    engine_epochs = iterate(scan, settings)
    patience = _GPU_PATIENCE_S if options.device.startswith("cuda") else np.inf
    try:
        while nrmse > target and spent[0] < patience:
            clock = _Clock()
            epoch = next(engine_epochs, None)
            spent += clock.read()
            if epoch is None:
                break
            epochs = epoch.number
            nrmse = min(nrmse, judge.error(epoch.object, epoch.corner_px))
            for picture in pictures:
                if nrmse <= picture.nrmse:
                    reached.setdefault(picture.name, (float(spent[0]), float(spent[1])))
    except SettingsError as refused:
        # Not installed; or diverged, and then what it found before stands.
        if not epochs:
            raise MissingData(str(refused)) from refused
    case = f"pty-chi {engine}, all the points"
    yield Figure(case, f"{epochs} epochs", float(spent[0]), "s")
    yield Figure(case, "lowest NRMSE", nrmse)
    final = pictures[-1].name
    for picture in pictures:
        # What was never reached took at least as long as was waited.
        said = "as good as" if picture.name in reached else "NOT as good as"
        wall, processor = reached.get(picture.name, (float(spent[0]), float(spent[1])))
        yield Figure(case, f"{said} {picture.name}", wall, "s")
        bar = (">=", 100.0) if picture.name == final else None
        case_of_ratio = f"{engine} / network"
        yield Figure(case_of_ratio, picture.name, wall / picture.seconds, "×", bar)
        yield Figure(
            f"{case_of_ratio}, processor's time", picture.name, processor / picture.processor, "×"
        )


class _Clock:
    """Seconds since it was made, by the clock on the wall and by the processor's."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._started[0], time.process_time() - self._started[1]
