"""Patterns that were scaled come back as the photons that they were."""

from dataclasses import replace

import numpy as np
import pytest
from scan_world import World, write_plain

from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.scan.photon_scale import in_photons
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate


@pytest.fixture(scope="module")
def scan():
    return simulate(SimulationSettings(size=32, points=36, photons=1e4, seed=2)).scan


def scaled(scan, factor, power=1.0):
    counts = scan.patterns.read(np.arange(scan.n_points)) * factor
    probe = (scan.probe * power).astype(np.complex64)
    return replace(scan, patterns=ArrayPatterns(counts.astype(np.float32)), probe=probe)


@pytest.mark.parametrize("factor", [1e-4, 1 / 3021, 0.37, 30.5])
def test_scaled_counts_become_the_photons_that_they_were(scan, factor):
    found, note = in_photons(scaled(scan, factor, factor**0.5))
    assert f"whole multiples of {factor:.4g}" in note
    every = np.arange(scan.n_points)
    np.testing.assert_array_equal(found.patterns.read(every), scan.patterns.read(every))
    np.testing.assert_allclose(found.probe, scan.probe, rtol=1e-3)


def test_whole_numbers_and_values_without_steps_stay_what_they_are(scan):
    assert in_photons(scan) == (scan, None)
    smooth = scaled(scan, 1.0)
    noise = np.random.default_rng(0).normal(0, 0.3, (scan.n_points, *scan.pattern_shape))
    values = np.maximum(smooth.patterns.array + noise, 0).astype(np.float32)
    corrected = replace(scan, patterns=ArrayPatterns(values))
    assert in_photons(corrected) == (corrected, None)


def test_normalised_values_without_steps_are_taken_for_many_photons(scan):
    values = np.random.default_rng(0).exponential(0.01, (scan.n_points, *scan.pattern_shape))
    found, note = in_photons(replace(scan, patterns=ArrayPatterns(np.minimum(values, 1))))
    assert "normalised, and their photons are not known" in note
    sums = found.patterns.read(np.arange(scan.n_points)).sum((1, 2))
    assert np.median(sums) == pytest.approx(1e6, rel=0.1)


def test_a_background_leaves_no_steps_that_are_taken_for_photons(tmp_path):
    world = World()
    path = write_plain(tmp_path / "plain.h5", patterns=world.patterns, positions=world.positions_px)
    np.save(tmp_path / "dark.npy", np.full(world.size, 0.1, np.float32))
    opened = open_scan(path, ScanOptions(background=tmp_path / "dark.npy", positions_unit="px"))
    assert not any("one photon" in text for text in opened.provenance.assumptions)
