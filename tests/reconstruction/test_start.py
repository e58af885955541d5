"""A reconstruction that starts from an object: placed, scaled, gone on from, and named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import Network
from napari_ptychonn.reconstruction.as_result import as_result
from napari_ptychonn.reconstruction.events import Finished, Snapshot, never
from napari_ptychonn.reconstruction.iterative import IterativeSettings, iterate
from napari_ptychonn.reconstruction.job import reconstruct, reconstruct_events
from napari_ptychonn.reconstruction.prepare import prepare
from napari_ptychonn.reconstruction.product import load, save
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.reconstruction.start import lay_start, scale_start
from napari_ptychonn.scan.export.product import write_product
from napari_ptychonn.scan.results.open import open_result
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.widgets.reconstruct_job import Order, reconstruction_events

SWEEPS = ReconstructionSettings(device="cpu", passes=0, sweeps=1, batch_size=16)
JUDGED = replace(SWEEPS, sweeps=0)


def truth_of(simulation, **changes) -> ObjectResult:
    """The true object as another program would have stored it."""
    truth = simulation.truth
    result = ObjectResult(
        truth.object.astype(np.complex64), (truth.pixel_m, truth.pixel_m), "m", truth.corner_m,
        Path("other.h5"), "other program", positions=simulation.scan.positions,
    )  # fmt: skip
    return replace(result, **changes)


def flat_of(simulation) -> ObjectResult:
    return truth_of(simulation, object=np.ones_like(simulation.truth.object), is_start=True)


def said(result) -> str:
    return " ".join(result.report.messages)


def test_from_the_truth_one_sweep_explains_more_than_from_flat(bright, network):
    scan = bright.simulation.scan
    known, flat = (
        reconstruct(scan, SWEEPS, network=network, start=start)
        for start in (truth_of(bright.simulation), flat_of(bright.simulation))
    )
    assert known.report.misfit < 0.5 * flat.report.misfit
    # Photon noise is what one sweep brings to the truth.
    assert bright.nrmse(torch.from_numpy(filled(known))) < 0.05
    assert bright.nrmse(torch.from_numpy(filled(flat))) > 0.08
    assert known.report.passes == 0
    assert known.report.sweeps == 1


def test_with_neither_passes_nor_sweeps_the_start_is_only_judged(bright, network):
    start = truth_of(bright.simulation)
    judged = reconstruct(bright.simulation.scan, JUDGED, network=network, start=start)
    lit = np.isfinite(judged.object)
    assert 0.2 < lit.mean() < 1
    assert np.isfinite(judged.misfit).all()
    turn = np.vdot(judged.object[lit], bright.truth.numpy()[lit])
    gain = judged.report.start.gain
    left = judged.object * turn / abs(turn) / gain - bright.truth.numpy()
    assert np.abs(left[lit]).max() < 1e-3


def test_passes_go_on_from_the_start(bright, network):
    scan = bright.simulation.scan
    one = ReconstructionSettings(device="cpu", passes=1, sweeps=0, batch_size=16)
    from_flat = reconstruct(scan, one, network=network)
    events = list(reconstruct_events(scan, one, network=network, start=truth_of(bright.simulation)))
    assert next(event.stage for event in events if isinstance(event, Snapshot)) == "start"
    assert isinstance(events[-1], Finished)
    found = events[-1].result
    assert found.report.passes == 1
    assert bright.nrmse(torch.from_numpy(filled(found))) < 0.5 * bright.nrmse(
        torch.from_numpy(filled(from_flat))
    )


@settings(max_examples=15)
@given(
    shift=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
    gain=st.floats(0.01, 100),
    phase=st.floats(-3, 3),
    moved_positions=st.booleans(),
)
def test_neither_origin_nor_scale_nor_phase_of_another_program_matter(
    bright, shift, gain, phase, moved_positions
):
    scan, pixel = bright.simulation.scan, bright.simulation.truth.pixel_m
    offset = pixel * np.asarray(shift if moved_positions else np.rint(shift) * 0)
    given_start = truth_of(bright.simulation)
    other = replace(
        given_start,
        object=given_start.object * np.complex64(gain * np.exp(1j * phase)),
        corner=tuple(np.asarray(given_start.corner) + offset),
        positions=given_start.positions + offset,
    )
    found = [
        scale_start(
            lay_start(each, scan, bright.frame, scan.pixel_m),
            bright.measurements, bright.frame, bright.probe, batch_size=50,
        )
        for each in (given_start, other)
    ]  # fmt: skip
    # The truth explains the photons as it is; noise of 1e7 photons is 3e-4.
    assert found[0].record.gain == pytest.approx(1, abs=2e-3)
    assert found[1].record.gain * gain == pytest.approx(found[0].record.gain, rel=1e-3)
    turned = found[0].object * np.exp(1j * phase)
    assert (found[1].object - turned).abs().max() < 1e-2


def test_an_object_with_another_pixel_is_resampled(make_scan, lay_out):
    smooth = lay_out(make_scan(sample="cells"))
    result = truth_of(smooth.simulation)
    fine = replace(
        result,
        object=np.kron(result.object, np.ones((2, 2), np.complex64)),
        pixel=(result.pixel[0] / 2, result.pixel[1] / 2),
        corner=tuple(corner - pixel / 4 for corner, pixel in zip(
            result.corner, result.pixel, strict=True)),
    )  # fmt: skip
    scan = smooth.simulation.scan
    laid = lay_start(fine, scan, smooth.frame, scan.pixel_m)
    error = (laid.object - smooth.truth).abs()[8:-8, 8:-8]
    assert error.square().mean().sqrt() < 0.05


def test_where_the_start_knows_nothing_its_mean_is_taken_and_said(bright, network):
    half = truth_of(bright.simulation)
    side = half.object.shape[0] // 2
    half.object[side:] = np.nan
    result = reconstruct(bright.simulation.scan, SWEEPS, network=network, start=half)
    share = result.report.start.covered
    assert 0.2 < share < 0.8
    assert f"it covers {round(100 * share)} of 100 points" in said(result)
    laid = lay_start(half, bright.simulation.scan, bright.frame, bright.simulation.scan.pixel_m)
    lowest = laid.object[-8:].abs()
    assert lowest.std() < 1e-5
    assert lowest.mean() == pytest.approx(np.nanmean(np.abs(half.object)), rel=0.1)
    # Even so it is nearer to the scan than nothing.
    flat = reconstruct(
        bright.simulation.scan, SWEEPS, network=network, start=flat_of(bright.simulation)
    )
    assert result.report.misfit < flat.report.misfit


@pytest.mark.parametrize("unknown", [False, True])
def test_an_object_that_lies_elsewhere_is_refused_with_both_places(bright, network, unknown):
    far = truth_of(bright.simulation, positions=None, corner=(1e-3, 1e-3))
    if unknown:
        far = truth_of(bright.simulation, object=np.full((200, 200), np.nan, np.complex64))
    with pytest.raises(ScanError, match=r"other\.h5: start: .* do not overlap .*unit") as told:
        reconstruct(bright.simulation.scan, SWEEPS, network=network, start=far)
    assert ("known nowhere" if unknown else "y 1000 to") in told.value.problem
    assert "µm" in told.value.problem


def test_a_dark_object_is_refused(bright, network):
    dark = truth_of(bright.simulation, object=np.zeros_like(bright.simulation.truth.object))
    with pytest.raises(ScanError, match="lets no light through"):
        reconstruct(bright.simulation.scan, SWEEPS, network=network, start=dark)


@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test_an_object_of_any_scale_is_scaled(bright, network, factor):
    truth = bright.simulation.truth.object
    start = truth_of(bright.simulation, object=truth * np.complex64(factor))
    result = reconstruct(bright.simulation.scan, JUDGED, network=network, start=start)
    assert result.report.start.gain * factor == pytest.approx(1, rel=0.01)


def test_a_pixel_beyond_all_bounds_is_taken_as_unknown(bright, network):
    plain = truth_of(bright.simulation)
    wrong = truth_of(bright.simulation, object=plain.object.copy())
    wrong.object[tuple(side // 2 for side in wrong.object.shape)] = 1e30
    found = reconstruct(bright.simulation.scan, JUDGED, network=network, start=wrong)
    assert found.report.start.gain == pytest.approx(1, rel=0.01)
    assert "1 pixel brighter than" in said(found)


def test_a_start_is_given_as_reconstruction_or_path_too(bright, network, tmp_path):
    scan = bright.simulation.scan
    first = reconstruct(scan, JUDGED, network=network, start=truth_of(bright.simulation))
    save(first, tmp_path / "own.h5")
    for start in (first, tmp_path / "own.h5", str(tmp_path / "own.h5")):
        again = reconstruct(scan, JUDGED, network=network, start=start)
        assert again.report.misfit == pytest.approx(first.report.misfit, rel=1e-2)
    with pytest.raises(ScanError, match="Scan is no reconstruction"):
        reconstruct(scan, JUDGED, network=network, start=scan)


def test_the_window_says_that_a_start_is_of_another_scan(bright):
    scan = bright.simulation.scan
    first = reconstruct(scan, JUDGED, start=truth_of(bright.simulation))
    other = replace(first, provenance=replace(first.provenance, path=Path("scan 7.h5")))
    for made, is_said in ((first, False), (other, True)):
        for event in reconstruction_events(Order(scan, JUDGED, made, "run 1"), never):
            if isinstance(event, Finished):
                assert ("of another scan, scan 7" in said(event.result)) is is_said


def test_where_the_misfit_is_large_the_start_is_to_be_checked(bright, network):
    start = truth_of(bright.simulation, positions=None)
    start = replace(start, object=np.ascontiguousarray(start.object[::-1, ::-1]))
    result = reconstruct(bright.simulation.scan, JUDGED, network=network, start=start)
    assert "Check the object it starts from, the probe" in said(result)


def test_a_ramp_that_another_probe_made_up_for_is_taken_out(bright, network):
    start = truth_of(bright.simulation)
    y, x = np.indices(start.object.shape)
    ramp = np.exp(1j * (0.04 * y - 0.03 * x))
    tilted = replace(start, object=(start.object * ramp).astype(np.complex64))
    plain, mended, judged = (
        reconstruct(bright.simulation.scan, asked, network=network, start=each).report.misfit
        for asked, each in ((SWEEPS, start), (SWEEPS, tilted), (JUDGED, tilted))
    )
    assert judged > 1.5 * plain
    assert mended < 1.1 * plain


def test_the_probe_of_the_start_takes_the_place_of_a_guess_alone(bright, network):
    scan = bright.simulation.scan
    probe = 3 * bright.simulation.truth.probe
    start = truth_of(bright.simulation, probe=probe)
    guess = replace(scan, probe=np.roll(probe, 3, -1), probe_is_guess=True)
    for each in (guess, replace(scan, probe=None)):
        job = prepare(each, SWEEPS, network, start=start)
        assert job.start.brings_probe
        assert len(job.probes) == 1
        turned = job.probes[0] / job.probes[0].abs().max()
        np.testing.assert_allclose(turned, probe / np.abs(probe).max(), atol=1e-5)
        result = reconstruct(each, SWEEPS, network=network, start=start)
        assert result.report.probe_rounds == 0
        assert "its probe is taken too" in said(result)
        assert result.report.misfit < 0.02
    assert not prepare(scan, SWEEPS, network, start=start).start.brings_probe
    wider = tuple(1.1 * side for side in start.pixel)
    for unfit in ({"probe": probe[:, 1:]}, {"is_start": True}, {"pixel": wider}):
        other = prepare(guess, SWEEPS, network, start=replace(start, **unfit))
        assert not other.start.brings_probe


def test_a_guessed_probe_is_refined_under_the_start(bright, network):
    scan = replace(bright.simulation.scan, probe=None)
    asked = replace(SWEEPS, probe_rounds=2)
    known, flat = (
        reconstruct(scan, asked, network=network, start=start)
        for start in (truth_of(bright.simulation), flat_of(bright.simulation))
    )
    assert known.report.probe_rounds == 2
    assert known.report.misfit < 0.7 * flat.report.misfit


def direct_network(simulation) -> Network:
    sizes = {"encoder": (4, 8, 8), "decoder": (8, 8, 4)}
    card = NetworkCard("raw", "ptychonn", architecture=sizes, pattern_size=32)
    torch.manual_seed(0)
    return Network(card, PtychoNN(**sizes).eval(), simulation.scan.provenance.path)


def test_a_network_that_sees_patterns_alone_only_sweeps_from_a_start(bright):
    direct, start = direct_network(bright.simulation), truth_of(bright.simulation)
    scan = bright.simulation.scan
    swept = reconstruct(scan, SWEEPS, network=direct, start=start)
    assert (swept.report.passes, swept.report.sweeps) == (0, 1)
    assert bright.nrmse(torch.from_numpy(filled(swept))) < 0.05
    for passes in ("auto", 1):
        with pytest.raises(SettingsError, match=r"other\.h5: start: .*raw.* passes to 0"):
            reconstruct(scan, replace(SWEEPS, passes=passes), network=direct, start=start)
    with pytest.raises(SettingsError, match="without a probe"):
        reconstruct(replace(scan, probe=None), SWEEPS, network=direct, start=start)


def test_no_passes_from_nothing_are_refused(simulation, network):
    with pytest.raises(SettingsError, match="passes: 0 passes, and no object to start from"):
        reconstruct(simulation.scan, SWEEPS, network=network)


def test_the_result_and_its_file_name_the_start(bright, network, tmp_path):
    start = truth_of(bright.simulation, object=2 * bright.simulation.truth.object)
    result = reconstruct(bright.simulation.scan, SWEEPS, network=network, start=start)
    record = result.report.start
    assert (record.source, record.format) == ("other.h5", "other program")
    assert record.covered == 1
    assert record.gain == pytest.approx(0.5, rel=0.01)
    save(result, tmp_path / "r.h5")
    assert load(tmp_path / "r.h5").report == result.report
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        assert "started from other.h5" in file.attrs["comments"]
        stored = json.loads(file["ptychonn/report"].asstr()[()])
        assert stored.pop("start")["source"] == "other.h5"
        # As files of before there were starts are.
        del file["ptychonn/report"]
        file["ptychonn/report"] = json.dumps(stored)
    assert load(tmp_path / "r.h5").report.start is None


def test_ones_own_result_is_gone_on_from_by_file_and_in_memory(bright, network, tmp_path):
    scan = bright.simulation.scan
    first = reconstruct(scan, replace(SWEEPS, passes=2, fraction=0.6), network=network)
    save(first, tmp_path / "own.h5")
    write_product(tmp_path / "product.h5", open_result(tmp_path / "own.h5"))
    starts = [open_result(tmp_path / name) for name in ("own.h5", "product.h5")]
    swept = [
        reconstruct(scan, replace(SWEEPS, sweeps=4), network=network, start=start)
        for start in (*starts, as_result(first, "run 1"))
    ]
    assert [each.report.start.source for each in swept] == [
        str(tmp_path / "own.h5"), str(tmp_path / "product.h5"), "run 1"
    ]  # fmt: skip
    # The points that were left out are explained as well as the others.
    assert swept[0].report.misfit < 1.1 * first.report.misfit
    for other in swept[1:]:
        np.testing.assert_allclose(other.object, swept[0].object, atol=1e-4)


def test_a_job_stopped_at_its_start_gives_the_start_back(bright, network):
    seen = []
    events = reconstruct_events(
        bright.simulation.scan, replace(SWEEPS, sweeps=50), network=network,
        start=truth_of(bright.simulation), should_stop=lambda: bool(seen),
    )  # fmt: skip
    for event in events:
        if isinstance(event, Snapshot):
            seen.append(event)
    assert event.stopped
    assert bright.nrmse(torch.from_numpy(filled(event.result))) < 0.01


def test_a_job_stopped_while_the_probe_is_looked_for_gives_the_start_back(bright, network):
    scan = replace(bright.simulation.scan, probe_is_guess=True)
    result = reconstruct(
        scan, SWEEPS, network=network, start=truth_of(bright.simulation), should_stop=lambda: True
    )
    assert result.report.stopped
    assert bright.nrmse(torch.from_numpy(filled(result))) < 0.01


def test_an_engine_of_ptychi_takes_the_same_start(bright, simulation):
    pytest.importorskip("ptychi.api", exc_type=ImportError)
    start = truth_of(simulation, object=4 * simulation.truth.object)
    asked = IterativeSettings(epochs=1, batch_size=10, device="cpu")
    (known,) = iterate(simulation.scan, asked, start_object=start)
    (flat,) = iterate(simulation.scan, asked)
    assert known.loss < 0.5 * flat.loss
    assert known.start.gain == pytest.approx(0.25, rel=0.01)
    assert flat.start is None
    assert bright.nrmse(torch.from_numpy(known.object)) < 0.05
    guess = replace(simulation.scan, probe=None)
    found = replace(start, probe=5 * simulation.truth.probe)
    (warm,) = iterate(guess, replace(asked, update_probe=False), start_object=found)
    assert warm.loss == pytest.approx(known.loss, rel=0.05)
    with pytest.raises(ScanError, match="do not overlap"):
        iterate(guess, asked, start_object=replace(start, positions=None, corner=(1.0, 1.0)))


def filled(result) -> np.ndarray:
    """The object with ones where it is not known."""
    return np.where(np.isfinite(result.object), result.object, 1).astype(np.complex64)
