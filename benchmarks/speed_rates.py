"""Patterns per second from scan to object, against the published network run plainly."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Iterator
from functools import partial

from figures import Figure
from simulated import natural_scan
from stopwatch import Options, first_passes, in_words, repeat, threads

__all__ = ["batch_sizes", "rates", "stages"]

_BATCH = 64
_PLAIN_PATTERNS = 8 * _BATCH
_BARRED_THREADS = 2
_BATCHES = (16, 32, 64, 128, 256)
_STAGES = {
    "prepare": "prepare",
    "reading patterns": "_read",
    "coarse step": "coarse_phase",
    "sweeps of the passes": "run_sweep",
    "network": "improve_object",
    "misfit and spread": "misfit_of_points",
    "snapshots": "snapshot",
    "result": "result",
}
"""What a stage is called, and the function that it is spent in."""


def rates(options: Options) -> Iterator[Figure]:
    """1,600 patterns of 64×64 from memory, with one thread and with two."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    scan = natural_scan(1e5).scan
    network = load_network("ptychonn-probe", device=choose_device("cpu"))
    alone = ReconstructionSettings(device="cpu", passes=1, sweeps=0)
    whole = ReconstructionSettings(device="cpu", sweeps=0)
    for count in range(1, options.threads + 1):
        with threads(count):
            plain = repeat(3, partial(_published, tuned=False))
            tuned = repeat(3, partial(_published, tuned=True))
            first = first_passes(options, scan, alone, network)
            run = partial(reconstruct, scan, network=network)
            everything = repeat(options.repeats, partial(run, whole))
            automatic = repeat(1, partial(run, ReconstructionSettings(device="cpu")))
        # What other programs take from the processor, its own clock does not count.
        for clock in ("median", "processor"):
            said = "" if clock == "median" else ", processor's time"
            case = f"{scan.n_points:,} of 64×64, {in_words(count)}{said}"
            bars: list[tuple[str, float] | None] = [None] * 3
            if count == _BARRED_THREADS and clock == "median":
                bars = [(">=", 1500), (">=", 20), (">=", 800)]
            published = _PLAIN_PATTERNS / getattr(plain, clock)
            rate = scan.n_points / getattr(first, clock)
            yield Figure(case, "published network, plainly", published, "/s")
            yield Figure(
                case, "published network, tuned", _PLAIN_PATTERNS / getattr(tuned, clock), "/s"
            )
            yield Figure(case, "first pass", rate, "/s", bars[0])
            yield Figure(case, "first pass / plainly published", rate / published, "", bars[1])
            rate = scan.n_points / getattr(everything, clock)
            yield Figure(case, "all passes and quality", rate, "/s", bars[2])
            rate = scan.n_points / getattr(automatic, clock)
            yield Figure(case, "with automatic sweeps", rate, "/s")


def batch_sizes(options: Options) -> Iterator[Figure]:
    """The first pass with several batch sizes and threads."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    scan = natural_scan(1e5).scan
    network = load_network("ptychonn-probe", device=choose_device(options.device))
    for count in range(1, options.threads + 1):
        for batch in _BATCHES:
            settings = ReconstructionSettings(
                device=options.device, passes=1, sweeps=0, batch_size=batch
            )
            with threads(count):
                seconds = first_passes(options, scan, settings, network).median
            yield Figure(
                f"first pass, {in_words(count)}",
                f"batches of {batch}",
                scan.n_points / seconds,
                "/s",
            )


def stages(options: Options) -> Iterator[Figure]:
    """Where the time goes, by the profiler; a stage includes what it calls."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    scan = natural_scan(1e5).scan
    network = load_network("ptychonn-probe", device=choose_device(options.device))
    settings = ReconstructionSettings(device=options.device, sweeps=0)
    for count in range(1, options.threads + 1):
        with threads(count):
            reconstruct(scan, settings, network=network)
            profile = cProfile.Profile()
            profile.runcall(reconstruct, scan, settings, network=network)
        spent = _seconds_by_function(profile)
        case = f"all passes, {in_words(count)}"
        yield Figure(case, "whole job, profiled", spent["reconstruct"], "s")
        for stage, function in _STAGES.items():
            seconds = spent.get(function, 0.0)
            yield Figure(case, stage, 1e3 * seconds / scan.n_points, "ms a pattern")


def _published(*, tuned: bool) -> None:
    """The published network over some patterns; `tuned`, as it runs best here."""
    import torch

    from napari_ptychonn.network.ptychonn import PtychoNN
    from napari_ptychonn.reconstruction.device import runs_bfloat16

    network = PtychoNN().eval()
    layout = torch.channels_last if tuned else torch.contiguous_format
    network = network.to(memory_format=layout)  # type: ignore[call-overload]
    patterns = torch.rand(_PLAIN_PATTERNS, 1, 64, 64)
    halved = tuned and runs_bfloat16(torch.device("cpu"))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=halved):
        for batch in patterns.split(_BATCH):
            network(batch.contiguous(memory_format=layout))


def _seconds_by_function(profile: cProfile.Profile) -> dict[str, float]:
    """Seconds in functions of the package by name, with what they call."""
    found: dict[str, float] = {}
    for (path, _, name), (*_, spent, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if "napari_ptychonn" in path:
            found[name] = max(found.get(name, 0.0), spent)
    return found
