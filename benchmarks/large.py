"""Memory against the number of patterns: 2,000 and 20,000 of 128×128 from disk.

Two buffers fill up to a fixed size and then stay: patterns that are kept where all of them
fit into 512 MB, and patches that wait for their phases, up to 256 MB. The first is in use
at the smaller number alone, the second nearly full at the larger.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, run_shell

__all__ = ["memory"]

_COUNTS = (2_000, 20_000)


def memory() -> Iterator[Figure]:
    """Peak memory of the command, and what object and per-point results need of it."""
    from napari_ptychonn.reconstruction.product import load
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate_to_cxi

    peaks, needed = [], []
    for count in _COUNTS:
        case = f"{count:,} patterns of 128×128"
        with tempfile.TemporaryDirectory() as place:
            file, output = Path(place) / "scan.cxi", Path(place) / "result.h5"
            started = time.perf_counter()
            simulate_to_cxi(
                file,
                SimulationSettings(
                    sample="siemens-star", size=128, points=count, step_px=6.0, photons=1e4
                ),
            )
            yield Figure(case, "simulated in", time.perf_counter() - started, "s")
            yield Figure(case, "file", file.stat().st_size / 1e9, "GB")
            run = run_shell(
                ["reconstruct", file, "-o", output, "--sweeps", "0", "--passes", "1", "-q"]
            )
            result = load(output)
        peaks.append(run.peak_bytes)
        # Object, light and spread of three stitches, and every point's place and phase.
        pixels = result.object.size
        needed.append(3 * 16 * pixels + 100 * count)
        yield Figure(case, "whole command", run.seconds, "s")
        yield Figure(case, "patterns per second", result.report.patterns_per_second)
        yield Figure(case, "peak memory", run.peak_bytes / 1e9, "GB")
        yield Figure(case, "object", pixels / 1e6, "Mpx")
        yield Figure(case, "misfit", result.report.misfit)
    grown = peaks[1] - peaks[0]
    case = f"{_COUNTS[0]:,} to {_COUNTS[1]:,} patterns"
    yield Figure(case, "memory grown", grown / 1e9, "GB")
    yield Figure(case, "of it object and results", (needed[1] - needed[0]) / 1e9, "GB")
    everything = (_COUNTS[1] - _COUNTS[0]) * 128 * 128 * 4
    yield Figure(case, "the patterns themselves", everything / 1e9, "GB")
