"""The error of an object, or of each of its tiles, is that at its best global phase."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.training.losses import patch_error, tile_error

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


@given(SEEDS)
@settings(max_examples=20)
def test_tiles_are_each_compared_at_their_own_phase(seed):
    found, truth = waves(seed, 2, 8, 12), waves(seed + 1, 2, 8, 12)
    weight = waves(seed + 2, 2, 8, 12).abs()
    power, missed = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for y in (0, 4):
        for x in (0, 4, 8):
            tile = (slice(None), slice(y, y + 4), slice(x, x + 4))
            light = weight[tile].sum((1, 2))
            missed += light * patch_error(found[tile], truth[tile], weight[tile])
            power += light
    torch.testing.assert_close(tile_error(found, truth, weight, 4), missed / power)
    # More freedom leaves less.
    assert (tile_error(found, truth, weight, 4) <= patch_error(found, truth, weight) + 1e-9).all()


def test_a_slow_phase_is_an_error_of_the_whole_and_hardly_of_its_tiles():
    truth = waves(5, 1, 32, 32)
    slow = torch.polar(torch.ones(32), torch.linspace(0, 3, 32)).to(truth.dtype)
    weight = torch.ones(1, 32, 32)
    whole, tiles = (
        float(error)
        for error in (
            patch_error(truth * slow, truth, weight),
            tile_error(truth * slow, truth, weight, 4),
        )
    )
    assert tiles < 0.05 * whole
    # Noise is an error of both alike.
    noisy = truth + 0.1 * waves(6, 1, 32, 32)
    assert float(tile_error(noisy, truth, weight, 8)) == pytest.approx(
        float(patch_error(noisy, truth, weight)), rel=0.1
    )
