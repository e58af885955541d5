"""Measured counts: the same from memory and from disk, and split without loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.reconstruction import measurements as module
from napari_ptychonn.reconstruction.measurements import HeldOut, Measurements, batches
from napari_ptychonn.scan.patterns import ArrayPatterns

CPU = torch.device("cpu")


class Recording:
    """A source that notes what it was asked for."""

    def __init__(self, source):
        self.source = source
        self.shape = source.shape
        self.asked = []

    def read(self, indices):
        self.asked.append(np.asarray(indices))
        return self.source.read(indices)


@pytest.fixture
def scan(simulation):
    mask = np.ones(simulation.scan.pattern_shape, bool)
    mask[3:5] = False
    return replace(simulation.scan, mask=mask, patterns=Recording(simulation.scan.patterns))


def test_batches_hold_every_point_once_in_order():
    assert torch.cat(list(batches(10, 4))).tolist() == list(range(10))
    assert [len(part) for part in batches(10, 4)] == [4, 4, 2]


def test_counts_are_the_patterns_with_dc_at_the_corner_and_bad_pixels_dark(scan, simulation):
    chosen = np.arange(3, 100, 7)
    found = Measurements(scan, chosen, CPU).counts(torch.tensor([2, 0]))
    stored = simulation.scan.patterns.read(chosen[[2, 0]]) * scan.mask
    np.testing.assert_array_equal(np.fft.fftshift(found.numpy(), axes=(1, 2)), stored)


def test_a_scan_that_is_read_anew_gives_the_same_as_one_that_is_kept(scan, monkeypatch):
    wanted = [torch.tensor([4, 1, 7]), torch.tensor([1, 2]), torch.tensor([4, 1, 7])]
    kept = Measurements(scan, np.arange(10, 40), CPU)
    from_memory = [kept.counts(points) for points in wanted]
    assert [len(asked) for asked in scan.patterns.asked] == [3, 1]
    monkeypatch.setattr(module, "_CACHE_BYTES", 0)
    scan.patterns.asked.clear()
    anew = Measurements(scan, np.arange(10, 40), CPU)
    from_disk = [anew.counts(points) for points in wanted]
    assert [len(asked) for asked in scan.patterns.asked] == [3, 2, 3]
    for one, other in zip(from_memory, from_disk, strict=True):
        assert torch.equal(one, other)


def test_a_large_scan_is_not_kept(scan, monkeypatch):
    bytes_needed = 4 * 20 * 32 * 32
    monkeypatch.setattr(module, "_CACHE_BYTES", bytes_needed - 1)
    large = Measurements(scan, np.arange(20), CPU)
    large.counts(torch.arange(20))
    large.counts(torch.arange(20))
    assert sum(len(asked) for asked in scan.patterns.asked) == 40


@pytest.mark.parametrize("cache", [2**30, 0])
def test_a_split_has_every_photon_once(scan, monkeypatch, cache):
    monkeypatch.setattr(module, "_CACHE_BYTES", cache)
    measurements = Measurements(scan, np.arange(30), CPU)
    held = measurements.held_out(0.1, seed=3)
    assert isinstance(held, HeldOut)
    points = torch.tensor([3, 11, 4])
    fitted, left = held.split(points)
    torch.testing.assert_close(fitted + left, measurements.counts(points), rtol=0, atol=0)
    assert (fitted >= 0).all()
    assert (left >= 0).all()
    assert torch.equal(fitted, fitted.round())


def test_a_split_is_the_same_in_any_batches_kept_or_not(scan, monkeypatch):
    def splits(sizes):
        held = Measurements(scan, np.arange(30), CPU).held_out(0.1, seed=3)
        return torch.cat([held.split(part)[0] for part in torch.arange(30).split(sizes)])

    first = splits(30)
    assert torch.equal(first, splits(7))
    monkeypatch.setattr(module, "_CACHE_BYTES", 0)
    assert torch.equal(first, splits(4))
    again = Measurements(scan, np.arange(30), CPU).held_out(0.1, seed=3)
    backwards = again.split(torch.arange(29, -1, -1))[0].flip(0)
    assert torch.equal(first, backwards)
    other = Measurements(scan, np.arange(30), CPU).held_out(0.1, seed=4)
    assert not torch.equal(first, other.split(torch.arange(30))[0])


def test_the_held_out_share_is_the_one_asked_for(scan):
    measurements = Measurements(scan, np.arange(100), CPU)
    _, left = measurements.held_out(0.1, seed=0).split(torch.arange(100))
    photons = float(measurements.counts(torch.arange(100)).sum())
    # Five standard deviations of a binomial draw.
    assert float(left.sum()) == pytest.approx(0.1 * photons, abs=5 * (0.09 * photons) ** 0.5)


def test_values_that_are_no_photon_counts_cannot_be_split(simulation):
    patterns = ArrayPatterns(simulation.scan.patterns.read(np.arange(10)) * np.float32(0.37))
    scan = replace(simulation.scan, patterns=patterns)
    assert Measurements(scan, np.arange(10), CPU).held_out(0.1, seed=0) is None
