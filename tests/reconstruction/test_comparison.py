"""Comparison with a reference: what no pattern can tell is removed, and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.reconstruction.comparison import compare

SIDE = 72
REGION = ((14.0, 12.0), (60.0, 58.0))


def smooth(seed, width=3.0):
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE))
    picture = ndimage.gaussian_filter(noise, width, mode="wrap")
    return picture / np.abs(picture).max()


def field(seed, phase_range=1.0):
    return (0.8 + 0.2 * smooth(seed)) * np.exp(1j * phase_range * smooth(seed + 1))


def moved(values, shift):
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :]
    ramp = np.exp(-2j * np.pi * (fy * shift[0] + fx * shift[1]))
    return np.fft.ifft2(np.fft.fft2(values) * ramp)


def tilted(values, slope, phase=0.0):
    y, x = np.mgrid[:SIDE, :SIDE]
    return values * np.exp(1j * (slope[0] * y + slope[1] * x + phase))


SHIFTS = st.tuples(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5))
SLOPES = st.tuples(st.floats(-0.15, 0.15), st.floats(-0.15, 0.15))


@given(st.integers(0, 1000), SHIFTS, SLOPES, st.floats(-3.1, 3.1))
@settings(max_examples=20)
def test_a_global_phase_a_ramp_and_a_shift_are_found_and_removed(seed, shift, slope, phase):
    truth = field(seed)
    found = compare(tilted(moved(truth, shift), slope, phase), (0, 0), truth, (0, 0), REGION)
    # What cubic splines leave of details 3 pixels wide.
    assert found.nrmse < 5e-4
    assert found.phase_correlation > 0.9999
    assert found.amplitude_correlation > 0.9999
    assert found.shift_px == pytest.approx((-shift[0], -shift[1]), abs=1e-3)
    assert found.ramp == pytest.approx((-slope[0], -slope[1]), abs=1e-5)


@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
@settings(max_examples=10)
def test_the_corners_say_where_the_two_lie(down, right):
    truth = field(3)
    shifted = moved(truth, (down, right))[5:, 3:]
    found = compare(shifted, (5 - down, 3 - right), truth, (0, 0), REGION)
    assert found.shift_px == pytest.approx((0, 0), abs=0.02)
    assert found.nrmse < 2e-3


def test_an_error_that_is_not_a_freedom_stays():
    truth, other = field(5), field(50)
    noise = np.random.default_rng(0).normal(size=(2, SIDE, SIDE))
    noisy = truth + 0.1 * (noise[0] + 1j * noise[1])
    power = np.mean(np.abs(truth) ** 2)
    expected = 0.1 * np.sqrt(2 / power)
    assert compare(noisy, (0, 0), truth, (0, 0), REGION).nrmse == pytest.approx(expected, rel=0.1)
    unlike = compare(other, (0, 0), truth, (0, 0), REGION)
    assert abs(unlike.phase_correlation) < 0.6
    assert unlike.nrmse > 0.2


def test_a_scale_is_removed_only_where_the_name_says_so():
    truth = field(7)
    found = compare(1.25 * truth, (0, 0), truth, (0, 0), REGION)
    assert found.nrmse == pytest.approx(0.25, abs=1e-3)
    assert found.nrmse_scaled < 1e-3


def test_more_than_three_pixels_are_not_moved():
    truth = field(9)
    found = compare(moved(truth, (6.0, 0.0)), (0, 0), truth, (0, 0), REGION)
    assert abs(found.shift_px[0]) <= 3
    assert found.nrmse > 0.05


def test_unknown_pixels_do_not_count():
    truth = field(11)
    holed = tilted(moved(truth, (0.6, -0.4)), (0.02, 0.01))
    holed[20:30, 20:40] = np.nan
    holed[50, 50] = complex(np.nan, 0)
    reference = truth.copy()
    reference[40:44] = np.nan
    whole = compare(tilted(moved(truth, (0.6, -0.4)), (0.02, 0.01)), (0, 0), truth, (0, 0), REGION)
    found = compare(holed, (0, 0), reference, (0, 0), REGION)
    assert found.nrmse < 2e-3
    assert found.shift_px == pytest.approx((-0.6, 0.4), abs=0.02)
    assert whole.pixels == 47 * 47
    assert whole.pixels - 4 * 47 - 13 * 23 - 30 <= found.pixels < whole.pixels - 4 * 47 - 200


def test_phases_beyond_pi_are_compared_unwrapped():
    truth = field(13, phase_range=9.0)
    assert np.ptp(np.angle(truth)) > 6
    found = compare(tilted(truth, (0.05, 0.0), 2.0), (0, 0), truth, (0, 0), REGION)
    assert found.phase_correlation > 0.999
    flat = compare(np.abs(truth) + 0j, (0, 0), truth, (0, 0), REGION)
    assert not flat.phase_correlation > 0.5


def test_a_constant_amplitude_has_no_correlation():
    truth = field(15)
    found = compare(np.exp(1j * np.angle(truth)), (0, 0), truth, (0, 0), REGION)
    assert found.phase_correlation > 0.99
    assert np.isnan(found.amplitude_correlation)


def test_two_calls_give_the_same():
    truth, noise = field(17, 6.0), field(18)
    first, second = (compare(truth * noise, (0, 0), truth, (0, 0), REGION) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("corner", [(500.0, 0.0), (-500.0, 3.0)])
def test_objects_that_do_not_meet_are_refused(corner):
    with pytest.raises(SettingsError, match="0 known pixels in common"):
        compare(field(1), corner, field(2), (0.0, 0.0), REGION)


def test_an_object_that_is_unknown_everywhere_is_refused():
    unknown = np.full((SIDE, SIDE), np.nan, np.complex64)
    with pytest.raises(SettingsError, match="known pixels"):
        compare(unknown, (0.0, 0.0), field(2), (0.0, 0.0), REGION)
