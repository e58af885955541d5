"""What the Reconstruct dock offers: devices and networks, looked up where torch may load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_ptychonn.reconstruction.events import Event, Finished, ShouldStop

if TYPE_CHECKING:
    from napari_ptychonn.network.store import NetworkEntry

__all__ = ["Offers", "look_up_offers"]


@dataclass(frozen=True, slots=True)
class Offers:
    """Devices and networks at hand.

    Attributes
    ----------
    devices : tuple of (name, label)
        Devices of this machine.
    networks : tuple of (name, text, works)
        What each network is, and whether it can be used.
    """

    devices: tuple[tuple[str, str], ...]
    networks: tuple[tuple[str, str, bool], ...]


def look_up_offers(should_stop: ShouldStop) -> Iterator[Event[Offers]]:
    """Look for devices and networks; it imports torch, which takes seconds.

    Yields
    ------
    Event
        Finished with the :class:`Offers`.
    """
    from napari_ptychonn.network.store import list_networks
    from napari_ptychonn.reconstruction.device import available_devices

    devices = tuple((device.name, device.label) for device in available_devices())
    networks = tuple(
        (entry.name, _describe(entry), entry.problem is None) for entry in list_networks()
    )
    yield Finished(Offers(devices, networks), stopped=should_stop())


def _describe(entry: NetworkEntry) -> str:
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
        card.limits,
        str(entry.path),
    ]
    return "\n".join(line for line in lines if line)
