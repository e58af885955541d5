"""The list of networks: names are unique, bundled ones are safe, broken files say why."""

from dataclasses import replace
from pathlib import Path

import pytest

from napari_ptychonn.errors import NetworkError
from napari_ptychonn.network import folders
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.store import (
    list_networks,
    remove,
    rename,
    resolve,
    store_network,
)
from napari_ptychonn.network.weights import build_module, load_network, read_card, save_network

CARD = NetworkCard(
    name="any", family="ptychonn", architecture={"encoder": [2], "decoder": [2]}, size_multiple=2
)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A bundled network 'base', and an empty folder of the user's."""
    bundled, own = tmp_path / "bundled", tmp_path / "own"
    monkeypatch.setattr(folders, "bundled_folder", lambda: bundled)
    monkeypatch.setenv(folders.NETWORKS_VARIABLE, str(own))
    save_network(bundled / "base.safetensors", replace(CARD, name="base"), build_module(CARD))
    return own


def names():
    return [entry.name for entry in list_networks()]


def test_stored_networks_join_the_bundled_ones_under_their_name(own):
    path = store_network("my lab", CARD, build_module(CARD))
    assert path == own / "my lab.safetensors"
    assert names() == ["base", "my lab"]
    assert [entry.bundled for entry in list_networks()] == [True, False]
    assert list_networks()[1].card == replace(CARD, name="my lab")
    assert load_network("my lab").card.name == "my lab"


def test_a_name_is_given_once(own):
    store_network("a", CARD, build_module(CARD))
    for taken in ("a", "A", "base", "Base"):
        with pytest.raises(NetworkError, match="already"):
            store_network(taken, CARD, build_module(CARD))
    store_network("a", replace(CARD, limits="new"), build_module(CARD), replace_existing=True)
    assert read_card(own / "a.safetensors").limits == "new"
    with pytest.raises(NetworkError, match="already"):
        store_network("base", CARD, build_module(CARD), replace_existing=True)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a\n", "x" * 101, "a "])
def test_names_that_are_no_file_names_are_refused(name):
    with pytest.raises(NetworkError, match="cannot be a file name"):
        store_network(name, CARD, build_module(CARD))


def test_a_renamed_network_knows_its_new_name(own):
    store_network("a", CARD, build_module(CARD))
    store_network("b", CARD, build_module(CARD))
    with pytest.raises(NetworkError, match="already"):
        rename("a", "b")
    assert read_card(rename("a", "c")).name == "c"
    assert names() == ["base", "b", "c"]


def test_removing_touches_only_own_networks(own):
    store_network("a", CARD, build_module(CARD))
    remove("a")
    assert names() == ["base"]
    for name in ("a", "base"):
        with pytest.raises(NetworkError, match="not one of your own"):
            remove(name)
    assert names() == ["base"]


def test_a_broken_file_is_listed_with_its_reason_and_can_be_removed(own):
    store_network("good", CARD, build_module(CARD))
    (own / "bad.safetensors").write_bytes(b"broken")
    bad = next(entry for entry in list_networks() if entry.name == "bad")
    assert bad.card is None
    assert "not a readable" in bad.problem
    assert names() == ["base", "bad", "good"]
    remove("bad")
    assert names() == ["base", "good"]


def test_an_own_copy_does_not_hide_the_bundled_network(own):
    save_network(own / "base.safetensors", CARD, build_module(CARD))
    assert names() == ["base", "base (own copy)"]
    assert "rename" in list_networks()[1].problem
    assert resolve("base").parent.name == "bundled"
    rename("base (own copy)", "other")
    assert names() == ["base", "other"]


def test_a_path_is_taken_as_it_is(own, tmp_path):
    file = tmp_path / "elsewhere.safetensors"
    save_network(file, CARD, build_module(CARD))
    assert resolve(file) == resolve(str(file)) == file


def test_an_unknown_name_lists_those_there_are(own):
    store_network("a", CARD, build_module(CARD))
    with pytest.raises(NetworkError, match="available: base, a"):
        resolve("nowhere")
    with pytest.raises(NetworkError, match="available: base, a"):
        resolve(Path("base"))


def test_foreign_weights_are_to_be_imported_first(tmp_path):
    (tmp_path / "old.pth").touch()
    with pytest.raises(NetworkError, match="networks import"):
        resolve(tmp_path / "old.pth")


def test_without_the_variable_networks_lie_in_the_data_folder_of_the_user(monkeypatch):
    monkeypatch.delenv(folders.NETWORKS_VARIABLE)
    assert folders.user_folder().name == "networks"
    assert "napari-ptychonn" in folders.user_folder().parts
