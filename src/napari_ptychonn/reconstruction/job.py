"""The main job: from a scan to its object, as a generator of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.network.weights import Network
from napari_ptychonn.reconstruction.as_result import ResultLike, to_result
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Message,
    Metrics,
    ShouldStop,
    never,
    result_of,
)
from napari_ptychonn.reconstruction.prepare import prepare
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.reconstruction.stages import Stages
from napari_ptychonn.scan.model import Scan

__all__ = ["reconstruct", "reconstruct_events"]


def reconstruct(
    scan: Scan,
    settings: ReconstructionSettings | None = None,
    *,
    network: Network | None = None,
    start: ResultLike | None = None,
    on_event: Callable[[Event[Reconstruction]], None] | None = None,
    should_stop: ShouldStop = never,
) -> Reconstruction:
    """Reconstruct a scan, and return when it is done.

    Parameters
    ----------
    scan : Scan
        What :func:`napari_ptychonn.open_scan` gives.
    settings : ReconstructionSettings, optional
        How; the defaults suit most scans.
    network : Network, optional
        A loaded network; None: the one that `settings` names.
    start : Reconstruction, str, Path or ObjectResult, optional
        Object to start from, resampled and moved to the scan's points and scaled to its
        photons: a reconstruction, or the result of any program by its path or opened
        (:func:`napari_ptychonn.scan.results.open.open_result`); None: start flat. Its probe
        takes the place of a guess. With 0 passes, sweeps go on from it, and with 0 sweeps,
        too, it is only judged.
    on_event : callable, optional
        Called with every event.
    should_stop : callable, optional
        Asked at every batch; the result is partial once it says True.

    Returns
    -------
    Reconstruction
        Marked in its report where it was stopped.

    Raises
    ------
    ScanError, NetworkError, SettingsError
        Scan, network, start or settings cannot be used.
    """
    return result_of(
        reconstruct_events(
            scan,
            settings or ReconstructionSettings(),
            network=network,
            start=start,
            should_stop=should_stop,
        ),
        on_event,
    )


def reconstruct_events(
    scan: Scan,
    settings: ReconstructionSettings,
    *,
    network: Network | None = None,
    start: ResultLike | None = None,
    chosen: NDArray[np.intp] | None = None,
    should_stop: ShouldStop = never,
) -> Iterator[Event[Reconstruction]]:
    """Reconstruct a scan, telling how it goes.

    Parameters are those of :func:`reconstruct`; `chosen` (M,) are the numbers of the points
    to use, where not `settings` say it. The same settings and seed give the same
    object on a CPU.

    Yields
    ------
    Event
        Progress, Snapshot, Metrics and Message; last, Finished with the result.

    Raises
    ------
    ScanError, NetworkError, SettingsError
        Scan, network, start or settings cannot be used.
    """
    started = time.perf_counter()
    result_to_start = None if start is None else to_result(start, "start")
    prepared = prepare(scan, settings, network, start=result_to_start, chosen=chosen)
    for text in prepared.messages:
        yield Message(text)
    stages = Stages(prepared, should_stop)
    yield from stages.run()
    result = stages.result(time.perf_counter() - started)
    yield Metrics(
        "result",
        {
            "misfit": result.report.misfit,
            "seconds": result.report.seconds,
            "patterns per second": result.report.patterns_per_second,
            "points": float(len(np.asarray(result.indices))),
        },
    )
    yield Finished(result, stopped=result.report.stopped)
