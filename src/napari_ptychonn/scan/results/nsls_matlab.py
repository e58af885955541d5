"""Results of NSLS-II's MATLAB scripts: ``obj`` and ``prb``, MATLAB 5 to 7.3.

Names and units are those that ptychodus reads under "NSLS-II MATLAB"
(``plugins/nsls2_product_file.py``): `pos_xy` in µm, of which the last two columns are x and y,
`det_dist` and `det_pixel_size` in µm, `energy` in keV, `img_pixel_size_x` and
`img_pixel_size_y`. Where the object lies is not recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import beam_energy_ev, length_m, number, shape_of
from napari_ptychonn.scan.model import HC_EV_M, LengthUnit
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.results.arrays import images, pixel_pair, probe_modes, single_layer
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.scan.units import metres_per

__all__ = ["NslsMatlabResult"]

OBJECT, PROBE, POSITIONS = "obj", "prb", "pos_xy"
PATTERNS = "det_data"
LARGEST_PIXEL_M = 1e-4


@dataclass(frozen=True, slots=True)
class NslsMatlabResult:
    """Objects that NSLS-II's MATLAB scripts saved, with the patterns or without."""

    name: str = field(default="NSLS-II MATLAB result", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are an object and a probe of those names."""
        if isinstance(container, NpzContainer):
            return False
        return all(len(shape_of(container, name) or ()) >= 2 for name in (OBJECT, PROBE))

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes = ["images are taken as written by MATLAB, and turned upright"]
        datasets = {"object": OBJECT, "probe": PROBE}
        sample = single_layer(images(container, OBJECT, matlab=True), notes)
        probe = probe_modes(images(container, PROBE, matlab=True), notes)
        energy = beam_energy_ev(container, "energy", "keV")
        distance = length_m(container, "det_dist", "um")
        pixel = _pixel(container, energy, distance, probe.shape[1:], notes)
        unit: LengthUnit = "m" if pixel else "px"
        positions = None
        if unit == "m" and container.has(POSITIONS):
            datasets["positions"] = POSITIONS
            positions = _positions(container)
        return ObjectResult(
            object=sample,
            pixel=pixel or (1.0, 1.0),
            unit=unit,
            corner=_corner(sample.shape, pixel or (1.0, 1.0), positions, notes),
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=positions is not None,
            probe=probe,
            positions=positions,
            energy_ev=energy,
            distance_m=distance,
            notes=tuple(notes),
        )


def _pixel(
    container: Container,
    energy_ev: float | None,
    distance_m: float | None,
    window: tuple[int, ...],
    notes: list[str],
) -> tuple[float, float] | None:
    """Object pixel (y, x) in metres: recorded, else that of the detector, else None."""
    y, x = (_recorded(container, f"img_pixel_size_{axis}", notes) for axis in "yx")
    if y is None and x is None:
        pitch = length_m(container, "det_pixel_size", "um")
        if not (energy_ev and distance_m and pitch):
            notes.append("no pixel size recorded: lengths are in pixels")
            return None
        notes.append("no pixel size recorded: it is that of the detector and the probe's window")
        y, x = (HC_EV_M / energy_ev * distance_m / (size * pitch) for size in window)
    return pixel_pair(container, "img_pixel_size_y, img_pixel_size_x", y, x)


def _recorded(container: Container, name: str, notes: list[str]) -> float | None:
    """Of the file's other lengths all are in µm; ptychodus reads this one as metres."""
    value = number(container, name)
    unit = "um" if value and value > LARGEST_PIXEL_M else "m"
    if value and unit == "um" and container.info(name).units is None:
        notes.append(f"{name} is {value:g}, too much for metres: it is taken in µm")
    return length_m(container, name, unit)


def _positions(container: Container) -> NDArray[np.float64]:
    points, _ = point_list(container, POSITIONS, by_column=True, at_most=16)
    first = 0 if points.shape[1] == 2 else 1
    unit = container.info(POSITIONS).units or "um"
    return points[:, [first + 1, first]] * metres_per(unit, container.path, POSITIONS)


def _corner(
    shape: tuple[int, ...],
    pixel: tuple[float, float],
    positions: NDArray[np.float64] | None,
    notes: list[str],
) -> tuple[float, float]:
    """Where pixel [0, 0] lies if (0, 0) is the object's middle, as ptychodus has it."""
    half = np.asarray(pixel) * shape / 2
    middle = np.zeros(2)
    if positions is not None and len(positions) and (np.abs(positions) > half).any():
        middle = (positions.min(0) + positions.max(0)) / 2
        notes.append("the object's place is not recorded: its middle is taken as the scan's")
    else:
        notes.append("the object's place is not recorded: (0, 0) is taken as its middle")
    return float(middle[0] - half[0]), float(middle[1] - half[1])
