"""The stage of a reconstruction that says how well its object explains the patterns."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Message, Progress, ShouldStop, SmallerBatches
from napari_ptychonn.reconstruction.quality import misfit_of_points
from napari_ptychonn.reconstruction.state import JobState
from napari_ptychonn.reconstruction.work import QUALITY_COST, Work

__all__ = ["judge"]


def judge(state: JobState, work: Work, *, should_stop: ShouldStop) -> Iterator[Progress | Message]:
    """Work out the misfit of every point, and where points disagree.

    Parameters
    ----------
    state : JobState
        What is worked on; its misfit and spread are set.
    work : Work
        Counts what is done.
    should_stop : callable
        Asked at every batch; points judged by then are kept.

    Yields
    ------
    Progress or Message
        An alarm where the misfit is large and photons are no excuse.
    """
    job = state.job
    if state.probe is None or state.object is None:
        return
    while True:
        try:
            for found in misfit_of_points(
                job.measurements, job.frame, state.object, state.probe,
                batch_size=state.batch_size,
            ):  # fmt: skip
                state.misfit = found
                if should_stop():
                    return
            break
        except torch.OutOfMemoryError:
            if state.batch_size == 1:
                raise
        torch.cuda.empty_cache()
        yield SmallerBatches.of(max(1, min(state.batch_size, job.frame.n_points) // 2))
    if isinstance(job.network.module, ProbeAwareNet):
        state.spread = state.misfit.disagreement
    alarm = state.misfit.alarm(started=job.start is not None)
    if alarm is not None:
        yield Message(alarm)
    yield work.progress("misfit", QUALITY_COST)
