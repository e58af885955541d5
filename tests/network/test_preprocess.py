"""Preprocessing in batches is that of the whole stack; nothing is scaled by its own sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize

from napari_ptychonn.errors import NetworkError, ScanError
from napari_ptychonn.network.card import Preprocessing
from napari_ptychonn.network.preprocess import (
    StackStatistics,
    gather_statistics,
    needs_statistics,
    patch_pixel_scale,
    processed_shape,
    transform,
)


class Stack:
    """Patterns in memory that remember how many were asked for at once."""

    def __init__(self, patterns):
        self.patterns = np.asarray(patterns, np.float32)
        self.largest = 0
        self.read_so_far = 0

    @property
    def shape(self):
        return self.patterns.shape

    def read(self, indices):
        self.largest = max(self.largest, len(indices))
        self.read_so_far += len(indices)
        return self.patterns[indices]


def counts(n=11, size=24, rate=5e4, seed=0):
    rng = np.random.default_rng(seed)
    falloff = np.exp(-np.hypot(*np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]) * 6)
    return Stack(rng.poisson(rate * falloff * rng.uniform(0.5, 1, (n, 1, 1))))


def test_batches_give_what_the_whole_stack_would():
    source = counts()
    how = Preprocessing(crop=4, resize=8, threshold=3, subtract_mean_pattern=True, standardise=True)
    x = resize(source.patterns[:, 4:-4, 4:-4].astype(float), (11, 8, 8), anti_aliasing=True)
    x[x < 3] = 0
    x -= x.mean(0)
    expected = (x - x.mean()) / x.std()
    statistics = gather_statistics(source, how, batch_size=4)
    np.testing.assert_allclose(transform(source.patterns, how, statistics), expected, atol=1e-5)
    assert source.largest == 4


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12),
    st.booleans(),
    st.floats(1, 1e6),
    st.integers(0, 1000),
)
def test_streamed_standardising_leaves_mean_0_and_deviation_1(batch, subtract, rate, seed):
    source = counts(rate=rate, seed=seed, size=6)
    how = Preprocessing(subtract_mean_pattern=subtract, standardise=True)
    out = transform(source.patterns, how, gather_statistics(source, how, batch_size=batch))
    # float32 output: 6 digits of values of order 1, averaged.
    assert abs(out.mean(dtype=float)) < 1e-5
    assert out.std(dtype=float) == pytest.approx(1, abs=1e-5)


def test_flux_is_that_of_the_scan_and_not_of_each_pattern():
    patterns = np.ones((40, 8, 8), np.float32) * np.linspace(0.5, 1, 40)[:, None, None]
    how = Preprocessing(flux=1000.0)
    statistics = gather_statistics(Stack(patterns), how)
    sums = transform(patterns, how, statistics).sum((1, 2))
    # The ratio of bright to dark points is the sample's amplitude, and must stay.
    assert sums[-1] / sums[0] == pytest.approx(2, rel=1e-5)
    # A 95 % quantile of sums that end at 100 % lies 2.5 % of the end below it.
    assert sums[-1] == pytest.approx(1000 / 0.975, rel=1e-3)


def test_bad_pixels_count_as_nothing():
    source = counts(size=8)
    mask = np.ones((8, 8), bool)
    mask[2, 3] = False
    dirty = source.patterns.copy()
    dirty[:, 2, 3] = 1e9
    clean = source.patterns.copy()
    clean[:, 2, 3] = 0
    how = Preprocessing(standardise=True)
    found = gather_statistics(Stack(dirty), how, mask=mask)
    wanted = gather_statistics(Stack(clean), how)
    assert (found.mean, found.std, found.flux) == (wanted.mean, wanted.std, wanted.flux)
    np.testing.assert_array_equal(
        transform(dirty, how, found, mask=mask), transform(clean, how, wanted)
    )


def test_only_the_chosen_points_are_read():
    source = counts()
    chosen = np.array([1, 5, 7])
    found = gather_statistics(source, Preprocessing(), indices=chosen)
    assert source.read_so_far == 3
    np.testing.assert_allclose(found.mean_pattern, source.patterns[chosen].mean(0), rtol=1e-6)


def test_gathering_stops_after_the_batch_in_hand():
    source = counts()
    gather_statistics(source, Preprocessing(), batch_size=2, should_stop=lambda: True)
    assert source.read_so_far == 2


def test_raw_counts_pass_unchanged_without_statistics():
    source = counts()
    how = Preprocessing()
    assert not needs_statistics(how)
    np.testing.assert_array_equal(transform(source.patterns, how), source.patterns)


def test_threshold_keeps_what_reaches_it():
    patterns = np.array([[[2.9, 3.0], [0.0, 7.0]]], np.float32)
    out = transform(patterns, Preprocessing(threshold=3))
    np.testing.assert_array_equal(out, np.array([[[0, 3], [0, 7]]], np.float32))


def test_a_cut_detector_makes_larger_object_pixels_and_shrinking_does_not():
    how = Preprocessing(crop=64, resize=128)
    assert patch_pixel_scale(how, (512, 512)) == pytest.approx((4 / 3, 4 / 3))
    assert processed_shape(how, (512, 512)) == (128, 128)


@pytest.mark.parametrize(
    ("how", "shape", "says"),
    [
        (Preprocessing(crop=32), (64, 64), "64×64 pixels, and the network cuts 32"),
        (Preprocessing(crop=32, resize=64), (96, 96), "leaves 32×32"),
        (Preprocessing(resize=64), (128, 96), "leaves 128×96"),
    ],
)
def test_patterns_that_cannot_be_cut_and_shrunk_are_refused_with_both_sizes(how, shape, says):
    with pytest.raises(NetworkError, match=says):
        processed_shape(how, shape)


def test_patterns_without_contrast_are_refused():
    dark = Stack(np.zeros((4, 8, 8)))
    with pytest.raises(ScanError, match="no contrast"):
        gather_statistics(dark, Preprocessing(standardise=True))
    with pytest.raises(ScanError, match="no pattern"):
        gather_statistics(dark, Preprocessing(), indices=np.array([], int))


def test_a_flux_cannot_be_taken_from_dark_patterns():
    dark = StackStatistics(np.zeros((8, 8)), 0.0, 1.0, 0.0)
    with pytest.raises(ScanError, match="flux is unknown"):
        transform(np.zeros((1, 8, 8), np.float32), Preprocessing(flux=1.0), dark)


def test_forgotten_statistics_are_a_mistake_and_not_a_default():
    with pytest.raises(ValueError, match="statistics of the whole scan"):
        transform(np.zeros((1, 8, 8), np.float32), Preprocessing(standardise=True))
