"""The networks at hand as rows of text, read and changed where torch may load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_ptychonn.reconstruction.events import Event, Finished, ShouldStop

if TYPE_CHECKING:
    from napari_ptychonn.network.store import NetworkEntry

__all__ = ["NetworkRow", "act_and_list", "network_rows"]


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One network, in words.

    Attributes
    ----------
    name : str
        Unique; what settings take.
    own : bool
        Whether the person may rename and delete it.
    cells : tuple of str
        Name, whose it is, family, networks it was made from, date and size.
    card : tuple of (what, value)
        Its card, to be read; of a broken file, what is wrong with it.
    about : str
        The same in a few lines, for a tool tip.
    works : bool
        Whether it can be used.
    """

    name: str
    own: bool
    cells: tuple[str, ...]
    card: tuple[tuple[str, str], ...]
    about: str
    works: bool


def act_and_list(
    action: Callable[[], object] | None, should_stop: ShouldStop
) -> Iterator[Event[tuple[NetworkRow, ...]]]:
    """Change something, where an action is given, and list what there is then.

    Parameters
    ----------
    action : callable or None
        Called in the worker.
    should_stop : callable
        As for every job.

    Yields
    ------
    Event
        Finished with the rows.

    Raises
    ------
    PtychonnError
        Of the action.
    """
    if action is not None:
        action()
    yield Finished(network_rows(), stopped=should_stop())


def network_rows() -> tuple[NetworkRow, ...]:
    """All networks at hand, the person's own last; it imports torch, which takes seconds."""
    from napari_ptychonn.network.store import list_networks

    return tuple(_row(entry) for entry in list_networks())


def _row(entry: NetworkEntry) -> NetworkRow:
    from napari_ptychonn.network.describe import card_rows, date_of, size_of

    card = entry.card
    family, parents = (card.family, " → ".join(card.parents)) if card else ("cannot be used", "")
    whose = "bundled" if entry.bundled else "own"
    told = card_rows(card) if card else [("problem", entry.problem or "")]
    return NetworkRow(
        name=entry.name,
        own=not entry.bundled,
        cells=(entry.name, whose, family, parents, date_of(entry), size_of(entry)),
        card=(*told, ("file", str(entry.path))),
        about=_about(entry),
        works=entry.problem is None,
    )


def _about(entry: NetworkEntry) -> str:
    card = entry.card
    if card is None:
        return f"{entry.path}: {entry.problem}"
    size = (
        f"patterns of {card.pattern_size} × {card.pattern_size} pixels"
        if card.pattern_size
        else f"any pattern size that is a multiple of {card.size_multiple}"
    )
    probe = "needs a probe, or guesses one" if card.needs_probe else "needs no probe"
    lines = [
        f"{card.family}, {size}, {probe}",
        f"gives {card.outputs.replace('+', ' and ')}",
        f"made from {' → '.join(card.parents)}" if card.parents else "",
        card.limits,
        str(entry.path),
    ]
    return "\n".join(line for line in lines if line)
