"""Labels land where the points are, to a fraction of a pixel; the loss of counts is unbiased."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.placed import object_on
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.training.labels import cut_labels
from napari_ptychonn.training.losses import deviance


def smooth(y, x):
    """An object that is known between its pixels."""
    phase = np.sin(0.21 * y) + np.cos(0.17 * x + 0.1 * y)
    return (0.7 + 0.2 * np.cos(0.13 * y - 0.2 * x)) * np.exp(1j * phase)


def label(pixel, corner, side=120):
    y, x = np.meshgrid(*(corner[k] + np.arange(side) * pixel[k] for k in range(2)), indexing="ij")
    values = smooth(y, x).astype(np.complex64)
    return ObjectResult(values, pixel, "px", corner, Path("object.h5"), "test")


@pytest.fixture
def frame():
    positions = np.array([[30.3, 40.8], [33.0, 37.45], [36.6, 45.25], [31.9, 44.0]])
    return make_frame(positions, (16, 24)), positions


@pytest.mark.parametrize("pixel", [(1.0, 1.0), (0.8, 0.9)])
def test_a_label_is_interpolated_onto_the_frame(frame, pixel):
    laid, _ = frame
    found, known = object_on(label(pixel, (3.25, 7.6)), laid, (1.0, 1.0))
    y, x = np.meshgrid(*(laid.corner_px[k] + np.arange(laid.shape[k]) for k in range(2)),
                       indexing="ij")  # fmt: skip
    assert known.all()
    assert np.abs(found.numpy() - smooth(y, x)).max() < 2e-3


def test_what_the_label_does_not_know_is_said(frame):
    laid, _ = frame
    some = label((1.0, 1.0), (3.0, 7.0))
    some.object[:25] = np.nan
    found, known = object_on(some, laid, (1.0, 1.0))
    rows = laid.corner_px[0] + np.arange(laid.shape[0])
    assert not known[rows < 27].any()
    assert known[rows >= 28].all()
    assert torch.isfinite(torch.view_as_real(found)).all()


def test_patches_are_cut_at_the_exact_positions(frame):
    laid, positions = frame
    object_, _ = object_on(label((1.0, 1.0), (0.0, 0.0)), laid, (1.0, 1.0))
    patches = cut_labels(object_, laid, torch.arange(4))
    for patch, place in zip(patches, positions, strict=True):
        y, x = np.meshgrid(place[0] - 8 + np.arange(16), place[1] - 12 + np.arange(24),
                           indexing="ij")  # fmt: skip
        inside = (slice(2, -2), slice(2, -2))
        # Bicubic interpolation of an object that turns by up to 0.3 rad a pixel.
        assert np.abs(patch.numpy() - smooth(y, x))[inside].max() < 0.02


@settings(max_examples=20)
@given(mean=st.floats(0.02, 30), seed=st.integers(0, 1000))
def test_the_deviance_is_least_at_the_mean_count_at_any_dose(mean, seed):
    counts = torch.from_numpy(
        np.random.default_rng(seed).poisson(mean, (1, 100, 100)).astype(np.float32)
    )
    level = torch.tensor(float(counts.mean()), requires_grad=True)
    mask = torch.ones(100, 100, dtype=torch.bool)
    (slope,) = torch.autograd.grad(deviance(counts, level.expand(1, 100, 100), mask).sum(), level)
    (away,) = torch.autograd.grad(
        deviance(counts, (1.1 * level).expand(1, 100, 100), mask).sum(), level
    )
    assert abs(float(slope)) < 1e-3 * abs(float(away)) + 1e-2


def test_at_many_photons_the_deviance_is_the_misfit_of_the_amplitudes():
    rng = np.random.default_rng(1)
    model = torch.from_numpy(rng.uniform(1e3, 1e4, (1, 64, 64)))
    counts = torch.from_numpy(rng.poisson(model.numpy()).astype(np.float64))
    mask = torch.ones(64, 64, dtype=torch.bool)
    wanted = (counts.sqrt() - model.sqrt()).square().sum()
    assert float(deviance(counts, model, mask)) == pytest.approx(float(wanted), rel=0.01)


def test_masked_pixels_do_not_count():
    counts = torch.tensor([[[5.0, 1000.0]]])
    mask = torch.tensor([[True, False]])
    assert float(deviance(counts, torch.tensor([[[5.0, 1.0]]]), mask)) == pytest.approx(0, abs=1e-6)
