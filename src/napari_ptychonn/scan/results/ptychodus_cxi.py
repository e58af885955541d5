"""ptychodus products in CXI files: ``image_1`` is the probe there, ``image_2`` the object.

Known from ptychodus' ``plugins/cxi_file.py`` (1.7): what CXI has no place for is in
``/entry_1/ptychodus``, positions are ``translation`` (N, 3), x first, in metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import beam_energy_ev, length_m, number, shape_of
from napari_ptychonn.scan.results.arrays import (
    image_size,
    images,
    pixel_pair,
    probe_modes,
    single_layer,
)
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["PtychodusCxi"]

ENTRY, OWN = "/entry_1", "/entry_1/ptychodus"
OBJECT, PROBE = "/entry_1/image_2", "/entry_1/image_1/data"
POSITIONS = "/entry_1/sample_1/geometry_1/translation"


@dataclass(frozen=True, slots=True)
class PtychodusCxi:
    """Products that ptychodus wrote as CXI."""

    name: str = field(default="ptychodus product (CXI)", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a second image, complex."""
        name = f"{OBJECT}/data"
        is_stack = len(shape_of(container, name) or ()) in (2, 3)
        return is_stack and container.info(name).dtype.startswith("complex")

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes: list[str] = []
        datasets = {"object": f"{OBJECT}/data"}
        sample = single_layer(images(container, datasets["object"]), notes)
        size = [number(container, f"{OWN}/object_pixel_{axis}_m") for axis in ("height", "width")]
        if None in size:
            size = list(image_size(container, OBJECT, sample.shape))
        pixel = pixel_pair(container, f"the pixel of {OBJECT}", size[0], size[1])
        centre = [number(container, f"{OWN}/object_center_{axis}_m") for axis in "yx"]
        if None in centre:
            notes.append("the object's centre is not recorded: it is taken to lie at (0, 0)")
        probe: NDArray[np.complex64] | None = None
        if container.has(PROBE):
            datasets["probe"] = PROBE
            probe = probe_modes(images(container, PROBE), notes)
        positions: NDArray[np.float64] | None = None
        if container.has(POSITIONS):
            datasets["positions"] = POSITIONS
            points = point_list(container, POSITIONS, by_column=False, at_most=3)[0]
            positions = np.ascontiguousarray(points[:, 1::-1])
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit="m",
            corner=(
                (centre[0] or 0.0) - pixel[0] * sample.shape[0] / 2,
                (centre[1] or 0.0) - pixel[1] * sample.shape[1] / 2,
            ),
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=None not in centre or positions is not None,
            probe=probe,
            positions=positions,
            energy_ev=beam_energy_ev(container, f"{ENTRY}/instrument_1/source_1/energy", "J"),
            distance_m=length_m(container, f"{ENTRY}/instrument_1/detector_1/distance", "m"),
            notes=tuple(notes),
        )
