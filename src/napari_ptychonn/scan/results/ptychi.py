"""pty-chi's results as its users' scripts store them, ``recon_Niter*.h5``.

pty-chi itself writes no files. The scripts at the Advanced Photon Source store what its
task returns: `object` (layers, H, W), `probe` (variations, modes, h, w), `positions_px`
(N, 2) as (y, x) and `obj_pixel_size_m`. pty-chi counts positions from the object's middle,
pixel round(H / 2) (``pos_origin_coords`` of its ``data_structures/object.py`` with
``extract_patches_integer``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import number
from napari_ptychonn.scan.results.arrays import images, pixel_pair, probe_modes, single_layer
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["PtyChiResult"]

OBJECT, PROBE, POSITIONS, PIXEL = "object", "probe", "positions_px", "obj_pixel_size_m"


@dataclass(frozen=True, slots=True)
class PtyChiResult:
    """Objects that pty-chi made."""

    name: str = field(default="pty-chi result", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is an object with pty-chi's positions or pixel."""
        return container.has(OBJECT) and (container.has(PIXEL) or container.has(POSITIONS))

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes = ["positions are counted from the object's middle, as pty-chi does by default"]
        datasets = {"object": OBJECT}
        sample = single_layer(images(container, OBJECT), notes)
        size = number(container, PIXEL)
        if size is None:
            notes.append("no pixel size recorded: lengths are in pixels")
            pixel = (1.0, 1.0)
        else:
            pixel = pixel_pair(container, PIXEL, size, size)
        probe: NDArray[np.complex64] | None = None
        if container.has(PROBE):
            datasets["probe"] = PROBE
            probe = probe_modes(images(container, PROBE), notes)
        positions: NDArray[np.float64] | None = None
        if container.has(POSITIONS):
            datasets["positions"] = POSITIONS
            positions = point_list(container, POSITIONS, by_column=False)[0] * np.asarray(pixel)
        middle = np.round(np.asarray(sample.shape) / 2)
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit="px" if size is None else "m",
            corner=(-pixel[0] * float(middle[0]), -pixel[1] * float(middle[1])),
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=positions is not None,
            probe=probe,
            positions=positions,
            notes=tuple(notes),
        )
