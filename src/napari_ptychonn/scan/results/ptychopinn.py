"""The object inside PtychoPINN's npz, ``objectGuess``, in the coordinates of its scan.

Known from PtychoPINN's data contracts (``docs/data_contracts.md``) and the way in which its
``ptycho/raw_data.py`` cuts patches: coordinates are the patches' middles in object pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.entries import yx_vectors
from napari_ptychonn.scan.npz_container import NpzContainer
from napari_ptychonn.scan.results.arrays import images, probe_modes, single_layer
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["PtychoPinnObject"]

OBJECT, PROBE = "objectGuess", "probeGuess"
POSITIONS = ("ycoords", "xcoords")


@dataclass(frozen=True, slots=True)
class PtychoPinnObject:
    """Objects in PtychoPINN's training and test files."""

    name: str = field(default="PtychoPINN object", init=False)

    def detect(self, container: Container) -> bool:
        """Whether it is an npz with an object under PtychoPINN's name."""
        return isinstance(container, NpzContainer) and container.has(OBJECT)

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes = ["no pixel size recorded: lengths are in pixels"]
        datasets = {"object": OBJECT}
        sample = single_layer(images(container, OBJECT), notes)
        probe = None
        if container.has(PROBE):
            datasets["probe"] = PROBE
            probe = probe_modes(images(container, PROBE), notes)
        positions = None
        if all(container.has(name) for name in POSITIONS):
            datasets["positions"] = ", ".join(POSITIONS)
            positions = yx_vectors(container, *POSITIONS)
        return ObjectResult(
            object=sample,
            pixel=(1.0, 1.0),
            unit="px",
            corner=(0.0, 0.0),
            path=container.path,
            format=self.name,
            datasets=datasets,
            probe=probe,
            positions=positions,
            notes=tuple(notes),
        )
