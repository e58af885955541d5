"""The probe: brought to photons, and guessed where it is unknown or out of focus."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.probe import (
    defocused_probes,
    estimate_flux,
    guess_probes,
    move_back,
    scale_probe,
)
from napari_ptychonn.optics.propagation import shift_probe
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil


def waves(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex128, generator=generator)


@given(st.integers(0, 2**31), st.integers(1, 4))
@settings(max_examples=40)
def test_moving_back_is_the_adjoint_of_moving(seed, count):
    probe, fields = waves(seed, 2, 9, 7), waves(seed + 1, count, 2, 9, 7)
    shifts = waves(seed + 2, count, 2).real
    torch.testing.assert_close(
        torch.vdot(shift_probe(probe, shifts).ravel(), fields.ravel()),
        torch.vdot(probe.ravel(), move_back(fields.clone(), shifts).ravel()),
        # The frequencies are of single precision.
        rtol=1e-5,
        atol=1e-4,
    )


def test_the_flux_is_that_of_the_brightest_patterns_but_for_outliers():
    sums = np.r_[np.linspace(100, 1000, 990), np.full(10, 1e6)]
    assert 950 < estimate_flux(sums) <= 1000


def test_patterns_without_a_photon_do_not_make_the_flux_zero():
    assert estimate_flux(np.r_[np.zeros(200), 500.0, 510.0]) == pytest.approx(510, rel=0.01)


def test_a_probe_of_double_precision_becomes_one_of_single(world):
    probe = world.probe.numpy().astype(np.complex128)
    kept, scaled = scale_probe(probe, np.full(9, 6e4), believed=True)
    assert kept.dtype == np.complex64
    assert not scaled


def test_a_probe_in_photons_keeps_its_scale(world):
    probe = world.probe.numpy()
    kept, scaled = scale_probe(probe, np.full(9, 6e4), believed=True)
    assert not scaled
    assert kept is probe


@pytest.mark.parametrize(("factor", "believed"), [(1e-3, True), (1e3, True), (1.3, False)])
def test_a_probe_of_another_scale_gets_the_flux(world, factor, believed):
    found, scaled = scale_probe(factor * world.probe.numpy(), np.full(9, 6e4), believed=believed)
    assert scaled
    assert (np.abs(found) ** 2).sum() == pytest.approx(6e4, rel=1e-4)


@pytest.mark.parametrize(
    "pupil",
    [
        PupilSettings(radius=0.2, stop=0.35, defocus=0.15),
        PupilSettings(radius=0.2, stop=0.35, defocus=-0.25),
        PupilSettings(radius=0.12, defocus=0.02),
        PupilSettings(shape="rectangle", radius=0.12, defocus=0.1),
    ],
)
def test_one_of_the_guesses_is_near_the_probe_that_made_the_mean_pattern(pupil):
    probe = probe_from_pupil(pupil, 64)
    pattern = np.fft.fftshift(np.abs(np.fft.fft2(probe, norm="ortho")) ** 2) * 1e5
    guesses = guess_probes(pattern)
    overlaps = [
        abs(np.vdot(guess, probe)) / np.linalg.norm(guess) / np.linalg.norm(probe)
        for guess in guesses
    ]
    assert max(overlaps) > 0.85
    for guess in guesses:
        assert guess.shape == (1, 64, 64)
        assert (np.abs(guess) ** 2).sum() == pytest.approx(1e5, rel=1e-4)


def test_a_probe_out_of_focus_is_among_those_moved_along_the_beam():
    pupil = PupilSettings(radius=0.22, stop=0.3, defocus=0.12)
    truth = probe_from_pupil(pupil, 64)[None]
    near = probe_from_pupil(PupilSettings(radius=0.22, stop=0.3, defocus=0.06), 64)[None]
    candidates = defocused_probes(near)
    overlaps = [
        abs(np.vdot(probe, truth)) / np.linalg.norm(probe) / np.linalg.norm(truth)
        for probe in candidates
    ]
    assert candidates[0] is near
    assert max(overlaps) > 0.95 > overlaps[0] + 0.05
    for probe in candidates:
        assert (np.abs(probe) ** 2).sum() == pytest.approx((np.abs(near) ** 2).sum(), rel=1e-4)
