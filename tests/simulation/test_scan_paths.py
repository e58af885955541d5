"""Scan paths have the number of points, the spacing and the shape that were asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.simulation.scans import PATH_KINDS, PathSettings, scan_path


def path(kind, points=400, step=5.0, seed=0):
    return scan_path(PathSettings(kind, points, step), np.random.default_rng(seed))


@given(
    kind=st.sampled_from(PATH_KINDS),
    points=st.integers(1, 300),
    step=st.floats(0.1, 50),
)
def test_a_path_has_as_many_points_as_asked_for_around_the_origin(kind, points, step):
    positions = path(kind, points, step)
    assert positions.shape == (points, 2)
    assert positions.dtype == np.float64
    # A field of area N·step², as a square or a disc, with room for an unfinished row.
    assert np.abs(positions).max() <= step * (np.sqrt(points) + 1)


@pytest.mark.parametrize("kind", PATH_KINDS)
def test_every_point_has_an_area_of_one_step_squared(kind):
    positions = path(kind, points=900)
    inner = np.sum(np.hypot(*positions.T) < 50)
    # 314 are expected; edge effects of the count are of the order of its perimeter / step.
    assert inner == pytest.approx(np.pi * 50**2 / 5**2, rel=0.06)


@pytest.mark.parametrize(("kind", "closest"), [("raster", 1.0), ("spiral", 0.6), ("fermat", 0.6)])
def test_neighbours_keep_their_distance(kind, closest):
    positions = path(kind)
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    assert nearest.min() >= 5.0 * closest - 1e-9
    assert nearest.max() <= 5.0 * 1.3


def test_a_raster_runs_along_rows():
    positions = path("raster", points=9, step=2.0)
    np.testing.assert_allclose(positions[:3], [[-2, -2], [-2, 0], [-2, 2]])


def test_the_jitter_stays_within_its_share_and_comes_from_the_seed():
    offsets = path("jittered") - path("raster")
    assert np.abs(offsets).max() <= 0.3 * 5.0
    assert offsets.std() == pytest.approx(0.3 * 5.0 / np.sqrt(3), rel=0.1)
    assert np.array_equal(path("jittered"), path("jittered"))
    assert not np.array_equal(path("jittered"), path("jittered", seed=1))


@pytest.mark.parametrize(
    "settings", [PathSettings("zigzag"), PathSettings(points=0), PathSettings(step=-1.0)]
)
def test_an_impossible_path_is_refused(settings):
    with pytest.raises(SettingsError, match="scan path"):
        scan_path(settings, np.random.default_rng(0))
