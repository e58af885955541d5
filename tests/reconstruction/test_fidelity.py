"""Shared structure: a perfect object has it all, noise takes it away ring by ring."""

import numpy as np
import pytest
from scipy import ndimage

from napari_ptychonn.reconstruction.alignment import align
from napari_ptychonn.reconstruction.comparison import compare, measure
from napari_ptychonn.reconstruction.fidelity import fidelity, ring_correlation

SIDE = 128
REGION = ((0.0, 0.0), (SIDE - 1.0, SIDE - 1.0))


def white(seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((SIDE, SIDE)) + 1j * rng.standard_normal((SIDE, SIDE))


def sample(seed=0):
    picture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 1.5)
    picture /= np.abs(picture).max()
    return (0.8 + 0.2 * picture) * np.exp(1j * picture[::-1])


def radius():
    return np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :])


def test_the_truth_itself_has_all_structure_to_the_last_pixel():
    truth = sample()
    found = fidelity(align(truth, (0, 0), truth, (0, 0), REGION))
    assert found.ssim_amplitude == pytest.approx(1, abs=1e-9)
    assert found.ssim_phase == pytest.approx(1, abs=1e-9)
    assert found.resolution_px == 2


def test_rings_correlate_as_much_as_their_signal_to_noise_ratio_says():
    everywhere = np.ones((SIDE, SIDE), bool)
    signal, noise = white(1), white(2)
    frequency, correlation = ring_correlation(signal + np.sqrt(3) * noise, signal, everywhere)
    # Signal is a quarter of the power. Outer rings hold over 100 coefficients: ±0.1 each,
    # and ±0.02 in the mean of 32 rings.
    assert frequency[-1] == 0.5
    assert correlation[32:].mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("cut", [0.1, 0.2, 0.35])
def test_resolution_is_where_noise_takes_over(cut):
    truth = 5 + white(3)
    spectrum = np.fft.fft2(truth)
    spectrum[radius() > cut] = np.fft.fft2(white(4))[radius() > cut]
    found = fidelity(align(np.fft.ifft2(spectrum), (0, 0), truth, (0, 0), REGION))
    # Rings are 1/128 wide, and the faded rim mixes each with two or three neighbours.
    assert 1 / found.resolution_px == pytest.approx(cut, abs=3 / SIDE)


def test_an_object_of_noise_has_no_structure_of_the_truth():
    found = fidelity(align(5 + white(5), (0, 0), 5 + white(6), (0, 0), REGION))
    assert abs(found.ssim_phase) < 0.1
    assert abs(found.ssim_amplitude) < 0.1
    assert found.resolution_px > 20


def test_noise_lowers_similarity_step_by_step():
    truth = sample()
    similarity = [
        fidelity(align(truth + level * white(7), (0, 0), truth, (0, 0), REGION)).ssim_phase
        for level in (0.0, 0.02, 0.1)
    ]
    assert similarity[0] > similarity[1] > similarity[2] > 0


def test_what_is_not_known_does_not_count():
    truth = sample()
    dark = np.zeros((SIDE, SIDE), bool)
    dark[40:70, 50:90] = True
    reference = np.where(dark, np.nan, truth)
    spoiled = np.where(dark, 9 - 3j, truth)
    found = fidelity(align(spoiled, (0, 0), reference, (0, 0), REGION))
    assert found.ssim_phase == pytest.approx(1, abs=1e-6)
    assert found.ssim_amplitude == pytest.approx(1, abs=1e-6)
    assert found.resolution_px == 2


def test_similarity_of_a_constant_reference_is_not_a_number():
    truth = np.exp(1j * np.angle(sample()))
    found = fidelity(align(truth, (0, 0), truth, (0, 0), REGION))
    assert np.isnan(found.ssim_amplitude)
    assert found.ssim_phase == pytest.approx(1, abs=1e-9)


def test_phases_that_wrap_are_compared_unwrapped():
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    truth = np.exp(6j * np.exp(-(y**2 + x**2) / 800)) * (1 + 0.1 * sample().imag)
    aligned = align(truth * np.exp(2j), (0, 0), truth, (0, 0), REGION)
    ours, theirs = aligned.phases()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert np.ptp(theirs) == pytest.approx(6, abs=0.1)


def test_comparing_is_aligning_and_measuring():
    truth, other = sample(1), sample(2)
    assert measure(align(other, (0, 0), truth, (0, 0), REGION)) == compare(
        other, (0, 0), truth, (0, 0), REGION
    )
