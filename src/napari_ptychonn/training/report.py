"""What a fine-tuning leaves: pictures before and after, and the card of its network."""

from __future__ import annotations

import datetime
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.weights import Network
from napari_ptychonn.reconstruction.events import Finished, Message, Progress, ShouldStop
from napari_ptychonn.reconstruction.job import reconstruct_events
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.training.finetune_events import Standing
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.taught import TaughtScan

__all__ = ["pictures_of", "taught_card"]

_MOST_PIXELS = 16_000 * 64 * 64
"""Of a scan's patterns: larger scans are for the person to reconstruct."""


def pictures_of(
    network: Network, scans: list[TaughtScan], when: str, *, should_stop: ShouldStop
) -> Generator[Progress | Message, None, list[Reconstruction]]:
    """Every scan by the network alone: all of its points, held out or never looked at, too.

    Yields
    ------
    Progress or Message

    Returns
    -------
    list of Reconstruction
        None of scans that are too large; partial ones where it was stopped.
    """
    found = []
    for taught in scans:
        scan, settings = taught.scan, taught.prepared.settings
        height, width = scan.pattern_shape
        if scan.n_points * height * width > _MOST_PIXELS:
            if when == "before":
                yield Message(f"{scan.name} is large: reconstruct it to see the difference.")
            continue
        asked = ReconstructionSettings(device=settings.device, sweeps=0, seed=settings.seed)
        for event in reconstruct_events(scan, asked, network=network, should_stop=should_stop):
            if isinstance(event, Progress):
                yield Progress(f"picture {when}: {event.stage}", event.done, event.total)
            elif isinstance(event, Finished):
                found.append(event.result)
    return found


def taught_card(
    parent: NetworkCard,
    scans: list[TaughtScan],
    settings: FinetuneSettings,
    before: Standing,
    after: Standing,
    done: Mapping[str, Any],
) -> NetworkCard:
    """The card of a network that was taught; its name is that of its parent until it is saved.

    Parameters
    ----------
    parent : NetworkCard
        Of the network started from.
    scans : list of TaughtScan
        What taught it.
    settings : FinetuneSettings
        How.
    before, after : Standing
        On the held-out points.
    done : Mapping
        What came of the settings: steps, batch, learning rate.
    """
    names = ", ".join(taught.scan.name for taught in scans)
    data = [
        {
            "scan": taught.scan.name,
            "file": None if (path := taught.scan.provenance.path) is None else path.name,
            "points": taught.scan.n_points,
            "teaching": len(taught.teaching),
            "held_out": len(taught.held_out),
            "labels": None if taught.label is None else taught.label.format,
        }
        for taught in scans
    ]
    metrics = {f"{name}, before": value for name, value in before.as_dict().items()}
    metrics |= {f"{name}, after": value for name, value in after.as_dict().items()}
    return replace(
        parent,
        parents=(*parent.parents, parent.name),
        training={
            "data": data,
            "settings": settings.as_dict(),
            **done,
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        },
        metrics={name: round(value, 5) for name, value in metrics.items()},
        limits=f"taught on {names}; other samples and setups were not looked at",
        source="fine-tuned with napari-ptychonn",
    )
