"""Where network files lie, and which file a name means."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import platformdirs

from napari_ptychonn.errors import NetworkError

__all__ = [
    "NETWORKS_VARIABLE",
    "SUFFIX",
    "bundled_folder",
    "network_files",
    "resolve",
    "user_folder",
]

NETWORKS_VARIABLE = "NAPARI_PTYCHONN_NETWORKS"
"""Environment variable that moves the user's networks to another folder."""
SUFFIX = ".safetensors"


def bundled_folder() -> Path:
    """Folder of the networks that come with the package."""
    return Path(str(resources.files("napari_ptychonn.network").joinpath("bundled")))


def user_folder() -> Path:
    """Folder of the user's own networks; it may not exist yet."""
    chosen = os.environ.get(NETWORKS_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_data_dir("napari-ptychonn", appauthor=False)) / "networks"


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
    if path.suffix in {".pth", ".pt", ".ckpt"} and path.is_file():
        raise NetworkError(
            "network", path, "is foreign weights without a card",
            remedy="import it first: napari-ptychonn networks import FILE",
        )  # fmt: skip
    if path.is_file():
        return path
    names = ", ".join(dict.fromkeys(file.stem for file in files)) or "none"
    raise NetworkError(
        "network", None, f"'{name_or_path}' is neither the name of a network nor a file",
        remedy=f"available: {names}; or give the path of a {SUFFIX} file",
    )  # fmt: skip
