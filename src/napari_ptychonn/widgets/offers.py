"""What docks offer: devices and networks, looked up where torch may load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from napari_ptychonn.reconstruction.events import Event, Finished, ShouldStop
from napari_ptychonn.widgets.network_rows import network_rows

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
    from napari_ptychonn.reconstruction.device import available_devices

    devices = tuple((device.name, device.label) for device in available_devices())
    networks = tuple((row.name, row.about, row.works) for row in network_rows())
    yield Finished(Offers(devices, networks), stopped=should_stop())
