"""The truth inside a simulated scan, ``/truth``, as a result like any other."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import attribute_number
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.results.arrays import images, pixel_pair, single_layer
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["SimulatedTruth"]

OBJECT, POSITIONS = "/truth/object", "/truth/positions"


@dataclass(frozen=True, slots=True)
class SimulatedTruth:
    """Scans made by ``simulate``.

    The probe is left out: as ``--probe`` such a file stands for its illumination, which may
    be a wrong guess on purpose.
    """

    name: str = field(default="truth of a simulation", init=False)

    def detect(self, container: Container) -> bool:
        """Whether the file holds a truth."""
        return not isinstance(container, NpzContainer) and container.has(OBJECT)

    def load(self, container: Container) -> ObjectResult:
        """Read object and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        sample = single_layer(images(container, OBJECT), [])
        size = attribute_number(container, OBJECT, "pixel_m")
        pixel = pixel_pair(container, f"the pixel of {OBJECT}", size, size)
        corner = [attribute_number(container, OBJECT, f"corner_{axis}_m") for axis in "yx"]
        positions = None
        if container.has(POSITIONS):
            positions = point_list(container, POSITIONS, by_column=False)[0]
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit="m",
            corner=(corner[0] or 0.0, corner[1] or 0.0),
            path=container.path,
            format=self.name,
            datasets={"object": OBJECT, "positions": POSITIONS},
            positions=positions,
        )
