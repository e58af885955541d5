"""Trainings that were cut off: their folders, with a checkpoint and what the dock was set to."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_ptychonn.errors import OutputError
from napari_ptychonn.network import folders
from napari_ptychonn.output import appearing
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.widgets.finetune_state import TeachingState, state_from_json

__all__ = ["Unfinished", "delete", "find_unfinished", "new_folder", "note_down", "tidy"]

CHECKPOINT, NOTES = "checkpoint.pt", "dock.json"
AT_REST_S = 60.0
"""A training writes its checkpoint more often: one that is older goes on nowhere."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A training that can be gone on with.

    Attributes
    ----------
    folder : Path
        Where its checkpoint lies.
    state : TeachingState
        What the dock was set to.
    scans : tuple of (name, points)
        The scans that taught.
    when : float
        Time of the checkpoint, seconds since the epoch.
    """

    folder: Path
    state: TeachingState
    scans: tuple[tuple[str, int], ...]
    when: float

    def text(self) -> str:
        """What it is, in a sentence."""
        names = ", ".join(name for name, _ in self.scans)
        when = time.strftime("%d %b, %H:%M", time.localtime(self.when))
        network = Path(self.state.network).stem
        return f"A training of {network} on {names} was cut off ({when})."

    def find_scans(self, offered: Sequence[Scan]) -> list[Scan] | None:
        """Its scans among those of the viewer, in its order; None where one is missing."""
        found = []
        for name, points in self.scans:
            same = [scan for scan in offered if (scan.name, scan.n_points) == (name, points)]
            if not same:
                return None
            found.append(same[0])
        return found


def find_unfinished(stopped: Collection[Path] = ()) -> list[Unfinished]:
    """All trainings that were cut off, the newest first.

    Parameters
    ----------
    stopped : collection of Path
        Folders that nobody writes to, however young the checkpoint is.
    """
    now, found = time.time(), []
    for checkpoint in _folder().glob(f"*/{CHECKPOINT}"):
        try:
            when = checkpoint.stat().st_mtime
            kept = json.loads((checkpoint.parent / NOTES).read_text(encoding="utf-8"))
            scans = tuple((str(name), int(points)) for name, points in kept["scans"])
            state = state_from_json(json.dumps(kept["state"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # without the notes nobody knows what to go on with
        if now - when > AT_REST_S or checkpoint.parent in stopped:
            found.append(Unfinished(checkpoint.parent, state, scans, when))
    return sorted(found, key=lambda each: each.when, reverse=True)


def new_folder(name: str) -> Path:
    """A folder for the checkpoints of a new training; none of another is in it."""
    number, folder = 1, _folder() / name
    while (folder / CHECKPOINT).exists():
        number += 1
        folder = _folder() / f"{name} {number}"
    return folder


def note_down(folder: Path, state: TeachingState, scans: Sequence[Scan]) -> None:
    """Write into a training's folder what the dock was set to.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    notes: dict[str, Any] = {
        "state": asdict(state),
        "scans": [[scan.name, scan.n_points] for scan in scans],
    }
    with appearing(folder / NOTES, "notes") as partial:
        partial.write_text(json.dumps(notes), encoding="utf-8")


def delete(folder: Path) -> None:
    """Delete a training's folder; nothing happens where there is none.

    Raises
    ------
    OutputError
        It cannot be deleted.
    """
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(
            "checkpoint", folder, f"cannot be deleted: {error.strerror or error}",
            remedy="delete the folder by hand",
        ) from None  # fmt: skip


def tidy(folder: Path) -> None:
    """Delete the folder of a training that has left no checkpoint to go on from.

    Raises
    ------
    OutputError
        As :func:`delete`.
    """
    if not (folder / CHECKPOINT).exists():
        delete(folder)


def _folder() -> Path:
    return folders.user_folder() / "unfinished"
