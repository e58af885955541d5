"""The forward model: unitary, and additive in modes."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.propagation import (
    diffract,
    exit_waves,
    intensity,
    shift_probe,
    to_detector,
    to_object,
)

SIDES = st.integers(2, 17)
SEEDS = st.integers(0, 2**31)


def waves(seed, *shape, dtype=torch.complex128):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@given(SEEDS, SIDES, SIDES)
@settings(max_examples=40)
def test_propagation_keeps_every_photon_and_is_undone_exactly(seed, height, width):
    before = waves(seed, 3, height, width)
    after = to_detector(before)
    powers = before.abs().square().sum((-2, -1)), after.abs().square().sum((-2, -1))
    torch.testing.assert_close(*powers)
    torch.testing.assert_close(to_object(after), before)


@given(SEEDS, SIDES, SIDES)
@settings(max_examples=40)
def test_propagation_keeps_inner_products(seed, height, width):
    first, second = waves(seed, height, width), waves(seed + 1, height, width)
    torch.testing.assert_close(
        torch.vdot(first.ravel(), second.ravel()),
        torch.vdot(to_detector(first).ravel(), to_detector(second).ravel()),
    )


@given(SEEDS, SIDES, SIDES, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=40)
def test_a_probe_moved_by_whole_pixels_is_rolled(seed, height, width, down, right):
    probe = waves(seed, 2, height, width)
    moved = shift_probe(probe, torch.tensor([[float(down), float(right)]], dtype=torch.float64))
    torch.testing.assert_close(moved[0], probe.roll((down, right), (-2, -1)))


@given(SEEDS, st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=30)
def test_a_shift_is_undone_by_its_opposite(seed, down, right):
    # An odd side has no Nyquist frequency, whose shift by a fraction is no shift.
    probe = waves(seed, 1, 15, 11)
    shift = torch.tensor([[down, right]], dtype=torch.float64)
    torch.testing.assert_close(shift_probe(shift_probe(probe, shift)[0], -shift)[0], probe)


def test_every_point_gets_its_own_shift():
    probe = waves(0, 2, 8, 8)
    moved = shift_probe(probe, torch.tensor([[0.0, 0.0], [1.0, -2.0]], dtype=torch.float64))
    assert moved.shape == (2, 2, 8, 8)
    torch.testing.assert_close(moved[0], probe)
    torch.testing.assert_close(moved[1], probe.roll((1, -2), (-2, -1)))


@given(SEEDS, st.floats(-3.2, 3.2))
@settings(max_examples=30)
def test_a_pattern_does_not_know_the_global_phase(seed, phase):
    probe, patches = waves(seed, 1, 8, 8), waves(seed + 1, 2, 8, 8)
    turned = patches * torch.polar(torch.ones(1), torch.tensor([phase])).to(patches.dtype)
    # The factor is of single precision.
    torch.testing.assert_close(diffract(probe, turned), diffract(probe, patches), rtol=1e-5, atol=0)


def test_incoherent_modes_add_their_intensities():
    modes, patches = waves(1, 3, 8, 8), waves(2, 4, 8, 8)
    alone = sum(diffract(modes[k : k + 1], patches) for k in range(3))
    torch.testing.assert_close(diffract(modes, patches), alone)


def test_a_probe_for_each_patch_is_used_for_its_patch():
    probes, patches = waves(3, 4, 2, 8, 8), waves(4, 4, 8, 8)
    together = exit_waves(probes, patches)
    assert together.shape == (4, 2, 8, 8)
    torch.testing.assert_close(together[2], probes[2] * patches[2])


@given(SEEDS, st.integers(1, 3))
@settings(max_examples=20)
def test_intensity_is_the_sum_of_the_modes_squared_moduli(seed, modes):
    many = waves(seed, 2, modes, 5, 4)
    torch.testing.assert_close(intensity(many), many.abs().square().sum(1))
    torch.testing.assert_close(intensity(many[0]), many[0].abs().square().sum(0))


def test_the_truth_makes_the_measured_patterns(world):
    torch.testing.assert_close(diffract(world.probe, world.patches).sqrt(), world.amplitude)
