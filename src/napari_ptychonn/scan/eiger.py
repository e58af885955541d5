"""Eiger stacks: numbered data files behind the external links of a master file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.combined import ConcatenatedPatterns
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import masked_source
from napari_ptychonn.scan.h5_container import H5Container
from napari_ptychonn.scan.model import PatternSource
from napari_ptychonn.scan.storage import DAMAGE, names_in

__all__ = ["LinkedStack", "link_file", "linked_names", "linked_stack"]

NUMBERED = re.compile(r"^data_(\d{1,9})$")


@dataclass(frozen=True, slots=True, eq=False)
class LinkedStack:
    """Frames of one dataset, or of all behind the links of a master.

    Attributes
    ----------
    source : PatternSource
        (N, H, W), in the order of the links' numbers.
    used : str
        Dataset or links used, for the provenance.
    notes : tuple of str
        What was left out.
    """

    source: PatternSource
    used: str
    notes: tuple[str, ...]


def linked_names(container: Container, group: str) -> list[str]:
    """Paths of ``data_NNNNNN`` in a group, sorted by number, whether they lead anywhere or not."""
    if not isinstance(container, H5Container):
        return []
    try:
        found = container.file.get(group)
        names = names_in(found) if isinstance(found, h5py.Group) else []
    except DAMAGE:
        return []
    numbered = [(int(match[1]), name) for name in names if (match := NUMBERED.match(name))]
    return [f"{group}/{name}" for _, name in sorted(numbered)]


def linked_stack(
    container: Container, group: str, mask: NDArray[np.bool_] | None = None
) -> LinkedStack:
    """The datasets ``data_NNNNNN`` of a group as one stack.

    A detector lists as many files as it was told to fill when it is armed; a scan that ends
    early leaves the last of them unwritten, so missing files at the end are left out and
    said. A file that is missing before one that is there is an error.

    Parameters
    ----------
    container : Container
        The master.
    group : str
        Group of the links.
    mask : ndarray, (H, W) bool, optional
        True = good; other pixels are read as 0.

    Raises
    ------
    ScanError
        No file is there, one is missing in between, or one cannot be used.
    """
    names = linked_names(container, group)
    if not names:
        remedy = "choose the patterns with --dataset patterns=/PATH"
        raise ScanError("patterns", container.path, f"{group} has no data_NNNNNN", remedy=remedy)
    present = [name for name in names if _is_there(container, name)]
    last = names.index(present[-1]) + 1 if present else len(names)
    # A link that leads nowhere, among these, is an error that names its file.
    sources = [masked_source(container, name, mask) for name in names[:last]]
    notes: tuple[str, ...] = ()
    if last < len(names):
        target = _target(container, names[last])
        notes = (
            f"of the {len(names)} data files that the master lists {len(names) - last} are not "
            f"there, from {target} on; they are taken as never written",
        )
    used = names[0] if last == 1 else f"{names[0]} to {names[last - 1].rsplit('/', 1)[-1]}"
    return LinkedStack(ConcatenatedPatterns(sources, container.path), used, notes)


def link_file(container: Container, name: str) -> Path | None:
    """The file that an external link names, whether it is there or not; None for no link."""
    if not isinstance(container, H5Container):
        return None
    try:
        link = container.file.get(name, getlink=True)
    except DAMAGE:
        return None
    return container.path.parent / link.filename if isinstance(link, h5py.ExternalLink) else None


def _is_there(container: Container, name: str) -> bool:
    if not isinstance(container, H5Container):
        return container.has(name)
    try:
        return container.file.get(name) is not None
    except DAMAGE:
        return False


def _target(container: Container, name: str) -> str:
    file = link_file(container, name)
    return file.name if file else name
