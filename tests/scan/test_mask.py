"""Gaps, dead and hot pixels are found; dark corners and the beam itself are not."""

import numpy as np
import pytest

from napari_ptychonn.scan.frame_statistics import pattern_statistics
from napari_ptychonn.scan.mask import find_bad_pixels
from napari_ptychonn.scan.patterns import ArrayPatterns

SIDE = 64


@pytest.fixture
def frames():
    random = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return random.poisson(np.broadcast_to(60 * np.exp(-(y**2 + x**2) / 150), (40, SIDE, SIDE)))


def found(frames):
    return find_bad_pixels(pattern_statistics(ArrayPatterns(frames)))


def test_a_sound_detector_has_no_bad_pixel_although_its_corners_are_dark(frames):
    assert (frames.sum(0) == 0).any()
    assert not found(frames).any.any()


def test_gap_lines_their_crossing_and_dead_pixels_are_found_where_there_is_light(frames):
    truth = np.zeros((SIDE, SIDE), bool)
    truth[30:32], truth[:, 40:43], truth[25, 25] = True, True, True
    frames[:, truth] = 0
    dead = found(frames).dead
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    # 40 frames of 60 exp(-r²/150): more than 60 counts expected within 23 pixels.
    lit = np.hypot(y, x) < 20
    np.testing.assert_array_equal(dead[lit], truth[lit])
    assert not (dead & ~truth).any()


def test_a_wide_shadow_is_not_taken_for_a_gap(frames):
    frames[:, 22:42, 22:42] = 0
    assert not found(frames).dead[26:38, 26:38].any()


def test_hot_pixels_are_found_in_light_and_in_the_dark(frames):
    frames[:, 20, 40] = 2000
    frames[:, 1, 1] = 12
    frames[:, 1, 2] = 15
    hot = found(frames).hot
    assert set(map(tuple, np.argwhere(hot))) == {(20, 40), (1, 1), (1, 2)}


def test_a_cosmic_ray_in_one_frame_is_not_a_hot_pixel(frames):
    frames[3, 5, 5] = 100_000
    assert not found(frames).hot.any()


def test_a_direct_beam_of_one_pixel_is_kept():
    frames = np.zeros((10, SIDE, SIDE))
    frames[:, SIDE // 2, SIDE // 2 + 1] = 1e4
    assert not found(frames).any.any()


def test_pixels_at_the_overflow_value_are_marked(frames):
    stack = frames.astype(np.uint16)
    stack[:, 10:12] = 65535
    np.testing.assert_array_equal(np.unique(np.nonzero(found(stack).marked)[0]), [10, 11])


def test_statistics_read_a_bounded_number_of_patterns(frames):
    read = []

    class Counting(ArrayPatterns):
        def read(self, indices):
            read.extend(indices)
            return super().read(indices)

    statistics = pattern_statistics(Counting(np.tile(frames, (20, 1, 1))), max_frames=50)
    assert statistics.frames == len(read) == len(set(read)) == 50
    # The mean of 50 Poisson frames is within five standard errors of the expected one.
    assert statistics.mean[32, 32] == pytest.approx(60, abs=5 * np.sqrt(60 / 40))
