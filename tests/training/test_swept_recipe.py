"""Polishing: scans that go through the passes of a job, and a network that gains from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.reconstruction.events import Finished
from napari_ptychonn.simulation import samples
from napari_ptychonn.simulation.samples import SAMPLE_KINDS
from napari_ptychonn.training import drawn_samples, swept_recipe
from napari_ptychonn.training.drawn_samples import HELD_OUT_SAMPLES
from napari_ptychonn.training.examples import ExampleSettings
from napari_ptychonn.training.pretrain import PretrainSettings, pretrain
from napari_ptychonn.training.run import TrainingRun
from napari_ptychonn.training.swept_recipe import SCANS, ScanForm, SweptRecipe

TINY = ExampleSettings(size=16, fields=2)
FEW = (ScanForm(1.0, (12, 20), (0.2, 0.4), (4.0, 5.0)),)


@pytest.fixture
def recipe():
    return SweptRecipe(TINY, (8, 8, 8), 1, scans=FEW)


def test_scans_are_as_their_form_says(recipe):
    drawn = [scan for seed in range(8) for scan in recipe.draw(np.random.default_rng(seed))]
    for scan, truth in drawn:
        assert scan.pattern_shape in ((16, 16), (32, 32))
        assert 12 <= scan.n_points <= 20
        assert 0.5e4 <= (np.abs(truth.probe) ** 2).sum() <= 1.001e5
        # Every pixel that the light can reach is there to learn from.
        reach = np.ptp(scan.positions_px, axis=0) + scan.pattern_shape
        assert (np.asarray(truth.object.shape) >= reach - 1).all()
    assert {scan.pattern_shape for scan, _ in drawn} == {(16, 16), (32, 32)}


def test_some_scans_have_points_that_hardly_overlap():
    form = max(SCANS, key=lambda form: form.steps)
    recipe = SweptRecipe(replace(TINY, fields=1), (8, 8, 8), 1, scans=(form,))
    (simulation,) = recipe.draw(np.random.default_rng(3))
    light = np.sort((np.abs(simulation.truth.probe[0]) ** 2).ravel())[::-1]
    area = 1 + np.searchsorted(np.cumsum(light) / light.sum(), 0.9)
    positions = simulation.scan.positions_px
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert np.median(apart.min(1)) > 0.6 * 2 * np.sqrt(area / np.pi)


def test_the_same_random_numbers_draw_the_same_scans(recipe):
    one, other = (recipe.draw(np.random.default_rng(7)) for _ in range(2))
    for (scan, truth), (again, same) in zip(one, other, strict=True):
        points = np.arange(scan.n_points)
        np.testing.assert_array_equal(scan.patterns.read(points), again.patterns.read(points))
        np.testing.assert_array_equal(truth.object, same.object)


def test_held_out_samples_are_not_drawn(recipe, monkeypatch):
    drawn = []
    real = samples.painter

    def recording(kind):
        drawn.append(kind)
        return real(kind)

    monkeypatch.setattr(drawn_samples, "painter", recording)
    recipe.draw(np.random.default_rng(0))
    assert drawn
    assert set(drawn) <= set(SAMPLE_KINDS) - set(HELD_OUT_SAMPLES)


def test_it_learns_from_passes_and_from_sweeps_after_them(monkeypatch):
    """Losses on the same noisy scans fall, and each example gives the steps that it should."""
    noisy = (ScanForm(1.0, (20, 30), (0.1, 0.2), (2.6, 2.6)),)
    recipe = SweptRecipe(TINY, (8, 8, 8), 1, scans=noisy)
    monkeypatch.setattr(swept_recipe, "_SWEPT_FROM_PHOTONS", 0)
    monkeypatch.setattr(swept_recipe, "_SWEPT_AFTER", 1.0)
    torch.manual_seed(0)
    network = recipe.module()
    with torch.no_grad():
        network.head.bias[8:] = -100  # takes nothing for noise
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    run = TrainingRun(network, optimiser, lambda _: 3e-3, 0.9)
    drawn = recipe.draw(np.random.default_rng(1))
    means = []
    for _ in range(6):
        losses = []
        for loss in recipe.losses(
            network, drawn, np.random.default_rng(0), torch.device("cpu"), autocast=False
        ):
            run.learn(loss)
            losses.append(loss.item())
        assert len(losses) == 7 * len(drawn)
        means.append(np.mean(losses))
    # It starts as the identity: what it gains is beyond what sweeps find.
    assert means[-1] < means[0] - 0.2


@pytest.mark.parametrize("stop_after", [1, 15])
def test_a_resumed_polish_gives_exactly_the_weights_of_one_in_a_go(
    tmp_path, monkeypatch, stop_after
):
    monkeypatch.setattr(swept_recipe, "SCANS", FEW)
    settings = PretrainSettings(
        tmp_path / "whole", channels=(8, 8, 8), steps=28, bf16=False, seed=5, swept=True,
        examples=replace(TINY, side=2), validate_every=14,
    )  # fmt: skip

    def train(settings, stop_after=None):
        done = []

        def enough():
            return stop_after is not None and len(done) >= stop_after

        for event in pretrain(settings, should_stop=enough):
            done.append(event)
        assert isinstance(done[-1], Finished)
        return done[-1]

    whole = train(settings).result
    parted = replace(settings, folder=tmp_path / "parted")
    assert train(parted, stop_after).stopped
    again = train(parted).result
    for name, value in whole.state.items():
        assert torch.equal(again.state[name], value), name
