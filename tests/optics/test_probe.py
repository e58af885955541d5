"""The probe: found again from a known object, brought to photons, guessed where unknown."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.probe import (
    ProbeUpdate,
    estimate_flux,
    guess_probes,
    move_back,
    replace_modulus,
    scale_probe,
)
from napari_ptychonn.optics.propagation import diffract, exit_waves, shift_probe, to_detector
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil

ALL = torch.ones(32, 32, dtype=torch.bool)


def waves(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex128, generator=generator)


def distance(probe, truth):
    """‖probe − truth‖ / ‖truth‖ at the best global phase."""
    turned = probe * torch.exp(-1j * torch.vdot(truth.ravel(), probe.ravel()).angle())
    return float((turned - truth).norm() / truth.norm())


def refined(world, start, rounds, shifts=None, amplitude=None, mask=ALL):
    probe = start
    for _ in range(rounds):
        update = ProbeUpdate(probe)
        for part in torch.arange(len(world.indices)).split(20):
            some = None if shifts is None else shifts[part]
            local = probe if some is None else shift_probe(probe, some)
            measured = world.amplitude if amplitude is None else amplitude
            update.add(world.patches[part], local, measured[part], mask, some)
        probe = update.probe()
    return probe, update.misfit


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


def test_a_replaced_modulus_is_the_measured_one_where_the_mask_is_good(world):
    amplitude = world.amplitude.roll(1, 0)
    mask = ALL.clone()
    mask[3:5] = False
    before = exit_waves(world.probe, world.patches)
    change, modelled = replace_modulus(before, amplitude, mask)
    torch.testing.assert_close(modelled, world.amplitude)
    after = to_detector(before + change)[:, 0].abs()
    # Single precision, on amplitudes of up to a few dozen.
    torch.testing.assert_close(after[:, mask], amplitude[:, mask], atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(after[:, ~mask], modelled[:, ~mask], atol=1e-3, rtol=1e-4)


def test_the_right_probe_is_left_alone_and_has_no_misfit(world):
    probe, value = refined(world, world.probe, 1)
    assert distance(probe, world.probe) < 1e-5
    assert value < 1e-10


@pytest.mark.parametrize("moved", [False, True])
def test_a_wrong_probe_becomes_the_right_one_when_the_object_is_known(world, moved):
    pupil = PupilSettings(radius=0.22, stop=0.3, defocus=-0.02)
    wrong = torch.from_numpy(probe_from_pupil(pupil, 32))[None] * 1e5**0.5
    shifts = amplitude = None
    if moved:
        shifts = torch.rand(64, 2, generator=torch.Generator().manual_seed(0)) - 0.5
        amplitude = diffract(shift_probe(world.probe, shifts), world.patches).sqrt()
    start = distance(wrong, world.probe)
    probe, _ = refined(world, wrong, 100, shifts, amplitude)
    assert start > 0.5
    assert distance(probe, world.probe) < 0.03, distance(probe, world.probe)


def test_bad_pixels_do_not_reach_the_probe(world):
    mask = ALL.clone()
    mask[:2] = False
    spoiled = torch.where(mask, world.amplitude, 1e4)
    probe, value = refined(world, world.probe, 1, amplitude=spoiled, mask=mask)
    assert distance(probe, world.probe) < 1e-5
    assert value < 1e-10


def test_the_flux_is_that_of_the_brightest_patterns_but_for_outliers():
    sums = np.r_[np.linspace(100, 1000, 990), np.full(10, 1e6)]
    assert 950 < estimate_flux(sums) <= 1000


def test_a_probe_in_photons_keeps_its_scale(world):
    probe = world.probe.numpy()
    kept, scaled = scale_probe(probe, np.full(9, 6e4), is_guess=False)
    assert not scaled
    assert kept is probe


@pytest.mark.parametrize(("factor", "is_guess"), [(1e-3, False), (1e3, False), (1.3, True)])
def test_a_probe_of_another_scale_gets_the_flux(world, factor, is_guess):
    found, scaled = scale_probe(factor * world.probe.numpy(), np.full(9, 6e4), is_guess=is_guess)
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
