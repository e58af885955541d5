"""How much work a reconstruction is, as far as one can tell, and how much of it is done."""

from __future__ import annotations

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.reconstruction.events import Progress
from napari_ptychonn.reconstruction.pass_plan import FEW_COVERS, PassPlan, sweeps_of_a_pass
from napari_ptychonn.reconstruction.prepare import Prepared
from napari_ptychonn.reconstruction.sweeping import cover_of

__all__ = ["QUALITY_COST", "ROUND_COST", "SWEEP_COST", "Work"]

ROUND_COST, SWEEP_COST, QUALITY_COST = 1.8, 0.9, 0.6
"""Of a sweep of a pass, each over all points."""
_LOOK_COST = 0.8
_EXPECTED_ROUNDS, _EXPECTED_SWEEPS, _EXPECTED_LOOKS = 4, 20, 7


class Work:
    """Counts the work of one job.

    Parameters
    ----------
    job : Prepared
        What is worked on.
    """

    def __init__(self, job: Prepared) -> None:
        self._done = 0.0
        self._few = bool(job.probes) and cover_of(job.frame, job.probes[0]) < FEW_COVERS
        self._automatic = _automatic_sweeps(job, self._few)
        self._expected = _expected(job) + self._automatic

    def progress(self, stage: str, work: float) -> Progress:
        """Take so much more as done."""
        self._done += work
        # More may turn out to be needed than was expected; never show more done than all.
        self._expected = max(self._expected, self._done * 1.02)
        return Progress(stage, self._done, self._expected)

    def will_weigh(self, times: int, *, swept: bool) -> None:
        """Expect so many weighings, and automatic sweeps after them or not.

        Where points are few they have been expected from the start.
        """
        if not self._few:
            self._expected += _LOOK_COST * _EXPECTED_LOOKS * times
        if not swept:
            self._expected -= self._automatic

    def looked(self, stage: str, looks: int) -> Progress:
        """Take so many looks of a weighing as done."""
        return self.progress(stage, _LOOK_COST * looks)


def _expected(job: Prepared) -> float:
    if not job.probes:
        return 1.0
    settings, work = job.settings, 0.0 if job.settings.passes == 0 else 1.0
    cover = cover_of(job.frame, job.probes[0])
    worth = 0 if job.start is None else job.start.worth
    if isinstance(job.network.module, ProbeAwareNet):
        passes = PassPlan(settings.passes, cover).expected
        work = float(sum(sweeps_of_a_pass(cover, turn + worth + 1) for turn in range(passes)))
        if cover < FEW_COVERS:
            work += _LOOK_COST * _EXPECTED_LOOKS * passes
    rounds, sweeps = settings.probe_rounds, settings.sweeps
    if rounds == "auto":
        known = not job.probe_is_guess or (job.start is not None and job.start.brings_probe)
        rounds = 0 if known else _EXPECTED_ROUNDS
    asked = 0 if sweeps == "auto" else sweeps
    return work + ROUND_COST * rounds + SWEEP_COST * asked + QUALITY_COST


def _automatic_sweeps(job: Prepared, few: bool) -> float:
    if not job.probes or job.settings.sweeps != "auto" or (few and job.settings.passes != 0):
        return 0.0
    return SWEEP_COST * _EXPECTED_SWEEPS
