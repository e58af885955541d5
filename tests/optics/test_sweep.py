"""Sweeps: patterns lead back to the truth, and bad pixels lead nowhere."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.propagation import diffract, exit_waves, shift_probe, to_detector
from napari_ptychonn.optics.sweep import OFFSET, Sweep, SweepBatch, SweepSettings, correct
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil

ALL = torch.ones(32, 32, dtype=torch.bool)


def subsets(count, seed, size=4):
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order.split(size)


def batch_of(world, points, counts=None, shifts=None):
    measured = world.amplitude.square() if counts is None else counts
    return SweepBatch(
        world.indices[points], None if shifts is None else shifts[points], measured[points]
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


def distance(probe, truth):
    """‖probe − truth‖ / ‖truth‖ at the best global phase."""
    turned = probe * torch.exp(-1j * torch.vdot(truth.ravel(), probe.ravel()).angle())
    return float((turned - truth).norm() / truth.norm())


def swept(world, start, probe, count, how=None, mask=ALL, **given_counts):
    """The last of some sweeps, each over subsets of four points."""
    for number in range(count):
        run = swept_once(world, start, probe, number, how, mask, **given_counts)
        start, probe = run.object, run.probe
    return run


def swept_once(world, start, probe, seed, how=None, mask=ALL, **given_counts):
    run = Sweep(start.clone(), probe, mask, how or SweepSettings())
    for points in subsets(len(world.indices), seed):
        run.add(batch_of(world, points, **given_counts))
        run.apply()
    return run


def one_step(world, start, how, points):
    """The object after a single batch, with what pulled at it and the light."""
    run = Sweep(start.clone(), world.probe, ALL, how)
    batch = batch_of(world, points)
    run.add(batch)
    run.apply()
    waves = exit_waves(world.probe, torch.take(start, batch.indices))
    change = correct(waves, batch.counts, ALL).change
    pull = torch.zeros_like(start)
    light = torch.zeros(start.shape)
    power = world.probe.abs().square().sum(0)
    for indices, part in zip(batch.indices, (world.probe.conj() * change).sum(1), strict=True):
        pull.view(-1)[indices] += part
        light.view(-1)[indices] += power
    return run.object, pull, light


def test_the_truth_stays_where_it_is(world):
    run = swept(world, world.object, world.probe, 2)
    assert error(world, run.object) < 1e-4
    assert run.probe is world.probe
    assert run.misfit < 1e-9


def test_one_sweep_from_a_flat_object_goes_nearly_half_of_the_way(world):
    flat = torch.ones_like(world.object)
    found = swept(world, flat, world.probe, 1).object
    assert error(world, flat) > 0.3
    assert error(world, found) < 0.65 * error(world, flat)


def test_subsets_bring_more_than_all_points_at_once(world):
    flat = torch.ones_like(world.object)
    whole = Sweep(flat.clone(), world.probe, ALL, SweepSettings())
    whole.add(batch_of(world, torch.arange(64)))
    whole.apply()
    found = swept(world, flat, world.probe, 1).object
    assert error(world, found) < 0.8 * error(world, whole.object) < 0.9 * error(world, flat)


def test_noise_free_patterns_lead_from_near_the_truth_to_the_truth(world):
    start = disturbed(world)
    run = swept(world, start, world.probe, 30)
    assert error(world, start) > 0.1
    # The rest is in the frequencies that the dimmest light hardly sees.
    assert error(world, run.object) < 0.01
    assert run.misfit < 1e-4


def test_batches_of_a_subset_sum_up_before_they_are_applied(world):
    runs = []
    for size in (12, 5):
        run = Sweep(disturbed(world), world.probe, ALL, SweepSettings(update_probe=True))
        for points in torch.arange(12).split(size):
            run.add(batch_of(world, points))
        run.apply()
        runs.append(run)
    one, other = runs
    torch.testing.assert_close(one.object, other.object, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one.probe, other.probe, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(one.light, other.light)
    assert one.misfit == pytest.approx(other.misfit, rel=1e-4)


def test_alpha_runs_from_gauss_newton_to_the_gradient(world):
    points, start = torch.arange(20), disturbed(world)
    newton, pull, light = one_step(world, start, SweepSettings(object_regularisation=0), points)
    lit = light > 1e-3 * light.max()
    torch.testing.assert_close((newton - start)[lit], (pull / light)[lit], rtol=1e-3, atol=1e-4)
    gradient, pull, light = one_step(world, start, SweepSettings(object_regularisation=1), points)
    torch.testing.assert_close(gradient - start, pull / light.max(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_beta_runs_from_gauss_newton_to_the_gradient(world, beta):
    wrong = world.probe.roll(1, -1)
    how = SweepSettings(probe_regularisation=beta, update_probe=True)
    run = Sweep(world.object.clone(), wrong, ALL, how)
    batch = batch_of(world, torch.arange(64))
    run.add(batch)
    run.apply()
    change = correct(exit_waves(wrong, world.patches), batch.counts, ALL).change
    pull = (world.patches.conj()[:, None] * change).sum(0)
    seen = world.patches.abs().square().sum(0)
    reach = seen if beta == 0 else seen.max()
    moved = wrong + pull / reach
    # The photons of the beam stay what they were.
    moved *= (wrong.abs().square().sum() / moved.abs().square().sum()).sqrt()
    torch.testing.assert_close(run.probe, moved, rtol=1e-3, atol=1e-3)


def test_the_mean_over_the_subsets_holds_less_noise_than_the_last_of_them(world):
    probe = world.probe / 10
    expected = diffract(probe, world.patches)
    counts = torch.poisson(expected, generator=torch.Generator().manual_seed(2))
    dim = world._replace(probe=probe)
    run = swept(dim, world.object, probe, 3, counts=counts)
    assert error(dim, run.mean) < 0.97 * error(dim, run.object)


def test_the_mean_weighs_the_newest_object_by_two_over_one_more_than_their_number(world):
    run = Sweep(disturbed(world), world.probe, ALL, SweepSettings())
    seen, weights = [], [1 / 6, 2 / 6, 3 / 6]
    for points in torch.arange(60).split(20):
        run.add(batch_of(world, points))
        run.apply()
        seen.append(run.object.clone())
    expected = sum(weight * object_ for weight, object_ in zip(weights, seen, strict=True))
    torch.testing.assert_close(run.mean, expected)


def test_light_is_the_sum_of_the_shifted_probes_powers(world):
    shifts = torch.rand(64, 2, generator=torch.Generator().manual_seed(1)) - 0.5
    run = Sweep(world.object.clone(), world.probe, ALL, SweepSettings())
    for points in subsets(64, 0, size=10):
        run.add(batch_of(world, points, shifts=shifts))
        run.apply()
    expected = torch.zeros(world.object.shape)
    for power, indices in zip(
        shift_probe(world.probe, shifts).abs().square().sum(1), world.indices, strict=True
    ):
        expected.view(-1)[indices] += power
    # Tens of sums of single precision.
    torch.testing.assert_close(run.light, expected, rtol=1e-4, atol=1e-2)


def test_incoherent_modes_are_swept_together(world):
    second = 0.5 * world.probe.roll((3, -2), (-2, -1))
    both = torch.cat((world.probe, second))
    counts = diffract(both, world.patches)
    # A second mode may be told as nothing, or as what it is.
    alone = swept(world, disturbed(world), world.probe, 5, counts=counts)
    told = swept(world, disturbed(world), both, 5, counts=counts)
    assert told.misfit < 0.1 * alone.misfit
    assert error(world, told.object) < 0.5 * error(world, alone.object)


def test_fractional_positions_are_honoured(world):
    shifts = torch.rand(len(world.indices), 2, generator=torch.Generator().manual_seed(1)) - 0.5
    counts = diffract(shift_probe(world.probe, shifts), world.patches)
    run = swept(world, disturbed(world), world.probe, 30, counts=counts, shifts=shifts)
    assert error(world, run.object) < 0.01
    assert run.misfit < 1e-4
    blind = swept(world, disturbed(world), world.probe, 30, counts=counts)
    assert error(world, blind.object) > 3 * error(world, run.object)
    assert blind.misfit > 10 * run.misfit


@pytest.mark.parametrize("moved", [False, True])
def test_a_slightly_wrong_probe_moves_towards_the_true_one(world, moved):
    generator = torch.Generator().manual_seed(3)
    shifts = torch.rand(64, 2, generator=generator) - 0.5 if moved else None
    probe = world.probe if shifts is None else shift_probe(world.probe, shifts)
    blurred = world.probe + 0.15 * world.probe.roll(1, -1)
    wrong = blurred * (world.probe.norm() / blurred.norm())
    given_counts = {"counts": diffract(probe, world.patches), "shifts": shifts}
    stuck = swept(world, world.object, wrong, 10, **given_counts)
    how = SweepSettings(update_probe=True)
    run = swept(world, world.object, wrong, 10, how, **given_counts)
    assert run.misfit < 0.1 * stuck.misfit
    assert distance(run.probe, world.probe) < 0.7 * distance(wrong, world.probe)
    assert stuck.probe is wrong


def test_a_defocused_probe_becomes_the_right_one_when_the_object_is_known(world):
    pupil = PupilSettings(radius=0.22, stop=0.3, defocus=-0.02)
    probe = wrong = torch.from_numpy(probe_from_pupil(pupil, 32))[None] * 1e5**0.5
    how = SweepSettings(update_probe=True)
    for number in range(15):
        probe = swept_once(world, world.object, probe, number, how).probe
    assert distance(wrong, world.probe) > 0.5
    assert distance(probe, world.probe) < 0.03


@given(st.integers(0, 2**31))
@settings(max_examples=15)
def test_what_bad_pixels_counted_changes_nothing(world, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(32, 32, generator=generator) > 0.1
    junk = 1e4 * torch.rand(64, 32, 32, generator=generator)
    counts = world.amplitude.square()
    start, how = disturbed(world), SweepSettings(update_probe=True)
    clean, spoiled = (
        swept(world, start, world.probe, 1, how, mask, counts=torch.where(mask, counts, other))
        for other in (torch.zeros(()), junk)
    )
    assert torch.equal(clean.object, spoiled.object)
    assert torch.equal(clean.probe, spoiled.probe)
    assert torch.equal(clean.unexplained, spoiled.unexplained)
    assert clean.misfit == spoiled.misfit


def test_bad_pixels_keep_what_is_modelled(world):
    mask = ALL.clone()
    mask[:, 4:6] = False
    waves = exit_waves(world.probe, world.patches)
    counts = world.amplitude.square().roll(1, 0)
    after = to_detector(waves + correct(waves, counts, mask).change)[:, 0].abs()
    torch.testing.assert_close(after[:, ~mask], world.amplitude[:, ~mask], atol=2e-3, rtol=1e-4)
    assert (after[:, mask] - world.amplitude[:, mask]).abs().max() > 1


def test_waves_follow_the_poisson_likelihood_where_noise_explains_the_counts(world):
    waves = exit_waves(world.probe / 10, world.patches)
    far = to_detector(waves)
    modelled = far.abs().square()[:, 0]
    counts = torch.poisson(modelled, generator=torch.Generator().manual_seed(4))
    change = to_detector(correct(waves, counts, ALL).change)[:, 0]
    ratio = (counts + OFFSET) / (modelled + OFFSET)
    asked = 0.5 * (ratio - 1) * far[:, 0]
    noise = ((counts + OFFSET).sqrt() - (modelled + OFFSET).sqrt()).square() < 1
    assert noise.float().mean() > 0.95
    torch.testing.assert_close(change[noise], asked[noise], atol=2e-3, rtol=1e-3)
    # Where none was counted half of the wave goes, up to about a photon modelled; of c is left
    # 0.02 at most. From there on the model must be wrong, and more goes.
    relative = change / far[:, 0]
    about_one = (counts == 0) & (modelled > 0.5) & (modelled < 1.25)
    more = (counts == 0) & (modelled > 1.35)
    assert about_one.sum() > 100
    assert more.sum() > 100
    assert (relative[about_one] + 0.5).abs().max() < 0.02
    assert relative[more].real.max() < -0.5
    assert relative[more].abs().max() < 1


def test_the_pull_of_noise_has_no_bias_even_where_few_photons_fall(world):
    probe = world.probe / 30
    expected = diffract(probe, world.patches)
    assert expected.mean() < 0.2
    waves, generator = exit_waves(probe, world.patches), torch.Generator().manual_seed(6)
    pulls = [
        to_detector(correct(waves, torch.poisson(expected, generator=generator), ALL).change)[:, 0]
        for _ in range(400)
    ]
    relative = torch.stack(pulls) / to_detector(waves)[:, 0]
    lit = expected > 0.05
    # √I − |Fψ| would have a mean of −0.5 to −0.8 here.
    assert relative.real.mean(0)[lit].mean().abs() < 0.03


@pytest.mark.parametrize("counted", [1e2, 1e4])
def test_a_pixel_that_counted_far_more_than_modelled_pulls_no_further_than_its_root(world, counted):
    waves = exit_waves(world.probe / 30, world.patches)
    far = to_detector(waves).abs()[:, 0]
    after = to_detector(waves + correct(waves, torch.full_like(far, counted), ALL).change).abs()
    floor = (far.square() + OFFSET).sqrt()
    # The root itself, and at most half a photon's noise over what is modelled.
    assert (after[:, 0] - far <= (counted + OFFSET) ** 0.5 + 0.5 / floor).all()


@pytest.mark.parametrize("photons", [1e5, 1e3])
def test_noise_is_explained_and_a_wrong_object_is_not(world, photons):
    probe = world.probe * (photons / 1e5) ** 0.5
    expected = diffract(probe, world.patches)
    counts = torch.poisson(expected, generator=torch.Generator().manual_seed(5))
    true = correct(exit_waves(probe, world.patches), counts, ALL)
    flat = correct(exit_waves(probe, torch.ones_like(world.patches)), counts, ALL)
    share = float(true.unexplained.sum() / true.counted.sum())
    wrong = float(flat.unexplained.sum() / flat.counted.sum())
    missed = float(true.missed.sum() / true.counted.sum())
    # The noise of a pixel with about a photon is known to a quarter of itself.
    assert abs(share) < 0.3 * missed
    assert wrong > 0.05
    assert wrong > 10 * abs(share)


def test_unexplained_light_is_where_the_object_is_wrong(world):
    found = world.object.clone()
    found[:, : found.shape[1] // 3] *= 0.6
    run = Sweep(found, world.probe, ALL, SweepSettings())
    run.add(batch_of(world, torch.arange(64)))
    run.apply()
    share = run.unexplained / run.light.clamp_min(1)
    lit = run.light > 0.1 * run.light.max()
    side = found.shape[1]
    wrong, right = share.clone(), share.clone()
    left, rest = lit.clone(), lit.clone()
    left[:, side // 3 :] = False
    rest[:, : 2 * side // 3] = False
    assert wrong[left].mean() > 0.02
    assert wrong[left].mean() > 10 * right[rest].abs().mean()


def test_the_misfit_of_a_sweep_is_the_r_factor_it_met(world):
    start = disturbed(world)
    counts = world.amplitude.square()
    modelled = (diffract(world.probe, torch.take(start, world.indices)) + OFFSET).sqrt()
    missed = ((counts + OFFSET).sqrt() - modelled).square().sum() / counts.sum()
    run = Sweep(start, world.probe, ALL, SweepSettings())
    run.add(batch_of(world, torch.arange(64)))
    run.apply()
    assert run.misfit == pytest.approx(float(missed), rel=1e-4)


def test_a_sweep_over_nothing_changes_nothing(world):
    run = Sweep(world.object.clone(), world.probe, ALL, SweepSettings(update_probe=True))
    run.apply()
    assert torch.equal(run.object, world.object)
    assert torch.equal(run.probe, world.probe)
    assert run.misfit == 0
