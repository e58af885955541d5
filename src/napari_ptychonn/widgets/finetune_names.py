"""Names for fine-tuned networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from napari_ptychonn.network import folders

__all__ = ["is_bundled", "is_own", "suggested_name"]

LONGEST = 90


def suggested_name(parent: str, scan_names: Sequence[str]) -> str:
    """``"<parent> <scan>"`` in letters that a network's name may have; a free one.

    Parameters
    ----------
    parent : str
        Name or path of the network that was started from.
    scan_names : sequence of str
        The scans that taught.
    """
    network = Path(parent).stem if parent.endswith(folders.SUFFIX) else parent
    more = f"+{len(scan_names) - 1}" if len(scan_names) > 1 else ""
    words = re.sub(r"[^\w .+-]", "-", f"{network} {scan_names[0]}")[:LONGEST]
    name = words.strip(" .+-") + more
    number, free = 1, name
    while is_bundled(free) or is_own(free):
        number += 1
        free = f"{name} {number}"
    return free


def is_bundled(name: str) -> bool:
    """Whether a network that comes with the package has that name."""
    return _is_in(folders.bundled_folder(), name)


def is_own(name: str) -> bool:
    """Whether one of the user's own networks has that name."""
    return _is_in(folders.user_folder(), name)


def _is_in(folder: Path, name: str) -> bool:
    # Some file systems do not tell capital letters from small ones.
    return any(path.stem.casefold() == name.casefold() for path in folders.network_files(folder))
