"""Shrinkage: noise goes, what stands above it stays, and nothing depends on the frame."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.network import shrinkage
from napari_ptychonn.network.shrinkage import shrink

SIGMA = 0.02


def noisy(clean, sigma=SIGMA, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(*clean.shape, 2, generator=generator) * sigma / 2**0.5
    return clean + torch.view_as_complex(noise)


def flat(*shape):
    return torch.ones(shape, dtype=torch.complex64)


def grating(side, period):
    y = torch.arange(side, dtype=torch.float32)[:, None].expand(side, side)
    return torch.polar(torch.ones(side, side), 0.4 * torch.sin(2 * torch.pi * y / period))[None]


def disc(side):
    y, x = torch.meshgrid(*[torch.arange(side) - side / 2] * 2, indexing="ij")
    return torch.where(torch.hypot(y, x) < side / 3, 0.6 * torch.exp(torch.tensor(0.8j)), 1.0)[None]


def error(found, clean):
    return float((found - clean).abs().square().mean().sqrt())


def test_without_noise_nothing_changes():
    objects = noisy(grating(32, 5), sigma=0.3)
    found = shrink(objects, torch.zeros(objects.shape))
    torch.testing.assert_close(found, objects, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 16, 24), (3, 64, 40)])
def test_of_pure_noise_little_is_left(shape):
    objects = noisy(flat(*shape))
    found = shrink(objects, torch.full(shape, SIGMA**2))
    assert found.shape == shape
    assert found.dtype == torch.complex64
    # The mean of each piece stays: 1 of 64 frequencies, and its window widens it.
    assert error(found, flat(*shape)) < 0.5 * SIGMA


@pytest.mark.parametrize("most", [1, 40, 150])
def test_large_objects_are_shrunk_in_bands_that_leave_no_seam(monkeypatch, most):
    objects = noisy(torch.cat((grating(64, 4), disc(64))))
    variance = torch.linspace(0.2, 2, 64).mul(SIGMA**2).expand(objects.shape)
    whole = shrink(objects, variance)
    monkeypatch.setattr(shrinkage, "_MOST_PIECES", most)
    torch.testing.assert_close(shrink(objects, variance), whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("clean", "share"), [(grating(64, 4), 0.85), (disc(64), 0.75)])
def test_what_stands_above_the_noise_stays(clean, share):
    objects = noisy(clean)
    found = shrink(objects, torch.full(objects.shape, SIGMA**2))
    assert error(found, clean) < share * error(objects, clean)
    # With far too much noise believed, the picture suffers.
    smeared = shrink(objects, torch.full(objects.shape, 100 * SIGMA**2))
    assert error(smeared, clean) > error(objects, clean)


@given(st.floats(-3.2, 3.2), st.floats(0.1, 10.0))
@settings(max_examples=20)
def test_neither_phase_nor_unit_matters(phase, unit):
    objects = noisy(disc(16))
    variance = torch.full(objects.shape, SIGMA**2)
    factor = unit * torch.exp(torch.tensor(1j * phase))
    found = shrink(factor * objects, unit**2 * variance)
    torch.testing.assert_close(found, factor * shrink(objects, variance), rtol=1e-3, atol=1e-4)


def test_objects_of_a_batch_do_not_see_each_other():
    objects = torch.cat([noisy(disc(16)), noisy(grating(16, 4), seed=1)])
    variance = torch.stack([torch.full((16, 16), SIGMA**2), torch.full((16, 16), 4 * SIGMA**2)])
    together = shrink(objects, variance)
    for number in range(2):
        alone = shrink(objects[number : number + 1], variance[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone)


def test_it_looks_a_piece_far_and_no_farther():
    objects = noisy(disc(32))
    variance = torch.full(objects.shape, SIGMA**2)
    other = objects.clone()
    other[:, 16:] *= 1.1
    found, moved = shrink(objects, variance), shrink(other, variance)
    torch.testing.assert_close(found[:, :8], moved[:, :8])
    assert not torch.allclose(found[:, 12:16], moved[:, 12:16])


def test_where_no_noise_is_believed_a_noisy_neighbour_hardly_matters():
    objects = noisy(disc(32))
    variance = torch.zeros(objects.shape)
    variance[:, 16:] = SIGMA**2
    found = shrink(objects, variance)
    torch.testing.assert_close(found[:, :8], objects[:, :8], rtol=1e-5, atol=1e-5)
    assert error(found[:, 24:], disc(32)[:, 24:]) < 0.8 * error(objects[:, 24:], disc(32)[:, 24:])


def test_it_can_be_learned_through():
    objects = noisy(disc(16)).requires_grad_()
    variance = torch.full(objects.shape, SIGMA**2).requires_grad_()
    (shrink(objects, variance) - disc(16)).abs().square().sum().backward()
    assert torch.isfinite(objects.grad.abs()).all()
    assert torch.isfinite(variance.grad).all()
    # On a plain disc, more noise believed is better.
    assert variance.grad.mean() < 0
