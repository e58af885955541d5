"""The stages of a reconstruction, in order, and the state they hand on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from napari_ptychonn.network.preprocess import gather_statistics, needs_statistics
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.reconstruction.device import describe_device
from napari_ptychonn.reconstruction.direct import centre_weight, predict_directly
from napari_ptychonn.reconstruction.events import (
    Message,
    Metrics,
    Progress,
    ShouldStop,
    Snapshot,
)
from napari_ptychonn.reconstruction.passes import Predictor, network_pass, subsets_of
from napari_ptychonn.reconstruction.predict import Prediction, predict
from napari_ptychonn.reconstruction.prepare import Prepared, probe_subset
from napari_ptychonn.reconstruction.probe_rounds import (
    ProbeRound,
    choose_probe,
    refine_probe,
    update_probe,
)
from napari_ptychonn.reconstruction.quality import PointMisfit, misfit_of_points
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport
from napari_ptychonn.reconstruction.stitch import Stitch
from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object

__all__ = ["Stages"]

JobEvent = Progress | Snapshot | Metrics | Message

_PATCH_BYTES = 2**30
_ROUND_COST, _SWEEP_COST, _QUALITY_COST = 1.5, 0.6, 0.3
_EXPECTED_ROUNDS, _EXPECTED_SWEEPS = 5, 25


class Stages:
    """Runs the stages of one job and keeps what they found.

    Parameters
    ----------
    prepared : Prepared
        What to work on.
    should_stop : callable
        Asked at every batch.
    """

    def __init__(self, prepared: Prepared, should_stop: ShouldStop) -> None:
        self._job = prepared
        self._should_stop = should_stop
        self._probe: Tensor | None = prepared.probes[0] if prepared.probes else None
        self._stitch = Stitch(prepared.frame.shape, prepared.device)
        self._object: Tensor | None = None
        # Where the next pass goes on; the object of a pass is the mean of its subsets, which
        # is less noisy and lags behind.
        self._latest: Tensor | None = None
        self._patches: np.ndarray | None = None
        self._misfit = PointMisfit(prepared.frame.n_points)
        self._passes = self._rounds = self._sweeps = 0
        self._messages = list(prepared.messages)
        self._done = 0.0
        self._expected = self._expected_work()

    def run(self) -> Iterator[JobEvent]:
        """Do all stages, or those that there was time for."""
        yield self._progress("starting", 0)
        for stage in (self._find_probe, self._passes_of_network, self._sweep, self._judge):
            for event in stage():
                if isinstance(event, Message):
                    self._messages.append(event.text)
                yield event
            if self._should_stop():
                return

    def result(self, seconds: float) -> Reconstruction:
        """What was found, partial where the job was stopped."""
        job = self._job
        lit = self._stitch.lit
        found = (
            torch.zeros(job.frame.shape, dtype=torch.complex64)
            if self._object is None
            else (self._object.cpu())
        )
        turn = self._turn()
        if self._patches is not None:
            self._patches *= turn.cpu().numpy()
        nan = complex(np.nan, np.nan)
        hidden = ~lit.cpu()
        spread = self._stitch.disagreement().cpu()
        settings = job.settings
        probe = self._probe
        return Reconstruction(
            object=(found * turn.cpu()).masked_fill(hidden, nan).numpy(),
            pixel=job.pixel,
            unit=job.scan.unit,
            corner=(
                job.frame.corner_px[0] * job.pixel[0],
                job.frame.corner_px[1] * job.pixel[1],
            ),
            probe=(
                np.zeros((0, *job.frame.patch_shape), np.complex64)
                if probe is None
                else probe.cpu().numpy()
            ),
            positions=job.scan.positions[job.chosen],
            indices=job.chosen,
            coverage=self._stitch.weight.cpu().numpy(),
            disagreement=spread.masked_fill(hidden, np.nan).numpy(),
            misfit=self._misfit.per_point.numpy(),
            patches=self._patches,
            settings=settings,
            card=job.network.card,
            provenance=job.scan.provenance,
            geometry=job.scan.geometry,
            report=RunReport(
                misfit=self._misfit.total,
                seconds=seconds,
                patterns_per_second=len(job.chosen) / seconds,
                device=describe_device(job.device),
                passes=self._passes,
                probe_rounds=self._rounds,
                sweeps=self._sweeps,
                stopped=self._should_stop(),
                messages=tuple(self._messages),
            ),
        )

    def _find_probe(self) -> Iterator[JobEvent]:
        job, network = self._job, self._job.network.module
        rounds = job.settings.probe_rounds
        if self._probe is None or not isinstance(network, ProbeAwareNet):
            return
        if rounds == 0 or (rounds == "auto" and not job.probe_is_guess):
            return
        if len(job.probes) > 1:
            tried = choose_probe(
                network, *probe_subset(job, guess=True), list(job.probes),
                batch_size=job.batch_size, should_stop=self._should_stop,
            )  # fmt: skip
            yield from self._rounds_of(tried, "probe guess", 0.05)
        if self._should_stop():
            return
        measurements, frame = probe_subset(job, guess=False)
        refined = refine_probe(
            network, measurements, frame, self._probe, rounds,
            batch_size=job.batch_size, should_stop=self._should_stop,
        )  # fmt: skip
        share = frame.n_points / job.frame.n_points
        yield from self._rounds_of(refined, "probe round", _ROUND_COST * share)

    def _rounds_of(
        self, events: Iterator[Message | ProbeRound], stage: str, cost: float
    ) -> Iterator[JobEvent]:
        for event in events:
            if isinstance(event, Message):
                yield event
                continue
            self._probe = event.probe
            self._rounds += stage == "probe round"
            title = f"{stage} {event.number}" if event.number else f"best {stage}"
            yield Metrics(title, {"misfit": event.misfit})
            yield self._progress(title, cost)

    def _passes_of_network(self) -> Iterator[JobEvent]:
        job, network = self._job, self._job.network.module
        if isinstance(network, PtychoNN):
            yield from self._direct_pass(network)
            return
        assert isinstance(network, ProbeAwareNet)
        assert self._probe is not None

        def predictor(points: Tensor, estimate: Tensor | None) -> Iterator[Prediction | Message]:
            # The probe is the one of the moment: where it was a guess, it still moves.
            assert self._probe is not None
            return predict(
                network, job.measurements, job.frame, self._probe, points, estimate,
                batch_size=job.batch_size,
            )  # fmt: skip

        subsets = subsets_of(job.frame, self._probe.abs().square().sum(0))
        for number in range(1, job.settings.passes + 1):
            yield from self._pass(predictor, subsets, number)
            if self._should_stop():
                return

    def _direct_pass(self, network: PtychoNN) -> Iterator[JobEvent]:
        job = self._job
        card = job.network.card
        if job.settings.passes > 1:
            yield Message(f"The network {card.name} sees raw patterns alone: one pass is all.")
        statistics = None
        if needs_statistics(card.preprocessing):
            statistics = gather_statistics(
                job.scan.patterns, card.preprocessing,
                indices=job.chosen, mask=job.scan.mask, should_stop=self._should_stop,
            )  # fmt: skip
            if self._should_stop():
                return
        weight = (
            torch.from_numpy(centre_weight(job.frame.patch_shape)).to(job.device)
            if self._probe is None
            else self._probe.abs().square().sum(0)
        )

        def predictor(points: Tensor, _: Tensor | None) -> Iterator[Prediction | Message]:
            return predict_directly(
                network, card, job.scan, job.chosen, points, statistics, weight,
                batch_size=job.batch_size,
            )  # fmt: skip

        yield from self._pass(predictor, [torch.arange(job.frame.n_points)], 1)

    def _pass(self, predictor: Predictor, subsets: list[Tensor], number: int) -> Iterator[JobEvent]:
        frame, stage = self._job.frame, f"pass {number}"
        keep = self._room_for_patches()
        for step in network_pass(
            predictor, frame, subsets, self._latest, should_stop=self._should_stop
        ):
            if isinstance(step, Message):
                yield step
                continue
            if step.prediction is not None:
                self._keep(step.prediction, keep)
                yield self._progress(stage, step.points / frame.n_points)
            if step.stitch is None:
                continue
            if keep is not None and step.subset is not None and step.phases is not None:
                keep[step.subset.cpu().numpy()] *= step.phases.cpu().numpy()[:, None, None]
            if number == 1 or not self._should_stop():
                self._stitch, self._object = step.stitch, step.found
            if step.subset is not None:
                self._latest = step.found
            if self._refines_probe and step.subset is not None:
                self._refine_along(step.subset)
            yield self._snapshot(stage)
        if not self._should_stop():
            self._object = self._stitch.object()
            self._passes = number
            yield self._snapshot(stage)

    def _sweep(self) -> Iterator[JobEvent]:
        job = self._job
        wanted = job.settings.sweeps
        if wanted == 0 or self._object is None:
            return
        if self._probe is None:
            yield Message("Without a probe on the patches' grid there is nothing to sweep with.")
            return
        for event in sweep_object(
            job.measurements, job.frame, self._object, self._probe, wanted,
            update_probe=self._refines_probe,
            seed=job.settings.seed, should_stop=self._should_stop,
        ):  # fmt: skip
            if isinstance(event, SweepState):
                self._object, self._probe, self._sweeps = event.object, event.probe, event.sweeps
                stage = f"sweep {event.sweeps}"
                yield self._progress(stage, _SWEEP_COST)
                yield self._snapshot(stage)
            else:
                yield event

    def _judge(self) -> Iterator[JobEvent]:
        job = self._job
        if self._probe is None or self._object is None:
            return
        for found in misfit_of_points(
            job.measurements, job.frame, self._object, self._probe, batch_size=job.batch_size
        ):
            self._misfit = found
            if self._should_stop():
                return
        if self._misfit.alarm is not None:
            yield Message(self._misfit.alarm)
        yield self._progress("misfit", _QUALITY_COST)

    @property
    def _refines_probe(self) -> bool:
        return self._job.probe_is_guess and self._job.settings.probe_rounds != 0

    def _refine_along(self, subset: Tensor) -> None:
        job = self._job
        if self._probe is None or self._object is None or not job.network.card.needs_probe:
            return
        self._probe = update_probe(
            self._probe, self._object, job.measurements, job.frame, subset, job.batch_size
        ).probe()

    def _room_for_patches(self) -> np.ndarray | None:
        frame = self._job.frame
        shape = (frame.n_points, *frame.patch_shape)
        wanted = self._job.settings.keep_patches
        if not wanted or 8 * int(np.prod(shape)) > _PATCH_BYTES:
            return None
        # A later pass overwrites the earlier one's, point by point: a stopped one has them all.
        if self._patches is None:
            self._patches = np.full(shape, np.nan, np.complex64)
        return self._patches

    @staticmethod
    def _keep(prediction: Prediction, room: np.ndarray | None) -> None:
        if room is not None:
            room[prediction.points.cpu().numpy()] = prediction.patches.cpu().numpy()

    def _snapshot(self, stage: str) -> Snapshot:
        assert self._object is not None
        hidden = ~self._stitch.lit
        shown = (self._object * self._turn()).masked_fill(hidden, complex(np.nan, np.nan))
        return Snapshot(shown.cpu().numpy(), self._job.frame.corner_px, stage)

    def _turn(self) -> Tensor:
        """Unit factor that makes the object's mean real: its global phase is free."""
        if self._object is None:
            return torch.ones((), dtype=torch.complex64)
        mean = (self._stitch.weight * self._object).sum()
        return torch.polar(torch.ones_like(mean.real), -mean.angle())

    def _expected_work(self) -> float:
        settings, work = self._job.settings, float(self._job.settings.passes)
        if self._probe is not None:
            rounds, sweeps = settings.probe_rounds, settings.sweeps
            if rounds == "auto":
                rounds = _EXPECTED_ROUNDS if self._job.probe_is_guess else 0
            work += _ROUND_COST * rounds + _QUALITY_COST
            work += _SWEEP_COST * (_EXPECTED_SWEEPS if sweeps == "auto" else sweeps)
        return work

    def _progress(self, stage: str, work: float) -> Progress:
        self._done += work
        # More may turn out to be needed than was expected; never show more done than all.
        self._expected = max(self._expected, self._done * 1.02)
        return Progress(stage, self._done, self._expected)
