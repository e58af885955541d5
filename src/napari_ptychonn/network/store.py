"""The networks at hand: those that come with the package, and the user's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from napari_ptychonn.errors import NetworkError, OutputError
from napari_ptychonn.network import folders
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.network.folders import NAME_RULE, SUFFIX, is_usable_name, resolve
from napari_ptychonn.network.foreign import Layout, import_foreign
from napari_ptychonn.network.weights import load_network, read_card, read_state, save_network

__all__ = [
    "NetworkEntry",
    "export_network",
    "import_network",
    "list_networks",
    "remove",
    "rename",
    "require_free_name",
    "resolve",
    "store_network",
]

MOST_SHOWN = 40
"""Letters of a name that is too long: all of them would hide what is wrong with it."""


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


def import_network(
    path: str | Path,
    name: str | None = None,
    *,
    layout: Layout = "auto",
    replace_existing: bool = False,
) -> Path:
    """Put a network file, of this program or foreign, among the user's own.

    Parameters
    ----------
    path : str or Path
        A network file (`.safetensors`), or foreign PtychoNN weights (`.pth`, `.pt`, `.ckpt`).
    name : str, optional
        Its name from now on; None: that of the file.
    layout : Layout
        Layout of foreign weights, see :func:`~napari_ptychonn.network.foreign.import_foreign`.
    replace_existing : bool
        Whether an own network of that name is overwritten.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    NetworkError
        The file is broken, or its card, tensors or name cannot be used, or the name is taken.
    OutputError
        The file cannot be written.
    """
    path = Path(path).expanduser()
    name = path.stem if name is None else name
    if path.suffix == SUFFIX:
        # The values are copied as they are stored: half precision stays so.
        card, state = read_card(path), read_state(path)
    else:
        card, state = import_foreign(path, layout=layout, name=name)
    return store_network(name, card, state, replace_existing=replace_existing)


def export_network(name: str | Path, path: str | Path) -> Path:
    """Copy a network, bundled or own, to a file for somebody else.

    Parameters
    ----------
    name : str or Path
        Name of a bundled or stored network, or the path of a network file.
    path : str or Path
        The file to be written, or replaced.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    NetworkError
        There is no such network, or its file is broken.
    OutputError
        The file cannot be written, or would be no network file by its name.
    """
    source = load_network(name).path
    target = Path(path).expanduser()
    if target.suffix != SUFFIX:
        raise OutputError(
            "network", target, "is not the name of a network file",
            remedy=f"give a name that ends with {SUFFIX}",
        )  # fmt: skip
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            "network", target, f"cannot be written: {error.strerror or error}",
            remedy="choose a folder that can be written and has space",
        ) from None  # fmt: skip
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target


def require_free_name(name: str) -> None:
    """Refuse a name for a network of the user's own before the work for it is done.

    Raises
    ------
    NetworkError
        It is taken, or cannot be a file name.
    """
    _free_path(name)


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
    if not is_usable_name(name):
        shown = name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}…"
        raise NetworkError(
            "name", None, f"'{shown}' cannot be a file name", remedy=NAME_RULE
        )  # fmt: skip
    path = folders.user_folder() / f"{name}{SUFFIX}"
    for entry in list_networks():
        if entry.path.stem.casefold() != name.casefold():
            continue
        if entry.bundled or not replace_existing:
            raise NetworkError(
                "name", entry.path, f"there is a network '{entry.path.stem}' already",
                remedy="choose another name"
                + ("" if entry.bundled else ", or remove that network first"),
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
