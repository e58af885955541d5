"""The probe-aware network: any size, any probe, any global phase, and finite in the dark."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.network.probe_aware import INPUT_CHANNELS, ProbeAwareNet, anchor, features
from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil


@pytest.fixture(scope="module")
def net():
    """Small, with random weights everywhere (a fresh one's head is zero)."""
    torch.manual_seed(0)
    network = ProbeAwareNet((8, 8, 8), blocks=1).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return network


def world(shape, photons=1e4, count=3, seed=0):
    """Amplitudes, probe and true patches."""
    rng = np.random.default_rng(seed)
    probe = probe_from_pupil(PupilSettings(radius=0.2, stop=0.3, defocus=0.12), max(shape))
    probe = probe[: shape[0], : shape[1]]
    phase = rng.normal(0, 0.3, (count, *shape))
    patches = torch.from_numpy(rng.uniform(0.6, 1, phase.shape) * np.exp(1j * phase))
    patches = patches.to(torch.complex64)
    probe = torch.from_numpy(probe)[None] * photons**0.5
    return diffract(probe, patches).sqrt(), probe, patches


@pytest.mark.parametrize("shape", [(8, 8), (16, 16), (24, 40), (64, 64)])
def test_any_multiple_of_eight_will_do(net, shape):
    amplitude, probe, patches = world(shape)
    with torch.inference_mode():
        found = net.patches(amplitude, probe, torch.ones_like(patches), autocast=False)
    assert found.shape == patches.shape
    assert found.dtype == torch.complex64
    assert torch.isfinite(found.abs()).all()


@given(st.floats(-3.2, 3.2))
@settings(max_examples=20)
def test_a_turned_estimate_gives_the_turned_answer(net, phase):
    amplitude, probe, patches = world((16, 16))
    turn = torch.polar(torch.ones(()), torch.tensor(phase))
    with torch.inference_mode():
        plain = net.patches(amplitude, probe, patches, autocast=False)
        turned = net.patches(amplitude, probe, patches * turn, autocast=False)
    # Single precision through the network.
    assert (turned - plain * turn).abs().max() < 1e-4 * plain.abs().max()


@given(st.floats(-3.2, 3.2))
@settings(max_examples=20)
def test_the_global_phase_of_the_probe_does_not_matter(net, phase):
    amplitude, probe, patches = world((16, 16))
    turn = torch.polar(torch.ones(()), torch.tensor(phase))
    with torch.inference_mode():
        plain = net.patches(amplitude, probe, patches, autocast=False)
        turned = net.patches(amplitude, probe * turn, patches, autocast=False)
    assert (turned - plain).abs().max() < 1e-4 * plain.abs().max()


def test_patches_of_a_batch_do_not_see_each_other(net):
    amplitude, probe, patches = world((16, 16), count=4)
    estimate = torch.ones_like(patches)
    with torch.inference_mode():
        together = net.patches(amplitude, probe, estimate, autocast=False)
        alone = net.patches(amplitude[2:3], probe, estimate[2:3], autocast=False)
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-4)


def test_a_probe_for_each_point_is_its_own(net):
    amplitude, probe, patches = world((16, 16), count=2)
    estimate = torch.ones_like(patches)
    both = torch.stack([probe, probe.roll(2, -1)])
    with torch.inference_mode():
        together = net.patches(amplitude, both, estimate, autocast=False)
        second = net.patches(amplitude[1:], probe.roll(2, -1), estimate[1:], autocast=False)
    torch.testing.assert_close(together[1:], second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("photons", [0.0, 1e-3, 1e7])
def test_features_are_finite_whatever_was_counted(photons):
    amplitude, probe, patches = world((16, 16), photons=max(photons, 1e-3))
    if photons == 0:
        amplitude = torch.zeros_like(amplitude)
    inputs, error = features(amplitude, probe, torch.ones_like(patches))
    assert inputs.shape == (3, INPUT_CHANNELS, 16, 16)
    assert torch.isfinite(inputs).all()
    assert torch.isfinite(error).all()


def test_a_pattern_without_a_photon_still_gives_a_finite_patch(net):
    _, probe, patches = world((16, 16))
    dark = torch.zeros(3, 16, 16)
    with torch.inference_mode():
        found = net.patches(dark, probe, torch.ones_like(patches), autocast=False)
    assert torch.isfinite(found.abs()).all()


def test_what_a_bad_pixel_counted_is_not_seen():
    amplitude, probe, patches = world((16, 16))
    mask = torch.ones(16, 16, dtype=torch.bool)
    mask[2:4] = False
    spoiled = torch.where(mask, amplitude, 1e4)
    flat = torch.ones_like(patches)
    for one, other in zip(
        features(amplitude, probe, flat, mask), features(spoiled, probe, flat, mask), strict=True
    ):
        torch.testing.assert_close(one, other)
    unmasked, _ = features(spoiled, probe, flat)
    assert (unmasked - features(amplitude, probe, flat)[0]).abs().max() > 0.1


def test_the_truth_is_left_alone_by_a_fresh_network():
    amplitude, probe, patches = world((16, 16))
    with torch.inference_mode():
        found = ProbeAwareNet((8, 8, 8)).patches(amplitude, probe, patches, autocast=False)
    assert (found - patches).abs().max() < 1e-3


def test_anchoring_makes_the_lit_mean_real_and_is_undone():
    _, probe, patches = world((16, 16))
    turned = patches * torch.polar(torch.ones(3), torch.tensor([0.3, -2.0, 3.0]))[:, None, None]
    anchored, turn = anchor(probe, turned)
    mean = (probe.abs().square().sum(0) * anchored).sum((-2, -1))
    assert (mean.imag.abs() < 1e-4 * mean.real).all()
    torch.testing.assert_close(anchored * turn, turned)


def test_a_side_that_is_no_multiple_of_eight_is_no_input(net):
    amplitude, probe, patches = world((12, 12))
    with pytest.raises(RuntimeError), torch.inference_mode():
        net.patches(amplitude, probe, torch.ones_like(patches), autocast=False)
