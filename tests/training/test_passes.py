"""Passes over a batch of fields do what a job does to one object, and can be learned from."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.optics.sweep import Sweep, SweepBatch, SweepSettings
from napari_ptychonn.training.examples import (
    ExampleSettings,
    FieldBatch,
    draw_fields,
    expose,
)
from napari_ptychonn.training.graphs import Graphs
from napari_ptychonn.training.losses import patch_error
from napari_ptychonn.training.passes import PassState, run_pass, sweep_fields
from napari_ptychonn.training.probe_recipe import FORMS, ProbeRecipe, loss_weight

CLEAN = ExampleSettings(
    size=16,
    fields=3,
    side=4,
    wrong_probe=0,
    gaps=0,
    background=0,
    second_mode=0,
    photons=(1e4, 1e5),
)


def make_fields(settings, rng):
    return expose(draw_fields(settings, rng), torch.device("cpu"))


def fields(seed=0, **changes):
    return make_fields(replace(CLEAN, **changes), np.random.default_rng(seed))


def only(batch, number):
    """One field of a batch, on a canvas of its own."""
    span = batch.truth.shape[-1]
    part = slice(number, number + 1)
    return FieldBatch(
        batch.counts[part], batch.probe[part], batch.mask[part], batch.truth[part],
        batch.indices[part] - number * span**2,
    )  # fmt: skip


def network(seed=None):
    """One that leaves the object as it was swept; with a seed, one that does not."""
    net = ProbeAwareNet((8, 8, 8), blocks=1)
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in net.parameters():
                weight += 0.05 * torch.randn(weight.shape, generator=generator)
    return net


def parts(swept):
    """Its four pictures."""
    return swept.object, swept.mean, swept.light, swept.unexplained


def run(net, state, turn=None, seed=0, sweeps=1):
    torch.manual_seed(seed)
    return run_pass(
        net, state, subsets=4, sweeps=sweeps, regularisation=0.2, autocast=False, turn=turn
    )


def test_a_sweep_over_a_field_is_the_sweep_of_a_job():
    batch = fields(fields=1, gaps=1)
    torch.manual_seed(3)
    found = sweep_fields(PassState(batch), 4, 0.2)
    torch.manual_seed(3)
    order = torch.randperm(16)
    sweep = Sweep(
        torch.ones(32, 32, dtype=torch.complex64), batch.probe[0], batch.mask[0],
        SweepSettings(object_regularisation=0.2),
    )  # fmt: skip
    for points in order.split(4):
        sweep.add(SweepBatch(batch.indices[0, points], None, batch.counts[0, points]))
        sweep.apply()
    # Sums in another order, of up to 1e5 photons.
    torch.testing.assert_close(found.object[0], sweep.object, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.mean[0], sweep.mean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.light[0], sweep.light, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(found.unexplained[0], sweep.unexplained, rtol=1e-2, atol=1.0)


def test_fields_do_not_see_each_other():
    batch = fields()
    torch.manual_seed(1)
    together = sweep_fields(PassState(batch), 4, 0.2)
    for number in range(3):
        torch.manual_seed(1)
        alone = sweep_fields(PassState(only(batch, number)), 4, 0.2)
        for one, other in zip(parts(together), parts(alone), strict=True):
            torch.testing.assert_close(one[number], other[0], rtol=1e-4, atol=1e-3)


def test_every_sweep_brings_every_point_once():
    batch = fields()
    swept = sweep_fields(PassState(batch), 5, 0.2)
    torch.testing.assert_close(swept.light, batch.light, rtol=1e-4, atol=1e-2)


def test_what_bad_pixels_counted_changes_nothing():
    batch = fields(gaps=1)
    assert not batch.mask.all()
    junk = replace(batch, counts=torch.where(batch.mask[:, None], batch.counts, 1e4))
    found = []
    for some in (batch, junk):
        torch.manual_seed(0)
        found.append(parts(sweep_fields(PassState(some), 4, 0.2)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_a_sweep_that_was_recorded_and_is_replayed_is_the_sweep_itself():
    drawn = draw_fields(CLEAN, np.random.default_rng(0))
    batch = expose(drawn, torch.device("cuda"))
    recorded, plain = PassState(batch, Graphs()), PassState(batch)
    found, wanted = [], []
    # The second is a replay, from another object, in another order and with another α.
    for seed, reach in enumerate((0.2, 1.0)):
        for state, swept in ((recorded, found), (plain, wanted)):
            torch.manual_seed(seed)
            swept.append(sweep_fields(state, 4, reach))
        recorded.object = plain.object = wanted[-1].object
    # The first one is not overwritten. A GPU sums in any order, up to 1e5 photons.
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.object, other.object, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(one.mean, other.mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(one.light, other.light, rtol=1e-4, atol=1e-2)
        torch.testing.assert_close(one.unexplained, other.unexplained, rtol=1e-2, atol=1.0)
    assert (found[0].object - found[1].object).abs().max() > 0.01


def test_passes_move_the_state_towards_the_truth():
    batch = fields()
    state, weight = PassState(batch), loss_weight(batch)
    errors = [patch_error(state.object, batch.truth, weight)]
    for number in range(3):
        found = run(network(), state, seed=number)
        assert torch.equal(state.object, found.detach())
        errors.append(patch_error(state.object, batch.truth, weight))
    # One field is nearly flat, and has nothing to gain but noise.
    gains = errors[0] > 0.1
    assert gains.sum() == 2
    for before, after in pairwise(errors):
        assert (after < before)[gains].all()
    assert (errors[-1] < 0.7 * errors[0])[gains].all()


def test_more_sweeps_before_the_network_move_farther():
    batch = fields()
    weight = loss_weight(batch)
    once, thrice = (
        patch_error(run(network(), PassState(batch), sweeps=sweeps), batch.truth, weight)
        for sweeps in (1, 3)
    )
    gains = once > 0.1
    assert (thrice < 0.8 * once)[gains].all()
    assert gains.any()


def test_a_pass_has_a_gradient_and_leaves_none_in_the_state():
    state = PassState(fields())
    net = network(seed=0)
    found = run(net, state)
    assert found.requires_grad
    assert not state.object.requires_grad
    found.abs().square().sum().backward()
    for name, weight in net.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().max() > 0, name


def test_a_turn_is_what_the_network_sees_and_is_taken_back():
    batch = fields()
    angle = torch.tensor([0.4, -2.0, 3.0])[:, None, None]
    turn = torch.polar(torch.ones_like(angle), angle)
    plain, turned = (run(network(), PassState(batch), turn=some) for some in (None, turn))
    # Nothing learned, nothing seen: the same but for rounding.
    torch.testing.assert_close(turned, plain, rtol=1e-4, atol=1e-5)
    # A network with weights sees another object, and says something else.
    plain, turned = (run(network(seed=0), PassState(batch), turn=some) for some in (None, turn))
    assert (turned - plain).abs().max() > 1e-3


@pytest.mark.parametrize("number", range(4))
def test_every_pass_of_every_form_has_a_loss_with_a_gradient_in_every_weight(number):
    form = FORMS[number]
    recipe = ProbeRecipe(replace(CLEAN, fields=4), (8, 8, 8), 1, forms=(form,))
    net = network(seed=0)
    torch.manual_seed(0)
    rng = np.random.default_rng(number)
    drawn = recipe.draw(rng)
    assert drawn.probe.shape == (4 * form.fields, 1, 16 * form.size, 16 * form.size)
    losses = 0
    for loss in recipe.losses(net, drawn, rng, torch.device("cpu"), autocast=False):
        losses += 1
        assert loss.shape == ()
        assert torch.isfinite(loss)
        net.zero_grad()
        loss.backward()
        for name, weight in net.named_parameters():
            assert torch.isfinite(weight.grad).all(), name
            assert weight.grad.abs().max() > 0, name
    assert 1 <= losses <= 5


def test_the_loss_weighs_lit_pixels_alike_and_dark_ones_not_at_all():
    batch = fields()
    weight, light = loss_weight(batch), batch.light
    assert weight.shape == batch.truth.shape
    peak = light.amax((1, 2), keepdim=True).expand_as(light)
    assert (weight[light == 0] == 0).all()
    bright = light > 0.5 * peak
    assert weight[bright].min() > 0.8
    assert weight.max() <= 1
    assert weight[light < 1e-3 * peak].max() < 0.02


def test_validation_is_the_same_twice_and_measures_the_error_that_it_says():
    recipe = ProbeRecipe(replace(CLEAN, fields=2, side=3), (8, 8, 8), 1)
    net, before = network(), torch.random.get_rng_state()
    first, second = (recipe.validate(net, torch.device("cpu"), autocast=False) for _ in range(2))
    assert first == second
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(first) == 2 * 3 * 3
    for kind in ("seen kinds", "held-out kind"):
        bright = [first[f"{kind} 1e+05 photons pass {number}"] for number in (1, 2, 3)]
        # A share of the object's own size, and less after more passes.
        assert 1 > bright[0] > min(bright[1:]) > 0
