"""LYNX (APS 31-ID): one dataset ``eiger_4`` with its geometry in attributes.

As ptychodus' ``aps31id_lynx_diffraction_file.py`` reads it. Positions are in an Orchestra or
SoftGlueZynq file (see :mod:`napari_ptychonn.scan.table_layouts`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from napari_ptychonn.scan.beside import with_positions_beside
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import attribute_number
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Lynx"]

DATA = "/entry/data/eiger_4"


@dataclass(frozen=True, slots=True)
class Lynx:
    """LYNX files."""

    name: str = field(default="LYNX", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a dataset of the detector's name."""
        return container.has(DATA)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read geometry and beam centre; positions are in a file beside it.

        Raises
        ------
        ScanError
            The patterns cannot be used, or an attribute of the geometry is no number.
        """
        contents = chosen_contents(container, options, patterns=DATA)
        energy_kev = attribute_number(container, DATA, "Photon_energy_kev")
        pitch = attribute_number(container, DATA, "Pixel_size")
        centre = [attribute_number(container, DATA, f"Center_{axis}_pixel") for axis in "yx"]
        distance = attribute_number(container, DATA, "Detector_distance_m")
        contents = replace(
            contents,
            wavelength_m=HC_EV_M / (1000 * energy_kev) if energy_kev else None,
            distance_m=abs(distance) if distance else None,
            detector_pixel_m=(abs(pitch), abs(pitch)) if pitch else None,
            centre=None if centre[0] is None or centre[1] is None else (centre[0], centre[1]),
        )
        return with_positions_beside(contents, container, options)
