"""Simulated scans obey the physics they claim, and know their truth."""

import numpy as np
import pytest

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.simulation.samples import Contrast
from napari_ptychonn.simulation.settings import SAMPLE_SCANS, SimulationSettings
from napari_ptychonn.simulation.simulate import simulate, simulate_lazily

SMALL = {"size": 32, "points": 25, "step_px": 3.0, "seed": 4}


def frames(scan):
    return scan.patterns.read(np.arange(scan.n_points))


def test_noise_free_patterns_are_those_of_a_plain_fourier_sum():
    scan, truth = simulate(SimulationSettings(noise=False, probe="Gaussian", **SMALL))
    centre_px = (truth.positions - truth.corner_m) / truth.pixel_m
    for index in (0, 7, 24):
        corner = np.rint(centre_px[index]).astype(int) - 16
        part = truth.object[corner[0] : corner[0] + 32, corner[1] : corner[1] + 32]
        # The probe moved by a fraction of a pixel, by the shift theorem on one axis at a time.
        probe = truth.probe[0].astype(complex)
        for axis, rest in enumerate(centre_px[index] - np.rint(centre_px[index])):
            ramp = np.exp(-2j * np.pi * rest * np.fft.fftfreq(32))
            ramp = ramp[:, None] if axis == 0 else ramp[None, :]
            probe = np.fft.ifft(np.fft.fft(probe, axis=axis) * ramp, axis=axis)
        wave = np.fft.fftshift(np.fft.fft2(part * probe)) / 32
        expected = np.abs(wave) ** 2
        measured = scan.patterns.read(np.array([index]))[0]
        np.testing.assert_allclose(measured, expected, atol=1e-5 * expected.max())


def test_a_pattern_without_sample_holds_the_photons_of_both_modes():
    empty = np.ones((80, 80), np.complex64)
    scan, truth = simulate(
        SimulationSettings(
            sample_array=empty, second_mode=0.2, photons=5e4, probe="Gaussian", **SMALL
        )
    )
    powers = (np.abs(truth.probe) ** 2).sum((-2, -1))
    np.testing.assert_allclose(powers, [4e4, 1e4], rtol=1e-4)
    assert abs(np.vdot(truth.probe[0], truth.probe[1])) < 1e-3 * 5e4
    # Five standard errors of the mean of 25 Poisson sums.
    assert frames(scan).sum((1, 2)).mean() == pytest.approx(5e4, abs=5 * np.sqrt(5e4 / 25))


def test_counts_scatter_as_poisson_numbers_around_the_noise_free_patterns():
    expected = frames(simulate(SimulationSettings(noise=False, background=3.0, **SMALL)).scan)
    counts = frames(simulate(SimulationSettings(noise=True, background=3.0, **SMALL)).scan)
    assert np.array_equal(counts, np.rint(counts))
    pull = (counts - expected) / np.sqrt(expected)
    assert pull.mean() == pytest.approx(0, abs=5 / np.sqrt(pull.size))
    assert pull.var() == pytest.approx(1, abs=0.05)


def test_background_adds_its_mean_to_every_pixel():
    dark = frames(simulate(SimulationSettings(noise=False, **SMALL)).scan)
    lit = frames(simulate(SimulationSettings(noise=False, background=2.5, **SMALL)).scan)
    np.testing.assert_allclose(lit - dark, 2.5, atol=1e-2)


def test_a_detector_gap_is_blind_and_masked():
    scan, _ = simulate(SimulationSettings(gap_px=2, background=5.0, **SMALL))
    assert (~scan.mask).sum() == 2 * 2 * 32 - 2 * 2
    assert (frames(scan)[:, ~scan.mask] == 0).all()
    assert (frames(scan)[:, scan.mask] > 0).mean() > 0.9


def test_position_errors_are_in_the_scan_and_not_in_the_truth():
    scan, truth = simulate(SimulationSettings(position_error_px=0.5, **{**SMALL, "points": 400}))
    error_px = (scan.positions - truth.positions) / truth.pixel_m
    assert error_px.std() == pytest.approx(0.5, rel=0.1)
    exact, same = simulate(SimulationSettings(**{**SMALL, "points": 400}))
    np.testing.assert_array_equal(exact.positions, same.positions)
    np.testing.assert_array_equal(exact.positions, truth.positions)


def test_a_wrong_probe_guess_has_the_right_aperture_and_another_focus():
    scan, truth = simulate(SimulationSettings(guess_defocus=0.5, second_mode=0.1, **SMALL))
    assert scan.probe_is_guess
    assert scan.probe.shape == (1, 32, 32)
    guess, true = (np.fft.fft2(probe[0]) for probe in (scan.probe, truth.probe))
    np.testing.assert_allclose(np.abs(guess), np.abs(true), atol=1e-4 * np.abs(true).max())
    overlap = abs(np.vdot(guess, true)) / (np.linalg.norm(guess) * np.linalg.norm(true))
    assert overlap < 0.95
    assert not simulate(SimulationSettings(**SMALL)).scan.probe_is_guess


def test_geometry_positions_and_truth_share_one_pixel():
    settings = SimulationSettings(energy_ev=10_000.0, distance_m=3.0, **SMALL)
    scan, truth = simulate(settings)
    # λz/(Np) with λ = 1.23984198 Å at 10 keV.
    assert truth.pixel_m == pytest.approx(1.23984198e-10 * 3.0 / (32 * 75e-6), rel=1e-9)
    assert scan.pixel_m == (truth.pixel_m, truth.pixel_m)
    rows = np.sort(np.unique(np.round(scan.positions_px[:, 0] / 3.0)))
    assert rows.size == 5
    centre_px = (truth.positions - truth.corner_m) / truth.pixel_m
    assert (np.rint(centre_px) - 16 >= 0).all()
    assert (np.rint(centre_px) + 16 <= truth.object.shape).all()


def test_the_overlap_sets_the_step_from_the_size_of_the_probe():
    few, many = (
        simulate(SimulationSettings(size=32, points=25, path="raster", overlap=overlap)).scan
        for overlap in (0.6, 0.8)
    )
    assert np.ptp(few.positions) == pytest.approx(2 * np.ptp(many.positions), rel=1e-6)


def test_a_given_sample_is_scanned_over_its_middle():
    marked = np.ones((101, 121), np.complex64)
    marked[50, 60] = 0.5
    _, truth = simulate(SimulationSettings(sample_array=marked, **SMALL))
    row, column = np.argwhere(np.abs(truth.object) < 0.9)[0]
    middle = (np.array(truth.object.shape) - 1) / 2
    np.testing.assert_allclose([row, column], middle, atol=1)


def test_the_truth_has_the_kinds_and_the_contrast_asked_for():
    settings = SimulationSettings(
        sample="text",
        phase_sample="siemens-star",
        contrast=Contrast("independent", lowest=0.5, phase_range=1.0),
        **SMALL,
    )
    truth = simulate(settings).truth
    assert 0.5 - 1e-5 <= np.abs(truth.object).min() < 1
    assert np.ptp(np.angle(truth.object)) == pytest.approx(1.0, abs=0.01)


def test_a_pattern_is_the_same_whenever_and_with_whomever_it_is_read():
    settings = SimulationSettings(**SMALL)
    lazy = simulate_lazily(settings).scan.patterns
    together = frames(simulate(settings).scan)
    np.testing.assert_array_equal(lazy.read(np.array([20, 3])), together[[20, 3]])
    assert not np.array_equal(
        together, frames(simulate(SimulationSettings(**{**SMALL, "seed": 5})).scan)
    )


def test_strong_patterns_do_not_overflow_the_integers_they_are_stored_in():
    flat = np.ones((80, 80), np.complex64)
    plane = np.ones((32, 32), np.complex64)
    settings = SimulationSettings(sample_array=flat, probe_array=plane, photons=1e6, **SMALL)
    # All light of a plane wave falls into the DC pixel: far more than 16 bits hold.
    counts = frames(simulate(settings).scan)
    assert counts[:, 16, 16].mean() == pytest.approx(1e6, rel=0.01)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"photons": 0}, "photons is 0"),
        ({"overlap": 1.0}, "overlap is 1.0"),
        ({"size": 4}, "size is 4"),
        ({"second_mode": 1.5}, "second_mode is 1.5"),
        ({"probe": "torch"}, "no kind 'torch'"),
        ({"sample": "cheese"}, "no kind 'cheese'"),
        ({"sample_array": np.ones((20, 20), np.complex64)}, r"the given sample has \(20, 20\)"),
        ({"probe_array": np.ones((16, 16), np.complex64)}, "given probe has shape"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_reason(wrong, said):
    with pytest.raises(SettingsError, match=said):
        simulate(SimulationSettings(**{**SMALL, **wrong}))


@pytest.mark.parametrize("name", SAMPLE_SCANS)
def test_the_sample_scans_are_well_overlapped_and_full_of_contrast(name):
    scan, truth = simulate_lazily(SAMPLE_SCANS[name])
    assert scan.pattern_shape == (64, 64)
    assert scan.n_points >= 600
    inner = truth.object[40:-40, 40:-40]
    assert np.abs(inner).std() > 0.05
    assert np.angle(inner).std() > 0.2
    assert scan.probe_is_guess == ("wrong-probe" in name)
