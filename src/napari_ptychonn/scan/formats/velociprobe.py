"""Velociprobe (APS), and other masters of Eiger detectors.

The layout is that of DECTRIS' file writer (``/entry/data/data_NNNNNN``, ``detectorSpecific``),
as ptychodus' ``aps33id_velociprobe`` readers take it. Positions come from a CSV file without
headings, in nm: column 1 is x, 2 is y of the laser interferometer, 5 is y of the encoder
(opposite sign), 7 counts the triggers; x is foreshortened by the stage's angle chi. Masters of
other beamlines look the same, so that the table tells whose they are: with headings for x and
y, fewer columns or fractions it is not the Velociprobe's, and is read like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from math import cos, radians

from napari_ptychonn.scan.beside import with_positions_beside
from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.eiger import linked_names, linked_stack
from napari_ptychonn.scan.entries import beam_energy_ev, is_group, length_m, number
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.table_layouts import TableLayout

__all__ = ["Velociprobe"]

DATA = "/entry/data"
DETECTOR = "/entry/instrument/detector"
SPECIFIC = f"{DETECTOR}/detectorSpecific"
CHI = "/entry/sample/goniometer/chi"


@dataclass(frozen=True, slots=True)
class Velociprobe:
    """Eiger masters with linked data files."""

    name: str = field(default="Velociprobe (Eiger master)", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are numbered data files and the detector's own group."""
        return bool(linked_names(container, DATA)) and is_group(container, SPECIFIC)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read geometry, beam centre and mask; positions are in a file beside the master.

        Raises
        ------
        ScanError
            A data file is missing or cannot be used, or a number of the geometry is none.
        """
        contents = chosen_contents(
            container,
            options,
            patterns=partial(linked_stack, container, DATA),
            mask=f"{SPECIFIC}/pixel_mask",
            like=next(iter(linked_names(container, DATA)), None),
        )
        energy = beam_energy_ev(container, f"{SPECIFIC}/photon_energy", "eV")
        pitch = [length_m(container, f"{DETECTOR}/{axis}_pixel_size", "m") for axis in "yx"]
        centre = [number(container, f"{DETECTOR}/beam_center_{axis}") for axis in "yx"]
        contents = replace(
            contents,
            wavelength_m=HC_EV_M / energy if energy else None,
            distance_m=length_m(container, f"{DETECTOR}/detector_distance", "m"),
            detector_pixel_m=(pitch[0], pitch[1]) if pitch[0] and pitch[1] else None,
            centre=None if centre[0] is None or centre[1] is None else (centre[0], centre[1]),
            positions_layout=_layout(number(container, CHI) or 0.0),
        )
        return with_positions_beside(contents, container, options)


def _layout(chi_deg: float) -> TableLayout:
    """Columns of the CSV file; chi is a reading for each frame, or one for all."""
    return TableLayout(
        name="Velociprobe",
        y=2,
        x=1,
        number=7,
        unit="nm",
        scale=(1.0, cos(radians(chi_deg))),
        note="y is that of the laser interferometer unless other columns are chosen (the "
        f"encoder's: --positions-columns=-5,1); x is multiplied by cos({chi_deg:g}°)",
        min_columns=8,
        is_whole=True,
    )
