"""The points in use: inside the region, spread evenly, never fewer than two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction.points import select_points, spatial_order, spread_evenly
from napari_ptychonn.reconstruction.settings import Region

GRID = np.stack(np.divmod(np.arange(900), 30), 1).astype(np.float64)


def test_everything_is_used_unless_something_is_asked():
    np.testing.assert_array_equal(select_points(GRID, 1.0, None), np.arange(900))


def test_only_points_inside_the_region_are_used():
    triangle = Region(((-0.5, -0.5), (-0.5, 20.5), (20.5, -0.5)))
    chosen = select_points(GRID, 1.0, triangle)
    inside = np.flatnonzero(GRID.sum(1) <= 20)
    np.testing.assert_array_equal(chosen, inside)


@given(st.integers(2, 900))
@settings(max_examples=40)
def test_exactly_as_many_points_as_asked_are_taken_once_each(count):
    kept = spread_evenly(GRID, count)
    assert len(kept) == count
    assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5])
def test_a_fraction_prefers_no_part_of_the_scan(fraction):
    chosen = GRID[select_points(GRID, fraction, None)]
    distance = np.linalg.norm(GRID[:, None] - chosen[None], axis=2).min(1)
    # On a square grid of spacing 1/√fraction no place is farther than 0.71 of it; a Morton
    # curve may leave twice that.
    assert distance.max() < 1.5 / np.sqrt(fraction)
    quadrants = np.histogram2d(*chosen.T, bins=2)[0]
    assert quadrants.min() > 0.8 * quadrants.mean()
    lines = np.unique(chosen[:, 0])
    assert len(lines) > 0.9 * min(30, np.sqrt(900 * fraction))


def test_a_fraction_counts_inside_the_region():
    square = Region(((-0.5, -0.5), (-0.5, 9.5), (9.5, 9.5), (9.5, -0.5)))
    assert len(select_points(GRID, 0.2, square)) == 20


@pytest.mark.parametrize(
    ("fraction", "region"),
    [(0.001, None), (1.0, Region(((100, 100), (100, 120), (120, 100))))],
)
def test_fewer_than_two_points_are_refused_with_a_remedy(fraction, region):
    with pytest.raises(SettingsError, match=r"leave [01] of 900") as refused:
        select_points(GRID, fraction, region)
    assert "larger" in refused.value.remedy


def test_neighbours_in_spatial_order_are_neighbours_in_space():
    shuffled = GRID[np.random.default_rng(0).permutation(900)]
    order = spatial_order(shuffled)
    np.testing.assert_array_equal(np.sort(order), np.arange(900))
    steps = np.linalg.norm(np.diff(shuffled[order], axis=0), axis=1)
    # A Morton curve's mean step on a grid is below two; a random order's is about 15.
    assert steps.mean() < 2


def test_points_that_all_lie_in_one_place_have_an_order_too():
    np.testing.assert_array_equal(np.sort(spatial_order(np.zeros((5, 2)))), np.arange(5))
