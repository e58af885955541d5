"""The list of networks: names are unique, bundled ones are safe, broken files say why."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_ptychonn.errors import NetworkError, OutputError
from napari_ptychonn.network import folders
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.describe import card_rows, date_of, size_of
from napari_ptychonn.network.store import (
    export_network,
    import_network,
    list_networks,
    remove,
    rename,
    require_free_name,
    resolve,
    store_network,
)
from napari_ptychonn.network.weights import (
    build_module,
    load_network,
    read_card,
    read_state,
    save_network,
)

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
    with pytest.raises(NetworkError, match=r"Manage… > Import….*networks import"):
        resolve(tmp_path / "old.pth")


def test_without_the_variable_networks_lie_in_the_data_folder_of_the_user(monkeypatch):
    monkeypatch.delenv(folders.NETWORKS_VARIABLE)
    assert folders.user_folder().name == "networks"
    assert "napari-ptychonn" in folders.user_folder().parts


def test_an_exported_network_comes_back_by_import_with_the_same_values(own, tmp_path):
    module = build_module(CARD)
    store_network("mine", replace(CARD, parents=("base",)), module)
    file = export_network("mine", tmp_path / "out" / "for a colleague.safetensors")
    assert file.read_bytes() == (own / "mine.safetensors").read_bytes()
    path = import_network(file)
    assert path == own / "for a colleague.safetensors"
    assert read_card(path) == replace(CARD, parents=("base",), name="for a colleague")
    for name, value in module.state_dict().items():
        assert torch.equal(read_state(path)[name], value)
    assert import_network(file, "theirs").stem == "theirs"
    assert names() == ["base", "for a colleague", "mine", "theirs"]


def test_half_precision_stays_so_when_imported(own, tmp_path):
    save_network(tmp_path / "half.safetensors", CARD, build_module(CARD), dtype=torch.float16)
    stored = read_state(import_network(tmp_path / "half.safetensors"))
    assert torch.float16 in {value.dtype for value in stored.values()}


def test_importing_to_a_taken_name_is_refused_with_what_to_do(own, tmp_path):
    save_network(tmp_path / "base.safetensors", CARD, build_module(CARD))
    with pytest.raises(NetworkError, match="choose another name"):
        import_network(tmp_path / "base.safetensors")
    import_network(tmp_path / "base.safetensors", "mine")
    with pytest.raises(NetworkError, match="choose another name"):
        import_network(tmp_path / "base.safetensors", "Mine")
    import_network(tmp_path / "base.safetensors", "mine", replace_existing=True)
    assert names() == ["base", "mine"]


def test_what_cannot_be_imported_leaves_nothing_behind(own, tmp_path):
    good = tmp_path / "good.safetensors"
    save_network(good, CARD, build_module(CARD))
    for name, content in (("cut.safetensors", good.read_bytes()[:-4]), ("junk.pth", b"junk")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NetworkError):
            import_network(tmp_path / name)
    with pytest.raises(NetworkError, match="no such file"):
        import_network(tmp_path / "nowhere.safetensors")
    assert not own.exists()


def test_a_bundled_network_can_be_exported_and_a_broken_one_cannot(own, tmp_path):
    assert read_card(export_network("base", tmp_path / "b.safetensors")).name == "base"
    own.mkdir()
    (own / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(NetworkError, match=r"not a readable.*Manage… > Import…"):
        export_network("bad", tmp_path / "c.safetensors")
    with pytest.raises(OutputError, match=r"ends with \.safetensors"):
        export_network("base", tmp_path / "c.pth")
    assert not list(tmp_path.glob("c.*"))


def test_a_failed_export_keeps_the_file_that_was_there(own, tmp_path, monkeypatch):
    target = tmp_path / "out" / "there.safetensors"
    target.parent.mkdir()
    target.write_bytes(b"before")

    def full_disk(source, temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        export_network("base", target)
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"before"]


def test_a_name_can_be_checked_before_the_work(own):
    store_network("a", CARD, build_module(CARD))
    require_free_name("b")
    for name in ("a", "base", "x/y"):
        with pytest.raises(NetworkError):
            require_free_name(name)


def test_a_card_reads_as_rows_and_an_entry_has_date_and_size(own):
    story = {"date": "2026-01-02", "examples": {"photons": [50.0, 1e7]}, "minutes": None}
    story["started_from"] = {"name": "stage 1", "training": {"steps": 5}}
    card = replace(CARD, parents=("base", "lab"), training=story, metrics={"loss": 0.12345})
    card = replace(card, limits="\x1b[2Jnone")
    store_network("mine", card, build_module(CARD))
    entry = list_networks()[1]
    rows = dict(card_rows(entry.card))
    assert rows["name"] == "mine"
    assert rows["made from"] == "base → lab"
    assert rows["sees"] == "raw patterns"
    assert rows["training: examples"] == "photons 50, 1e+07"
    assert rows["training: started from"] == "stage 1"
    assert rows["measured: loss"] == "0.1235"
    assert "training: minutes" not in rows
    assert rows["limits"] == "\ufffd[2Jnone"
    assert date_of(entry) == "2026-01-02"
    assert size_of(entry).endswith(" kB")
    undated = list_networks()[0]
    assert len(date_of(undated)) == len("2026-01-02")
