"""Foreign weights: the published result is reproduced, and unknown files are refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network.foreign import import_foreign
from napari_ptychonn.network.preprocess import gather_statistics, transform
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import load_network, save_network


class Stack:
    def __init__(self, patterns):
        self.patterns = patterns
        self.shape = patterns.shape

    def read(self, indices):
        return self.patterns[indices]


def conv_pair(width, channels):
    return [
        nn.Conv2d(width, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
    ]


def published(n=32):
    """The published network written down as its authors' files number it."""
    net = nn.Module()
    net.encoder = nn.Sequential(
        *conv_pair(1, n), nn.MaxPool2d(2),
        *conv_pair(n, 2 * n), nn.MaxPool2d(2),
        *conv_pair(2 * n, 4 * n), nn.MaxPool2d(2),
    )  # fmt: skip
    for name, last in (("decoder1", nn.Sigmoid()), ("decoder2", nn.Tanh())):
        decoder = nn.Sequential(
            *conv_pair(4 * n, 4 * n), nn.Upsample(scale_factor=2, mode="bilinear"),
            *conv_pair(4 * n, 2 * n), nn.Upsample(scale_factor=2, mode="bilinear"),
            *conv_pair(2 * n, 2 * n), nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(2 * n, 1, 3, padding=1), last,
        )  # fmt: skip
        setattr(net, name, decoder)
    return net


def saved(tmp_path, content, name="net.pth"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


@pytest.mark.data
def test_published_phase_network_reproduces_its_published_output(tmp_path, shared_data):
    folder = shared_data / "ptychonn_scan235"
    card, state = import_foreign(folder / "model_ptychonn_bn_meanSubStdData.pth")
    save_network(tmp_path / "gold.safetensors", card, state)
    network = load_network(tmp_path / "gold.safetensors")

    with np.load(folder / "test235_truncated.npz") as file:
        counts = file["reciprocal"]
    source = Stack(np.where(counts < 0, 65536 + counts, counts).astype(np.float32))
    how = network.card.preprocessing
    statistics = gather_statistics(source, how, batch_size=8)
    inputs = torch.from_numpy(transform(source.patterns, how, statistics))[:, None]
    with torch.inference_mode():
        amplitude, phase = network.module(inputs)

    gold = tifffile.imread(folder / "gold_pred_phase.tiff")
    worst = np.abs(phase[:, 0].numpy() - gold).max()
    print(f"largest difference from the published output: {worst:.2e} rad")
    assert worst < 1e-5
    assert (amplitude == 1).all()
    assert (card.outputs, card.pattern_size, card.size_multiple) == ("phase", 128, 16)
    assert sum(value.numel() for value in state.values()) == 737_777


@pytest.mark.data
def test_log_variance_network_sees_the_same_sample_from_neighbouring_points(shared_data):
    folder = shared_data / "ptychonn_paper_frames"
    card, state = import_foreign(folder / "best_model_b.pth")
    assert card.architecture["channels_per_head"] == 2
    assert card.preprocessing.crop == 32
    assert "unknown" in card.licence
    assert sum(value.numel() for value in state.values()) == 313_076
    net = PtychoNN(**card.architecture).eval()
    net.load_state_dict(state)
    frames = np.load(folder / "20191008_39_diff_sample.npy").reshape(4, 256, 256)
    inputs = torch.from_numpy(transform(frames.astype(np.float32), card.preprocessing))[:, None]
    with torch.inference_mode():
        amplitude, phase = net(inputs)
    # Four points a small step apart, each predicted from its own pattern alone: they agree
    # on the sample only if every layer is where it belongs. The step itself costs the rest.
    assert np.corrcoef(phase.reshape(4, -1)).min() > 0.75
    # An etched sample of two heights, about 2.4 rad apart.
    assert phase.amax() - phase.amin() == pytest.approx(2.5, abs=0.5)
    assert 0.05 < amplitude.min() < amplitude.max() < 0.15


def test_published_layout_computes_what_its_own_wiring_does(tmp_path):
    torch.manual_seed(0)
    original = published()
    card, state = import_foreign(saved(tmp_path, original.state_dict()))
    assert card.training["layout"] == "published"
    net = PtychoNN(**card.architecture).eval()
    net.load_state_dict(state)
    assert sum(p.numel() for p in net.parameters()) == 1_247_074
    x = torch.rand(2, 1, 64, 64) * 10
    with torch.inference_mode():
        latent = original.encoder(x)
        amplitude, phase = net(x)
        torch.testing.assert_close(amplitude, original.decoder1(latent))
        torch.testing.assert_close(phase, torch.pi * original.decoder2(latent))


def test_grouped_package_layout_computes_what_its_own_wiring_does(tmp_path):
    def pair(width, channels, groups):
        made = []
        for n in (width, channels):
            conv = nn.Conv2d(n, channels, 3, padding=1, bias=False, groups=groups)
            made += [conv, nn.BatchNorm2d(channels), nn.ReLU()]
        return made

    torch.manual_seed(0)
    original = nn.Module()
    original.encoder = nn.Sequential(
        *pair(1, 4, 1), nn.MaxPool2d(2), *pair(4, 8, 1), nn.MaxPool2d(2)
    )
    original.decoder = nn.Sequential(
        *pair(8, 16, 2), nn.Upsample(scale_factor=2, mode="bilinear"),
        *pair(16, 8, 2), nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(8, 2, 3, padding=1, bias=False, groups=2), nn.BatchNorm2d(2),
    )  # fmt: skip
    x = torch.rand(4, 1, 16, 16)
    original.decoder(original.encoder(x))  # fills the running statistics
    original.eval()
    card, state = import_foreign(saved(tmp_path, {"state_dict": original.state_dict()}))
    assert card.training["layout"] == "package"
    assert "not recorded" in card.limits
    net = PtychoNN(**card.architecture).eval()
    net.load_state_dict(state)
    with torch.inference_mode():
        expected = original.decoder(original.encoder(x))
        amplitude, phase = net(x)
    torch.testing.assert_close(phase, torch.pi * expected[:, :1].tanh())
    torch.testing.assert_close(amplitude, expected[:, 1:].sigmoid())


def test_names_that_a_wrapper_put_first_are_understood(tmp_path):
    state = {f"module.{key}": value for key, value in published(4).state_dict().items()}
    card, _ = import_foreign(saved(tmp_path, state), name="mine")
    assert card.name == "mine"
    assert card.architecture["encoder"] == [4, 8, 16]


def test_insisting_on_another_layout_is_refused_with_the_one_found(tmp_path):
    path = saved(tmp_path, published(4).state_dict())
    import_foreign(path, layout="published")
    with pytest.raises(NetworkError, match="'published' layout, not of 'log-variance'"):
        import_foreign(path, layout="log-variance")
    with pytest.raises(NetworkError, match="choose from auto, published"):
        import_foreign(path, layout="keras")


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (ran,))

    path = saved(tmp_path, {"encoder.0.weight": Trap()})
    with pytest.raises(NetworkError, match="Python objects"):
        import_foreign(path)
    assert not ran.exists()
    path = saved(tmp_path, published(4))
    with pytest.raises(NetworkError, match="state dict alone"):
        import_foreign(path)


def strange(change):
    state = dict(published(4).state_dict())
    change(state)
    return state


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([torch.zeros(3)], "it holds a list"),
        ({"weights": torch.zeros(3)}, "'weights' belongs to no encoder"),
        ({"encoder.0.weight": 3}, "is no tensor"),
        (strange(lambda s: s.pop("encoder.2.weight")), "no convolution or normalisation"),
        (strange(lambda s: s.update({"encoder.14.weight": torch.zeros(16, 16, 3, 3)})), "pairs"),
        (
            {
                k.replace("encoder.2.", "encoder.3."): v
                for k, v in published(4).state_dict().items()
            },
            "unknown order",
        ),
        (
            {k: v for k, v in published(4).state_dict().items() if "decoder2" not in k},
            "no phase decoder",
        ),
        (
            {k: v for k, v in published(4).state_dict().items() if "encoder" not in k},
            "no encoder",
        ),
        (strange(lambda s: s["encoder.0.bias"].fill_(float("nan"))), "not finite"),
        (
            strange(lambda s: s.update({"encoder.0.weight": torch.zeros(4, 1, 5, 5)})),
            "not 3×3",
        ),
    ],
)
def test_unknown_content_is_refused_with_what_is_known(tmp_path, content, says):
    path = saved(tmp_path, content)
    with pytest.raises(NetworkError, match=says) as caught:
        import_foreign(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_files_that_are_no_weights_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("not a network")
    (tmp_path / "empty.pth").touch()
    whole = saved(tmp_path, published(4).state_dict()).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    for name in ("text.pth", "empty.pth", "cut.pth", "missing.pth"):
        with pytest.raises(NetworkError, match=name):
            import_foreign(tmp_path / name)
