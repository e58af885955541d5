"""One sweep over a scan: every point once, in subsets that each cover it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.propagation import shift_probe
from napari_ptychonn.optics.sweep import Sweep, SweepSettings
from napari_ptychonn.reconstruction.events import Message, never
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.sweeping import (
    cover_of,
    point_probes,
    run_sweep,
    subsets_of,
)


def square_probe(size, side):
    """Even light on a square: its lit area is known."""
    probe = torch.zeros(1, size, size, dtype=torch.complex64)
    start = (size - side) // 2
    probe[:, start : start + side, start : start + side] = 3
    return probe


def grid(side, step):
    return np.stack(np.divmod(np.arange(side**2), side), 1) * float(step)


class Recorder:
    """What stands in for a sweep: it notes its batches, and may run out of memory."""

    def __init__(self, most=10**9):
        self.most = most
        self.tried = []
        self.batches = []
        self.applied = []

    def add(self, batch):
        self.tried.append(len(batch.indices))
        if len(batch.indices) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.batches.append(batch)

    def apply(self):
        self.applied.append(len(self.batches))


def ran(laid, sweep, subsets, *, batch_size=16, should_stop=never, counts_of=None):
    return list(
        run_sweep(
            sweep, laid.measurements, laid.frame, subsets,
            batch_size=batch_size, should_stop=should_stop, counts_of=counts_of,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("step", "lit"), [(2, 10), (5, 12), (20, 8)])
def test_the_cover_is_how_often_a_lit_pixel_is_seen_on_average(step, lit):
    frame = make_frame(grid(12, step), (32, 32))
    seen = torch.zeros(frame.shape)
    light = square_probe(32, lit)[0].abs() > 0
    for y, x in frame.corners.tolist():
        seen[y : y + 32, x : x + 32] += light
    rows, columns = (torch.nonzero(seen.sum(axis)).ravel() for axis in (1, 0))
    inside = seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # The span is counted from the first pixel to the last, with or without one of them.
    assert cover_of(frame, square_probe(32, lit)) == pytest.approx(float(inside.mean()), rel=0.1)


@given(st.integers(2, 300), st.integers(0, 1000), st.floats(0.5, 30))
@settings(max_examples=30)
def test_subsets_hold_every_point_once(count, seed, step):
    positions = np.random.default_rng(seed).uniform(0, step * count**0.5, (count, 2))
    frame = make_frame(positions, (16, 16))
    subsets = subsets_of(frame, square_probe(16, 6), seed)
    assert sorted(torch.cat(subsets).tolist()) == list(range(count))
    sizes = [len(subset) for subset in subsets]
    assert max(sizes) - min(sizes) <= 1


def test_subsets_are_many_thin_and_spread_over_the_scan():
    frame = make_frame(grid(40, 2), (32, 32))
    probe = square_probe(32, 12)
    subsets = subsets_of(frame, probe, 0)
    assert len(subsets) >= 40
    for subset in subsets:
        part = frame.subset(subset)
        assert cover_of(part, probe) < 0.8
        corners = part.corners.double().numpy()
        assert np.ptp(corners, axis=0).min() > 0.6 * 78
        # As evenly as it goes: no quarter of the scan without its share.
        quarter = (corners[:, 0] > 39) * 2 + (corners[:, 1] > 39)
        assert np.bincount(quarter.astype(int), minlength=4).min() >= len(subset) // 6


def test_a_seed_gives_an_order_of_the_same_subsets(bright):
    first, again, other = (subsets_of(bright.frame, bright.probe, seed) for seed in (1, 1, 2))
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert [part.tolist() for part in first] != [part.tolist() for part in other]
    assert sorted(part.tolist() for part in first) == sorted(part.tolist() for part in other)


def test_a_sweep_takes_every_point_once_and_applies_every_subset(bright):
    sweep = Recorder()
    subsets = list(torch.arange(100).split(30))
    taken = ran(bright, sweep, subsets)
    assert taken == [30, 30, 30, 10]
    assert [len(batch.indices) for batch in sweep.batches] == [16, 14, 16, 14, 16, 14, 10]
    assert sweep.applied == [2, 4, 6, 7]
    everything = torch.arange(100)
    assert torch.equal(
        torch.cat([batch.indices for batch in sweep.batches]), bright.frame.indices(everything)
    )
    counts = torch.cat([batch.counts for batch in sweep.batches])
    assert torch.equal(counts, bright.measurements.counts(everything))


def test_other_counts_may_be_swept(bright):
    sweep = Recorder()
    ran(bright, sweep, [torch.tensor([5, 2])], counts_of=lambda points, _: 2.0 * points)
    assert sweep.batches[0].counts.tolist() == [10, 4]


def test_a_stopped_sweep_applies_what_it_had(bright):
    sweep = Recorder()
    taken = ran(
        bright, sweep, list(torch.arange(100).split(30)),
        batch_size=10, should_stop=lambda: len(sweep.batches) >= 5,
    )  # fmt: skip
    assert taken == [30, 20]
    assert sweep.applied == [3, 5]


def test_a_full_memory_halves_the_batch_and_every_point_still_comes_once(bright):
    sweep = Recorder(most=5)
    found = ran(bright, sweep, list(torch.arange(100).split(40)), batch_size=16)
    said = [event.text for event in found if isinstance(event, Message)]
    assert sweep.tried[:4] == [16, 8, 4, 4]
    assert said == [
        "The device's memory is full: going on with batches of 8 patterns.",
        "The device's memory is full: going on with batches of 4 patterns.",
    ]
    assert [taken for taken in found if not isinstance(taken, Message)] == [40, 40, 20]
    indices = torch.cat([batch.indices for batch in sweep.batches])
    assert torch.equal(indices, bright.frame.indices(torch.arange(100)))


def test_a_subset_smaller_than_a_batch_is_halved_itself(bright):
    sweep = Recorder(most=3)
    ran(bright, sweep, [torch.arange(6)], batch_size=64)
    assert sweep.tried == [6, 3, 3]


def test_a_memory_too_small_for_one_pattern_is_not_hidden(bright):
    with pytest.raises(torch.OutOfMemoryError):
        ran(bright, Recorder(most=0), [torch.arange(6)])


def test_one_sweep_of_the_scan_comes_nearer_to_the_truth(bright):
    sweep = Sweep(bright.flat, bright.probe, bright.measurements.mask, SweepSettings())
    ran(bright, sweep, subsets_of(bright.frame, bright.probe, 0))
    assert bright.nrmse(sweep.object) < 0.75 * bright.nrmse(bright.flat)


def test_points_off_the_grid_get_their_own_moved_probe():
    probe = torch.randn(2, 8, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    on_grid = make_frame(grid(3, 2), (8, 8))
    assert point_probes(probe, on_grid, torch.arange(4)) is probe
    between = make_frame(grid(3, 2.3), (8, 8))
    points = torch.tensor([4, 1])
    found = point_probes(probe, between, points)
    assert found.shape == (2, 2, 8, 8)
    torch.testing.assert_close(found[0], shift_probe(probe, between.shifts[4:5])[0])
