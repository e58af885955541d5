"""``/entry/data/data`` and nothing else: 26-ID, 2-ID and others that only store frames.

ptychodus reads 26-ID (CNM hard X-ray nanoprobe) and 2-ID-D/E (APS) so, the latter with one
file a line (``aps02id_diffraction_file.py``). Nothing else is in the file, and all of it must
come from the person; a series of files is joined only where the positions are as many.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.beside import numbered_series, with_positions_beside
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.combined import ConcatenatedPatterns
from napari_ptychonn.scan.container import Container, open_container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.eiger import LinkedStack
from napari_ptychonn.scan.entries import shape_of
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.sidefiles import read_positions
from napari_ptychonn.scan.tree import guess_roles
from napari_ptychonn.words import counted

__all__ = ["EntryData"]

DATA = "/entry/data/data"


@dataclass(frozen=True, slots=True)
class EntryData:
    """Files with ``/entry/data/data`` alone."""

    name: str = field(default="/entry/data/data", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a stack, and nothing that could be its positions."""
        if len(shape_of(container, DATA) or ()) not in (3, 4):
            return False
        return "positions" not in guess_roles(container.infos())

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Join the file with the others of its series, where the positions ask for that.

        Raises
        ------
        ScanError
            Something that the file cannot say is not told: all of it in one message.
        """
        contents = replace(
            chosen_contents(container, options, patterns=DATA), orientation_is_known=False
        )
        contents = with_positions_beside(contents, container, options)
        wanted, unit = _told_positions(contents, options)
        _require_told(container, options, has_positions=wanted is not None, unit=unit)
        n_patterns = contents.patterns.shape[0]
        if wanted is None or wanted == n_patterns or "patterns" in options.datasets:
            return contents
        files = _series_of(container.path, wanted, n_patterns)
        joined = chosen_contents(container, options, patterns=partial(_joined, files))
        note = (
            f"{len(files)} files, {files[0].name} to {files[-1].name}, are joined: together "
            f"they have as many patterns as there are positions, {wanted}"
        )
        return replace(
            contents,
            patterns=joined.patterns,
            datasets={**contents.datasets, "patterns": joined.datasets["patterns"]},
            assumptions=(*contents.assumptions, note),
        )


def _told_positions(contents: Contents, options: ScanOptions) -> tuple[int | None, str | None]:
    """How many positions there are, and their unit where it is known."""
    if options.raster is not None:
        return options.raster[0] * options.raster[1], options.positions_unit
    file = options.positions_file or contents.positions_file
    if file is not None:
        n_points = contents.patterns.shape[0]
        side = read_positions(file, n_points, columns=options.positions_columns)
        count = len(side.positions)
        if side.numbers is not None:
            # They say themselves which patterns they belong to; some patterns may have none.
            count = max(len(np.unique(side.numbers)), n_points)
        return count, options.positions_unit or side.unit
    if contents.positions is not None:
        return len(contents.positions), options.positions_unit or contents.positions_unit
    return None, options.positions_unit


def _require_told(
    container: Container, options: ScanOptions, *, has_positions: bool, unit: str | None
) -> None:
    missing = []
    if not has_positions:
        missing.append("positions (--positions FILE, or --raster ROWS,COLUMNS,STEP)")
    if unit is None:
        missing.append("the unit of the positions (--positions-unit)")
    if options.pixel_m is None and unit not in ("px", "pixel", "pixels"):
        told = {
            "--energy-ev": options.energy_ev,
            "--distance-m": options.distance_m,
            "--detector-pixel-m": options.detector_pixel_m,
        }
        options_missing = [name for name, value in told.items() if value is None]
        if options_missing:
            missing.append(f"geometry ({', '.join(options_missing)}; or --pixel-m)")
    if missing:
        problem = f"the file has nothing but {DATA}; missing are {'; '.join(missing)}"
        raise ScanError("scan", container.path, problem, remedy="give what is missing")


def _series_of(path: Path, wanted: int, n_patterns: int) -> list[Path]:
    """The files named like this one that have `wanted` patterns together."""
    tried = []
    for files in numbered_series(path):
        shapes = [_stored_shape(file) for file in files]
        stacks = [shape for shape in shapes if shape is not None]
        total = sum(int(np.prod(shape[:-2])) for shape in stacks)
        if total == wanted and len(stacks) == len(files):
            return files
        tried.append(f"{len(files)} files, {files[0].name} to {files[-1].name}, have {total}")
    others = "".join(f"; {sentence}" for sentence in tried)
    raise ScanError(
        "positions", path,
        f"there {'is' if wanted == 1 else 'are'} {counted(wanted, 'position')}, "
        f"but {DATA} has {n_patterns} patterns{others}",
        remedy="give the positions of this scan, or put all files of the scan side by side",
    )  # fmt: skip


def _stored_shape(file: Path) -> tuple[int, ...] | None:
    try:
        with open_container(file) as container:
            shape = shape_of(container, DATA)
    except ScanError:  # a file of another kind that is only named alike
        return None
    return shape if shape and len(shape) in (3, 4) else None


def _joined(files: list[Path], mask: NDArray[np.bool_] | None) -> LinkedStack:
    sources = []
    for file in files:
        with open_container(file) as container:
            sources.append(masked_source(container, DATA, mask))
    used = f"{DATA} of {files[0].name} to {files[-1].name}"
    return LinkedStack(ConcatenatedPatterns(sources, files[0]), used, ())
