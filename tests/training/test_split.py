"""Points that teach and points held out never share light; crops stay where they may."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction.settings import Region
from napari_ptychonn.training.crops import draw_crop
from napari_ptychonn.training.finetune_settings import FinetuneSettings
from napari_ptychonn.training.split import compact, split_points, used_points


def scan_at(positions):
    """As much of a scan as splitting looks at."""
    return SimpleNamespace(
        positions=positions,
        positions_px=positions,
        n_points=len(positions),
        provenance=SimpleNamespace(path="scan.h5"),
    )


def grid(rows, columns, step=2.0):
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.stack((y, x), 1) * step


@given(
    rows=st.integers(12, 30),
    columns=st.integers(12, 30),
    share=st.floats(0.12, 0.4),
    gap=st.floats(0, 4),
)
def test_the_two_sides_are_apart_by_the_gap(rows, columns, share, gap):
    positions = grid(rows, columns)
    used = np.arange(len(positions))
    # Two steps and the gap, and the held-out side, leave 16 points of even the smallest grid.
    teaching, held_out = split_points(scan_at(positions), used, share, gap)
    assert not set(teaching) & set(held_out)
    away = np.abs(positions[teaching][:, None] - positions[held_out][None]).max(-1)
    assert away.min() > gap
    assert len(held_out) >= share * len(used) - max(rows, columns)


def test_points_outside_the_part_and_the_region_are_never_used():
    positions = grid(20, 20)
    region = Region(((-1, -1), (-1, 21), (41, 21), (41, -1)))
    used = used_points(scan_at(positions), FinetuneSettings(part=0.5, region=region))
    assert used.max() < 200
    assert positions[used][:, 1].max() <= 21
    assert len(used) == 110


def test_too_few_points_are_refused_with_their_number():
    with pytest.raises(SettingsError, match="12 of 144 are left by region and part"):
        used_points(scan_at(grid(12, 12)), FinetuneSettings(part=1 / 12))


def test_a_compact_choice_is_a_square_about_its_centre():
    positions = grid(21, 21, step=1.0)
    chosen = compact(positions, np.array([10.0, 10.0]), 25)
    assert positions[chosen].min(0).tolist() == [8, 8]
    assert positions[chosen].max(0).tolist() == [12, 12]


@given(
    height=st.integers(40, 500),
    width=st.integers(40, 500),
    place=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)),
    radius=st.floats(3, 16),
    seed=st.integers(0, 99),
)
def test_a_crop_lies_on_the_object_and_its_parts_belong_together(
    height, width, place, radius, seed
):
    shape = (height, width)
    centre = (place[0] * height, place[1] * width)
    crop = draw_crop(shape, centre, radius, np.random.default_rng(seed))
    canvas = np.arange(height * width).reshape(shape)
    outer = canvas[crop.outer]
    assert all(side % 8 == 0 and side > 0 for side in outer.shape)
    assert np.array_equal(outer[crop.inside], canvas[crop.inner])
    assert canvas[crop.inner].size > 0
