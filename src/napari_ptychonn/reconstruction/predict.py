"""Network predictions in batches that fit the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.optics.propagation import shift_probe
from napari_ptychonn.optics.slope import slope_ramp
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import Message
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements

__all__ = ["Prediction", "default_batch", "point_probes", "predict"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Patches of one batch.

    Attributes
    ----------
    points : Tensor, (B,) int64
        Numbers of the points.
    patches : Tensor, (B, h, w) complex64
        Object patches.
    weight : Tensor, (B or 1, h, w) float32
        Light Σ|P|² on each of their pixels, photons.
    """

    points: Tensor
    patches: Tensor
    weight: Tensor


def default_batch(pattern_shape: tuple[int, int], device: torch.device) -> int:
    """Patterns per batch: caches on a CPU, memory on a GPU."""
    pixels = pattern_shape[0] * pattern_shape[1]
    budget = 64 * 64 * 64 if device.type == "cpu" else 64 * 64 * 4096
    return max(4, budget // pixels)


def point_probes(probe: Tensor, frame: Frame, points: Tensor) -> Tensor:
    """Probe of every point: (modes, h, w) for all, or (B, modes, h, w) moved by fractions."""
    return shift_probe(probe, frame.shifts[points]) if frame.subpixel else probe


@torch.inference_mode()
def predict(
    network: ProbeAwareNet,
    measurements: Measurements,
    frame: Frame,
    probe: Tensor,
    wanted: Tensor,
    estimate: Tensor | None,
    *,
    batch_size: int,
) -> Iterator[Prediction | Message]:
    """Patches of the points `wanted`, in their order.

    Parameters
    ----------
    network : ProbeAwareNet
        On the device of the measurements.
    measurements : Measurements
        Amplitudes.
    frame : Frame
        Places.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    wanted : Tensor, (M,) int64
        Numbers of the points.
    estimate : Tensor, (H, W) complex64, or None
        Object found so far; None: flat.
    batch_size : int
        Patterns at a time; halved, with a message, where memory runs out.

    Yields
    ------
    Prediction or Message
    """
    autocast = runs_bfloat16(measurements.device)
    start, size = 0, batch_size
    while start < len(wanted):
        points = wanted[start : start + size]
        try:
            on_device = points.to(measurements.device)
            amplitude = measurements.amplitude(points)
            light = point_probes(probe, frame, on_device)
            known = (
                torch.ones_like(amplitude, dtype=torch.complex64)
                if estimate is None
                else cut_windows(estimate, frame.indices(on_device))
            )
            patches = network.patches(amplitude, light, known, measurements.mask, autocast=autocast)
            patches = patches * slope_ramp(patches, light, amplitude, measurements.mask)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = size // 2
            torch.cuda.empty_cache()
            yield Message(f"The device's memory is full: going on with batches of {size} patterns.")
            continue
        weight = light.abs().square().sum(-3)
        yield Prediction(on_device, patches, weight if weight.dim() == 3 else weight[None])
        start += len(points)


def runs_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are faster than float32 ones there."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
