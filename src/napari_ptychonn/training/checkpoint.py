"""Checkpoints that let a training go on where it was."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_ptychonn.errors import OutputError, PtychonnError

__all__ = ["load_checkpoint", "random_state", "restore_random_state", "save_checkpoint"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, dicts, lists) under a temporary name, and rename.

    Raises
    ------
    OutputError
        The file cannot be written; an earlier checkpoint is untouched.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Where torch itself writes a file, a full disk is no OSError.
        written = io.BytesIO()
        torch.save(state, written)
        temporary.write_bytes(written.getbuffer())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            "checkpoint", path, str(error), remedy="free space, or choose another folder"
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, with tensors and plain values only.

    Raises
    ------
    PtychonnError
        The file is no checkpoint of this program.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a broken file
        raise PtychonnError(
            "checkpoint", path, f"cannot be read: {error}", remedy="delete it to start afresh"
        ) from error
    if not isinstance(state, dict):
        raise PtychonnError(
            "checkpoint", path, "is no training checkpoint", remedy="delete it to start afresh"
        )
    return state


def random_state(rng: np.random.Generator) -> dict[str, Any]:
    """State of numpy's and torch's generators, as plain values."""
    return {"numpy": rng.bit_generator.state, "torch": torch.get_rng_state()}


def restore_random_state(rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Put back what :func:`random_state` gave."""
    rng.bit_generator.state = state["numpy"]
    torch.set_rng_state(state["torch"])
