"""pty-chi's pair of files: ``*_dp.hdf5`` with the patterns, ``*_para.hdf5`` with the rest.

As pty-chi's own tests read them (``load_data_ptychodus`` of its ``tests/test_utils.py``):
positions divided by the object's `pixel_height_m` count from the object's middle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_ptychonn.errors import OutputError
from napari_ptychonn.scan.export.appearing import appearing_files
from napari_ptychonn.scan.export.counts import OnProgress, write_counts
from napari_ptychonn.scan.export.layout import parts_of_scan, write_parts
from napari_ptychonn.scan.formats.ptychi import NAME
from napari_ptychonn.scan.model import Scan

__all__ = ["pair_of", "write_ptychi"]


def pair_of(path: str | Path) -> tuple[Path, Path]:
    """Names of the patterns' and the parameters' file that a name stands for.

    Parameters
    ----------
    path : str or Path
        Either of the two, or what they have in common: ``run.hdf5`` stands for
        ``run_dp.hdf5`` and ``run_para.hdf5``.
    """
    name = Path(path)
    match = NAME.match(name.name)
    stem, ending = (match["stem"], match["ending"]) if match else (f"{name.stem}_", name.suffix)
    ending = ending or ".hdf5"
    return name.with_name(f"{stem}dp{ending}"), name.with_name(f"{stem}para{ending}")


def write_ptychi(
    path: str | Path, scan: Scan, *, on_progress: OnProgress | None = None
) -> tuple[Path, Path]:
    """Write a scan as pty-chi's pair, batch by batch; both appear when they are complete.

    Parameters
    ----------
    path : str or Path
        Either of the pair, or what their names have in common; files that are there
        already are replaced.
    scan : Scan
        A scan whose object pixel is known. Its positions are moved so that the middle of
        their extent is at (0, 0); the attributes `position_offset_y_m` and `_x_m` say by
        how much.
    on_progress : callable, optional
        Called with (patterns written, patterns in all) after each batch.

    Returns
    -------
    tuple of Path
        The patterns' and the parameters' file.

    Raises
    ------
    OutputError
        The object pixel is not known, it is a near-field scan, or a file cannot be written.
    """
    pair = pair_of(path)
    if scan.pixel_m is None:
        problem = "pty-chi's files hold metres, and the scan's object pixel is not known"
        remedy = "give energy, distance and detector pixel, or --pixel-m"
        raise OutputError("pty-chi pair", pair[0], problem, remedy=remedy)
    parts = parts_of_scan(scan, centred=True)
    offset = scan.positions[0] - parts.positions[0]
    with appearing_files("pty-chi pair", *pair) as (patterns, parameters):
        # lzf comes with h5py, so that a reader needs no filter plugins.
        filters = {"compression": "lzf", "shuffle": True}
        write_counts(patterns, "dp", scan.patterns, filters=filters, on_progress=on_progress)
        patterns["bad_pixels"] = (~scan.mask).astype(np.uint8)
        write_parts(parameters, parts)
        parameters.attrs["position_offset_y_m"] = float(offset[0])
        parameters.attrs["position_offset_x_m"] = float(offset[1])
        if scan.probe is None:
            del parameters["probe"]
    return pair
