"""Devices: which there are, and which one a job runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.words import counted

__all__ = [
    "Device",
    "available_devices",
    "choose_device",
    "describe_device",
    "runs_bfloat16",
    "sums_in",
    "tried_convolutions",
]


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it is offered to the person.

    Attributes
    ----------
    name : str
        What settings hold: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    label : str
        What the person reads: ``"NVIDIA H200 (cuda:0)"``.
    """

    name: str
    label: str


def available_devices() -> tuple[Device, ...]:
    """Every device of this machine, the fastest kind first and the CPU last."""
    found = [
        Device(f"cuda:{number}", f"{torch.cuda.get_device_name(number)} (cuda:{number})")
        for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU (mps)"))
    threads = torch.get_num_threads()
    found.append(Device("cpu", f"CPU ({counted(threads, 'thread')})"))
    return tuple(found)


def choose_device(name: str) -> torch.device:
    """Turn a setting into a device; ``"auto"`` takes the fastest there is.

    Raises
    ------
    SettingsError
        The named device does not exist here. There is no silent fallback.
    """
    offered = available_devices()
    if name == "auto":
        return torch.device(offered[0].name)
    names = {device.name for device in offered}
    wanted = f"{name}:0" if name == "cuda" else name
    if wanted not in names:
        raise SettingsError(
            "device",
            None,
            f"{name} is not available on this machine",
            remedy=f"choose one of: auto, {', '.join(sorted(names))}",
        )
    return torch.device(wanted)


def describe_device(device: torch.device) -> str:
    """Label of a device, for reports."""
    for offered in available_devices():
        if offered.name == str(device):
            return offered.label
    return str(device)


def runs_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are faster than float32 ones there."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type == "cpu":
        # Older releases of torch do not say; float32 is right everywhere.
        asked = getattr(torch.cpu, "get_capabilities", None)
        able = asked() if asked else {}
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def sums_in(device: torch.device) -> torch.dtype:
    """In what numbers many are summed there: float64 where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


@contextmanager
def tried_convolutions(wanted: bool) -> Iterator[None]:
    """While the block runs, a GPU tries the ways of every convolution, and takes the fastest.

    It pays where the same shapes come a thousand times.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = wanted or before
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
