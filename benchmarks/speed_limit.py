"""The arithmetic limit: operations that the job needs over what the machine can do of them.

The network multiplies matrices; the sweeps are Fourier transforms and passes over memory,
for which the rate of matrix products is no limit: they are told apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from figures import Figure
from simulated import natural_scan
from stopwatch import Options, in_words, repeat, settle, threads

if TYPE_CHECKING:
    from torch import Tensor

    from napari_ptychonn.network.probe_aware import ProbeAwareNet

__all__ = ["limit"]

_MATRIX = {"cpu": 2048, "cuda": 8192}
_SIDES = (232, 1024)
"""The object of the 1,600 points, and a tile of a large one."""
_LEAST_S = 0.5
_TRANSFORMS = 64


def limit(options: Options) -> Iterator[Figure]:
    """Share of the limit that the network reaches, and what the rest of the job is."""
    import torch

    from napari_ptychonn.network.weights import channels_last, load_network
    from napari_ptychonn.reconstruction.device import choose_device, runs_bfloat16

    device = choose_device(options.device)
    network: Any = channels_last(load_network("ptychonn-probe", device=device).module)
    halved = runs_bfloat16(device)
    precision = torch.bfloat16 if halved else torch.float32
    for count in range(1, options.threads + 1) if device.type == "cpu" else (options.threads,):
        where = in_words(count) if device.type == "cpu" else str(device)
        with threads(count):
            rates = {
                dtype: _matrix_rate(options, device, dtype)
                for dtype in (torch.float32, torch.bfloat16)
            }
            for dtype, rate in rates.items():
                yield Figure(f"matrix products, {where}", str(dtype)[6:], rate / 1e9, "GFLOP/s")
            for side in _SIDES:
                flops, seconds = _network(options, network, device, side, autocast=halved)
                bar = (">=", 0.7) if device.type == "cpu" else None
                case = f"network, object of {side}², {where}"
                yield Figure(case, "operations", flops / 1e9, "GFLOP")
                yield Figure(case, "time", 1e3 * seconds, "ms")
                yield Figure(
                    case, "share of the limit", flops / seconds / rates[precision], "", bar
                )
    if device.type == "cpu":
        yield from _whole_job(rates[precision])


def _matrix_rate(options: Options, device: Any, dtype: Any) -> float:
    """Operations per second of the best of several products of large matrices."""
    import torch

    side = _MATRIX.get(device.type, 2048)
    left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _fastest(options, lambda: left @ right)


def _network(
    options: Options, network: ProbeAwareNet, device: Any, side: int, *, autocast: bool
) -> tuple[float, float]:
    """Operations and seconds of the network's answer for an object of side², features included."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    after = torch.polar(torch.rand(1, side, side), torch.rand(1, side, side)).to(device)
    light, error = torch.rand(2, 1, side, side, device=device)
    run = partial(network.improve, after, 0.9 * after, 1e4 * light, error, autocast=autocast)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    with torch.inference_mode():
        return float(counter.get_total_flops()), _fastest(options, run)


def _whole_job(matrix_rate: float) -> Iterator[Figure]:
    """What passes and quality of the 1,600 points are made of, on one thread."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    scan = natural_scan(1e5).scan
    network = load_network("ptychonn-probe", device=torch.device("cpu"))
    settings = ReconstructionSettings(device="cpu", sweeps=0)
    run = partial(reconstruct, scan, settings, network=network)
    with threads(1):
        seconds = repeat(3, run).processor
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
            run()
        waves = torch.rand(_TRANSFORMS, 64, 64, dtype=torch.complex64)
        fft_rate = _fft_flops(waves.shape) / _fastest(Options(), lambda: torch.fft.fft2(waves))
    spent = {"Fourier transforms": 0.0, "convolutions": 0.0, "passes over memory": 0.0}
    transforms = 0.0
    for event in profiled.key_averages(group_by_input_shape=True):
        kind = "passes over memory"
        if "_fft_" in event.key:
            kind = "Fourier transforms"
            transforms += event.count * _fft_flops(event.input_shapes[0])
        elif "convolution" in event.key:
            kind = "convolutions"
        spent[kind] += event.self_cpu_time_total
    case = "all passes and quality, 1 thread"
    for kind, time_ in spent.items():
        yield Figure(case, f"share of {kind}", time_ / sum(spent.values()))
    yield Figure(case, "transforms", transforms / 1e9, "GFLOP")
    yield Figure("transforms of 64×64, 1 thread", "rate", fft_rate / 1e9, "GFLOP/s")
    yield Figure(case, "transforms at that rate / job", transforms / fft_rate / seconds)
    yield Figure(case, "the same at the rate of matrices", transforms / matrix_rate / seconds)


def _fft_flops(shape: Any) -> float:
    """5 N log₂ N for each transform of the last two axes."""
    height, width = shape[-2:]
    return 5 * math.prod(shape) * math.log2(height * width)


def _fastest(options: Options, run: Callable[[], Tensor]) -> float:
    """Seconds of the fastest of many runs: a limit is what the machine can do.

    With one thread by the processor's clock, which other programs do not hold up.
    """
    import torch

    alone = torch.get_num_threads() == 1 and options.device == "cpu"
    clock = time.process_time if alone else time.perf_counter
    began, found = time.perf_counter(), []
    while len(found) < 4 * options.repeats or time.perf_counter() - began < _LEAST_S:
        settle(options.device)
        start = clock()
        run()
        settle(options.device)
        found.append(clock() - start)
    return min(found)
