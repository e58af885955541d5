"""Time and memory against the number of points, each in a process of its own.

Patterns are computed when they are read, so that memory holds none but those that the job
keeps; the time that their simulation takes is left out. One thread, by the processor's clock:
it is the work that is followed, whatever else the machine does.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure
from stopwatch import Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import PatternSource, Scan

__all__ = ["growth", "lazy_scan"]

_COUNTS = (1_000, 3_000, 10_000, 30_000)
_LARGEST = 100_000
_STEP_PX = 4.2
_KEPT_BYTES = 512 * 2**20
"""What a CPU job keeps of the patterns at most: all of them, or none."""


def growth(options: Options) -> Iterator[Figure]:
    """Seconds and peak memory of the passes from 1,000 points on."""
    counts = (*_COUNTS, _LARGEST) if options.large else _COUNTS
    runs = []
    for count in counts:
        command = [sys.executable, str(Path(__file__).resolve()), str(count), options.device]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"{count} points ended with {ran.returncode}: {ran.stderr}")
        run = json.loads(ran.stdout.splitlines()[-1])
        runs.append(run)
        case = f"{count:,} points, 1 thread"
        yield Figure(case, "passes and quality, without reading", run["seconds"], "s")
        yield Figure(case, "patterns per second", count / run["seconds"], "/s")
        yield Figure(case, "peak memory of the process", run["peak"] / 1e6, "MB")
        yield Figure(case, "grown by the job", run["grown"] / 1e6, "MB")
        yield Figure(case, "patterns kept", run["kept"] / 1e6, "MB")
        yield Figure(case, "object and results", run["results"] / 1e6, "MB")
    few, many = runs[0], runs[-1]
    case = f"{counts[0]:,} to {counts[-1]:,} points"
    power = math.log(many["seconds"] / few["seconds"]) / math.log(counts[-1] / counts[0])
    yield Figure(case, "power of the points in the time", power, "", ("<=", 1.05))
    grown = many["grown"] - many["kept"] - few["grown"] + few["kept"]
    results = many["results"] - few["results"]
    yield Figure(case, "memory, without patterns / results", grown / results, "", ("<=", 1.5))


def lazy_scan(points: int) -> Scan:
    """Natural pictures under the same probe as ever, as large as it takes."""
    from simulated import natural_pictures

    from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate_lazily

    side = math.ceil(1.05 * _STEP_PX * math.sqrt(points)) + 2 * 64
    return simulate_lazily(
        SimulationSettings(
            sample_array=natural_pictures(side),
            probe_array=probe_from_pupil(PupilSettings(radius=0.2, stop=0.35, defocus=0.14), 64),
            size=64,
            points=points,
            step_px=_STEP_PX,
            photons=1e5,
        )
    ).scan


@dataclass(slots=True, eq=False)
class _Timed:
    """Patterns that note how long they took to read."""

    source: PatternSource
    seconds: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        began = time.process_time()
        try:
            return self.source.read(indices)
        finally:
            self.seconds += time.process_time() - began


def _child(points: int, device: str) -> None:
    """Run the job once small, to warm up, then on `points`, and print what it took."""
    import torch

    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    torch.set_num_threads(1)
    network = load_network("ptychonn-probe", device=choose_device(device))
    settings = ReconstructionSettings(device=device, sweeps=0)
    reconstruct(lazy_scan(200), settings, network=network)
    scan = lazy_scan(points)
    timed = _Timed(scan.patterns)
    before = _resident("VmRSS")
    # The simulation may have peaked higher than the job will.
    Path("/proc/self/clear_refs").write_text("5")
    began = time.process_time()
    result = reconstruct(replace(scan, patterns=timed), settings, network=network)
    seconds = time.process_time() - began - timed.seconds
    pattern_bytes = 4 * points * 64 * 64
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak": _resident("VmHWM"),
                "grown": _resident("VmHWM") - before,
                "kept": pattern_bytes if pattern_bytes <= _KEPT_BYTES else 0,
                "results": _bytes(result),
            }
        )
    )


def _resident(field: str) -> int:
    """Bytes that Linux tells of this process: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text().split(f"{field}:")[1]
    return int(status.split()[0]) * 1024


def _bytes(result: Reconstruction) -> int:
    arrays = (
        result.object, result.coverage, result.disagreement, result.probe,
        result.positions, result.indices, result.misfit,
    )  # fmt: skip
    return sum(array.nbytes for array in arrays)


if __name__ == "__main__":
    _child(int(sys.argv[1]), sys.argv[2])
