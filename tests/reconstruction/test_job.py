"""The whole job: nearer to the truth than flat, the same twice, and stopped at once."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import Network
from napari_ptychonn.optics.sweep import Sweep
from napari_ptychonn.reconstruction import (
    coarse,
    judge_stage,
    measurements,
    quality,
    slow_errors,
    stages,
)
from napari_ptychonn.reconstruction.comparison import compare
from napari_ptychonn.reconstruction.events import (
    Finished,
    Message,
    Metrics,
    Progress,
    SmallerBatches,
    Snapshot,
    never,
)
from napari_ptychonn.reconstruction.job import reconstruct, reconstruct_events
from napari_ptychonn.reconstruction.prepare import prepare
from napari_ptychonn.reconstruction.settings import ReconstructionSettings, Region

QUICK = ReconstructionSettings(device="cpu", sweeps=0, passes=2, batch_size=16)


@pytest.fixture
def batches(monkeypatch):
    """Sizes of the batches that were swept so far."""
    sizes = []
    real = Sweep.add

    def counting(self, batch):
        sizes.append(len(batch.indices))
        real(self, batch)

    monkeypatch.setattr(Sweep, "add", counting)
    return sizes


def against_truth(simulation, result):
    truth, positions = simulation.truth, simulation.scan.positions_px
    corner = tuple(value / truth.pixel_m for value in truth.corner_m)
    found = tuple(np.asarray(result.corner) / np.asarray(result.pixel))
    region = (tuple(positions.min(0)), tuple(positions.max(0)))
    return compare(result.object, found, truth.object, corner, region)


def windows(simulation, result):
    """Windows of a result's object around its points."""
    first = np.rint(simulation.scan.positions_px).astype(int) - 16
    corner = np.rint(np.asarray(result.corner) / np.asarray(result.pixel)).astype(int)
    for y, x in first - corner:
        yield result.object[y : y + 32, x : x + 32]


def flat_error(simulation):
    """NRMSE of the best flat object."""
    truth = simulation.truth
    ones = np.ones_like(truth.object)
    corner = tuple(value / truth.pixel_m for value in truth.corner_m)
    positions = simulation.scan.positions_px
    region = (tuple(positions.min(0)), tuple(positions.max(0)))
    return compare(ones, corner, truth.object, corner, region).nrmse_scaled


@pytest.fixture(scope="module")
def plain(simulation, network):
    """Result and events of the network alone."""
    events = list(reconstruct_events(simulation.scan, QUICK, network=network))
    return events[-1].result, events


def test_the_network_alone_is_far_nearer_to_the_truth_than_a_flat_object(simulation, plain):
    same = against_truth(simulation, plain[0])
    assert same.nrmse < 0.7 * flat_error(simulation)
    assert same.phase_correlation > 0.8
    assert same.amplitude_correlation > 0.6


def test_sweeps_bring_it_nearer_still_and_lower_the_misfit(simulation, network):
    once = replace(QUICK, passes=1)
    plain = reconstruct(simulation.scan, once, network=network)
    swept = reconstruct(simulation.scan, replace(once, sweeps=10), network=network)
    assert against_truth(simulation, swept).nrmse < against_truth(simulation, plain).nrmse
    assert swept.report.misfit < plain.report.misfit
    assert swept.report.sweeps == 10


def test_a_result_says_what_was_done_and_where_it_lies(simulation, plain):
    result, _ = plain
    scan = simulation.scan
    report = result.report
    assert (report.passes, report.sweeps, report.probe_rounds, report.stopped) == (2, 0, 0, False)
    assert report.patterns_per_second == pytest.approx(100 / report.seconds)
    assert result.object.dtype == np.complex64
    assert result.coverage.shape == result.disagreement.shape == result.object.shape
    assert result.pixel == pytest.approx(scan.pixel_m)
    np.testing.assert_array_equal(result.positions, scan.positions)
    np.testing.assert_array_equal(result.indices, np.arange(100))
    # The patterns' misfit and that of the whole agree: one is the mean of the other by light.
    sums = scan.patterns.read(np.arange(100)).sum((1, 2))
    assert report.misfit == pytest.approx((result.misfit * sums).sum() / sums.sum(), rel=1e-3)


def test_nothing_is_made_up_where_no_light_fell(plain):
    result, _ = plain
    unknown = ~np.isfinite(result.object)
    assert unknown.any()
    assert not unknown.all()
    np.testing.assert_array_equal(unknown, ~np.isfinite(result.disagreement))
    assert result.coverage[unknown].max() < result.coverage[~unknown].min()


def test_the_events_tell_a_growing_picture_and_end_with_the_result(plain):
    result, events = plain
    finished = [event for event in events if isinstance(event, Finished)]
    assert finished == [events[-1]]
    assert not events[-1].stopped
    snapshots = [event for event in events if isinstance(event, Snapshot)]
    assert {"pass 1", "pass 2"} <= {event.stage for event in snapshots}
    known = [np.isfinite(event.object).mean() for event in snapshots]
    assert known[0] <= known[-1] + 1e-9
    np.testing.assert_array_equal(snapshots[-1].object, result.object)
    progress = [event for event in events if isinstance(event, Progress)]
    done = [event.done for event in progress]
    assert done == sorted(done)
    assert all(event.done <= event.total for event in progress)
    values = [event for event in events if isinstance(event, Metrics)][-1].values
    assert values["misfit"] == result.report.misfit


def test_a_snapshot_is_the_listeners_own(simulation, network):
    for event in reconstruct_events(simulation.scan, QUICK, network=network):
        if isinstance(event, Snapshot):
            event.object[:] = 0
        if isinstance(event, Finished):
            assert np.nanmax(np.abs(event.result.object)) > 0.5


def test_the_same_seed_gives_the_same_object(simulation, network):
    settings = replace(QUICK, sweeps=2, seed=3)
    first, second, other = (
        reconstruct(simulation.scan, chosen, network=network).object
        for chosen in (settings, settings, replace(settings, seed=4))
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other, equal_nan=True)


@pytest.mark.parametrize("calls", [1, 3])
def test_a_stop_ends_the_job_within_a_batch_and_keeps_what_there_is(
    simulation, network, batches, calls
):
    settings = replace(QUICK, keep_patches=True)
    finished = list(
        reconstruct_events(
            simulation.scan, settings, network=network, should_stop=lambda: len(batches) >= calls
        )
    )[-1]
    assert len(batches) == calls
    assert finished.stopped
    result = finished.result
    assert result.report.stopped
    assert result.report.passes == 0
    assert np.isnan(result.misfit).all()
    # Only where light has fallen by then is anything known, in the patches too.
    known = np.isfinite(result.object)
    assert known.any()
    assert not known.all()
    for patch, window in zip(result.patches, windows(simulation, result), strict=True):
        np.testing.assert_allclose(patch, window, rtol=1e-6)


def test_a_stop_in_the_second_pass_keeps_the_first(simulation, network, batches):
    settings = replace(QUICK, keep_patches=True)
    first = reconstruct(simulation.scan, replace(settings, passes=1), network=network)
    in_one_pass = len(batches)
    batches.clear()
    result = reconstruct(
        simulation.scan, settings, network=network,
        should_stop=lambda: len(batches) >= in_one_pass + 2,
    )  # fmt: skip
    assert len(batches) == in_one_pass + 2
    assert result.report.stopped
    assert result.report.passes == 1
    np.testing.assert_array_equal(result.object, first.object)
    np.testing.assert_array_equal(result.coverage, first.coverage)
    np.testing.assert_array_equal(result.patches, first.patches)


def test_a_stop_before_anything_is_known_is_no_trouble(simulation, network):
    result = reconstruct(simulation.scan, QUICK, network=network, should_stop=lambda: True)
    assert result.report.stopped


def test_the_coarse_step_is_tried_until_it_gains_nothing(simulation, network, monkeypatch):
    tried = []

    def gains_once(measurements, frame, object_, probe, **_):
        tried.append(object_)
        return object_.clone() if len(tried) == 1 else object_

    monkeypatch.setattr(slow_errors, "coarse_phase", gains_once)
    reconstruct(simulation.scan, replace(QUICK, passes=4), network=network)
    assert len(tried) == 2
    assert (tried[0] == 1).all()


def test_slow_phase_of_stitched_patches_is_corrected_where_a_probe_is_known(
    bright, network, monkeypatch
):
    # Patches that are right but for a slope that adds up to a hill across the scan.
    rows, columns = (torch.linspace(-1, 1, side) for side in bright.frame.shape)
    hill = torch.exp(2j * (1 - rows[:, None] ** 2 - columns**2))

    def stitched(_network, job, _probe, _room, **_):
        stitch = SimpleNamespace(
            object=lambda: bright.truth * hill,
            weight=torch.ones(job.frame.shape),
            disagreement=lambda: torch.zeros(job.frame.shape),
        )
        yield SimpleNamespace(points=job.frame.n_points, stitch=stitch)

    monkeypatch.setattr(stages, "direct_pass", stitched)
    prepared = prepare(bright.simulation.scan, QUICK, network)
    run = stages.Stages(prepared, never)
    assert list(run._direct_pass(network.module))
    assert bright.nrmse(run._state.object) < 0.5 * bright.nrmse(bright.truth * hill)


def test_a_fraction_uses_that_many_points(simulation, network):
    result = reconstruct(simulation.scan, replace(QUICK, fraction=0.4), network=network)
    assert len(result.indices) == 40
    assert len(result.misfit) == 40
    np.testing.assert_array_equal(result.positions, simulation.scan.positions[result.indices])
    assert against_truth(simulation, result).nrmse < 0.8 * flat_error(simulation)


def test_a_region_uses_only_the_points_inside(simulation, network):
    positions = simulation.scan.positions
    (top, left), (bottom, right) = positions.min(0), positions.max(0)
    middle = (left + right) / 2
    half = Region(((top - 1, left - 1), (bottom + 1, left - 1), (bottom + 1, middle), (-1, middle)))
    result = reconstruct(simulation.scan, replace(QUICK, region=half), network=network)
    np.testing.assert_array_equal(result.indices, np.flatnonzero(positions[:, 1] < middle))
    assert result.object.shape[1] < result.object.shape[0]


def test_kept_patches_are_the_windows_of_the_object(simulation, network):
    result = reconstruct(simulation.scan, replace(QUICK, keep_patches=True), network=network)
    assert result.patches.shape == (100, 32, 32)
    for patch, window in zip(result.patches, windows(simulation, result), strict=True):
        np.testing.assert_allclose(patch, window, rtol=1e-6)


def test_without_being_asked_no_patches_are_kept(plain):
    assert plain[0].patches is None


def test_a_full_memory_halves_the_batch_and_says_so(simulation, network, monkeypatch, plain):
    tried = []
    real = Sweep.add

    def fails_once(self, batch):
        tried.append(len(batch.indices))
        if len(tried) == 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        real(self, batch)

    monkeypatch.setattr(Sweep, "add", fails_once)
    events = list(reconstruct_events(simulation.scan, QUICK, network=network))
    result = events[-1].result
    said = [event.text for event in events if isinstance(event, Message)]
    assert said == ["The device's memory is full: going on with batches of 1 pattern."]
    assert list(result.report.messages) == said
    # All points are there, and the picture is that of the undisturbed job.
    known = np.isfinite(result.object) & np.isfinite(plain[0].object)
    assert np.isfinite(result.misfit).all()
    np.testing.assert_allclose(result.coverage, plain[0].coverage, rtol=1e-3, atol=1e-3)
    assert np.abs(result.object - plain[0].object)[known].mean() < 0.01


def full(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_memory_too_small_for_one_pattern_is_not_hidden(simulation, network, monkeypatch):
    monkeypatch.setattr(Sweep, "add", full)
    with pytest.raises(SettingsError, match=r"memory of cpu is full.*choose another device"):
        reconstruct(simulation.scan, QUICK, network=network)


def test_where_memory_runs_out_late_the_best_so_far_is_the_result(
    simulation, network, monkeypatch, plain
):
    monkeypatch.setattr(judge_stage, "misfit_of_points", full)
    result = reconstruct(simulation.scan, replace(QUICK, batch_size=4), network=network)
    assert result.report.stopped
    said = result.report.messages
    assert [text.split(" with ")[1] for text in said[:2]] == [
        "batches of 2 patterns.",
        "batches of 1 pattern.",
    ]
    assert "ends with the best so far" in said[2]
    np.testing.assert_array_equal(result.object, plain[0].object)


def test_every_stage_gets_by_with_smaller_batches(simulation, network, monkeypatch, plain):
    """What each stage needs most of is made to fit no more than a few patterns."""
    for module in (coarse, quality):
        real = module.cut_windows

        def small(array, indices, real=real):
            return full() if len(indices) > 8 else real(array, indices)

        monkeypatch.setattr(module, "cut_windows", small)
    result = reconstruct(simulation.scan, QUICK, network=network)
    assert not result.report.stopped
    assert set(result.report.messages) == {SmallerBatches.of(8).text}
    np.testing.assert_allclose(result.misfit, plain[0].misfit, rtol=1e-3)


def test_patterns_are_read_in_batches_however_many_there_are(simulation, network, monkeypatch):
    asked = []

    class Recording:
        shape = simulation.scan.patterns.shape

        def read(self, indices):
            asked.append(len(indices))
            return simulation.scan.patterns.read(indices)

    monkeypatch.setattr(measurements, "_CACHE_BYTES", 0)
    scan = replace(simulation.scan, patterns=Recording())
    kept = reconstruct(simulation.scan, replace(QUICK, sweeps=1), network=network)
    result = reconstruct(scan, replace(QUICK, sweeps=1), network=network)
    # The survey of the flux reads 32 at a time, sweeps as many, the network its batches.
    assert max(asked) <= 32
    np.testing.assert_array_equal(result.object, kept.object)


def test_a_probe_that_is_a_guess_is_refined(network, make_scan):
    wrong = make_scan(guess_defocus=1.0)
    settings = replace(QUICK, probe_rounds=3)
    fixed = reconstruct(wrong.scan, replace(settings, probe_rounds=0), network=network)
    refined = reconstruct(wrong.scan, settings, network=network)
    assert (fixed.report.probe_rounds, refined.report.probe_rounds) == (0, 3)
    assert refined.report.misfit < 0.8 * fixed.report.misfit

    def overlap(probe):
        truth = wrong.truth.probe[0]
        return abs(np.vdot(truth, probe[0])) / np.linalg.norm(truth) / np.linalg.norm(probe[0])

    assert overlap(fixed.probe) < 0.5
    assert overlap(refined.probe) > 0.75


def test_a_network_of_raw_patterns_needs_no_probe(simulation):
    torch.manual_seed(0)
    sizes = {"encoder": (4, 8, 8), "decoder": (8, 8, 4)}
    card = NetworkCard("tiny", "ptychonn", architecture=sizes, pattern_size=32)
    direct = Network(card, PtychoNN(**sizes).eval(), simulation.scan.provenance.path)
    scan = replace(simulation.scan, probe=None)
    events = list(reconstruct_events(scan, replace(QUICK, sweeps=3), network=direct))
    result = events[-1].result
    said = [event.text for event in events if isinstance(event, Message)]
    assert any("one pass is all" in text for text in said)
    assert any("nothing to sweep with" in text for text in said)
    assert result.probe.shape == (0, 32, 32)
    assert result.report.passes == 1
    assert np.isnan(result.report.misfit)
    assert np.isfinite(result.object).any()


def test_a_network_of_raw_patterns_is_judged_where_the_scan_has_a_probe(simulation):
    torch.manual_seed(0)
    sizes = {"encoder": (4, 8, 8), "decoder": (8, 8, 4)}
    card = NetworkCard("tiny", "ptychonn", architecture=sizes, pattern_size=32)
    direct = Network(card, PtychoNN(**sizes).eval(), simulation.scan.provenance.path)
    swept = reconstruct(simulation.scan, replace(QUICK, sweeps=5, passes=1), network=direct)
    assert np.isfinite(swept.misfit).all()
    assert against_truth(simulation, swept).nrmse < 0.7 * flat_error(simulation)


def test_a_near_field_scan_is_refused_with_the_reason(simulation, network):
    scan = replace(simulation.scan, near_field="it was measured 5 mm behind the sample")
    with pytest.raises(ScanError, match="5 mm behind the sample"):
        reconstruct(scan, QUICK, network=network)


def test_a_scan_without_a_photon_is_refused(simulation, network):
    class Dark:
        shape = simulation.scan.patterns.shape

        def read(self, indices):
            return np.zeros((len(indices), 32, 32), np.float32)

    with pytest.raises(ScanError, match="no photon"):
        reconstruct(replace(simulation.scan, patterns=Dark()), QUICK, network=network)


def test_a_device_that_is_not_there_is_refused(simulation, network):
    with pytest.raises(SettingsError, match="not available"):
        reconstruct(simulation.scan, replace(QUICK, device="cuda:77"), network=network)


def test_a_picture_that_does_not_explain_its_patterns_is_said_to_be_wrong(
    simulation, dim, network, plain
):
    trusted, _ = plain
    assert not any("do not trust" in text for text in trusted.report.messages)
    settings = ReconstructionSettings(device="cpu", passes=1, sweeps=0)
    few_photons = reconstruct(dim.scan, settings, network=network)
    assert few_photons.report.misfit > 0.2
    assert not any("do not trust" in text for text in few_photons.report.messages)
    shape = simulation.scan.probe.shape
    spread_out = np.full(shape, np.abs(simulation.scan.probe).mean(), np.complex64)
    wrong = replace(simulation.scan, probe=spread_out, probe_is_guess=False)
    result = reconstruct(wrong, settings, network=network)
    assert any("do not trust this picture" in text for text in result.report.messages)


def test_the_first_picture_comes_after_the_first_batch_and_grows_at_any_dose(dim, network):
    settings = ReconstructionSettings(device="cpu", passes=1, sweeps=0, batch_size=10)
    events = list(reconstruct_events(dim.scan, settings, network=network))
    first = next(i for i, event in enumerate(events) if isinstance(event, Snapshot))
    batches = [e for e in events[:first] if isinstance(e, Progress) and e.stage == "pass 1"]
    assert len(batches) == 1
    pictures = [event for event in events if isinstance(event, Snapshot)]
    known = [np.isfinite(event.object).sum() for event in pictures]
    assert len(known) >= 4
    assert known[0] < known[-1]


def test_points_that_hardly_overlap_are_not_swept_unasked(make_scan):
    """Held-out photons would gain where light fell, and the picture lose in between."""
    scan = make_scan(points=9, photons=1e5, step_px=30.0).scan
    settings = replace(QUICK, sweeps="auto")
    result = reconstruct(scan, settings)
    assert result.report.sweeps == 0
    assert any("overlap little" in text for text in result.report.messages)
    # What will not come is not waited for.
    expected = [
        next(event.total for event in reconstruct_events(scan, each) if isinstance(event, Progress))
        for each in (settings, replace(settings, sweeps=0), replace(settings, sweeps=2))
    ]
    assert expected[0] == expected[1] < expected[2]
    assert reconstruct(scan, replace(settings, sweeps=2)).report.sweeps == 2


def test_what_was_weighed_is_not_swept_unasked(make_scan):
    """With so many photons objects are weighed between passes; sweeps bring the noise back."""
    scan = make_scan(points=64, photons=3e3, step_px=2.0).scan
    settings = replace(QUICK, passes=2, sweeps="auto")
    events = list(reconstruct_events(scan, settings))
    result = next(event.result for event in events if isinstance(event, Finished))
    assert result.report.sweeps == 0
    assert any("Weighed" in text for text in result.report.messages)
    # Once that is known, sweeps are no longer waited for.
    totals = [event.total for event in events if isinstance(event, Progress)]
    assert totals[-1] < 0.6 * totals[0]
    assert reconstruct(scan, replace(settings, sweeps=2)).report.sweeps == 2
