"""Training examples: truth and probe make the patterns, and held-out kinds are never drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.simulation import samples
from napari_ptychonn.simulation.samples import SAMPLE_KINDS
from napari_ptychonn.training import recipes
from napari_ptychonn.training.examples import ExampleSettings, half_known, make_fields
from napari_ptychonn.training.losses import patch_error
from napari_ptychonn.training.passes import stitch_fields
from napari_ptychonn.training.recipes import HELD_OUT_SAMPLES, recipe_of

TINY = ExampleSettings(size=16, fields=3, points=5)
CLEAN = replace(TINY, wrong_probe=0, gaps=0, background=0, second_mode=0)


def test_a_batch_has_the_shapes_it_says():
    batch = make_fields(TINY, np.random.default_rng(0))
    shape = (15, 16, 16)
    assert batch.amplitude.shape == batch.mask.shape == batch.truth.shape == shape
    assert batch.weight.shape == batch.indices.shape == shape
    assert batch.probe.shape == (15, 1, 16, 16)
    assert batch.canvas == (72, 24)
    assert (batch.amplitude.dtype, batch.truth.dtype) == (torch.float32, torch.complex64)
    torch.testing.assert_close(batch.weight.mean((-2, -1)), torch.ones(15))


def test_truth_and_probe_reproduce_the_intensities_but_for_photon_noise():
    settings = replace(CLEAN, photons=(1e6, 1e7))
    batch = make_fields(settings, np.random.default_rng(1))
    expected = diffract(batch.probe, batch.truth)
    pull = (batch.amplitude.square() - expected) / expected.clamp_min(20).sqrt()
    # Differences of Poisson numbers in units of their noise, below one where few are expected.
    assert pull.abs().mean() < 0.85
    assert pull.mean().abs() < 0.05
    bright = expected > 20
    assert pull[bright].square().mean() == pytest.approx(1, abs=0.1)


def test_the_dose_lies_in_its_range():
    settings = replace(CLEAN, fields=8, photons=(1e3, 1e4))
    batch = make_fields(settings, np.random.default_rng(2))
    photons = batch.probe.abs().square().sum((1, 2, 3))
    assert photons.min() > 0.999e3
    assert photons.max() < 1.001e4
    assert photons.max() > 2 * photons.min()


def test_all_points_of_a_field_share_probe_and_canvas_and_lie_on_it():
    batch = make_fields(TINY, np.random.default_rng(3))
    probes = batch.probe.view(3, 5, 16, 16)
    assert torch.equal(probes, probes[:, :1].expand_as(probes))
    field = batch.indices.view(3, -1) // (24 * 24)
    assert torch.equal(field, torch.arange(3)[:, None].expand_as(field))
    rows, columns = batch.indices[:, :, 0] // 24, batch.indices[:, 0] % 24
    assert (rows.diff(dim=1) == 1).all()
    assert (columns.diff(dim=1) == 1).all()


def test_every_kind_of_trouble_is_made():
    every = replace(
        TINY, fields=6, wrong_probe=1, gaps=1, background=1, second_mode=1, photons=(1e6, 1e6)
    )
    batch = make_fields(every, np.random.default_rng(4))
    assert not batch.mask.all()
    assert (batch.amplitude[~batch.mask] == 0).all()
    # A wrongly told probe, a second mode and stray light: the told one explains less.
    clean = make_fields(replace(CLEAN, fields=6, photons=(1e6, 1e6)), np.random.default_rng(4))

    def misfit(some):
        modelled = diffract(some.probe, some.truth).sqrt()
        missed = ((some.amplitude - modelled).square() * some.mask).sum((1, 2))
        return missed / some.amplitude.square().sum((1, 2))

    assert misfit(batch).median() > 10 * misfit(clean).median()


def test_the_same_seed_gives_the_same_batch_and_another_does_not():
    first, second, other = (make_fields(TINY, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(first.amplitude, second.amplitude)
    assert torch.equal(first.truth, second.truth)
    assert not torch.equal(first.amplitude, other.amplitude)


def test_a_half_known_object_is_between_flat_and_the_truth():
    batch = make_fields(replace(CLEAN, fields=12), np.random.default_rng(7))
    start = half_known(batch, np.random.default_rng(8))
    assert start.shape == batch.truth.shape
    assert torch.isfinite(start.abs()).all()
    error = patch_error(start, batch.truth, batch.weight)
    flat = patch_error(torch.ones_like(start), batch.truth, batch.weight)
    assert (error < flat).float().mean() > 0.5
    assert error.max() > 1e-3


def test_stitching_true_patches_of_any_phase_gives_the_truth_in_each_field():
    batch = make_fields(CLEAN, np.random.default_rng(9))
    turns = torch.polar(torch.ones(15), 6.28 * torch.rand(15, generator=torch.manual_seed(0)))
    before = patch_error(batch.truth, batch.truth, batch.weight)
    stitched = stitch_fields(batch.truth * turns[:, None, None], batch)
    after = patch_error(stitched, batch.truth, batch.weight)
    # Four rounds of synchronisation; plain averages of turned patches miss by about one.
    assert before.max() < 1e-4
    assert after.median() < 0.02


@pytest.mark.parametrize("family", ["ptychonn-probe", "ptychonn"])
def test_kinds_held_out_are_never_drawn_in_training_and_are_in_validation(family, monkeypatch):
    drawn = []
    real = samples.make_sample

    def recording(kind, shape, rng, *rest):
        drawn.append(kind)
        return real("bars", shape, rng, *rest)

    monkeypatch.setattr(recipes, "make_sample", recording)
    few = replace(TINY, fields=2, points=4)
    recipe = recipe_of(family, few, (8, 8, 8))
    assert set(HELD_OUT_SAMPLES) <= set(drawn)
    drawn.clear()
    rng = np.random.default_rng(0)
    for _ in range(150):
        recipes.training_sample((16, 16), rng)
    assert set(drawn) == set(SAMPLE_KINDS) - set(HELD_OUT_SAMPLES)
    drawn.clear()
    with torch.no_grad():
        recipe.loss(recipe.module(), rng, torch.device("cpu"), autocast=False)
    assert drawn
    assert not set(HELD_OUT_SAMPLES) & set(drawn)
