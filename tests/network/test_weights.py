"""Network files describe themselves, are whole or absent, and are checked when read."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_ptychonn.errors import NetworkError, OutputError
from napari_ptychonn.network.card import NetworkCard, Preprocessing
from napari_ptychonn.network.probe_aware import ProbeAwareNet
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import (
    build_module,
    load_network,
    read_card,
    save_network,
)

SMALL = {"encoder": [4, 8], "decoder": [8, 4], "batch_norm": True}
CARD = NetworkCard(
    name="small",
    family="ptychonn",
    architecture=SMALL,
    pattern_size=16,
    size_multiple=4,
    preprocessing=Preprocessing(crop=2, threshold=3),
    parents=("older",),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.safetensors"


def module():
    torch.manual_seed(0)
    return PtychoNN(**SMALL).eval()


def test_a_saved_network_comes_back_with_card_and_output(path):
    net = module()
    save_network(path, CARD, net.to(memory_format=torch.channels_last))
    assert read_card(path) == CARD
    network = load_network(path)
    assert (network.card, network.path) == (CARD, path)
    assert not network.module.training
    x = torch.rand(2, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network.module.patches(x), net.patches(x))


def test_a_probe_aware_network_comes_back(path):
    card = NetworkCard(name="p", family="ptychonn-probe", needs_probe=True)
    net = ProbeAwareNet(**card.architecture)
    save_network(path, card, net)
    loaded = load_network(path).module
    assert isinstance(loaded, ProbeAwareNet)
    for name, value in net.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


@pytest.mark.parametrize(
    ("inputs", "said"), [(None, "does not say"), ("patches-5", "made to see 'patches-5'")]
)
def test_a_network_that_was_made_to_see_something_else_is_refused(path, inputs, said):
    card = NetworkCard(name="old", family="ptychonn-probe", architecture={"channels": [8, 8, 8]})
    told = json.loads(card.to_json())
    assert told["inputs"] == "object-7c"
    told["inputs"] = inputs
    state = build_module(card).state_dict()
    save_file(state, path, metadata={"card": json.dumps(told)})
    for read in (read_card, load_network):
        with pytest.raises(NetworkError, match=said) as caught:
            read(path)
    assert "bundled network" in caught.value.remedy
    # What it once made can still be opened, with its card as a record.
    assert NetworkCard.from_json(json.dumps(told), where="result", to_run=False) == card


def test_the_first_files_of_the_ptychonn_family_need_not_say_what_they_see():
    told = json.loads(CARD.to_json())
    assert told.pop("inputs") == "patterns"
    assert NetworkCard.from_json(json.dumps({**told, "card_version": 1}), where="here") == CARD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3),
        ("training", "much"),
        ("metrics", {"loss": "low"}),
        ("metrics", {"loss": None}),
        ("parents", [1]),
        ("size_multiple", 0),
        ("pattern_size", 6.4),
        ("needs_probe", "yes"),
    ],
)
def test_a_card_with_senseless_values_is_no_card(field, value):
    told = {**json.loads(CARD.to_json()), field: value}
    with pytest.raises(NetworkError, match="not a network card"):
        NetworkCard.from_json(json.dumps(told), where="here")


def test_a_card_of_a_newer_format_asks_for_an_update():
    told = json.loads(CARD.to_json())
    with pytest.raises(NetworkError, match="update napari-ptychonn"):
        NetworkCard.from_json(json.dumps({**told, "card_version": 99}), where="here")


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float16, 11), (torch.bfloat16, 8)])
def test_half_precision_files_are_smaller_and_load_as_float32(tmp_path, dtype, digits):
    card = NetworkCard(name="n", family="ptychonn", architecture={"encoder": [16, 32, 64]})
    net = build_module(card)
    save_network(tmp_path / "full.safetensors", card, net)
    save_network(tmp_path / "half.safetensors", card, net, dtype=dtype)
    full, half = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("full", "half"))
    assert half < 0.55 * full
    loaded = load_network(tmp_path / "half.safetensors").module.state_dict()
    for name, value in net.state_dict().items():
        assert loaded[name].dtype == torch.float32
        # Rounding to `digits` binary digits: relative error at most 2^-digits.
        torch.testing.assert_close(loaded[name], value, rtol=2.0**-digits, atol=1e-7)


def test_building_and_loading_leave_the_random_state_alone(path):
    save_network(path, CARD, module())
    before = torch.random.get_rng_state()
    load_network(path)
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_that_are_not_those_of_the_card_are_neither_written_nor_read(path):
    state = module().state_dict()
    missing = {k: v for k, v in state.items() if k != "encoder.0.weight"}
    with pytest.raises(NetworkError, match=r"missing: encoder\.0\.weight"):
        save_network(path, CARD, missing)
    assert not path.exists()
    save_file(missing, path, metadata={"card": CARD.to_json()})
    with pytest.raises(NetworkError, match=r"missing: encoder\.0\.weight"):
        load_network(path)
    save_file({**state, "more": torch.zeros(1)}, path, metadata={"card": CARD.to_json()})
    with pytest.raises(NetworkError, match="not expected: more"):
        load_network(path)
    wrong = {**state, "encoder.0.bias": torch.zeros(5)}
    save_file(wrong, path, metadata={"card": CARD.to_json()})
    with pytest.raises(NetworkError, match=r"shape \(5,\), but its card means \(4,\)"):
        load_network(path)


def test_weights_that_are_not_finite_are_neither_written_nor_read(path):
    state = dict(module().state_dict())
    state["encoder.0.weight"] = state["encoder.0.weight"] * float("nan")
    with pytest.raises(NetworkError, match="not finite"):
        save_network(path, CARD, state)
    save_file(state, path, metadata={"card": CARD.to_json()})
    with pytest.raises(NetworkError, match="not finite"):
        load_network(path)


def test_weights_too_large_for_float16_are_refused_instead_of_becoming_infinite(path):
    state = dict(module().state_dict())
    state["encoder.0.weight"] = state["encoder.0.weight"] + 1e6
    with pytest.raises(NetworkError, match="store in float32"):
        save_network(path, CARD, state, dtype=torch.float16)


def test_an_architecture_that_cannot_be_built_is_refused(path):
    card = NetworkCard(name="odd", family="ptychonn", architecture={"wings": 2})
    with pytest.raises(NetworkError, match="wings"):
        build_module(card)
    with pytest.raises(NetworkError, match="family 'later' is unknown"):
        build_module(NetworkCard(name="odd", family="later"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    save_network(path, CARD, module())
    before = path.read_bytes()

    honest = Path.write_bytes

    def full_disk(self, data):
        honest(self, data[: len(data) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        save_network(path, CARD, module())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions are another matter there")
def test_colleagues_may_read_the_file_as_any_other(path):
    save_network(path, CARD, module())
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        save_network(tmp_path / "file" / "net.safetensors", CARD, module())


def test_files_without_a_card_or_without_sense_are_refused(tmp_path):
    plain, junk, cut = (tmp_path / f"{n}.safetensors" for n in ("plain", "junk", "cut"))
    save_file({"a": torch.zeros(1)}, plain)
    junk.write_bytes(np.random.default_rng(0).bytes(300))
    save_network(cut, CARD, module())
    cut.write_bytes(cut.read_bytes()[:-10])
    with pytest.raises(NetworkError, match="no card"):
        read_card(plain)
    for path in (junk, cut):
        with pytest.raises(NetworkError, match="not a readable safetensors file"):
            load_network(path)
    with pytest.raises(NetworkError, match="no such file"):
        read_card(tmp_path / "missing.safetensors")
