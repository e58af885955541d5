"""The phase slope of a patch is read from its pattern."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.slope import slope_ramp


def tilt(shape, move):
    """Unit factors that move a pattern by `move` (y, x) pixels."""
    y, x = (torch.arange(side) - side // 2 for side in shape)
    angle = 2 * torch.pi * (move[0] * y[:, None] / shape[0] + move[1] * x[None, :] / shape[1])
    return torch.polar(torch.ones_like(angle), angle)


def slopes_left(world, ramp, move):
    """Largest slope left over the light, in pixels on the detector."""
    left = ramp * tilt(ramp.shape[-2:], move)
    light = world.probe.abs().square().sum(0)
    values = []
    for axis in (-2, -1):
        step = left.roll(-1, axis) * left.conj()
        values.append((light * step).sum((-2, -1)).angle() * left.shape[axis] / (2 * torch.pi))
    return torch.stack(values, -1)


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
@settings(max_examples=15)
def test_a_ramp_put_on_true_patches_is_found_and_removed(world, down, right):
    tilted = world.patches * tilt((32, 32), (down, right))
    ramp = slope_ramp(tilted, world.probe, world.amplitude)
    left = slopes_left(world, ramp, (down, right))
    # One step of least squares on a curved function: a tenth of the ramp may be left.
    assert left.abs().mean() < 0.02 + 0.1 * max(abs(down), abs(right))


def test_fitting_again_leaves_no_more_than_a_beam_may_point_elsewhere(world):
    move = (0.4, -0.25)
    tilted = world.patches * tilt((32, 32), move)
    for _ in range(4):
        tilted = tilted * slope_ramp(tilted, world.probe, world.amplitude)
    left = slopes_left(world, tilted * world.patches.conj() / world.patches.abs() ** 2, (0, 0))
    assert left.abs().max() < 0.025


def test_the_truth_is_not_tilted_and_its_pattern_is_not_moved(world):
    ramp = slope_ramp(world.patches, world.probe, world.amplitude)
    assert (ramp - 1).abs().max() < 1e-3
    assert (ramp.abs() - 1).abs().max() < 1e-5


def test_bad_pixels_do_not_pull(world):
    move = (0.2, 0.2)
    tilted = world.patches * tilt((32, 32), move)
    mask = torch.ones(32, 32, dtype=torch.bool)
    mask[3:6] = False
    mask[:, 30:] = False
    spoiled = torch.where(mask, world.amplitude, 0.0)
    told = slopes_left(world, slope_ramp(tilted, world.probe, spoiled, mask), move)
    untold = slopes_left(world, slope_ramp(tilted, world.probe, spoiled), move)
    assert told.abs().mean() < 0.05
    assert untold.abs().mean() > 2 * told.abs().mean()


@pytest.mark.parametrize(("photons", "left_px"), [(1e4, 0.05), (1e2, 0.35)])
def test_noise_moves_the_slope_by_no_more_than_its_photons_allow(world, photons, left_px):
    # A pattern's place is known to about its width over 2√photons, 5 px / 2√n here.
    dim = (photons / 1e5) ** 0.5
    probe = world.probe * dim
    expected = diffract(probe, world.patches)
    counts = torch.poisson(expected, generator=torch.Generator().manual_seed(0))
    ramp = slope_ramp(world.patches * tilt((32, 32), (0.1, -0.1)), probe, counts.sqrt())
    left = slopes_left(world, ramp, (0.1, -0.1))
    assert left.square().mean().sqrt() < left_px


def test_the_ramp_is_one_at_the_centre_of_the_light(world):
    moved = world.probe.roll((5, -3), (-2, -1))
    amplitude = diffract(moved, world.patches).sqrt()
    ramp = slope_ramp(world.patches * tilt((32, 32), (0.3, 0.1)), moved, amplitude)
    light = moved.abs().square().sum(0)
    mean = (light * ramp).sum((-2, -1)) / light.sum()
    assert mean.angle().abs().max() < 0.01
