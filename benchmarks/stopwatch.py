"""What the rows of the speed benchmark share: repeats, threads, and how the job is timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_ptychonn.network.weights import Network
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings
    from napari_ptychonn.scan.model import Scan

__all__ = [
    "Options",
    "Run",
    "Timing",
    "first_pass",
    "first_passes",
    "in_words",
    "repeat",
    "settle",
    "threads",
]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line.

    Attributes
    ----------
    device : str
        Where networks and engines run, as settings name it.
    threads : int
        The most that a CPU uses; the bars are for two.
    repeats : int
        Times that a short measurement is done.
    large : bool
        Whether the growth of the cost is followed to 100,000 points.
    """

    device: str = "cpu"
    threads: int = field(default_factory=lambda: min(2, os.cpu_count() or 1))
    repeats: int = 5
    large: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall times of repeats, seconds."""

    median: float
    slowest: float
    processor: float
    """Median of the processor's time, over all threads of the process."""


def repeat(times: int, run: Callable[[], object]) -> Timing:
    """Do `run` once to warm up, then `times` times with a clock."""
    run()
    walls, busy = [], []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - processor)
    return Timing(float(np.median(walls)), max(walls), float(np.median(busy)))


def in_words(count: int) -> str:
    """Say how many threads."""
    return "1 thread" if count == 1 else f"{count} threads"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A job, and how long its first pass took by the clock and by the processor, seconds."""

    seconds: float
    processor: float
    result: Reconstruction


def first_pass(scan: Scan, settings: ReconstructionSettings, network: Network) -> Run:
    """Run a job; its first pass is over when the object with the network's answer is there."""
    from napari_ptychonn.reconstruction.events import Finished, Metrics
    from napari_ptychonn.reconstruction.job import reconstruct_events

    wall, processor = time.perf_counter(), time.process_time()
    spent: tuple[float, float] | None = None
    for event in reconstruct_events(scan, settings, network=network):
        if spent is None and isinstance(event, Metrics) and event.stage == "pass 1":
            spent = time.perf_counter() - wall, time.process_time() - processor
        if isinstance(event, Finished):
            if spent is None:
                raise RuntimeError("the job told of no first pass")
            return Run(*spent, event.result)
    raise AssertionError("a job ends with its result")


def first_passes(
    options: Options, scan: Scan, settings: ReconstructionSettings, network: Network
) -> Timing:
    """Time first passes of several runs, after one to warm up."""
    runs = []
    for _ in range(options.repeats + 1):
        runs.append(first_pass(scan, settings, network))
        settle(options.device)
    walls = [run.seconds for run in runs[1:]]
    busy = [run.processor for run in runs[1:]]
    return Timing(float(np.median(walls)), max(walls), float(np.median(busy)))


def settle(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()
