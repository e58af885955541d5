"""Training examples: truth and probe make the patterns, and held-out kinds are never drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.simulation import samples
from napari_ptychonn.simulation.samples import SAMPLE_KINDS
from napari_ptychonn.training import drawn_samples
from napari_ptychonn.training.drawn_samples import HELD_OUT_SAMPLES
from napari_ptychonn.training.examples import ExampleSettings, draw_fields, expose
from napari_ptychonn.training.recipes import recipe_of

TINY = ExampleSettings(size=16, fields=3, side=3)
CLEAN = replace(TINY, wrong_probe=0, gaps=0, background=0, second_mode=0)


def make_fields(settings, rng):
    return expose(draw_fields(settings, rng), torch.device("cpu"))


def modelled(batch):
    """Intensities (F, N, S, S) that truth and told probe make."""
    points, size = batch.counts.shape[1:3]
    canvas = batch.truth.reshape(-1, batch.truth.shape[-1])
    patches = cut_windows(canvas, batch.indices.reshape(-1, size, size))
    return diffract(batch.probe.repeat_interleave(points, 0), patches).view(batch.counts.shape)


def test_a_batch_has_the_shapes_it_says():
    batch = make_fields(TINY, np.random.default_rng(0))
    assert batch.counts.shape == batch.indices.shape == (3, 9, 16, 16)
    assert batch.probe.shape == (3, 1, 16, 16)
    assert batch.mask.shape == (3, 16, 16)
    assert batch.truth.shape == batch.light.shape == (3, 32, 32)
    assert (batch.counts.dtype, batch.truth.dtype) == (torch.float32, torch.complex64)
    assert batch.mask.dtype == torch.bool


def test_truth_and_probe_reproduce_the_counts_but_for_photon_noise():
    settings = replace(CLEAN, photons=(1e6, 1e7))
    batch = make_fields(settings, np.random.default_rng(1))
    expected = modelled(batch)
    pull = (batch.counts - expected) / expected.clamp_min(20).sqrt()
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


def test_the_points_of_a_field_lie_on_its_own_canvas():
    batch = make_fields(TINY, np.random.default_rng(3))
    field = batch.indices.reshape(3, -1) // 32**2
    assert torch.equal(field, torch.arange(3)[:, None].expand_as(field))
    rows, columns = batch.indices[..., 0] // 32, batch.indices[..., 0, :] % 32
    assert (rows.diff(dim=-1) == 1).all()
    assert (columns.diff(dim=-1) == 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_neighbouring_points_overlap_and_no_two_fields_are_laid_alike(seed):
    batch = make_fields(replace(CLEAN, size=32, side=4), np.random.default_rng(seed))
    first = batch.indices[:, :, 0, 0] % 64**2
    corners = torch.stack((first // 64, first % 64), -1).double()
    for places, probe in zip(corners, batch.probe.abs().square()[:, 0], strict=True):
        apart = torch.cdist(places, places) + 1e9 * torch.eye(16)
        lit = float(probe.sum() ** 2 / probe.square().sum())
        # Nearer than the light is wide, half of a jittered grid's neighbours at least.
        assert apart.amin(1).median() < 2 * (lit / np.pi) ** 0.5
    steps = corners.amax(1) - corners.amin(1)
    assert len({tuple(step.tolist()) for step in steps}) > 1


def test_the_light_is_that_of_all_points():
    batch = make_fields(TINY, np.random.default_rng(4))
    expected = torch.zeros(3 * 32 * 32)
    for probe, places in zip(batch.probe.abs().square()[:, 0], batch.indices, strict=True):
        for place in places:
            expected[place] += probe
    torch.testing.assert_close(batch.light.reshape(-1), expected, rtol=1e-4, atol=1e-3)


def test_every_kind_of_trouble_is_made():
    every = replace(
        TINY, fields=6, wrong_probe=1, gaps=1, background=1, second_mode=1, photons=(1e6, 1e6)
    )
    batch = make_fields(every, np.random.default_rng(4))
    assert not batch.mask.all()
    bad = ~batch.mask[:, None].expand_as(batch.counts)
    assert (batch.counts[bad] == 0).all()
    # A wrongly told probe, a second mode and stray light: the told one explains less.
    clean = make_fields(replace(CLEAN, fields=6, photons=(1e6, 1e6)), np.random.default_rng(4))

    def misfit(some):
        missed = (some.counts.sqrt() - modelled(some).sqrt()).square() * some.mask[:, None]
        return missed.sum((1, 2, 3)) / some.counts.sum((1, 2, 3))

    assert misfit(batch).median() > 10 * misfit(clean).median()


def test_the_same_seed_gives_the_same_batch_and_another_does_not():
    first, second, other = (make_fields(TINY, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(first.counts, second.counts)
    assert torch.equal(first.truth, second.truth)
    assert not torch.equal(first.counts, other.counts)


@pytest.mark.parametrize("family", ["ptychonn-probe", "ptychonn"])
def test_kinds_held_out_are_never_drawn_in_training_and_are_in_validation(family, monkeypatch):
    drawn = []
    bars = samples.painter("bars")

    def recording(kind):
        drawn.append(kind)
        return bars

    monkeypatch.setattr(drawn_samples, "painter", recording)
    monkeypatch.setattr(samples, "painter", recording)
    few = replace(TINY, fields=2, side=2)
    recipe = recipe_of(family, few, (8, 8, 8), 1)
    assert set(HELD_OUT_SAMPLES) <= set(drawn)
    drawn.clear()
    rng = np.random.default_rng(0)
    for _ in range(150):
        drawn_samples.training_sample((16, 16), rng)
    assert set(drawn) == set(SAMPLE_KINDS) - set(HELD_OUT_SAMPLES)
    drawn.clear()
    recipe.draw(rng)
    assert drawn
    assert not set(HELD_OUT_SAMPLES) & set(drawn)
