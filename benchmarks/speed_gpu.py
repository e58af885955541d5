"""What a GPU makes of it: patterns per second, where the time goes, and whether it is right.

Right is what the CPU finds too, and what is still found where the GPU's memory is full.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from inspect import isgenerator
from typing import TYPE_CHECKING, Any

import numpy as np
from figures import Figure, MissingData
from simulated import against_truth, natural_scan
from stopwatch import Options, first_passes, repeat, settle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.simulation.simulate import Simulation

__all__ = ["agrees", "gpu", "memory"]

_POINTS = 40_000
_LITTLE_MEMORY = 200 * 2**20
_COPIED_BYTES = 2**30
_LEAST_BYTES = 64 * 64 * (4 + 4 * 2 * 8)
"""Of a pattern in a sweep: its counts, and a wave that goes in and out of two transforms."""
_LIT = 0.1


def gpu(options: Options) -> Iterator[Figure]:
    """A large scan from memory; left out where there is no GPU."""
    device = _device()
    scan = large_scan(_POINTS)
    yield from throughput(options, scan, device, bar=(">=", 100_000))
    yield from spent(scan, device)
    yield from automatic(scan, device)


def throughput(
    options: Options, scan: Scan, device: str, bar: tuple[str, float] | None = None
) -> Iterator[Figure]:
    """From scan to object: the first pass, and all passes with misfit and spread."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    where = choose_device(device)
    network = load_network("ptychonn-probe", device=where)
    settings = ReconstructionSettings(device=device, sweeps=0)
    # As many as it takes are not known before the last one.
    alone = replace(settings, passes=1)
    first = first_passes(options, scan, alone, network)
    case = f"{scan.n_points:,} of {scan.pattern_shape[0]}², {device}"
    yield Figure(case, "first pass", scan.n_points / first.median, "/s", bar)
    yield Figure(case, "first pass, slowest", scan.n_points / first.slowest, "/s")
    run = partial(reconstruct, scan, settings, network=network)
    whole = repeat(options.repeats, run).median
    yield Figure(case, "all passes and quality", scan.n_points / whole, "/s")


def automatic(scan: Scan, device: str) -> Iterator[Figure]:
    """The default job, with as many sweeps as the photons allow."""
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    began = time.perf_counter()
    report = reconstruct(scan, ReconstructionSettings(device=device)).report
    seconds = time.perf_counter() - began
    case = f"{scan.n_points:,} of {scan.pattern_shape[0]}², {device}"
    yield Figure(case, "with automatic sweeps", scan.n_points / seconds, "/s")
    yield Figure(case, "the same, time", seconds, "s")
    yield Figure(case, "the same, sweeps kept", report.sweeps)


def spent(scan: Scan, device: str) -> Iterator[Figure]:
    """Seconds of every stage, each awaited: their sum is more than the job takes undisturbed."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction import passes, stages
    from napari_ptychonn.reconstruction import sweeps as later
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.measurements import Measurements
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings
    from napari_ptychonn.reconstruction.state import JobState

    where = choose_device(device)
    network = load_network("ptychonn-probe", device=where)
    parts: list[tuple[Any, str, str]] = [
        (Measurements, "_read", "reading and transfer"),
        (stages, "coarse_phase", "coarse step"),
        (passes, "subsets_of", "subsets"),
        (later, "subsets_of", "subsets"),
        (passes, "run_sweep", "sweeps, reading included"),
        (later, "run_sweep", "sweeps, reading included"),
        (passes, "improve_object", "network"),
        (stages, "misfit_of_points", "misfit and spread"),
        (JobState, "snapshot", "snapshots"),
    ]
    settings = ReconstructionSettings(device=device, sweeps=0)
    passes_done = 0
    for wanted in (1, settings.passes):
        run = partial(reconstruct, scan, replace(settings, passes=wanted), network=network)
        run()
        seconds: dict[str, float] = {}
        with _timed(parts, seconds, device):
            began = time.perf_counter()
            passes_done = run().report.passes
            whole = time.perf_counter() - began
        case = f"{scan.n_points:,} of {scan.pattern_shape[0]}², {passes_done} passes, {device}"
        yield Figure(case, "whole job, stages awaited", whole, "s")
        for name, value in seconds.items():
            yield Figure(case, name, value, "s")
    if where.type == "cuda":
        rate = _copy_rate(device)
        yield Figure(device, "copies in its memory", rate / 1e12, "TB/s")
        least = passes_done * scan.n_points * _LEAST_BYTES / rate
        swept = seconds["sweeps, reading included"]
        yield Figure(case, "sweeps: share of the memory's limit", least / swept)


def agrees(_: Options) -> Iterator[Figure]:
    """The same scan on the CPU and on the GPU."""
    yield from agreement(natural_scan(1e5), "cpu", _device())


def agreement(simulation: Simulation, device: str, other: str) -> Iterator[Figure]:
    """How far objects of two devices are apart: of sweeps alone, and of the job."""
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    case = f"{simulation.scan.n_points:,} points, {other} against {device}"
    one, two = (_swept(simulation, name) for name in (device, other))
    yield Figure(
        case, "two sweeps: difference", _apart(one, two, np.abs(one) > 0), "", ("<=", 1e-3)
    )
    for sweeps in (0, 4):
        settings = ReconstructionSettings(sweeps=sweeps)
        first, second = (
            reconstruct(simulation.scan, replace(settings, device=name)) for name in (device, other)
        )
        lit = first.coverage > _LIT * first.coverage.max()
        name = f"job with {sweeps} sweeps"
        bar = ("<=", 0.02)
        yield Figure(case, f"{name}: difference", _apart(first.object, second.object, lit), "", bar)
        for result in (first, second):
            error = _error(simulation, result)
            yield Figure(case, f"{name}, {result.settings.device}: NRMSE", error)
            yield Figure(case, f"{name}, {result.settings.device}: misfit", result.report.misfit)


def memory(_: Options) -> Iterator[Figure]:
    """Jobs in so little of the GPU's memory that it runs out."""
    import torch

    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    device = _device()
    scan = large_scan(_POINTS)
    settings = ReconstructionSettings(device=device, sweeps=1)
    network = load_network("ptychonn-probe", device=choose_device(device))
    run = partial(reconstruct, scan, settings, network=network)
    usual = run()
    with _only(_LITTLE_MEMORY):
        began = time.perf_counter()
        tight = run()
        seconds = time.perf_counter() - began
    case = f"reconstruct, {scan.n_points:,} points in {_LITTLE_MEMORY / 1e6:.0f} MB"
    for text in tight.report.messages:
        print(f"  {text}", flush=True)
    smaller = sum("memory is full" in text for text in tight.report.messages)
    yield Figure(case, "times that batches were halved", smaller, "", (">=", 1))
    yield Figure(case, "stopped early", tight.report.stopped, "", ("<=", 0))
    yield Figure(case, "points judged", float(np.isfinite(tight.misfit).mean()), "", (">=", 1))
    lit = usual.coverage > _LIT * usual.coverage.max()
    yield Figure(
        case, "difference from the usual", _apart(usual.object, tight.object, lit), "", ("<=", 0.02)
    )
    yield Figure(case, "time", seconds, "s")
    del usual, tight
    torch.cuda.empty_cache()
    yield from _memory_of_a_training(device)


def large_scan(points: int) -> Scan:
    """Many points of natural pictures, their counts in memory as a detector writes them."""
    from speed_growth import lazy_scan

    from napari_ptychonn.scan.patterns import ArrayPatterns

    scan = lazy_scan(points)
    counts = np.empty(scan.patterns.shape, np.uint16)
    for part in np.array_split(np.arange(scan.n_points), -(-scan.n_points // 1000)):
        counts[part] = scan.patterns.read(part)
    return replace(scan, patterns=ArrayPatterns(counts))


def _memory_of_a_training(device: str) -> Iterator[Figure]:
    """A training that needs more than it gets: seven tenths of what it took before."""
    import torch

    from napari_ptychonn.reconstruction.events import Finished, Message
    from napari_ptychonn.training.finetune import finetune_events
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

    scan = natural_scan(1e5).scan
    settings = FinetuneSettings(device=device, minutes=None, steps=16)

    def taught() -> tuple[Any, list[str]]:
        *events, last = finetune_events([scan], settings)
        assert isinstance(last, Finished)
        return last.result, [event.text for event in events if isinstance(event, Message)]

    torch.cuda.reset_peak_memory_stats()
    taught()
    peak = torch.cuda.max_memory_allocated()
    case = "finetune, 16 steps"
    yield Figure(case, "memory that it takes", peak / 1e6, "MB")
    with _only(0.7 * peak):
        result, said = taught()
    for text in said:
        print(f"  {text}", flush=True)
    full = sum("memory is full" in text for text in said)
    yield Figure(case, "in 70 % of it: times that it was full", full, "", (">=", 1))
    yield Figure(case, "in 70 % of it: steps done", result.step, "", (">=", 16))
    finite = all(bool(torch.isfinite(value).all()) for value in result.state.values())
    yield Figure(case, "in 70 % of it: weights are finite", finite, "", (">=", 1))


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        raise MissingData("this machine has no CUDA device")
    return "cuda"


@contextmanager
def _only(size: float) -> Iterator[None]:
    """Let torch have `size` bytes of the GPU besides what is in use."""
    import torch

    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + size) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@contextmanager
def _timed(
    parts: list[tuple[Any, str, str]], seconds: dict[str, float], device: str
) -> Iterator[None]:
    """Take the time of functions and generators, found by owner and name, and told by a third."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in parts]
    for owner, name, said in parts:
        setattr(owner, name, _stopped(getattr(owner, name), said, seconds, device))
    try:
        yield
    finally:
        for owner, name, real in before:
            setattr(owner, name, real)


def _stopped(
    real: Callable[..., Any], said: str, seconds: dict[str, float], device: str
) -> Callable[..., Any]:
    def awaited(run: Callable[[], Any]) -> Any:
        settle(device)
        began = time.perf_counter()
        try:
            return run()
        finally:
            settle(device)
            seconds[said] = seconds.get(said, 0.0) + time.perf_counter() - began

    def step_by_step(steps: Iterator[Any]) -> Iterator[Any]:
        end = object()
        while (step := awaited(partial(next, steps, end))) is not end:
            yield step

    def wrapped(*given: Any, **named: Any) -> Any:
        found = awaited(partial(real, *given, **named))
        return step_by_step(found) if isgenerator(found) else found

    return wrapped


def _copy_rate(device: str) -> float:
    """Bytes per second, read and written, of large copies in the GPU's memory."""
    import torch

    one, other = (torch.empty(_COPIED_BYTES, dtype=torch.uint8, device=device) for _ in range(2))
    found = math.inf
    for _ in range(5):
        settle(device)
        began = time.perf_counter()
        one.copy_(other)
        settle(device)
        found = min(found, time.perf_counter() - began)
    return 2 * _COPIED_BYTES / found


def _swept(simulation: Simulation, device: str) -> NDArray[np.complex64]:
    """Object after two sweeps from a flat one, all in float32."""
    import torch

    from napari_ptychonn.reconstruction.device import choose_device
    from napari_ptychonn.reconstruction.events import never
    from napari_ptychonn.reconstruction.frame import make_frame
    from napari_ptychonn.reconstruction.measurements import Measurements
    from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object

    scan, where = simulation.scan, choose_device(device)
    frame = make_frame(scan.positions_px, scan.pattern_shape).to(where)
    flat = torch.ones(frame.shape, dtype=torch.complex64, device=where)
    states = [
        event
        for event in sweep_object(
            Measurements(scan, np.arange(scan.n_points), where), frame, flat,
            torch.from_numpy(simulation.truth.probe).to(where), 2,
            update_probe=False, seed=0, batch_size=64, should_stop=never,
        )
        if isinstance(event, SweepState)
    ]  # fmt: skip
    found: NDArray[np.complex64] = states[-1].object.cpu().numpy()
    return found


def _apart(
    one: NDArray[np.complex64], other: NDArray[np.complex64], where: NDArray[np.bool_]
) -> float:
    """‖other − one‖ / ‖one‖ there, after their common phase."""
    ours, theirs = one[where], other[where]
    turn = np.exp(-1j * np.angle(np.vdot(ours, theirs)))
    return float(np.linalg.norm(theirs * turn - ours) / np.linalg.norm(ours))


def _error(simulation: Simulation, result: Reconstruction) -> float:
    corner = (result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1])
    return against_truth(simulation, result.object, corner).nrmse
