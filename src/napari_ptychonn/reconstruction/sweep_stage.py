"""The stages of a reconstruction that go on from an object: slow phase, and sweeps."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.coarse import coarse_phase
from napari_ptychonn.reconstruction.events import Message, Metrics, Progress, ShouldStop, Snapshot
from napari_ptychonn.reconstruction.pass_plan import FEW_COVERS
from napari_ptychonn.reconstruction.passes import improve_object
from napari_ptychonn.reconstruction.state import JobState
from napari_ptychonn.reconstruction.sweeping import cover_of
from napari_ptychonn.reconstruction.sweeps import Polish, SweepState, sweep_object
from napari_ptychonn.reconstruction.work import SWEEP_COST, Work

__all__ = ["SWEEP_MOMENTUM", "SWEEP_REGULARISATION", "level", "sweep"]

_MOST_LEVELLINGS = 3
SWEEP_REGULARISATION, SWEEP_MOMENTUM = 1.0, 0.6
"""The passes have moved far: what is left is to be averaged, and slow errors are what is left
(NRMSE of code after 16 sweeps: 0.026, and 0.037 without momentum)."""
_FROM_FLAT_REGULARISATION = 0.2


def level(state: JobState, *, should_stop: ShouldStop) -> Iterator[Snapshot]:
    """Correct slow phase, where a probe tells the slopes.

    Every stitched patch may be wrong by a small slope, and over many patches these add up; an
    object of another program may have a ramp that its own probe makes up for.

    Parameters
    ----------
    state : JobState
        What is worked on; its object is corrected.
    should_stop : callable
        Asked at every batch.

    Yields
    ------
    Snapshot
    """
    job = state.job
    if state.probe is None or state.object is None:
        return
    for _ in range(_MOST_LEVELLINGS):
        given = state.object
        state.object = coarse_phase(
            job.measurements, job.frame, given, state.probe,
            batch_size=state.batch_size, should_stop=should_stop,
        )  # fmt: skip
        if state.object is given:
            return
        yield state.snapshot("slow phase")


def sweep(
    state: JobState,
    work: Work,
    *,
    should_stop: ShouldStop,
    mostly_noise: bool,
    weighed: bool,
    update_probe: bool,
) -> Iterator[Progress | Snapshot | Metrics | Message]:
    """Sweep as often as the settings say, or as photons allow.

    Parameters
    ----------
    state : JobState
        What is worked on; its object, probe and number of sweeps follow every sweep.
    work : Work
        Counts what is done.
    should_stop : callable
        Asked at every batch.
    mostly_noise : bool
        Whether what the first pass met was mostly photon noise.
    weighed : bool
        Whether the object was weighed against all patterns.
    update_probe : bool
        Whether the probe is refined along.

    Yields
    ------
    Progress, Snapshot, Metrics or Message
    """
    job, wanted = state.job, state.job.settings.sweeps
    if wanted == 0 or state.object is None:
        return
    if state.probe is None:
        yield Message("Without a probe on the patches' grid there is nothing to sweep with.")
        return
    if not state.passes:
        # The passes of a network that is told the probe have done so.
        yield from level(state, should_stop=should_stop)
    if wanted == "auto" and mostly_noise and state.passes:
        # Held-out photons may still gain then, while the picture gets noisier.
        yield Message("Few photons: automatic sweeps would add noise, so none is done.")
        return
    # They gained 2 % at best then, and lost up to 7 % (camera-coins with a tenth of the points).
    if wanted == "auto" and state.passes and cover_of(job.frame, state.probe) < FEW_COVERS:
        yield Message("Points overlap little: automatic sweeps add nothing, so none is done.")
        return
    # They made four scans of photographs at 10⁴ and 3·10⁴ photons worse, by 1 to 3 %. A probe that
    # is a guess moves along with sweeps alone: without them a measured star has a higher misfit.
    if wanted == "auto" and weighed and not update_probe:
        yield Message(
            "Weighed against all patterns: automatic sweeps add nothing, so none is done."
        )
        return
    from_flat = job.start is not None and not (job.start.worth or state.passes)
    reach = _FROM_FLAT_REGULARISATION if from_flat else SWEEP_REGULARISATION
    network = job.network.module
    for event in sweep_object(
        job.measurements, job.frame, state.object, state.probe, wanted,
        update_probe=update_probe, seed=job.settings.seed, batch_size=state.batch_size,
        should_stop=should_stop, regularisation=reach, momentum=SWEEP_MOMENTUM,
        polish=_polish(network) if isinstance(network, ProbeAwareNet) else None,
    ):  # fmt: skip
        if isinstance(event, SweepState):
            state.object, state.probe, state.sweeps = event.object, event.probe, event.sweeps
            stage = f"sweep {event.sweeps}" if not event.polished else "network after sweeps"
            yield work.progress(stage, SWEEP_COST)
            yield state.snapshot(stage)
            continue
        yield event
        if isinstance(event, Metrics) and event.stage.startswith("trial"):
            yield work.progress(event.stage, SWEEP_COST)


def _polish(network: ProbeAwareNet) -> Polish:
    def polish(swept: SweepState, start: Tensor) -> Tensor:
        assert swept.light is not None
        assert swept.unexplained is not None
        return improve_object(network, swept.object, start, swept.light, swept.unexplained)

    return polish
