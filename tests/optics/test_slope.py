"""The slope that an object lacks shows as a shift of its patterns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.slope import pattern_moves

SIZE = 32
EVERYWHERE = torch.ones(SIZE, SIZE, dtype=torch.bool)


def light(photons=1e6):
    axis = torch.arange(SIZE) - SIZE // 2
    squared = axis[:, None] ** 2 + axis[None, :] ** 2
    wave = torch.exp(-squared / 30.0) * torch.polar(torch.ones(SIZE, SIZE), squared * 0.05)
    return wave[None] * (photons / wave.abs().square().sum()).sqrt()


def ramp(move_y, move_x):
    axis = torch.arange(SIZE) * (2 * torch.pi / SIZE)
    angle = move_y * axis[:, None] + move_x * axis[None, :]
    return torch.polar(torch.ones(SIZE, SIZE), angle)[None]


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_small_ramp_is_measured_as_the_shift_that_it_makes(move_y, move_x):
    flat = torch.ones(1, SIZE, SIZE, dtype=torch.complex64)
    move, _ = pattern_moves(
        diffract(light(), flat), diffract(light(), ramp(move_y, move_x)), EVERYWHERE
    )
    # What is linear in the shift holds to its square.
    assert move[0].tolist() == pytest.approx([move_y, move_x], abs=0.02 + 0.12 * 0.5)


def test_the_variance_is_that_of_many_noisy_patterns():
    torch.manual_seed(0)
    flat = torch.ones(1, SIZE, SIZE, dtype=torch.complex64)
    modelled = diffract(light(2e4), flat).expand(400, -1, -1)
    move, variance = pattern_moves(modelled, torch.poisson(modelled), EVERYWHERE)
    assert move.var(0).tolist() == pytest.approx(variance[0].tolist(), rel=0.35)


def test_masked_pixels_pull_nothing():
    flat = torch.ones(1, SIZE, SIZE, dtype=torch.complex64)
    modelled, counts = diffract(light(), flat), diffract(light(), ramp(0.3, -0.2))
    mask = EVERYWHERE.clone()
    mask[3:5] = False
    wild = counts.clone()
    wild[:, ~mask] = 1e6
    clean, _ = pattern_moves(modelled, counts, mask)
    spoiled, _ = pattern_moves(modelled, wild, mask)
    np.testing.assert_allclose(spoiled, clean, rtol=1e-5)


def test_a_pattern_without_light_moves_nowhere():
    dark = torch.zeros(1, SIZE, SIZE)
    move, variance = pattern_moves(dark, dark, EVERYWHERE)
    assert move.abs().max() == 0
    assert torch.isfinite(variance).all()
