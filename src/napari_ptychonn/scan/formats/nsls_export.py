"""NSLS-II style 1: raw frames and positions as HXN's export scripts write them.

``export_diff_data_as_h5`` of HXN's tools writes ``/diff_data/<detector>/det_images`` (earlier
``raw_data``, or ``/detector_data/<detector>``) as a raster (rows, columns, H, W) or as
(N, H, W), and ``/scan/scan_positions`` (later ``/scan_positions/positions``) as (2, N) in
µm, x first; ptychodus reads the same under "NSLS-II Style 1", with ``/entry/data/data`` for
frames that are left where the detector wrote them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import beam_energy_ev, number
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["NslsExport"]

FRAMES = "/entry/data/data"
DETECTORS = re.compile(r"^/(diff_data/[^/]+/(det_images|raw_data)|detector_data/[^/]+)$")
POSITIONS = (
    "/scan/scan_positions",
    "/scan_positions/positions",
    "/diff_data/scan/scan_positions",
)
GROUPS = ("/scan", "/scan_params")
LARGEST_KEV = 100.0
"""No ptychography is done below 100 eV or above 100 keV, so a number tells its unit."""


@dataclass(frozen=True, slots=True)
class NslsExport:
    """Raw frames exported at NSLS-II."""

    name: str = field(default="NSLS-II style 1", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are positions under one of the names that these scripts use."""
        return any(container.has(name) for name in POSITIONS)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions and energy; distance and detector pixel are not in the file.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes = [
            "frames are taken as they are stored and x, y as probe positions; some exports "
            "turn y of the frames upside down: then try orientation 2"
        ]
        name = options.datasets.get("patterns") or _frames(container, notes)
        contents = chosen_contents(container, options, patterns=name)
        stored = next((known for known in POSITIONS if container.has(known)), None)
        is_missing = contents.positions is None and not options.brings_positions
        if is_missing and stored is not None:
            points, _ = point_list(container, stored, by_column=True)
            contents = replace(
                contents,
                positions=np.ascontiguousarray(points[:, ::-1]),
                positions_unit=container.info(stored).units or "um",
                datasets={**contents.datasets, "positions": stored},
            )
        energy = _energy_ev(container, notes)
        return replace(
            contents,
            wavelength_m=None if energy is None else HC_EV_M / energy,
            orientation_is_known=False,
            assumptions=(*contents.assumptions, *notes),
        )


def _frames(container: Container, notes: list[str]) -> str:
    if container.has(FRAMES):
        return FRAMES
    infos = [info for info in container.infos() if DETECTORS.match(info.path)]
    # Monitor readings lie beside the frames.
    found = [info for info in infos if len(info.shape) in (3, 4)]
    if not found:
        problem = f"there is neither {FRAMES} nor /diff_data/DETECTOR/det_images"
        remedy = "choose the patterns with --dataset patterns=/PATH"
        raise ScanError("patterns", container.path, problem, remedy=remedy)
    if len(found) > 1:
        found.sort(key=lambda info: prod(info.shape), reverse=True)
        others = ", ".join(info.path for info in found[1:])
        notes.append(f"of several detectors {found[0].path} is used, not {others}")
    return found[0].path


def _energy_ev(container: Container, notes: list[str]) -> float | None:
    name = next((f"{group}/energy" for group in GROUPS if container.has(f"{group}/energy")), None)
    value = None if name is None else number(container, name)
    if name is None or not value:
        return None
    unit = "keV" if value < LARGEST_KEV else "eV"
    energy = beam_energy_ev(container, name, unit)
    if energy is None:
        notes.append(f"{name} is {value:g}, no photon energy, and is not used")
    elif container.info(name).units is None:
        notes.append(f"{name} is taken in {unit}")
    return energy
