"""What a network is, in words: rows of a table for the shell and the window."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from napari_ptychonn.network.card import INPUTS, NetworkCard, Preprocessing
from napari_ptychonn.network.store import NetworkEntry

__all__ = ["card_rows", "date_of", "size_of"]

_NAMES_ONLY = {"started_from"}
"""Entries of a training that hold another network's whole story: its name is enough."""
_SHOWN = {
    "patterns": "raw patterns",
    "object-7c": "the object with what the sweeps of a pass changed, the light and the error",
}


def card_rows(card: NetworkCard) -> list[tuple[str, str]]:
    """A card as (what, value), in the order in which one reads it; what is not said is left out.

    Parameters
    ----------
    card : NetworkCard
        Of any network.
    """
    size = (
        f"patterns of {card.pattern_size} × {card.pattern_size} pixels"
        if card.pattern_size
        else f"any pattern size that is a multiple of {card.size_multiple}"
    )
    shown = INPUTS.get(card.family)
    rows = [
        ("name", card.name),
        ("family", card.family),
        ("made from", " → ".join(card.parents)),
        ("sees", _SHOWN.get(shown or "", shown or "")),
        ("takes", size),
        ("probe", "needs one, or a guess" if card.needs_probe else "needs none"),
        ("gives", card.outputs.replace("+", " and ")),
        ("preprocessing", _told(_differences(card.preprocessing))),
        ("limits", card.limits),
        ("licence", card.licence),
        ("source", card.source),
        ("version", card.version),
        ("architecture", _told(card.architecture)),
    ]
    rows += [(f"training: {_words(key)}", _value(key, v)) for key, v in card.training.items()]
    rows += [(f"measured: {case}", f"{value:.4g}") for case, value in card.metrics.items()]
    return [(_printable(what), _printable(value)) for what, value in rows if value]


def date_of(entry: NetworkEntry) -> str:
    """When it was trained, as its card says; else when its file was written (ISO date)."""
    told = entry.card.training.get("date") if entry.card else None
    if isinstance(told, str):
        return told
    try:
        written = entry.path.stat().st_mtime
    except OSError:
        return ""
    return datetime.datetime.fromtimestamp(written).astimezone().date().isoformat()


def size_of(entry: NetworkEntry) -> str:
    """How large its file is, in words."""
    try:
        size = entry.path.stat().st_size
    except OSError:
        return ""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _printable(text: str) -> str:
    """A file from elsewhere must not command the terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _differences(preprocessing: Preprocessing) -> dict[str, Any]:
    plain = asdict(Preprocessing())
    return {key: value for key, value in asdict(preprocessing).items() if value != plain[key]}


def _told(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{_words(key)} {_value(key, value)}" for key, value in values.items())


def _value(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", "")) if key in _NAMES_ONLY else _told(value)
    if isinstance(value, list | tuple):
        return ", ".join(_value(key, each) for each in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")
