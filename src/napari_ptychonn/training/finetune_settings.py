"""Everything a fine-tuning needs to be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.ranges import make_plain, require, require_seed
from napari_ptychonn.reconstruction.settings import Auto, Region

__all__ = ["FinetuneSettings", "Frozen", "Preset", "Teacher"]

Teacher = Literal["physics", "labels", "sweeps", "lsqml", "rpie"]
Preset = Literal["own", "published"]
Frozen = Literal["nothing", "encoder", "decoder"]
_MINUTES = 5.0


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Settings of :func:`napari_ptychonn.finetune`; widget, shell and Python fill the same.

    Attributes
    ----------
    network : str
        Name of a bundled or stored network, or the path of a network file, to start from.
    fresh : bool
        Forget its weights: start from random ones, as a network for one's own setup does.
    teacher : {"physics", "labels", "sweeps", "lsqml", "rpie"}
        Who teaches: the measured patterns themselves; a reconstruction that is given; or
        one that is made first, by our sweeps or by an engine of pty-chi.
    preset : {"own", "published"}
        Loss and optimiser: ours, or the recipe of the PtychoNN paper (labels only, and a
        `ptychonn` network).
    minutes : float or None
        How long to teach; turned into steps once the speed is known. None: `steps` or
        `epochs` say it; where they do not either, it becomes five.
    steps : int or None
        Optimiser steps.
    epochs : float or None
        Times that every teaching point is seen.
    rate : float or None
        Peak learning rate; None: that of the family and preset.
    batch_size : int or None
        Patterns per step; None: chosen from pattern size and device.
    frozen : {"nothing", "encoder", "decoder"}
        What does not learn.
    part : float
        Share of the scan, from its first point on, that is used; the rest is never looked
        at, so that predictions there are a fair test.
    region : Region or None
        Use only the points inside; None: all.
    validation : float
        Share of the used points that is held out in one piece at the far end; points
        between, whose light overlaps with both, are left out.
    label_sweeps : int or "auto"
        Sweeps of the teacher ``"sweeps"``; "auto": as many as the photons allow.
    label_epochs : int
        Epochs of the teachers ``"lsqml"`` and ``"rpie"``.
    folder : Path or None
        Where checkpoints go; one found there is resumed. None: none are written.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    seed : int
        Seed of everything random.
    """

    network: str = "ptychonn-probe"
    fresh: bool = False
    teacher: Teacher = "physics"
    preset: Preset = "own"
    minutes: float | None = None
    steps: int | None = None
    epochs: float | None = None
    rate: float | None = None
    batch_size: int | None = None
    frozen: Frozen = "nothing"
    part: float = 1.0
    region: Region | None = None
    validation: float = 0.2
    label_sweeps: int | Auto = "auto"
    label_epochs: int = 60
    folder: Path | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no training could use.

        Raises
        ------
        SettingsError
            A value is out of its range, or values do not go together.
        """
        make_plain(self)
        require_seed(self.seed)
        _one_of("teacher", self.teacher, get_args(Teacher))
        _one_of("preset", self.preset, get_args(Preset))
        _one_of("frozen", self.frozen, get_args(Frozen))
        if self.minutes is self.steps is self.epochs is None:
            object.__setattr__(self, "minutes", _MINUTES)
        lengths = [self.minutes, self.steps, self.epochs]
        given = [value for value in lengths if value is not None]
        require(len(given) == 1, "length", given, "give one of minutes, steps and epochs")
        require(given[0] > 0, "length", given[0], "give more than 0")
        for name in ("rate", "batch_size"):
            value = getattr(self, name)
            require(value is None or value > 0, name, value, "give more than 0")
        require(0 < self.part <= 1, "part", self.part, "give 0 < part <= 1")
        require(0.02 <= self.validation <= 0.5, "validation", self.validation, "give 0.02 to 0.5")
        sweeps = self.label_sweeps
        require(sweeps == "auto" or sweeps >= 0, "label_sweeps", sweeps, "give auto, or 0 or more")
        require(self.label_epochs >= 1, "label_epochs", self.label_epochs, "give 1 or more")
        if self.preset == "published" and self.teacher == "physics":
            raise SettingsError(
                "preset", None, "the published recipe learns from labels",
                remedy="choose another teacher, or the preset 'own'",
            )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the folder is no part of what was taught."""
        told = asdict(self)
        del told["folder"]
        return told


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    require(value in allowed, name, value, f"choose one of: {', '.join(allowed)}")
