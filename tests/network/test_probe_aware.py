"""The probe-aware network: any object, any phase at zero correction, finite in the dark."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.network.probe_aware import (
    INPUT_CHANNELS,
    ProbeAwareNet,
    features,
    object_error,
)
from napari_ptychonn.network.shrinkage import shrink


@pytest.fixture(scope="module")
def net():
    """Small, with random weights everywhere (a fresh one's head is zero)."""
    torch.manual_seed(0)
    network = ProbeAwareNet((8, 8, 8), blocks=1).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return network


def swept(shape, count=2, seed=0, photons=1e3):
    """Objects after and before a sweep, light and error."""
    generator = torch.Generator().manual_seed(seed)

    def random(*more):
        return torch.randn(count, *shape, *more, generator=generator)

    after = torch.polar(1 + 0.1 * random(), 0.5 * random())
    before = after + 0.05 * torch.view_as_complex(random(2))
    light = photons * torch.rand(count, *shape, generator=generator)
    return after, before, light, object_error(light, 0.01 * light)


def improved(net, *parts, **named):
    with torch.inference_mode():
        return net.improve(*parts, autocast=False, **named)


@pytest.mark.parametrize("shape", [(8, 8), (16, 16), (24, 40), (64, 64)])
def test_any_multiple_of_eight_will_do(net, shape):
    parts = swept(shape)
    found = improved(net, *parts)
    assert found.shape == parts[0].shape
    assert found.dtype == torch.complex64
    assert torch.isfinite(found.abs()).all()
    assert not torch.allclose(found, parts[0])


def test_a_side_that_is_no_multiple_of_eight_is_no_input(net):
    with pytest.raises(RuntimeError):
        improved(net, *swept((12, 12)))


def test_a_fresh_network_takes_out_what_photon_noise_explains_and_no_more():
    after, before, light, error = swept((16, 24))
    found = improved(ProbeAwareNet((8, 8, 8)), after, before, light, error)
    lit = light / (light + 1e-3 * light.amax((-2, -1), keepdim=True))
    cleaned = shrink(after, lit * 0.5 / (light + 1))
    torch.testing.assert_close(found, after + lit * (cleaned - after))
    assert not torch.allclose(found, after, atol=1e-3)


def test_objects_of_a_batch_do_not_see_each_other(net):
    parts = swept((16, 16), count=4)
    together = improved(net, *parts)
    alone = improved(net, *(part[2:3] for part in parts))
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-5)


@given(st.floats(-3.2, 3.2))
@settings(max_examples=20)
def test_turning_the_object_turns_its_features(phase):
    after, before, light, error = swept((8, 8))
    turn = torch.polar(torch.ones(()), torch.tensor(phase))
    plain = features(after, before, light, error)
    turned = features(after * turn, before * turn, light, error)
    for first in (0, 2):
        pair, other = (
            torch.view_as_complex(found[:, first : first + 2].permute(0, 2, 3, 1).contiguous())
            for found in (plain, turned)
        )
        # Single precision; nothing here is large enough to be clipped.
        torch.testing.assert_close(other, pair * turn, rtol=1e-4, atol=1e-4)
    assert torch.equal(turned[:, 4:], plain[:, 4:])


def test_the_change_of_a_sweep_is_told_in_units_of_the_error():
    after, before, light, error = swept((8, 8))
    told = features(after, before, light, error)
    assert told.shape == (2, INPUT_CHANNELS, 8, 8)
    torch.testing.assert_close(told[:, 2], (after - before).real / error, rtol=1e-4, atol=1e-5)
    half = features(after, before, light, 2 * error)
    torch.testing.assert_close(half[:, 2:4], told[:, 2:4] / 2)
    torch.testing.assert_close(half[:, :2], told[:, :2])


def test_the_correction_is_in_units_of_the_error_and_needs_light(net):
    after, before, light, error = swept((16, 16), count=1)
    with torch.inference_mode():
        *correction, left = net(features(after, before, light, error))[0]
    found = improved(net, after, before, light, error)
    lit = light / (light + 1e-3 * light.max())
    noise = 0.5 / (light + 1)
    believed = noise / (noise + 0.01**2)
    answer = after + torch.complex(*correction) * error * lit * believed
    cleaned = shrink(answer, lit * noise * left.exp())
    torch.testing.assert_close(found, answer + lit * (cleaned - answer), rtol=1e-3, atol=1e-5)
    dark = light.clone()
    dark[:, :8] = 0
    found = improved(net, after, before, dark, error)
    assert torch.equal(found[:, :8], after[:, :8])
    assert not torch.allclose(found[:, 8:], after[:, 8:])


def test_an_answer_is_believed_as_far_as_noise_is_larger_than_its_own_error(net):
    after, before, light, error = swept((16, 16), count=1)
    moved = [
        (improved(net, after, before, torch.full_like(light, photons), error) - after).abs().mean()
        for photons in (1e2, 1e4, 1e6)
    ]
    assert moved[0] > 1.5 * moved[1] > 10 * moved[2] > 0


def test_a_tile_that_knows_the_whole_objects_peak_is_scaled_as_the_whole():
    after, before, light, error = swept((16, 16), count=1)
    light[:, :8] *= 0.01
    peak = light.amax()[None, None, None]
    whole = features(after, before, light, error)
    tile = features(*(part[:, :8] for part in (after, before, light, error)), peak)
    assert torch.equal(tile, whole[:, :, :8])
    alone = features(*(part[:, :8] for part in (after, before, light, error)))
    assert (alone[:, 4] - tile[:, 4]).abs().max() > 0.5


@pytest.mark.parametrize("photons", [0.0, 1e-3, 1e9])
def test_everything_is_finite_whatever_was_counted(net, photons):
    after, before, light, _ = swept((16, 16), photons=photons)
    for unexplained in (torch.zeros_like(light), -light, 1e3 * light):
        error = object_error(light, unexplained)
        assert torch.isfinite(error).all()
        assert torch.isfinite(features(after, before, light, error)).all()
        found = improved(net, after, before, light, error)
        assert torch.isfinite(found.abs()).all()
        # The answer is never farther away than the largest error times a few.
        assert (found - after).abs().max() < 10
    if photons == 0:
        assert torch.equal(found, after)


def test_the_expected_error_is_that_of_photon_noise_where_all_is_explained():
    # √I has a variance of ¼, so an estimate of O from n photons has one of 1 / (2n).
    light = torch.tensor([[[50.0, 500.0]]])
    error = object_error(light, torch.zeros_like(light))
    torch.testing.assert_close(error, (0.5 / (light + 1)).sqrt())
    # Better explained than noise allows is not better than noise.
    torch.testing.assert_close(object_error(light, -light), error)


def test_what_is_not_explained_raises_the_error_and_both_ends_are_bounded():
    light = torch.full((1, 1, 5), 1e4)
    share = torch.tensor([0.0, 1e-4, 1e-2, 0.3, 50.0])
    error = object_error(light, share * light)[0, 0]
    assert error.tolist() == sorted(error.tolist())
    assert float(error[2]) == pytest.approx((0.5 / 1e4 + 1e-2) ** 0.5, rel=1e-3)
    assert float(error[0]) == pytest.approx((0.5 / 1e4) ** 0.5, rel=1e-3)
    assert float(object_error(light * 1e3, 0 * light).min()) == pytest.approx(0.003)
    assert float(error[-1]) == 1.0


def test_bfloat16_changes_the_answer_by_its_rounding_only(net):
    parts = swept((32, 32))
    plain = improved(net, *parts)
    with torch.inference_mode():
        rounded = net.improve(*parts, autocast=True)
    moved = (plain - parts[0]).abs().max()
    # Eight binary digits through a few layers.
    assert 0 < (rounded - plain).abs().max() < 0.05 * moved
