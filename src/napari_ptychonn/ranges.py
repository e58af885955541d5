"""What settings of jobs have in common: ranges, and plain numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ptychonn.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["is_whole", "make_plain", "require", "require_seed"]


def make_plain(settings: DataclassInstance) -> None:
    """Make numpy's numbers Python's own, which JSON can hold; called by `__post_init__`."""
    for each in fields(settings):
        value: Any = getattr(settings, each.name)
        if isinstance(value, np.generic):
            object.__setattr__(settings, each.name, value.item())


def require(holds: bool, name: str, value: object, remedy: str) -> None:
    """Refuse the value of a setting unless it holds.

    Raises
    ------
    SettingsError
        It does not.
    """
    if not holds:
        raise SettingsError(name, None, f"{value} is out of range", remedy=remedy)


def is_whole(value: object, least: int = 0) -> bool:
    """Whether a value is a whole number, of at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def require_seed(seed: int) -> None:
    """Refuse what no generator of random numbers takes.

    Raises
    ------
    SettingsError
        It is negative, or too large.
    """
    fits = is_whole(seed) and seed < 2**63
    require(fits, "seed", seed, "give a whole number, 0 or more")
