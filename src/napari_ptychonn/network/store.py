"""The networks at hand: those that come with the package, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from napari_ptychonn.errors import NetworkError, OutputError
from napari_ptychonn.network import folders
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.folders import SUFFIX, resolve
from napari_ptychonn.network.weights import read_card, read_state, save_network

__all__ = [
    "NetworkEntry",
    "list_networks",
    "remove",
    "rename",
    "resolve",
    "store_network",
]


@dataclass(frozen=True, slots=True)
class NetworkEntry:
    """One network of the list.

    Attributes
    ----------
    name : str
        Unique in the list; what :func:`resolve` takes.
    path : Path
        Its file.
    card : NetworkCard or None
        None exactly where `problem` says why it cannot be used.
    bundled : bool
        Whether it came with the package.
    problem : str or None
        Why the file is broken; None: it is not.
    """

    name: str
    path: Path
    card: NetworkCard | None
    bundled: bool
    problem: str | None = None


def list_networks() -> tuple[NetworkEntry, ...]:
    """All networks at hand, bundled ones first; broken files say why."""
    entries: list[NetworkEntry] = []
    taken: set[str] = set()
    for folder, bundled in ((folders.bundled_folder(), True), (folders.user_folder(), False)):
        for path in folders.network_files(folder):
            name, card, problem = path.stem, None, None
            if name.casefold() in taken:
                name = f"{path.stem} (own copy)"
                problem = f"'{path.stem}' is the name of a bundled network: rename this one"
            else:
                try:
                    card = read_card(path)
                except NetworkError as error:
                    problem = error.problem
            taken.add(path.stem.casefold())
            entries.append(NetworkEntry(name, path, card, bundled, problem))
    return tuple(entries)


def store_network(
    name: str,
    card: NetworkCard,
    module_or_state: nn.Module | Mapping[str, Tensor],
    *,
    replace_existing: bool = False,
) -> Path:
    """Put a network among the user's own.

    Parameters
    ----------
    name : str
        Its name from now on, also in its card.
    card : NetworkCard
        Its self-description.
    module_or_state : nn.Module or mapping of str to Tensor
        The weights.
    replace_existing : bool
        Whether an own network of that name is overwritten; a bundled one never is.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    NetworkError
        The name is taken or cannot be a file name, or the weights do not fit the card.
    OutputError
        The file cannot be written.
    """
    path = _free_path(name, replace_existing=replace_existing)
    save_network(path, replace(card, name=name), module_or_state)
    return path


def remove(name: str) -> None:
    """Delete one of the user's own networks; a broken file too.

    Raises
    ------
    NetworkError
        There is none of that name, or it is bundled.
    OutputError
        The file cannot be deleted.
    """
    _delete(_own(name).path)


def rename(name: str, new_name: str) -> Path:
    """Give one of the user's own networks another name, in its card too.

    Returns
    -------
    Path
        Its new file.

    Raises
    ------
    NetworkError
        There is none of that name, it is bundled or broken, or the new name is taken.
    OutputError
        The file cannot be written.
    """
    old = _own(name).path
    card, state = read_card(old), read_state(old)
    path = _free_path(new_name)
    save_network(path, replace(card, name=new_name), state)
    _delete(old)
    return path


def _own(name: str) -> NetworkEntry:
    own = [entry for entry in list_networks() if not entry.bundled]
    for entry in own:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in own) or "none"
    raise NetworkError(
        "network", None, f"'{name}' is not one of your own networks",
        remedy=f"choose from: {names}; those that came with the package stay as they are",
    )  # fmt: skip


def _free_path(name: str, *, replace_existing: bool = False) -> Path:
    if not re.fullmatch(r"\w[\w .+-]{0,98}\w|\w", name):
        raise NetworkError(
            "name", None, f"'{name}' cannot be a file name",
            remedy="use letters, digits, spaces, and . + - _ between them, 100 at most",
        )  # fmt: skip
    path = folders.user_folder() / f"{name}{SUFFIX}"
    for entry in list_networks():
        if entry.path.stem.casefold() != name.casefold():
            continue
        if entry.bundled or not replace_existing:
            raise NetworkError(
                "name", entry.path, f"there is a network '{entry.path.stem}' already",
                remedy="choose another name, or remove that network first",
            )  # fmt: skip
        path = entry.path
    return path


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(
            "network", path, f"cannot be deleted: {error.strerror or error}",
            remedy="check that the folder can be written",
        ) from None  # fmt: skip
