"""What the Reconstruct dock runs in a worker thread; only here torch is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_ptychonn.reconstruction.as_result import as_result
from napari_ptychonn.reconstruction.events import Event, ShouldStop
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.open import open_result

__all__ = ["Order", "reconstruction_events"]


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """One reconstruction, as the dock asks for it.

    Attributes
    ----------
    scan : Scan
        The scan.
    settings : ReconstructionSettings
        How.
    start : Reconstruction or Path or None
        What to start from: one of the viewer, or a file to be opened.
    start_name : str or None
        What a reconstruction of the viewer is called there.
    """

    scan: Scan
    settings: ReconstructionSettings
    start: Reconstruction | Path | None = None
    start_name: str | None = None


def reconstruction_events(order: Order, should_stop: ShouldStop) -> Iterator[Event[Reconstruction]]:
    """Reconstruct a scan, with everything read that it starts from.

    Yields
    ------
    Event
        As :func:`napari_ptychonn.reconstruction.job.reconstruct_events`.
    """
    from napari_ptychonn.reconstruction.job import reconstruct_events

    start = None
    if isinstance(order.start, Path):
        start = open_result(order.start)
    elif order.start is not None:
        start = as_result(order.start, order.start_name)
        if order.start.name != order.scan.name:
            # Scans often have the same coordinates, so that another's object fits by chance.
            note = f"it is of another scan, {order.start.name}"
            start = replace(start, notes=(*start.notes, note))
    yield from reconstruct_events(order.scan, order.settings, start=start, should_stop=should_stop)
