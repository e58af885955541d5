"""Where network files lie, and which file a name means."""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path

import platformdirs

from napari_ptychonn.errors import NetworkError

__all__ = [
    "FOREIGN",
    "HOW_TO_IMPORT",
    "NAME_RULE",
    "NETWORKS_VARIABLE",
    "SUFFIX",
    "bundled_folder",
    "is_usable_name",
    "network_files",
    "resolve",
    "user_folder",
]

NETWORKS_VARIABLE = "NAPARI_PTYCHONN_NETWORKS"
"""Environment variable that moves the user's networks to another folder."""
SUFFIX = ".safetensors"
FOREIGN = (".pth", ".pt", ".ckpt")
"""Endings of weights that other programs write; they have no card."""
HOW_TO_IMPORT = (
    "with 'Manage… > Import…' beside the list of networks, or with "
    "'napari-ptychonn networks import FILE'"
)
"""In the window, and in the shell: who reads an error may be in either."""
NAME_RULE = "use letters, digits, spaces, and . + - _ between them, 100 at most"


def bundled_folder() -> Path:
    """Folder of the networks that come with the package."""
    return Path(str(resources.files("napari_ptychonn.network").joinpath("bundled")))


def user_folder() -> Path:
    """Folder of the user's own networks; it may not exist yet."""
    chosen = os.environ.get(NETWORKS_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_data_dir("napari-ptychonn", appauthor=False)) / "networks"


def is_usable_name(name: str) -> bool:
    """Whether a network may be called so: its name is that of its file, by :data:`NAME_RULE`."""
    return re.fullmatch(r"\w[\w .+-]{0,98}\w|\w", name) is not None


def network_files(folder: Path) -> list[Path]:
    """Network files of a folder by name; none where there is no folder."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def resolve(name_or_path: str | Path) -> Path:
    """The file of a network.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a bundled or stored network, or the path of a network file.

    Raises
    ------
    NetworkError
        There is no such network; the message lists those there are.
    """
    files = [*network_files(bundled_folder()), *network_files(user_folder())]
    if isinstance(name_or_path, str):
        for file in files:
            if file.stem == name_or_path:
                return file
    path = Path(name_or_path).expanduser()
    if path.suffix in FOREIGN and path.is_file():
        raise NetworkError(
            "network", path, "is foreign weights without a card",
            remedy=f"import it first, {HOW_TO_IMPORT}",
        )  # fmt: skip
    if path.is_file():
        return path
    names = ", ".join(dict.fromkeys(file.stem for file in files)) or "none"
    raise NetworkError(
        "network", None, f"'{name_or_path}' is neither the name of a network nor a file",
        remedy=f"available: {names}; or give the path of a {SUFFIX} file",
    )  # fmt: skip
