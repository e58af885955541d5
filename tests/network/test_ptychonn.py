"""The published network and its relatives: sizes, ranges, and what they refuse."""

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network.ptychonn import PtychoNN

PHASE_ONLY = {
    "encoder": (16, 32, 64, 128),
    "decoder": (128, 64, 32, 16),
    "heads": ("phase",),
    "batch_norm": True,
}
LOG_VARIANCE = {"encoder": (16, 32, 64), "decoder": (64, 32, 32), "channels_per_head": 2}
PACKAGE = {
    "encoder": (16, 32, 64, 128),
    "decoder": (128, 64, 32, 16),
    "batch_norm": True,
    "output_norm": True,
    "bias": False,
    "grouped": True,
}


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [({}, 1_247_074), (LOG_VARIANCE, 313_076), (PACKAGE, 1_028_596)],
    ids=["published", "log-variance", "package"],
)
def test_parameter_count_is_the_published_one(settings, parameters):
    assert sum(p.numel() for p in PtychoNN(**settings).parameters()) == parameters


def test_phase_only_network_holds_the_values_of_its_published_file():
    state = PtychoNN(**PHASE_ONLY).state_dict()
    assert len(state) == 114
    assert sum(value.numel() for value in state.values()) == 737_777


@pytest.mark.parametrize("settings", [{}, PHASE_ONLY, LOG_VARIANCE, PACKAGE])
def test_outputs_are_float32_within_their_ranges(settings):
    torch.manual_seed(0)
    net = PtychoNN(**settings).eval()
    with torch.inference_mode():
        amplitude, phase = net(1e4 * torch.rand(2, 1, 32, 32))
    assert amplitude.shape == phase.shape == (2, 1, 32, 32)
    assert amplitude.dtype == phase.dtype == torch.float32
    assert phase.abs().max() <= np.float32(np.pi)
    if net.heads == ("phase",):
        assert (amplitude == 1).all()
    else:
        assert amplitude.min() >= 0
        assert amplitude.max() <= 1


def test_patches_are_amplitude_and_phase_as_complex_numbers():
    torch.manual_seed(0)
    net = PtychoNN(encoder=(4, 8), decoder=(8, 4)).eval()
    x = torch.rand(3, 1, 16, 16)
    with torch.inference_mode():
        amplitude, phase = net(x)
        patches = net.patches(x)
    assert patches.shape == (3, 16, 16)
    assert patches.dtype == torch.complex64
    torch.testing.assert_close(patches.abs(), amplitude[:, 0])
    torch.testing.assert_close(patches.angle(), phase[:, 0])


def test_heads_of_a_grouped_decoder_do_not_see_each_other():
    torch.manual_seed(0)
    net = PtychoNN(encoder=(4, 8), decoder=(8, 4), grouped=True).eval()
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        amplitude, phase = net(x)
        net.decoders["both"][-1].weight[0] += 1  # the phase group's last convolution
        amplitude_after, phase_after = net(x)
    assert torch.equal(amplitude, amplitude_after)
    assert not torch.allclose(phase, phase_after)


def test_a_size_that_does_not_divide_is_refused_with_the_multiple():
    with pytest.raises(NetworkError, match="60×64 is no multiple of 8"):
        PtychoNN()(torch.zeros(1, 1, 60, 64))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"encoder": (8, 8)}, "2 encoder levels, but 3 decoder levels"),
        ({"heads": ("amplitude",)}, "phase is needed"),
        ({"heads": ("phase",), "grouped": True}, "without both heads"),
        ({"encoder": (8, 0, 8)}, "without channels"),
    ],
)
def test_settings_that_describe_no_network_are_refused(settings, says):
    with pytest.raises(NetworkError, match=says):
        PtychoNN(**settings)
