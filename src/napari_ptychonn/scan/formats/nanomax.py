"""NanoMAX (MAX IV): ``/entry/measurement`` with the detector and pseudo motors.

As ptychodus' ``max_iv_nanomax_*_file.py`` read it; the energy is that of the snapshot of
motors. ptypy's reader of NanoMAX negates the same positions, so that the sign is not certain.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from napari_ptychonn.scan.chosen import chosen_contents
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents
from napari_ptychonn.scan.entries import beam_energy_ev, is_group, yx_vectors
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["NanoMax"]

MEASUREMENT = "/entry/measurement"
PATTERNS = (
    f"{MEASUREMENT}/eiger1m/frames",
    "/entry/instrument/Eiger/data",
    f"{MEASUREMENT}/Eiger/data",
)
POSITIONS = (f"{MEASUREMENT}/pseudo/y", f"{MEASUREMENT}/pseudo/x")
ENERGY = "/entry/snapshot/energy"


@dataclass(frozen=True, slots=True)
class NanoMax:
    """NanoMAX files."""

    name: str = field(default="NanoMAX", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are a measurement and frames of an Eiger."""
        has_frames = any(container.has(name) for name in PATTERNS)
        return has_frames and is_group(container, MEASUREMENT)

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions and energy; distance and detector pixel are not in the file.

        Raises
        ------
        ScanError
            The patterns cannot be used, or positions or energy are no numbers.
        """
        frames = next((name for name in PATTERNS if container.has(name)), PATTERNS[0])
        contents = chosen_contents(container, options, patterns=frames)
        energy = beam_energy_ev(container, ENERGY, "eV")
        contents = replace(contents, wavelength_m=HC_EV_M / energy if energy else None)
        if contents.positions is not None or options.brings_positions:
            return contents
        if not all(container.has(name) for name in POSITIONS):
            return contents
        note = (
            "positions are taken without negation, as ptychodus does; ptypy negates both, which "
            "is the same as turning the patterns by 180° (orientation 3)"
        )
        return replace(
            contents,
            positions=yx_vectors(container, *POSITIONS),
            positions_unit="um",
            datasets={**contents.datasets, "positions": ", ".join(POSITIONS)},
            assumptions=(*contents.assumptions, note),
        )
