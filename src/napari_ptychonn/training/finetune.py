"""The job that teaches a network a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.network.weights import fresh_module, load_network
from napari_ptychonn.reconstruction.as_result import ResultLike, to_result
from napari_ptychonn.reconstruction.device import choose_device
from napari_ptychonn.reconstruction.events import Finished, Message, ShouldStop, never
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.place import placed_on
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.training.device_lock import device_lock
from napari_ptychonn.training.finetune_events import FineTuned, FinetuneEvent, PointSplit
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.label_makers import make_label
from napari_ptychonn.training.taught import TaughtScan, find_probe, lay_out
from napari_ptychonn.training.teaching import Teaching
from napari_ptychonn.words import counted

__all__ = ["finetune", "finetune_events"]


def finetune(
    scans: Scan | Sequence[Scan],
    settings: FinetuneSettings | None = None,
    *,
    labels: ResultLike | Sequence[ResultLike] = (),
    on_event: Callable[[FinetuneEvent], None] | None = None,
    should_stop: ShouldStop = never,
) -> FineTuned:
    """Teach a network one or several scans, and return when it is done.

    Parameters
    ----------
    scans : Scan or sequence of Scan
        What :func:`napari_ptychonn.open_scan` gives.
    settings : FinetuneSettings, optional
        How; by default the measured patterns teach the bundled network for five minutes.
    labels : Reconstruction, ObjectResult or path, or sequence of them, optional
        For the teacher ``"labels"``: a reconstruction of every scan, what
        :func:`napari_ptychonn.scan.results.open.open_result` gives, or a file for it.
    on_event : callable, optional
        Called with every event.
    should_stop : callable, optional
        Asked several times a second; the best so far is returned once it says True.

    Returns
    -------
    FineTuned
        ``.save(path)`` writes the network file.

    Raises
    ------
    ScanError, NetworkError, SettingsError
        Scans, network, labels or settings cannot be used.
    """
    if isinstance(scans, Scan):
        scans = [scans]
    given = [labels] if isinstance(labels, ResultLike) else labels
    events = finetune_events(
        scans, settings or FinetuneSettings(),
        labels=[to_result(each, "labels") for each in given], should_stop=should_stop,
    )  # fmt: skip
    for event in events:
        if on_event is not None:
            on_event(event)
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("a job ends with its result")


def finetune_events(
    scans: Sequence[Scan],
    settings: FinetuneSettings,
    *,
    labels: Sequence[ObjectResult] = (),
    should_stop: ShouldStop = never,
) -> Iterator[FinetuneEvent]:
    """Teach a network, telling how it goes.

    Parameters are those of :func:`finetune`. With `steps` or `epochs`, the same settings and
    seed give the same network on a CPU with the same number of threads.

    Yields
    ------
    FinetuneEvent
        Last, Finished with a :class:`FineTuned`; stopped or not, it holds the best weights
        so far, by the held-out loss.

    Raises
    ------
    ScanError, NetworkError, SettingsError
        Scans, network, labels or settings cannot be used, or the device is taken.
    """
    if not scans:
        raise SettingsError("scans", None, "there is none", remedy="choose one scan or more")
    _check_labels(scans, settings, labels)
    device = choose_device(settings.device)
    with device_lock(device):
        torch.manual_seed(settings.seed)
        network = load_network(settings.network, device=device)
        if settings.fresh:
            network = replace(network, module=fresh_module(network.card, settings.seed).to(device))
        taught = [lay_out(scan, settings, network) for scan in scans]
        for number, scan in enumerate(taught):
            for text in scan.prepared.messages:
                yield Message(text)
            yield PointSplit(number, scan.teaching, scan.held_out)
        teaching = Teaching(network, taught, settings, labels=labels, should_stop=should_stop)
        resumed = teaching.restore()
        try:
            if not resumed:
                yield from _labelled(taught, settings, labels, should_stop)
            yield from teaching.run(resumed=resumed)
        except torch.OutOfMemoryError:
            raise SettingsError(
                "device", None, f"the memory of {device} is full, even with one pattern at a time",
                remedy="choose another device, or end what else is running on it",
            ) from None  # fmt: skip


def _labelled(
    taught: Sequence[TaughtScan],
    settings: FinetuneSettings,
    labels: Sequence[ObjectResult],
    should_stop: ShouldStop,
) -> Iterator[FinetuneEvent]:
    """Give every scan its label, where it is taught by one, and its probe."""
    for number, scan in enumerate(taught):
        if settings.teacher == "labels":
            scan.label = placed_on(labels[number], scan.scan)
            for note in scan.label.notes:
                yield Message(f"Label: {note}.")
        elif settings.teacher != "physics":
            yield from make_label(scan, settings, number, should_stop=should_stop)
        if not should_stop():
            yield from find_probe(scan, should_stop=should_stop)


def _check_labels(
    scans: Sequence[Scan], settings: FinetuneSettings, labels: Sequence[ObjectResult]
) -> None:
    wanted = len(scans) if settings.teacher == "labels" else 0
    if len(labels) != wanted:
        raise SettingsError(
            "labels", None,
            f"{counted(len(labels), 'reconstruction')} for {counted(len(scans), 'scan')}"
            if wanted else f"the teacher '{settings.teacher}' takes none",
            remedy="give one reconstruction per scan" if wanted else "choose the teacher 'labels'",
        )  # fmt: skip
