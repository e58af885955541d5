"""How far a reconstruction is trusted: the truth is, a wrong one is not, and where is shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.quality import misfit_of_points
from napari_ptychonn.reconstruction.sweeping import point_probes
from napari_ptychonn.scan.patterns import ArrayPatterns


def judged(laid, object_=None, probe=None, frame=None, measurements=None, batch_size=40):
    *_, found = misfit_of_points(
        measurements or laid.measurements,
        frame or laid.frame,
        laid.truth if object_ is None else object_,
        laid.probe if probe is None else probe,
        batch_size=batch_size,
    )
    return found


def test_the_truth_has_the_misfit_that_photon_noise_leaves(bright):
    found = judged(bright)
    every = torch.arange(100)
    windows = torch.take(bright.truth, bright.frame.indices(every))
    expected = diffract(point_probes(bright.probe, bright.frame, every), windows)
    drawn = torch.poisson(expected, generator=torch.Generator().manual_seed(0))
    again = float((drawn.sqrt() - expected.sqrt()).square().sum() / drawn.sum())
    # Two draws of the noise of 1e5 pixels.
    assert found.total == pytest.approx(again, rel=0.05)
    # ¼ for every pixel with a photon is the least: one that expects half a photon misses more.
    assert found.total / 4 < float(found.noise.sum() / found.counted.sum()) < found.total
    assert found.alarm() is None


def test_the_misfit_is_the_r_factor_of_every_pattern(bright):
    flat = bright.flat
    found = judged(bright, flat)
    probes = point_probes(bright.probe, bright.frame, torch.arange(100))
    windows = torch.take(flat, bright.frame.indices(torch.arange(100)))
    modelled = diffract(probes, windows).sqrt()
    counts = bright.measurements.counts(torch.arange(100))
    missed = (counts.sqrt() - modelled).square().sum((1, 2))
    torch.testing.assert_close(found.per_point, missed / counts.sum((1, 2)), rtol=1e-3, atol=1e-5)
    assert found.total == pytest.approx(float(missed.sum() / counts.sum()), rel=1e-3)


def test_a_wrong_object_raises_the_alarm_and_noise_does_not(bright, faint):
    angle = 6.28 * torch.rand(bright.frame.shape, generator=torch.Generator().manual_seed(0))
    alarm = judged(bright, torch.polar(torch.ones_like(angle), angle)).alarm()
    assert alarm is not None
    assert "do not trust this picture" in alarm
    # At a hundred photons the truth itself misses a large part, and photons are the reason.
    dark = judged(faint)
    assert dark.total > 0.1
    assert dark.alarm() is None


def test_disagreement_is_larger_where_positions_are_wrong(bright):
    corners = bright.frame.corners.clone()
    wrong = corners[:, 1] > corners[:, 1].median()
    moves = torch.tensor([[2, 0], [-2, 0], [0, 2], [0, -2]])
    height, width = (side - 32 for side in bright.frame.shape)
    corners[wrong] += moves[torch.arange(100) % 4][wrong]
    corners = torch.stack((corners[:, 0].clamp(0, height), corners[:, 1].clamp(0, width)), 1)
    right, moved = (
        judged(bright, frame=frame).disagreement
        for frame in (bright.frame, replace(bright.frame, corners=corners))
    )
    side = bright.frame.shape[1]
    inside = slice(16, -16)
    left, rest = slice(16, side // 2 - 8), slice(side // 2 + 8, -16)
    assert moved[inside, rest].mean() > 2 * right[inside, rest].mean()
    assert moved[inside, rest].mean() > 1.5 * moved[inside, left].mean()


def test_disagreement_of_the_truth_is_that_of_its_photons(bright, faint):
    clear, noisy = (
        float(judged(laid).disagreement[16:-16, 16:-16].median()) for laid in (bright, faint)
    )
    # A thousandth of the photons: thirty times the spread.
    assert 10 < noisy / clear < 90


def test_what_bad_pixels_counted_changes_nothing(bright):
    patterns = bright.simulation.scan.patterns.read(np.arange(100))
    mask = np.random.default_rng(0).random((32, 32)) > 0.1
    spoiled = np.where(mask, patterns, 1e4).astype(np.float32)
    found = []
    for stored in (patterns, spoiled):
        scan = replace(bright.simulation.scan, patterns=ArrayPatterns(stored), mask=mask)
        measurements = Measurements(scan, np.arange(100), torch.device("cpu"))
        found.append(judged(bright, measurements=measurements))
    clean, other = found
    assert torch.equal(clean.per_point, other.per_point)
    assert torch.equal(clean.disagreement, other.disagreement)
    assert clean.counted.sum() < judged(bright).counted.sum()


def test_batches_of_any_size_say_the_same_and_fill_point_by_point(bright):
    whole, parts = judged(bright, batch_size=100), judged(bright, batch_size=7)
    torch.testing.assert_close(whole.per_point, parts.per_point, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(whole.disagreement, parts.disagreement, rtol=1e-3, atol=1e-5)
    first = next(
        misfit_of_points(
            bright.measurements, bright.frame, bright.truth, bright.probe, batch_size=7
        )
    )
    assert torch.isfinite(first.per_point[:7]).all()
    assert torch.isnan(first.per_point[7:]).all()
    assert first.total == pytest.approx(
        float(whole.missed[:7].sum() / whole.counted[:7].sum()), rel=1e-4
    )


def test_a_pattern_without_a_photon_has_no_misfit_of_its_own(bright):
    patterns = bright.simulation.scan.patterns.read(np.arange(100))
    patterns[3] = 0
    scan = replace(bright.simulation.scan, patterns=ArrayPatterns(patterns))
    found = judged(bright, measurements=Measurements(scan, np.arange(100), torch.device("cpu")))
    assert torch.isnan(found.per_point[3])
    assert torch.isfinite(found.per_point).sum() == 99
    assert np.isfinite(found.total)


def test_modes_are_judged_by_the_sum_of_their_patterns(bright):
    # A mode in two halves is the same light.
    halves = torch.cat((0.6 * bright.probe, 0.8j * bright.probe))
    one, two = judged(bright), judged(bright, probe=halves)
    torch.testing.assert_close(one.per_point, two.per_point, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(one.disagreement, two.disagreement, rtol=1e-2, atol=1e-4)
