"""The stage of a reconstruction that looks for the probe, before there is an object."""

from __future__ import annotations

from collections.abc import Iterator

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Message, Metrics, Progress, ShouldStop
from napari_ptychonn.reconstruction.prepare import probe_subset
from napari_ptychonn.reconstruction.probe_rounds import ProbeRound, choose_probe, refine_probe
from napari_ptychonn.reconstruction.state import JobState
from napari_ptychonn.reconstruction.work import ROUND_COST, Work

__all__ = ["find_probe"]


def find_probe(
    state: JobState, work: Work, *, should_stop: ShouldStop
) -> Iterator[Progress | Metrics | Message]:
    """Choose among several guesses of the probe, and refine it in rounds.

    Nothing is done where the settings ask for no round, or leave it to the job and the probe
    is known, or where the network does without a probe.

    Parameters
    ----------
    state : JobState
        What is worked on; its probe and number of rounds follow every round.
    work : Work
        Counts what is done.
    should_stop : callable
        Asked at every batch.

    Yields
    ------
    Progress, Metrics or Message
    """
    job, rounds = state.job, state.job.settings.probe_rounds
    if state.probe is None or not isinstance(job.network.module, ProbeAwareNet):
        return
    if rounds == 0 or (rounds == "auto" and not job.probe_is_guess):
        return
    if rounds == "auto" and job.start is not None and job.start.brings_probe:
        return
    known = None if job.start is None else job.start.object
    if len(job.probes) > 1:
        tried = choose_probe(
            *probe_subset(job, guess=True), list(job.probes),
            batch_size=state.batch_size, should_stop=should_stop, start=known,
        )  # fmt: skip
        yield from _rounds_of(tried, state, work, "probe guess", 0.05)
    if should_stop():
        return
    measurements, frame = probe_subset(job, guess=False)
    refined = refine_probe(
        measurements, frame, state.probe, rounds,
        batch_size=state.batch_size, should_stop=should_stop, start=known,
    )  # fmt: skip
    share = frame.n_points / job.frame.n_points
    yield from _rounds_of(refined, state, work, "probe round", ROUND_COST * share)


def _rounds_of(
    events: Iterator[Message | ProbeRound], state: JobState, work: Work, stage: str, cost: float
) -> Iterator[Progress | Metrics | Message]:
    for event in events:
        if isinstance(event, Message):
            yield event
            continue
        state.probe = event.probe
        state.probe_rounds += stage == "probe round"
        title = f"{stage} {event.number}" if event.number else f"best {stage}"
        yield Metrics(title, {"misfit": event.misfit})
        yield work.progress(title, cost)
