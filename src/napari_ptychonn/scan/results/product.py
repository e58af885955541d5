"""ptychodus products, HDF5 and npz; our own results and pty-chi's ``*_para.hdf5`` share them.

Known from ptychodus' ``plugins/h5_product_file.py`` and ``npz_product_file.py``, and the
mapping of coordinates from its ``api/object.py``: the patch of n pixels at x starts at
(x − center_x) / pixel_width + (W − n) / 2. In npz files the attributes are arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.entries import attribute_number, number, yx_vectors
from napari_ptychonn.scan.model import LengthUnit
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.results.arrays import images, pixel_pair, probe_modes, single_layer
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["Product"]

OBJECT, PROBE = "object", "probe"
POSITIONS = ("probe_position_y_m", "probe_position_x_m")
ENERGIES = ("photon_energy_eV", "probe_energy_eV")
"""Newer versions of ptychodus say the first."""
OWN = "ptychonn"


@dataclass(frozen=True, slots=True)
class Product:
    """Products of ptychodus, and whatever is laid out like them."""

    name: str = field(default="ptychodus product", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is an object with the size of its pixel."""
        if not container.has(OBJECT):
            return False
        if isinstance(container, NpzContainer):
            return container.has("object_pixel_height_m")
        return container.attribute(OBJECT, "pixel_height_m") is not None

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes: list[str] = []
        datasets = {"object": OBJECT}
        sample = single_layer(images(container, OBJECT), notes)
        is_start = bool(attribute_number(container, OBJECT, "is_start"))
        if is_start:
            notes.append("the object is flat, to start from: nothing was reconstructed")
        pixel = pixel_pair(
            container,
            f"the pixel of {OBJECT}",
            _of_object(container, "pixel_height_m"),
            _of_object(container, "pixel_width_m"),
        )
        centre = (_of_object(container, "center_y_m"), _of_object(container, "center_x_m"))
        if None in centre:
            notes.append("the object's centre is not recorded: it is taken to lie at (0, 0)")
        probe = None
        # A job that was stopped early may have no probe at all: (1, 0, h, w).
        if container.has(PROBE) and 0 not in container.info(PROBE).shape:
            probe = probe_modes(images(container, PROBE), notes)
            datasets["probe"] = PROBE
        positions = None
        if all(container.has(name) for name in POSITIONS):
            positions = yx_vectors(container, *POSITIONS)
            datasets["positions"] = ", ".join(POSITIONS)
        stored = container.attribute(OWN, "unit")
        unit: LengthUnit = "px" if isinstance(stored, str) and stored == "px" else "m"
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit=unit,
            corner=(
                (centre[0] or 0.0) - pixel[0] * sample.shape[0] / 2,
                (centre[1] or 0.0) - pixel[1] * sample.shape[1] / 2,
            ),
            path=container.path,
            format="napari-ptychonn" if container.has(f"{OWN}/misfit") else self.name,
            datasets=datasets,
            is_placed=None not in centre or positions is not None,
            is_start=is_start,
            probe=None if probe is None else np.ascontiguousarray(probe),
            positions=positions,
            # 0 is ptychodus' way to say that it does not know.
            energy_ev=_of_file(container, *ENERGIES),
            distance_m=_of_file(container, "detector_object_distance_m"),
            notes=tuple(notes),
        )


def _of_object(container: Container, key: str) -> float | None:
    if isinstance(container, NpzContainer):
        return number(container, f"object_{key}")
    return attribute_number(container, OBJECT, key)


def _of_file(container: Container, *keys: str) -> float | None:
    for key in keys:
        if isinstance(container, NpzContainer):
            value = number(container, key)
        else:
            value = attribute_number(container, "/", key)
        if value:
            return abs(value)
    return None
