"""The error of a patch is that at its best global phase."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.training.losses import patch_error

SEEDS = st.integers(0, 2**31)


def waves(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex128, generator=generator)


def plain(patches, truth, weight):
    power = (weight * (patches - truth).abs().square()).sum((-2, -1))
    return power / weight.sum((-2, -1))


@given(SEEDS, st.floats(-3.2, 3.2))
@settings(max_examples=40)
def test_no_global_phase_has_a_smaller_error(seed, phase):
    patches, truth = waves(seed, 3, 5, 4), waves(seed + 1, 3, 5, 4)
    weight = waves(seed + 2, 3, 5, 4).abs()
    found = patch_error(patches, truth, weight)
    turn = torch.polar(torch.ones(1), torch.tensor([phase])).to(patches.dtype)
    assert (found <= plain(patches * turn, truth, weight) + 1e-6).all()
    best = (weight * patches.conj() * truth).sum((-2, -1), keepdim=True)
    torch.testing.assert_close(found, plain(patches * best / best.abs(), truth, weight))


@given(SEEDS, st.floats(-3.2, 3.2))
@settings(max_examples=20)
def test_turning_a_patch_changes_nothing(seed, phase):
    patches, truth = waves(seed, 2, 4, 4), waves(seed + 1, 2, 4, 4)
    turn = torch.polar(torch.ones(1), torch.tensor([phase])).to(patches.dtype)
    weight = torch.ones(2, 4, 4)
    torch.testing.assert_close(
        patch_error(patches * turn, truth, weight),
        patch_error(patches, truth, weight),
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_truth_has_no_error_and_dark_pixels_do_not_count():
    truth = waves(0, 2, 4, 4)
    weight = torch.ones(2, 4, 4, dtype=torch.float64)
    weight[:, 0] = 0
    wrong = truth.clone()
    wrong[:, 0] = 9
    assert patch_error(wrong, truth, weight).abs().max() < 1e-5


def test_the_gradient_is_finite_where_there_is_nothing_at_all():
    patches = torch.zeros(1, 4, 4, dtype=torch.complex64, requires_grad=True)
    patch_error(patches, torch.zeros_like(patches), torch.ones(1, 4, 4)).sum().backward()
    assert torch.isfinite(patches.grad.abs()).all()


def test_the_error_is_relative_to_the_weight_not_to_its_size():
    patches, truth = waves(1, 1, 4, 4), waves(2, 1, 4, 4)
    weight = waves(3, 1, 4, 4).abs()
    first, second = (float(patch_error(patches, truth, factor * weight)) for factor in (1, 50))
    assert first == pytest.approx(second, rel=1e-6)
