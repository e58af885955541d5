"""One training at a time on a device, whichever window or shell it was started from."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from napari_ptychonn.errors import SettingsError

__all__ = ["device_lock"]

FOLDER_VARIABLE = "NAPARI_PTYCHONN_LOCKS"
"""Environment variable that moves the lock files to another folder."""


@contextmanager
def device_lock(device: torch.device) -> Iterator[None]:
    """Hold a device for a training, as long as the block runs; a killed process lets go.

    Raises
    ------
    SettingsError
        Another training has it.
    """
    name = str(device).replace(":", "-")
    chosen = os.environ.get(FOLDER_VARIABLE)
    folder = Path(chosen) if chosen else Path(tempfile.gettempdir())
    lock = FileLock(folder / f"napari-ptychonn-{_user()}-{name}.lock")
    holder = folder / f"napari-ptychonn-{_user()}-{name}.txt"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SettingsError(
            "device", None, f"another training is running on {device}{_said(holder)}",
            remedy="wait until it is done, cancel it, or choose another device",
        ) from None  # fmt: skip
    try:
        now = datetime.datetime.now().astimezone().strftime("%H:%M")
        holder.write_text(f" (process {os.getpid()}, since {now})")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _said(holder: Path) -> str:
    try:
        return holder.read_text()
    except OSError:
        return ""


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
