"""What the Reconstruct dock is set to, and the settings that follow from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from napari_ptychonn.reconstruction.settings import ReconstructionSettings, Region

__all__ = ["FormState", "settings_from", "state_from_json", "state_to_json"]


@dataclass(frozen=True, slots=True)
class FormState:
    """The fields of the form that outlive a session.

    Attributes
    ----------
    network : str
        Name of a network, or the path of its file.
    device : str
        As settings name it.
    percent : int
        Share of the points to use, 1..100.
    passes, sweeps, probe_rounds : int or "auto"
        How many.
    keep_patches : bool
        Whether stacks of amplitude and phase patches are shown too.
    """

    network: str = "ptychonn-probe"
    device: str = "auto"
    percent: int = 100
    passes: int | Literal["auto"] = "auto"
    sweeps: int | Literal["auto"] = "auto"
    probe_rounds: int | Literal["auto"] = "auto"
    keep_patches: bool = True


def settings_from(state: FormState, region: Region | None = None) -> ReconstructionSettings:
    """Everything the job needs, from everything the form says.

    Raises
    ------
    SettingsError
        A value is out of its range.
    """
    return ReconstructionSettings(
        network=state.network,
        device=state.device,
        fraction=state.percent / 100,
        passes=state.passes,
        probe_rounds=state.probe_rounds,
        sweeps=state.sweeps,
        region=region,
        keep_patches=state.keep_patches,
    )


def state_to_json(state: FormState) -> str:
    """The form as text, to be kept between sessions."""
    return json.dumps(asdict(state))


def state_from_json(text: str) -> FormState:
    """The form as it was kept; fields that make no sense (any more) get their default."""
    try:
        kept = json.loads(text)
    except ValueError:
        return FormState()
    if not isinstance(kept, dict):
        return FormState()
    names = {field.name for field in fields(FormState)}
    return FormState(
        **{name: kept[name] for name in names & kept.keys() if _fits(name, kept[name])}
    )


def _fits(name: str, value: Any) -> bool:
    if name in ("network", "device"):
        return isinstance(value, str) and bool(value)
    if name == "keep_patches":
        return isinstance(value, bool)
    if name in ("passes", "sweeps", "probe_rounds") and value == "auto":
        return True
    low, high = {"percent": (1, 100), "passes": (0, 20)}.get(name, (0, 1000))
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
