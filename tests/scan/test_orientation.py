"""Eight orientations form a group that leaves DC alone, and DC is found by its power."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ptychonn.scan.orientation import (
    combine_orientations,
    detect_dc,
    inverse_orientation,
    orient,
    orientation_text,
    to_convention,
)

CODES = st.integers(0, 7)
SIDES = st.integers(1, 12)


@given(CODES, SIDES, SIDES)
def test_the_inverse_undoes_an_orientation(code, height, width):
    frames = np.random.default_rng(0).random((2, height, width))
    np.testing.assert_array_equal(orient(orient(frames, code), inverse_orientation(code)), frames)


@given(CODES, CODES, SIDES, SIDES)
def test_one_code_does_what_two_in_a_row_do(first, second, height, width):
    frame = np.random.default_rng(0).random((height, width))
    both = orient(orient(frame, first), second)
    np.testing.assert_array_equal(orient(frame, combine_orientations(first, second)), both)


@given(CODES, SIDES, SIDES)
def test_dc_stays_at_the_centre(code, height, width):
    frame = np.zeros((height, width))
    frame[height // 2, width // 2] = 1
    turned = orient(frame, code)
    assert turned[turned.shape[0] // 2, turned.shape[1] // 2] == 1


def test_the_eight_are_different_and_the_transpose_comes_first():
    frame = np.arange(25).reshape(5, 5)
    seen = {orient(frame, code).tobytes() for code in range(8)}
    assert len(seen) == 8
    np.testing.assert_array_equal(orient(frame, 1), frame[:, ::-1])
    np.testing.assert_array_equal(orient(frame, 2), frame[::-1])
    np.testing.assert_array_equal(orient(frame, 5), frame.T[:, ::-1])
    assert orientation_text(0) == "as stored"
    assert orientation_text(6) == "transposed, y flipped"


@pytest.mark.parametrize("code", [-1, 8])
def test_other_codes_are_refused(code):
    with pytest.raises(ValueError, match=r"0\.\.7"):
        orient(np.zeros((2, 2)), code)


@pytest.mark.parametrize("shape", [(32, 32), (33, 40)])
def test_dc_is_where_the_power_is(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    ring = np.hypot(y - shape[0] // 2, x - shape[1] // 2)
    pattern = np.where((ring < 8) & (ring > 4), 100.0, 0.1)
    assert detect_dc(pattern, default="corner") == "centre"
    stored = np.fft.ifftshift(pattern)
    assert detect_dc(stored, default="centre") == "corner"
    np.testing.assert_array_equal(to_convention(stored, True, 0), pattern)


def test_a_flat_pattern_leaves_dc_to_the_format_and_a_hot_pixel_does_not_decide():
    flat = np.ones((32, 32))
    assert detect_dc(flat, default="corner") == "corner"
    assert detect_dc(flat, default="centre") == "centre"
    flat[16, 16] = 1e9
    assert detect_dc(flat, default="corner") == "corner"
