"""cSAXS (Swiss Light Source): ``/entry/data/data`` and the instrument's ``eiger_4``.

As ptychodus' ``sls_csaxs_diffraction_file.py`` reads it: the monochromator's group holds the
distance of the detector, in mm and of either sign, and the energy in keV; pixels are in µm.
Positions are in a file of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from napari_ptychonn.scan.beside import with_positions_beside
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import beam_energy_ev, is_group, length_m
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Csaxs"]

DATA = "/entry/data/data"
DETECTOR = "/entry/instrument/eiger_4"
MONOCHROMATOR = "/entry/instrument/monochromator"


@dataclass(frozen=True, slots=True)
class Csaxs:
    """cSAXS files."""

    name: str = field(default="cSAXS", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are patterns and the detector's group."""
        return container.has(DATA) and is_group(container, DETECTOR)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read the geometry; positions are in a file beside it.

        Raises
        ------
        ScanError
            The patterns cannot be used, or a number of the geometry is none.
        """
        contents = chosen_contents(container, options, patterns=DATA)
        energy = beam_energy_ev(container, f"{MONOCHROMATOR}/energy", "keV")
        pitch = [length_m(container, f"{DETECTOR}/{axis}_pixel_size", "um") for axis in "yx"]
        contents = replace(
            contents,
            wavelength_m=HC_EV_M / energy if energy else None,
            distance_m=length_m(container, f"{MONOCHROMATOR}/distance", "mm"),
            detector_pixel_m=(pitch[0], pitch[1]) if pitch[0] and pitch[1] else None,
        )
        return with_positions_beside(contents, container, options)
