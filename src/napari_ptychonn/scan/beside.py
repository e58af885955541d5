"""Files that lie beside a scan: its positions, and the other files of its series."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.sidefiles import TEXT_ENDINGS

__all__ = ["numbered_series", "positions_beside", "with_positions_beside"]

POSITION_SUFFIXES = ("", "_pos", "_positions", "_position")
SCAN_SUFFIXES = re.compile(r"(_master|_data(_\d+)?)$")


def positions_beside(path: Path) -> Path | None:
    """The one text file that is named like a scan, or None where there is none or several.

    Parameters
    ----------
    path : Path
        For ``fly1_master.h5`` these are ``fly1.csv``, ``fly1_pos.csv``, ``fly1_positions.dat``
        and the like.
    """
    stem = SCAN_SUFFIXES.sub("", path.stem)
    likely = [
        path.with_name(f"{stem}{suffix}{ending}")
        for suffix in POSITION_SUFFIXES
        for ending in TEXT_ENDINGS
    ]
    found = [file for file in likely if file.is_file()]
    return found[0] if len(found) == 1 else None


def with_positions_beside(
    contents: Contents, container: Container, options: ScanOptions
) -> Contents:
    """Contents that know of the file of positions beside the scan, where they have none."""
    if contents.positions is not None or options.brings_positions:
        return contents
    file = positions_beside(container.path)
    if file is None:
        return contents
    note = f"positions are those of {file.name}, which lies beside the scan"
    return replace(contents, positions_file=file, assumptions=(*contents.assumptions, note))


def numbered_series(path: Path) -> list[list[Path]]:
    """Files that differ from `path` in one number of their name.

    Parameters
    ----------
    path : Path
        For instance ``scan_12_0001.h5``.

    Returns
    -------
    list of list of Path
        One series, sorted by number, for each number of the name that varies: the lines of
        scan 12, and line 1 of all scans. Empty where there is no other file.
    """
    matches = list(re.finditer(r"\d+", path.stem))
    series: list[list[Path]] = []
    for match in reversed(matches):
        before, after = path.stem[: match.start()], path.stem[match.end() :]
        name = re.compile(re.escape(before) + r"(\d+)" + re.escape(after + path.suffix))
        found = [
            (int(other[1]), file)
            for file in path.parent.iterdir()
            if (other := name.fullmatch(file.name)) and file.is_file()
        ]
        if len(found) > 1:
            series.append([file for _, file in sorted(found)])
    return series
