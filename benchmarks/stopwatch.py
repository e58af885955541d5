"""What the rows of the speed benchmark share: repeats, threads, and how the job is timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_ptychonn.network.weights import Network
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings
    from napari_ptychonn.scan.model import Scan

__all__ = ["Options", "Timing", "first_pass", "most_threads", "repeat", "settle", "threads"]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line.

    Attributes
    ----------
    device : str
        Where networks and engines run, as settings name it.
    repeats : int
        Times that a short measurement is done.
    large : bool
        Whether the growth of the cost is followed to 100,000 points.
    """

    device: str = "cpu"
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


def most_threads() -> int:
    """The bars are for two cores."""
    return min(2, os.cpu_count() or 1)


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


def first_pass(
    scan: Scan, settings: ReconstructionSettings, network: Network
) -> tuple[float, Reconstruction]:
    """Seconds from the scan to the object after the first pass, and that object's result."""
    from napari_ptychonn.reconstruction.events import Finished, Metrics
    from napari_ptychonn.reconstruction.job import reconstruct_events

    began = time.perf_counter()
    seconds = None
    for event in reconstruct_events(scan, settings, network=network):
        if seconds is None and isinstance(event, Metrics) and event.stage == "pass 1":
            seconds = time.perf_counter() - began
        if isinstance(event, Finished):
            if seconds is None:
                raise RuntimeError("the job told of no first pass")
            return seconds, event.result
    raise AssertionError("a job ends with its result")


def settle(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()
