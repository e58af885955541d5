"""4-ID Polar (APS): a link to the detector's file, positions among its attributes.

As ptychodus' ``aps04id_polar_*_file.py`` read it: ``/entry/externals/eiger`` leads to the
patterns, or to a group of a file that has them at ``/entry/data/data``; positions are the
area detector's ``NDAttributes``, in µm. The file names no geometry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.eiger import LinkedStack, link_file
from napari_ptychonn.scan.entries import is_group, yx_vectors
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Polar"]

LINK = "/entry/externals/eiger"
DATA = "/entry/data/data"
ATTRIBUTES = "/entry/instrument/NDAttributes"


@dataclass(frozen=True, slots=True)
class Polar:
    """Files of 4-ID Polar."""

    name: str = field(default="4-ID Polar", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is the link to the detector's file."""
        return container.has(LINK) or is_group(container, LINK)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Follow the link, and read the positions.

        Raises
        ------
        ScanError
            The linked file is missing or has no patterns, or the positions cannot be used.
        """
        behind = partial(_behind_group, container) if is_group(container, LINK) else LINK
        contents = chosen_contents(container, options, patterns=behind)
        if contents.positions is not None or options.brings_positions:
            return contents
        names = (f"{ATTRIBUTES}/Ypos", f"{ATTRIBUTES}/Xpos")
        if not all(container.has(name) for name in names):
            return contents
        note = "positions are the recorded ones, in µm, without negation"
        return replace(
            contents,
            positions=yx_vectors(container, *names),
            positions_unit="um",
            datasets={**contents.datasets, "positions": ", ".join(names)},
            assumptions=(*contents.assumptions, note),
        )


def _behind_group(container: Container, mask: NDArray[np.bool_] | None) -> LinkedStack:
    file = link_file(container, LINK)
    if file is None:
        problem = f"{LINK} is a group, and no link to a file of patterns"
        remedy = "choose the patterns with --dataset patterns=/PATH"
        raise ScanError("patterns", container.path, problem, remedy=remedy)
    with open_container(file) as target:
        return LinkedStack(masked_source(target, DATA, mask), f"{file.name}:{DATA}", ())
