"""Labels made from a scan itself: by our sweeps, or by an engine of pty-chi."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Finished, Message, Progress, ShouldStop, Snapshot
from napari_ptychonn.reconstruction.iterative import iterate
from napari_ptychonn.reconstruction.iterative_settings import IterativeSettings
from napari_ptychonn.reconstruction.job import reconstruct_events
from napari_ptychonn.reconstruction.result import RunReport
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.training.finetune_events import ObjectView
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.taught import TaughtScan

__all__ = ["make_label"]


def make_label(
    taught: TaughtScan, settings: FinetuneSettings, number: int, *, should_stop: ShouldStop
) -> Iterator[Progress | Message | ObjectView]:
    """Reconstruct the points in use, and give the object to the scan as its label.

    Held-out points are among them: what the network makes of those is compared with it.

    Parameters
    ----------
    taught : TaughtScan
        Its `label` is set, unless it was stopped before there was any.
    settings : FinetuneSettings
        Teacher ``"sweeps"``, ``"lsqml"`` or ``"rpie"``.
    number : int
        Of the scan, for its views.
    should_stop : callable
        Asked at every batch.

    Raises
    ------
    SettingsError
        pty-chi is not installed, or its engine diverged; or nothing was swept that a
        `ptychonn-probe` network could learn.
    """
    if settings.teacher == "sweeps":
        yield from _by_sweeps(taught, settings, number, should_stop)
    else:
        yield from _by_engine(taught, settings, number, should_stop)


def _by_sweeps(
    taught: TaughtScan, settings: FinetuneSettings, number: int, should_stop: ShouldStop
) -> Iterator[Progress | Message | ObjectView]:
    asked = ReconstructionSettings(
        device=settings.device, sweeps=settings.label_sweeps, seed=settings.seed
    )
    events = reconstruct_events(
        taught.scan, asked, chosen=taught.prepared.chosen, should_stop=should_stop
    )
    for event in events:
        if isinstance(event, Progress):
            yield Progress(f"labels: {event.stage}", event.done, event.total)
        elif isinstance(event, Snapshot):
            yield ObjectView("labels", event.object, event.corner_px, number, 0)
        elif isinstance(event, Message):
            yield event
        elif isinstance(event, Finished):
            found = event.result
            _require_swept(taught, settings, found.report)
            taught.label = ObjectResult(
                found.object, found.pixel, found.unit, found.corner, Path(), "sweeps",
                probe=found.probe,
            )  # fmt: skip
            _take_probe(taught, found.probe)


def _require_swept(taught: TaughtScan, settings: FinetuneSettings, report: RunReport) -> None:
    """Refuse a label that is the answer of such a network as is to learn from it.

    Taught so, a network came out 6 % worse than it was, while it imitated itself better.
    """
    is_its_own = isinstance(taught.prepared.network.module, ProbeAwareNet)
    if is_its_own and settings.label_sweeps == "auto" and not (report.sweeps or report.stopped):
        raise SettingsError(
            "teacher", None,
            "photons or points are so few that nothing is swept unasked, and what a network made "
            "itself teaches it nothing",
            remedy="let the measured patterns teach, or say how many sweeps make the label",
        )  # fmt: skip


def _by_engine(
    taught: TaughtScan, settings: FinetuneSettings, number: int, should_stop: ShouldStop
) -> Iterator[Progress | Message | ObjectView]:
    assert settings.teacher in ("lsqml", "rpie")
    asked = IterativeSettings(
        engine="lsqml" if settings.teacher == "lsqml" else "rpie",
        epochs=settings.label_epochs, device=settings.device, seed=settings.seed,
    )  # fmt: skip
    scan = taught.scan
    pixel = scan.pixel_m or (1.0, 1.0)
    for epoch in iterate(scan, asked, points=taught.prepared.chosen, should_stop=should_stop):
        yield Progress(f"labels: epoch {epoch.number}", epoch.number, epoch.epochs)
        yield ObjectView("labels", epoch.object, epoch.corner_px, number, 0)
        corner = (epoch.corner_px[0] * pixel[0], epoch.corner_px[1] * pixel[1])
        taught.label = ObjectResult(
            epoch.object, pixel, scan.unit, corner, Path(), settings.teacher, probe=epoch.probe
        )
        _take_probe(taught, epoch.probe)


def _take_probe(taught: TaughtScan, probe: NDArray[np.complex64]) -> None:
    """Keep a probe that was refined with the object: they belong together."""
    if taught.probe is not None and taught.prepared.probe_is_guess:
        taught.take_probe(torch.from_numpy(probe).to(taught.prepared.device))
        taught.probe_settled = True
