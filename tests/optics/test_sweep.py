"""Sweeps: noise-free patterns lead back to the truth, and bad pixels lead nowhere."""

import numpy as np
import pytest
import torch

from napari_ptychonn.optics.propagation import diffract, shift_probe
from napari_ptychonn.optics.sweep import SweepBatch, SweepSettings, sweep

ALL = torch.ones(32, 32, dtype=torch.bool)


def batches(world, seed, amplitude=None, shifts=None):
    rng = np.random.default_rng(seed)
    measured = world.amplitude if amplitude is None else amplitude
    for part in torch.from_numpy(rng.permutation(len(world.indices))).split(8):
        yield SweepBatch(
            world.indices[part], None if shifts is None else shifts[part], measured[part]
        )


def disturbed(world, strength=0.1):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(world.object.shape, dtype=torch.complex64, generator=generator)
    return world.object + strength * noise


def error(world, found):
    """Light-weighted NRMSE at the best global phase."""
    patches, truth = torch.take(found, world.indices), world.patches
    weight = world.probe.abs().square()
    turn = (weight * truth.conj() * patches).sum().angle()
    missing = patches * torch.exp(-1j * turn) - truth
    return float(
        ((weight * missing.abs().square()).sum() / (weight * truth.abs().square()).sum()).sqrt()
    )


def swept(world, start, probe, count, settings=None, **given):
    found = start.clone()
    for number in range(count):
        probe, value = sweep(
            found, probe, batches(world, number, **given), ALL, settings or SweepSettings()
        )
    return found, probe, value


def test_the_truth_stays_where_it_is(world):
    found, probe, value = swept(world, world.object, world.probe, 2)
    assert error(world, found) < 1e-4
    assert probe is world.probe
    assert value < 1e-9


def test_noise_free_patterns_lead_from_near_the_truth_to_the_truth(world):
    start = disturbed(world)
    found, _, value = swept(world, start, world.probe, 30)
    assert error(world, start) > 0.1
    # The rest is in the frequencies that the dimmest light hardly sees.
    assert error(world, found) < 0.01
    assert value < 1e-4


def test_fractional_positions_are_honoured(world):
    shifts = torch.rand(len(world.indices), 2, generator=torch.Generator().manual_seed(1)) - 0.5
    amplitude = diffract(shift_probe(world.probe, shifts), world.patches).sqrt()
    given = {"amplitude": amplitude, "shifts": shifts}
    found, _, value = swept(world, disturbed(world), world.probe, 30, **given)
    assert error(world, found) < 0.01
    assert value < 1e-4
    blind, _, worse = swept(world, disturbed(world), world.probe, 30, amplitude=amplitude)
    assert error(world, blind) > 3 * error(world, found)
    assert worse > 10 * value


@pytest.mark.parametrize("moved", [False, True])
def test_a_slightly_wrong_probe_is_refined_along(world, moved):
    generator = torch.Generator().manual_seed(3)
    shifts = torch.rand(64, 2, generator=generator) - 0.5 if moved else None
    probe = world.probe if shifts is None else shift_probe(world.probe, shifts)
    amplitude = diffract(probe, world.patches).sqrt()
    blurred = world.probe + 0.15 * world.probe.roll(1, -1)
    wrong = blurred * (world.probe.norm() / blurred.norm())
    given = {"amplitude": amplitude, "shifts": shifts}
    _, _, stuck = swept(world, world.object, wrong, 10, **given)
    settings = SweepSettings(update_probe=True)
    _, found, value = swept(world, world.object, wrong, 10, settings, **given)
    assert value < 0.1 * stuck
    assert found.shape == world.probe.shape


def test_bad_pixels_pull_at_nothing(world):
    mask = ALL.clone()
    mask[:, 4:6] = False
    spoiled = torch.where(mask, world.amplitude, 1e4)
    found = world.object.clone()
    _, value = sweep(found, world.probe, batches(world, 0, spoiled), mask, SweepSettings())
    assert error(world, found) < 1e-4
    assert value < 1e-9


def test_the_misfit_of_a_sweep_is_the_r_factor_it_met(world):
    start = disturbed(world)
    one = [SweepBatch(world.indices, None, world.amplitude)]
    modelled = diffract(world.probe, torch.take(start, world.indices)).sqrt()
    missed = (world.amplitude - modelled).square().sum() / world.amplitude.square().sum()
    _, value = sweep(start, world.probe, one, ALL, SweepSettings())
    assert value == pytest.approx(float(missed), rel=1e-4)
