"""fold_slice's results, ``Niter*.mat``, of any version of MATLAB's files.

Known from fold_slice's ``ptycho_solver.m`` (what is saved) and ``find_reconstruction_ROI.m``
(where a patch is cut): `outputs.probe_positions` are (x, y) in pixels from the object's
middle, the patch at q starts at pixel q + ceil((N − n) / 2) − 1, counted from 0, and
`p.dx_spec` is the pixel (y, x).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import number, reals, shape_of
from napari_ptychonn.scan.model import HC_EV_M
from napari_ptychonn.scan.results.arrays import images, pixel_pair, probe_modes, single_layer, unfit
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.words import counted

__all__ = ["FoldSliceResult", "recorded_pixel"]

OBJECT, PROBE, PIXEL, WAVELENGTH = "object", "probe", "p/dx_spec", "p/lambda"
POSITIONS = ("outputs/probe_positions", "outputs/probe_positions_0")
LARGEST_PIXEL_M = 1e-4
ANGSTROM_M = 1e-10


@dataclass(frozen=True, slots=True)
class FoldSliceResult:
    """What the engines of fold_slice save."""

    name: str = field(default="fold_slice result", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is an object with MATLAB's parameters `p`."""
        return container.has(OBJECT) and container.has(PIXEL)

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes: list[str] = []
        datasets = {"object": OBJECT}
        sample = single_layer(images(container, OBJECT, matlab=True), notes)
        probe: NDArray[np.complex64] | None = None
        window = (0, 0)
        if container.has(PROBE):
            datasets["probe"] = PROBE
            probe = probe_modes(images(container, PROBE, matlab=True), notes)
            window = probe.shape[1:]
        else:
            notes.append("there is no probe: the patches' side is taken to be even")
        pixel, scale = recorded_pixel(container, PIXEL, notes)
        positions = _positions(container, datasets)
        wavelength = number(container, WAVELENGTH)
        middle = [
            -(-(whole - part) // 2) - 1 + part // 2
            for whole, part in zip(sample.shape, window, strict=True)
        ]
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit="m",
            corner=(-pixel[0] * middle[0], -pixel[1] * middle[1]),
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=positions is not None,
            probe=probe,
            positions=None if positions is None else positions * np.asarray(pixel),
            energy_ev=HC_EV_M / (wavelength * scale) if wavelength and wavelength > 0 else None,
            notes=tuple(notes),
        )


def recorded_pixel(
    container: Container, name: str, notes: list[str]
) -> tuple[tuple[float, float], float]:
    """Object pixel (y, x) in metres, and what lengths of the file are to be multiplied with.

    Parameters
    ----------
    container : Container
        The file.
    name : str
        Its pixel, one number or two.
    notes : list of str
        Told where ångströms are assumed, in which electron scripts count.

    Raises
    ------
    ScanError
        It is missing, or no size.
    """
    sizes = reals(container, name, "a pixel size").ravel()
    if sizes.size not in (1, 2):
        raise unfit(container, name, f"has {counted(sizes.size, 'value')}, (y, x) is needed")
    scale = 1.0
    if sizes.max() > LARGEST_PIXEL_M:
        notes.append(f"{name} is {sizes[0]:g}, too much for metres: it is taken in ångström")
        scale = ANGSTROM_M
    return pixel_pair(container, name, sizes[0] * scale, sizes[-1] * scale), scale


def _positions(container: Container, datasets: dict[str, str]) -> NDArray[np.float64] | None:
    for name in POSITIONS:
        shape = shape_of(container, name) or ()
        # Positions that were not refined are empty, for which MATLAB stores two numbers.
        if len(shape) == 2 and 2 in shape and max(shape) > 2:
            datasets["positions"] = name
            return point_list(container, name, by_column=True)[0][:, ::-1]
    return None
