"""The dialog 'My networks', and the boxes that follow what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_ptychonn.network import folders
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.store import store_network
from napari_ptychonn.network.weights import build_module, read_card, save_network
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate
from napari_ptychonn.widgets import network_rows
from napari_ptychonn.widgets.finetune_form import FinetuneForm
from napari_ptychonn.widgets.folder_watch import FolderWatch
from napari_ptychonn.widgets.network_box import BUNDLED, FROM_FILE, NetworkBox
from napari_ptychonn.widgets.networks_dialog import NetworksDialog
from napari_ptychonn.widgets.reconstruct_form import ReconstructForm

CARD = NetworkCard(
    name="any",
    family="ptychonn",
    architecture={"encoder": [2], "decoder": [2]},
    size_multiple=2,
    parents=("ptychonn",),
    training={"date": "2026-01-02"},
)
WAIT_MS = 10_000


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the person's networks, which does not exist yet."""
    folder = tmp_path / "data" / "networks"
    monkeypatch.setenv(folders.NETWORKS_VARIABLE, str(folder))
    return folder


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """Messages that napari showed."""
    messages: list[str] = []

    def note(notification) -> None:
        messages.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield messages
    notification_manager.notification_ready.disconnect(note)


@pytest.fixture
def box(own: Path, qtbot) -> NetworkBox:
    widget = NetworkBox()
    qtbot.addWidget(widget)
    widget.show()
    return widget


def open_dialog(box: NetworkBox, qtbot) -> NetworksDialog:
    dialog = box.show_networks()
    qtbot.waitUntil(lambda: dialog.list.rowCount() > 0, timeout=WAIT_MS)
    return dialog


def make(name: str, card: NetworkCard = CARD) -> None:
    store_network(name, card, build_module(card))


def a_form(kind, qtbot):
    """The form of a dock, to which only its network can be wrong."""
    form = kind()
    qtbot.addWidget(form)
    if kind is FinetuneForm:
        form.offer_scans([simulate(SimulationSettings(size=32, points=60, seed=1)).scan], [])
    return form


def offered(box: NetworkBox) -> list[str]:
    return [box.box.itemText(row) for row in range(box.box.count())]


def listed(dialog: NetworksDialog) -> list[str]:
    return [dialog.list.item(row, 0).text() for row in range(dialog.list.rowCount())]


def press(button, qtbot) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def settled(dialog: NetworksDialog, qtbot, said: str) -> None:
    qtbot.waitUntil(lambda: said in dialog.status.text(), timeout=WAIT_MS)


def test_every_box_offers_a_network_as_soon_as_anybody_stores_it(box, own, qtbot):
    other = NetworkBox()
    qtbot.addWidget(other)
    assert not own.parent.exists()
    assert "lab" not in offered(box)
    make("lab")
    for each in (box, other):
        qtbot.waitUntil(lambda each=each: "lab" in offered(each), timeout=WAIT_MS)
    assert box.network() == other.network() == BUNDLED
    (own / "lab.safetensors").unlink()
    qtbot.waitUntil(lambda: "lab" not in offered(box), timeout=WAIT_MS)


def test_a_chosen_network_that_is_gone_says_so_and_stays_chosen(box, own, qtbot):
    make("lab")
    box.select("lab")
    (own / "lab.safetensors").unlink()
    qtbot.waitUntil(lambda: "lab (not found)" in offered(box), timeout=WAIT_MS)
    assert box.network() == "lab"


def test_a_file_is_offered_by_its_name(box, tmp_path):
    file = tmp_path / "elsewhere.safetensors"
    save_network(file, CARD, build_module(CARD))
    with_signal = []
    box.chosen.connect(lambda: with_signal.append(box.network()))
    box.select(str(file))
    assert offered(box)[-2:] == ["elsewhere.safetensors", FROM_FILE]
    assert with_signal == [str(file)]


def test_the_dialog_lists_all_networks_and_shows_the_card_of_the_chosen_one(box, own, qtbot):
    make("lab")
    (own / "bad.safetensors").write_bytes(b"no")
    dialog = open_dialog(box, qtbot)
    assert listed(dialog) == ["ptychonn-probe", "ptychonn", "bad", "lab"]
    cells = [dialog.list.item(3, column).text() for column in range(5)]
    assert cells == ["lab", "own", "ptychonn", "ptychonn", "2026-01-02"]
    assert dialog.chosen().name == BUNDLED
    assert not dialog.rename_button.isEnabled()
    assert not dialog.delete_button.isEnabled()
    dialog.select("lab")
    told = {
        dialog.card.item(row, 0).text(): dialog.card.item(row, 1).text()
        for row in range(dialog.card.rowCount())
    }
    assert told["name"] == "lab"
    assert told["made from"] == "ptychonn"
    dialog.select("bad")
    assert "not a readable" in dialog.card.item(0, 1).text()
    assert not dialog.use_button.isEnabled()
    assert dialog.delete_button.isEnabled()
    # The box learns from the same list what is broken.
    assert "bad (broken)" in offered(box)


def test_a_renamed_network_stays_chosen_under_its_new_name(box, own, qtbot, monkeypatch):
    make("lab")
    box.select("lab")
    dialog = open_dialog(box, qtbot)
    assert dialog.chosen().name == "lab"
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (" beamline 2 ", True))
    press(dialog.rename_button, qtbot)
    settled(dialog, qtbot, "is called 'beamline 2' now")
    assert read_card(own / "beamline 2.safetensors").name == "beamline 2"
    assert dialog.chosen().name == "beamline 2"
    assert box.network() == "beamline 2"
    assert "beamline 2" in offered(box)


def test_deleting_asks_first_and_then_goes_back_to_the_bundled_network(
    box, own, qtbot, monkeypatch
):
    make("lab")
    box.select("lab")
    dialog = open_dialog(box, qtbot)
    asked = []

    def answer(_parent, _title, question):
        asked.append(question)
        buttons = QMessageBox.StandardButton
        return buttons.No if len(asked) == 1 else buttons.Yes

    monkeypatch.setattr(QMessageBox, "question", answer)
    press(dialog.delete_button, qtbot)
    assert (own / "lab.safetensors").exists()
    press(dialog.delete_button, qtbot)
    settled(dialog, qtbot, "'lab' is deleted")
    assert "'lab'" in asked[0]
    assert not list(own.iterdir())
    assert "lab" not in listed(dialog)
    assert box.network() == BUNDLED


def test_every_box_follows_a_renamed_and_a_deleted_network(box, own, qtbot):
    make("lab")
    form = a_form(FinetuneForm, qtbot)
    box.select("lab")
    form.network.select("lab")
    dialog = open_dialog(box, qtbot)
    dialog.rename("lab", "beamline 2")
    settled(dialog, qtbot, "is called 'beamline 2' now")
    assert box.network() == form.network.network() == "beamline 2"
    dialog.remove("beamline 2")
    settled(dialog, qtbot, "'beamline 2' is deleted")
    assert box.network() == form.network.network() == BUNDLED
    assert form.problem() == ""
    # The next session starts with it, too.
    again = a_form(FinetuneForm, qtbot)
    assert again.network.network() == BUNDLED


@pytest.mark.parametrize("kind", [ReconstructForm, FinetuneForm])
def test_a_form_says_that_its_network_is_gone_and_that_it_is_back(kind, own, qtbot):
    form = a_form(kind, qtbot)
    make("lab")
    form.network.select("lab")
    assert form.problem() == ""
    with qtbot.waitSignal(form.changed, timeout=WAIT_MS):
        (own / "lab.safetensors").unlink()
    said = "The network 'lab' is not there: choose another, or import one with 'Manage… > Import…'."
    assert form.problem() == said
    with qtbot.waitSignal(form.changed, timeout=WAIT_MS):
        make("lab")
    assert form.problem() == ""
    form.network.select("")
    form.network.select(str(own / "lab.safetensors"))
    assert form.problem() == ""


def test_a_broken_network_is_a_problem_until_another_file_takes_its_place(box, own, qtbot):
    own.mkdir(parents=True)
    (own / "lab.safetensors").write_bytes(b"no")
    box.select("lab")
    assert box.problem() == ""  # nobody has looked inside yet
    dialog = open_dialog(box, qtbot)
    assert "'lab' is broken" in box.problem()
    dialog.select("lab")
    assert "not a readable" in dialog.card.item(0, 1).text()
    press(dialog.close_button, qtbot)
    (own / "lab.safetensors").unlink()
    make("lab")
    qtbot.waitUntil(lambda: box.problem() == "", timeout=WAIT_MS)
    assert "lab" in offered(box)


def test_a_name_that_is_too_long_is_not_repeated_whole(box, own, qtbot, shown):
    make("lab")
    dialog = open_dialog(box, qtbot)
    dialog.rename("lab", 300 * "x")
    settled(dialog, qtbot, "cannot be a file name")
    assert "100 at most" in dialog.status.text()
    assert 50 * "x" not in dialog.status.text()
    qtbot.waitUntil(lambda: len(shown) == 1, timeout=WAIT_MS)
    assert 50 * "x" not in shown[0]


def test_the_rows_of_the_list_end_where_the_list_ends(box, own, qtbot):
    make("lab")
    dialog = open_dialog(box, qtbot)
    header = dialog.list.horizontalHeader()
    qtbot.waitUntil(lambda: header.length() >= header.width(), timeout=2_000)
    dialog.resize(1_000, 600)
    qtbot.waitUntil(lambda: header.length() >= header.width() > 800, timeout=2_000)


def test_an_exported_network_is_imported_under_the_given_name(
    box, own, qtbot, tmp_path, monkeypatch
):
    make("lab")
    dialog = open_dialog(box, qtbot)
    dialog.select("lab")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "out"), ""))
    press(dialog.export_button, qtbot)
    settled(dialog, qtbot, "is written to")
    file = tmp_path / "out.safetensors"
    assert file.read_bytes() == (own / "lab.safetensors").read_bytes()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **said: (f"{said['text']} two", True))
    press(dialog.import_button, qtbot)
    settled(dialog, qtbot, "as 'out two'")
    assert dialog.chosen().name == "out two"
    assert read_card(own / "out two.safetensors") == replace(CARD, name="out two")


def test_a_taken_name_is_one_message_that_says_what_to_do(box, own, qtbot, tmp_path, shown):
    make("lab")
    dialog = open_dialog(box, qtbot)
    before = listed(dialog)
    dialog.bring(own / "lab.safetensors", "lab")
    settled(dialog, qtbot, "choose another name")
    qtbot.waitUntil(lambda: len(shown) == 1, timeout=WAIT_MS)
    assert "choose another name" in shown[0]
    assert listed(dialog) == before
    assert dialog.import_button.isEnabled()


def test_use_and_back_to_the_bundled_network_set_the_box(box, own, qtbot):
    make("lab")
    dialog = open_dialog(box, qtbot)
    dialog.select("lab")
    press(dialog.use_button, qtbot)
    assert box.network() == "lab"
    press(dialog.bundled_button, qtbot)
    assert box.network() == BUNDLED
    assert dialog.chosen().name == BUNDLED


def test_the_open_dialog_follows_what_others_store(box, own, qtbot):
    dialog = open_dialog(box, qtbot)
    make("lab")
    qtbot.waitUntil(lambda: "lab" in listed(dialog), timeout=WAIT_MS)
    assert dialog.chosen().name == BUNDLED


def test_the_button_opens_one_dialog_and_a_closed_one_is_opened_anew(box, own, qtbot):
    press(box.manage, qtbot)
    dialog = box.show_networks()
    assert box.show_networks() is dialog
    press(dialog.close_button, qtbot)
    assert box.show_networks() is not dialog


@pytest.mark.alone
def test_closing_does_not_wait_for_what_is_under_way_and_the_next_dialog_lists_anew(
    box, own, qtbot, monkeypatch
):
    begun, go_on = threading.Event(), threading.Event()
    listed_before = network_rows.network_rows

    def slowly():
        begun.set()
        go_on.wait(WAIT_MS / 1000)
        return listed_before()

    with monkeypatch.context() as patch:
        patch.setattr(network_rows, "network_rows", slowly)
        dialog = box.show_networks()
        qtbot.waitUntil(begun.is_set, timeout=WAIT_MS)
        start = time.monotonic()
        press(dialog.close_button, qtbot)
        assert time.monotonic() - start < 1
    go_on.set()
    assert listed(open_dialog(box, qtbot)) == ["ptychonn-probe", "ptychonn"]


def test_a_watch_follows_a_folder_that_comes_and_goes(tmp_path, qtbot):
    folder = tmp_path / "a" / "b"
    watch = FolderWatch(lambda: folder)
    for change in (lambda: folder.mkdir(parents=True), (folder / "f").touch, (folder / "f").unlink):
        with qtbot.waitSignal(watch.changed, timeout=WAIT_MS):
            change()
    with qtbot.waitSignal(watch.changed, timeout=WAIT_MS):
        folder.rmdir()
    with qtbot.waitSignal(watch.changed, timeout=WAIT_MS):
        folder.mkdir()
