"""Samples are transmissions, reproducible, diverse, and quick enough to be made on the fly."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.simulation.samples import (
    SAMPLE_KINDS,
    Contrast,
    compose,
    make_sample,
    random_contrast,
    random_sample,
)
from napari_ptychonn.simulation.textures import blended, paint_rough

PAINTERS = {
    **SAMPLE_KINDS,
    "rough": paint_rough,
    "blended": blended(paint_rough, SAMPLE_KINDS["cells"]),
}


@pytest.mark.parametrize("kind", PAINTERS)
def test_every_picture_fills_its_shape_with_values_from_0_to_1(kind):
    spreads = []
    for seed in range(12):
        picture = PAINTERS[kind]((48, 80), np.random.default_rng(seed))
        assert picture.shape == (48, 80)
        assert picture.dtype == np.float32
        assert picture.min() >= -1e-6
        assert picture.max() <= 1 + 1e-6
        spreads.append(picture.std())
    # An empty picture may happen (all shapes missed the field), but not often.
    assert np.median(spreads) > 0.05


@pytest.mark.parametrize("kind", SAMPLE_KINDS)
def test_the_same_seed_gives_the_same_sample_and_another_seed_another(kind):
    first, again, other = (
        make_sample(kind, (64, 64), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_rough_picture_has_detail_everywhere():
    """Pixels that are 4 px apart differ, in each of its quarters."""
    for seed in range(12):
        picture = paint_rough((64, 64), np.random.default_rng(seed))
        for part in (half for rows in np.split(picture, 2) for half in np.split(rows, 2, axis=1)):
            near = 0.5 * np.mean((part[4:] - part[:-4]) ** 2)
            assert near > 0.05 * part.var()
            assert part.std() > 0.01


@pytest.mark.parametrize("seed", range(6))
def test_a_blend_shows_both_of_its_pictures(seed):
    one, other = SAMPLE_KINDS["fibres"], SAMPLE_KINDS["grains"]
    shown = blended(one, other)((64, 64), np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    # The two are painted first, in this order.
    parts = [painter((64, 64), rng) for painter in (one, other)]
    fitted = np.stack([*parts, parts[0] * parts[1], np.ones((64, 64))], -1).reshape(-1, 4)
    left = shown.ravel() - fitted @ np.linalg.lstsq(fitted, shown.ravel(), rcond=None)[0]
    assert left.std() < 0.8 * shown.std()
    for part in parts:
        without = np.stack([part.ravel(), np.ones(part.size)], -1)
        rest = shown.ravel() - without @ np.linalg.lstsq(without, shown.ravel(), rcond=None)[0]
        assert rest.std() > 0.1 * shown.std()


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(8, 90),
    width=st.integers(8, 90),
)
def test_a_random_sample_absorbs_and_never_amplifies(seed, height, width):
    sample = random_sample((height, width), np.random.default_rng(seed))
    assert sample.shape == (height, width)
    assert sample.dtype == np.complex64
    assert np.isfinite(sample).all()
    assert np.abs(sample).max() <= 1 + 1e-5
    # The smallest a_min is 0.1; a picture may exceed 1 by rounding.
    assert np.abs(sample).min() >= 0.1 - 1e-4


def test_a_coupled_sample_has_phase_in_proportion_to_log_amplitude():
    contrast = Contrast("coupled", lowest=0.3, phase_range=-2.0)
    painter = SAMPLE_KINDS["spheres"]
    sample = compose(painter, painter, (80, 80), np.random.default_rng(0), contrast)
    expected = -2.0 * np.log(np.abs(sample)) / np.log(0.3)
    np.testing.assert_allclose(np.angle(sample), expected, atol=1e-5)


def test_independent_amplitude_and_phase_do_not_resemble_each_other():
    contrast = Contrast("independent", lowest=0.3, phase_range=1.0)
    painter = SAMPLE_KINDS["dead-leaves"]
    shared = []
    for seed in range(10):
        sample = compose(painter, painter, (80, 80), np.random.default_rng(seed), contrast)
        pair = np.corrcoef(np.abs(sample).ravel(), np.angle(sample).ravel())
        shared.append(abs(pair[0, 1]))
    # A few large shapes agree by chance; ten pairs together stay far below the coupled 1.
    assert np.mean(shared) < 0.4


@pytest.mark.parametrize(
    ("relation", "flat"), [("phase", np.abs), ("amplitude", np.angle)], ids=["phase", "amplitude"]
)
def test_a_pure_sample_is_flat_in_the_other_part(relation, flat):
    painter = SAMPLE_KINDS["text"]
    contrast = Contrast(relation, lowest=0.2, phase_range=1.0)
    sample = compose(painter, painter, (64, 64), np.random.default_rng(0), contrast)
    assert np.ptp(flat(sample)) < 1e-6
    assert sample.std() > 0.01


def test_contrasts_span_the_wanted_ranges():
    rng = np.random.default_rng(0)
    contrasts = [random_contrast(rng) for _ in range(1000)]
    phases = np.array([contrast.phase_range for contrast in contrasts])
    assert np.abs(phases).min() >= 0.3
    assert np.abs(phases).max() <= 6
    # Log-uniform: half of them below √(0.3·6), within three standard errors.
    assert np.mean(np.abs(phases) < np.sqrt(0.3 * 6)) == pytest.approx(0.5, abs=0.05)
    assert 0.4 < np.mean(phases > 0) < 0.6
    assert {contrast.relation for contrast in contrasts} >= {"coupled", "independent", "phase"}


def test_edges_are_one_pixel_soft():
    star = SAMPLE_KINDS["siemens-star"]((160, 160), np.random.default_rng(3))
    # Between black and white lies one pixel: grey ones are few, but there are some.
    grey = np.mean((star > 0.02) & (star < 0.98))
    assert 0.005 < grey < 0.6


def test_an_unknown_kind_names_those_there_are():
    with pytest.raises(SettingsError, match=r"no kind 'cheese'.*natural"):
        make_sample("cheese", (64, 64), np.random.default_rng(0))


@pytest.mark.alone
def test_samples_are_made_fast_enough_for_training():
    rng = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(60):
        random_sample((160, 160), rng)
    # About 6 ms measured; training can afford 8, a busy machine takes some times as long.
    assert (time.process_time() - start) / 60 < 0.04
