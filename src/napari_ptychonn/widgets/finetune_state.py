"""What the Fine-tune dock is set to, and the settings that follow from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from napari_ptychonn.training.finetune_settings import (
    FinetuneSettings,
    Frozen,
    Preset,
    Teacher,
)

__all__ = ["LengthUnit", "TeachingState", "settings_from", "state_from_json", "state_to_json"]

LengthUnit = Literal["minutes", "epochs", "steps"]
DEFAULTS = FinetuneSettings()
RANGES = {
    "length": (0.1, 1e6),
    "rate": (1e-9, 1.0),
    "batch_size": (1, 65_536),
    "percent": (1, 100),
    "held_out": (2, 50),
    "label_sweeps": (0, 1000),
    "label_epochs": (1, 10_000),
    "seed": (0, 2**31 - 1),
}
"""What the fields can be set to, both ends included."""


@dataclass(frozen=True, slots=True)
class TeachingState:
    """The fields of the form that outlive a session.

    Attributes
    ----------
    network : str
        Name of a network, or the path of its file, to start from.
    fresh : bool
        Whether its weights are forgotten first.
    teacher, preset, frozen : str
        As :class:`FinetuneSettings` names them.
    length : float
        How long to teach, in `unit`.
    unit : {"minutes", "epochs", "steps"}
        Unit of `length`.
    rate : float or None
        Peak learning rate; None: that of the network's family.
    batch_size : int or None
        Patterns per step; None: chosen from pattern size and device.
    percent : int
        Share of the scan that is used, 1..100.
    held_out : int
        Share of that which is held out, per cent.
    label_sweeps : int or "auto"
        Sweeps of the teacher "sweeps".
    label_epochs : int
        Epochs of pty-chi's teachers.
    device : str
        As settings name it.
    seed : int
        Seed of everything random.
    """

    network: str = DEFAULTS.network
    fresh: bool = DEFAULTS.fresh
    teacher: Teacher = DEFAULTS.teacher
    preset: Preset = DEFAULTS.preset
    length: float = 5.0
    unit: LengthUnit = "minutes"
    rate: float | None = None
    batch_size: int | None = None
    frozen: Frozen = DEFAULTS.frozen
    percent: int = 100
    held_out: int = round(100 * DEFAULTS.validation)
    label_sweeps: int | Literal["auto"] = DEFAULTS.label_sweeps
    label_epochs: int = DEFAULTS.label_epochs
    device: str = "auto"
    seed: int = DEFAULTS.seed


def settings_from(state: TeachingState, folder: Path | None = None) -> FinetuneSettings:
    """Everything the job needs, from everything the form says.

    Parameters
    ----------
    state : TeachingState
        The form.
    folder : Path, optional
        Where checkpoints go.

    Raises
    ------
    SettingsError
        A value is out of its range, or values do not go together.
    """
    return FinetuneSettings(
        network=state.network,
        fresh=state.fresh,
        teacher=state.teacher,
        preset=state.preset,
        minutes=state.length if state.unit == "minutes" else None,
        epochs=state.length if state.unit == "epochs" else None,
        steps=round(state.length) if state.unit == "steps" else None,
        rate=state.rate,
        batch_size=state.batch_size,
        frozen=state.frozen,
        part=state.percent / 100,
        validation=state.held_out / 100,
        label_sweeps=state.label_sweeps,
        label_epochs=state.label_epochs,
        folder=folder,
        device=state.device,
        seed=state.seed,
    )


def state_to_json(state: TeachingState) -> str:
    """The form as text, to be kept between sessions."""
    return json.dumps(asdict(state))


def state_from_json(text: str) -> TeachingState:
    """The form as it was kept; fields that make no sense (any more) get their default."""
    try:
        kept = json.loads(text)
    except ValueError:
        return TeachingState()
    if not isinstance(kept, dict):
        return TeachingState()
    names = {field.name for field in fields(TeachingState)}
    fitting = {name: kept[name] for name in names & kept.keys() if _fits(name, kept[name])}
    return TeachingState(**fitting)


_WORDS: dict[str, tuple[str, ...]] = {
    "teacher": get_args(Teacher),
    "preset": get_args(Preset),
    "frozen": get_args(Frozen),
    "unit": get_args(LengthUnit),
}
_MAY_BE_NONE = ("rate", "batch_size")
_REAL = ("length", "rate")


def _fits(name: str, value: Any) -> bool:
    if name in _WORDS:
        return value in _WORDS[name]
    if name in ("network", "device"):
        return isinstance(value, str) and bool(value)
    if name == "fresh":
        return isinstance(value, bool)
    if value is None:
        return name in _MAY_BE_NONE
    if name == "label_sweeps" and value == "auto":
        return True
    if isinstance(value, bool) or not isinstance(value, int | float if name in _REAL else int):
        return False
    low, high = RANGES[name]
    return bool(low <= value <= high)
