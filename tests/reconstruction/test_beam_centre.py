"""The beam centre is found within half a pixel, with a probe and without one."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ptychonn.reconstruction.beam_centre import centred_scan, find_beam_centre
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.probes import make_probe
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

SIZE = 64
KINDS = (("zone plate", (1.3, -2.6)), ("KB", (-3.0, 0.4)), ("disc", (0.0, 3.5)))


def off_centre(kind, true, seed=1):
    """A scan whose patterns lie `true` pixels off, with the probe as it would be without that."""
    probe = make_probe(kind, SIZE, np.random.default_rng(seed))
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    moved = probe * np.exp(2j * np.pi * (true[0] * y + true[1] * x) / SIZE)
    settings = SimulationSettings(
        sample="dead-leaves", probe_array=moved, size=SIZE, points=144, step_px=4.0, seed=seed
    )
    return replace(simulate(settings).scan, probe=probe[None].astype(np.complex64))


@pytest.mark.parametrize(("kind", "true"), KINDS)
def test_the_centre_is_found_within_half_a_pixel(kind, true):
    scan = off_centre(kind, true)
    found = find_beam_centre(scan, device="cpu")
    assert np.abs(np.asarray(found.offset) - true).max() < 0.5
    assert found.pixel == pytest.approx((SIZE // 2 + found.offset[0], SIZE // 2 + found.offset[1]))
    alone = find_beam_centre(replace(scan, probe=None), device="cpu")
    assert np.abs(np.asarray(alone.offset) - true).max() < 0.5
    assert not alone.by_misfit


def test_gaps_and_a_hot_pixel_do_not_pull_it():
    true = (1.3, -2.6)
    scan = off_centre("zone plate", true)
    counts = scan.patterns.read(np.arange(scan.n_points))
    mask = np.ones((SIZE, SIZE), bool)
    mask[26:30] = mask[:, 40:43] = False
    counts[:, ~mask] = 0
    counts[:, 5, 9] = 1e5
    gappy = replace(scan, patterns=ArrayPatterns(counts), mask=mask)
    for seen in (gappy, replace(gappy, probe=None)):
        offset = find_beam_centre(seen, device="cpu").offset
        assert np.abs(np.asarray(offset) - true).max() < 0.5


def test_a_scan_that_is_centred_has_its_beam_in_the_middle():
    scan = off_centre("KB", (-3.0, 2.0))
    found = find_beam_centre(scan, device="cpu")
    centred = centred_scan(scan, found)
    assert centred.pattern_shape == scan.pattern_shape
    assert (~centred.mask).sum() == SIZE * SIZE - (SIZE - 3) * (SIZE - 2)
    left = find_beam_centre(replace(centred, probe=None), device="cpu").offset
    assert np.abs(left).max() < 0.5
    assert centred_scan(centred, find_beam_centre(centred, device="cpu")) is centred
