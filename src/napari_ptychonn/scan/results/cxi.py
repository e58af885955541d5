"""Objects in CXI files: PyNX's results, and ``/entry_1/image_1`` of the CXI format.

Known from PyNX's ``save_obj_probe_cxi`` (``ptycho/ptycho.py``): `object` and `probe` are
stored upside down, so that the image has its origin at the top left; `row_coords` and
`col_coords` are where rows and columns lie, `positions` are rows of x, y and shifts, in
metres, y upwards. Object and probe are turned back here, to the axes of the positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.entries import beam_energy_ev, length_m, reals, shape_of
from napari_ptychonn.scan.results.arrays import (
    image_size,
    images,
    pixel_pair,
    probe_modes,
    single_layer,
    unfit,
)
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.scan.units import metres_per
from napari_ptychonn.words import counted

__all__ = ["CxiObject"]

OBJECTS = ("/entry_last/object", "/entry_1/object", "/entry_1/image_1")


@dataclass(frozen=True, slots=True)
class CxiObject:
    """Reconstructed objects in CXI files."""

    name: str = field(default="CXI object", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a complex image where CXI files have their objects."""
        return _group(container) is not None

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes: list[str] = []
        group = _group(container) or OBJECTS[-1]
        entry = group.rsplit("/", 1)[0]
        datasets = {"object": f"{group}/data"}
        sample = single_layer(images(container, datasets["object"]), notes)
        pixel = _pixel(container, group, sample.shape)
        rows = _coordinates(container, f"{group}/row_coords", sample.shape[0])
        columns = _coordinates(container, f"{group}/col_coords", sample.shape[1])
        is_upside_down = rows is not None and rows.size > 1 and rows[0] > rows[-1]
        if is_upside_down:
            sample = sample[::-1]
            notes.append("object and probe are turned upside down: y goes upwards in the file")
        if rows is None or columns is None:
            notes.append("the object's place is not recorded: (0, 0) is taken as its middle")
        datasets["probe"] = f"{entry}/probe/data"
        probe: NDArray[np.complex64] | None = None
        if container.has(datasets["probe"]):
            probe = probe_modes(images(container, datasets["probe"]), notes)
            probe = np.ascontiguousarray(probe[:, ::-1]) if is_upside_down else probe
        else:
            del datasets["probe"]
        positions = _positions(container, f"{entry}/positions/data", datasets)
        return ObjectResult(
            object=np.ascontiguousarray(sample),
            pixel=pixel,
            unit="m",
            corner=(
                _first(rows, pixel[0], sample.shape[0]),
                _first(columns, pixel[1], sample.shape[1]),
            ),
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=not (rows is None or columns is None) or positions is not None,
            probe=probe,
            positions=positions,
            energy_ev=beam_energy_ev(container, f"{entry}/instrument_1/source_1/energy", "J"),
            distance_m=length_m(container, f"{entry}/instrument_1/detector_1/distance", "m"),
            notes=tuple(notes),
        )


def _group(container: Container) -> str | None:
    for group in OBJECTS:
        name = f"{group}/data"
        is_stack = len(shape_of(container, name) or ()) in (2, 3)
        if is_stack and container.info(name).dtype.startswith("complex"):
            return group
    return None


def _pixel(container: Container, group: str, shape: tuple[int, ...]) -> tuple[float, float]:
    y, x = (length_m(container, f"{group}/{axis}_pixel_size", "m") for axis in "yx")
    if y is None or x is None:
        y, x = image_size(container, group, shape)
    return pixel_pair(container, f"the pixel of {group}", y, x)


def _coordinates(container: Container, name: str, count: int) -> NDArray[np.float64] | None:
    if not container.has(name):
        return None
    values = reals(container, name, "coordinates").ravel()
    if values.size != count:
        raise unfit(container, name, f"has {counted(values.size, 'value')}, the object {count}")
    return values * metres_per(container.info(name).units or "m", container.path, name)


def _first(values: NDArray[np.float64] | None, pixel: float, count: int) -> float:
    if values is None:
        return -pixel * (count // 2)
    return float(values.min())


def _positions(
    container: Container, name: str, datasets: dict[str, str]
) -> NDArray[np.float64] | None:
    if not container.has(name):
        return None
    stored = reals(container, name, "positions")
    if stored.ndim != 2 or stored.shape[0] not in (2, 3, 4):
        raise unfit(container, name, f"has shape {stored.shape}, rows of x and y are needed")
    datasets["positions"] = name
    return np.ascontiguousarray(stored[1::-1].T)
