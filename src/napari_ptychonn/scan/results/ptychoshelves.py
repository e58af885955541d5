"""PtychoShelves' results (cSAXS), ``*_recons.mat`` and ``*_recons.h5`` or ``.cxs``.

Known from its ``+core/+save``: ``reconstructions_as_mat.m`` saves `object` (H, W, modes, layers),
`probe` (h, w, modes) and all parameters, `p`, in version 6 of MATLAB's files;
``extract4saving.m`` turns images and positions before it writes HDF5, so that they are read from
there as (layers, modes, H, W) and (N, 2), and not in reverse. The c_solver writes its images
like that too, as ``/objects/object_0`` until they are moved to where the others are. The patch of
`p.positions` (y, x) starts at pixel round(position), counted from 0 (``get_projections.m``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import attribute_number, number, reals, shape_of
from napari_ptychonn.scan.model import HC_EV_M, LengthUnit
from napari_ptychonn.scan.results.arrays import images, probe_modes, single_layer, unfit
from napari_ptychonn.scan.results.fold_slice import recorded_pixel
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["PtychoShelvesResult"]

ROOT: Final = "/reconstruction"
MATLAB_OWN: Final = "outputs"
"""Only fold_slice's engines save this; they count positions in another way."""
MAX_SIDE: Final = 2**16


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a kind of file has what.

    Attributes
    ----------
    object, probe, parameters : str
        Names of the datasets, and of the group of parameters.
    matlab : bool
        Whether MATLAB wrote the arrays as it has them, axes in reverse.
    """

    object: str
    probe: str
    parameters: str
    matlab: bool = False


LAYOUTS: Final = (
    _Layout("object", "probe", "p", matlab=True),
    _Layout(f"{ROOT}/object", f"{ROOT}/probes", f"{ROOT}/p"),
    _Layout(f"{ROOT}/p/objects/object_0", f"{ROOT}/p/probes/probe_0", f"{ROOT}/p"),
    _Layout("/objects/object_0", "/probes/probe_0", f"{ROOT}/p"),
)


@dataclass(frozen=True, slots=True)
class PtychoShelvesResult:
    """What PtychoShelves saves at the end of a reconstruction."""

    name: str = field(default="PtychoShelves result", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is an object where PtychoShelves has it, and is not fold_slice's."""
        return _layout(container) is not None

    def load(self, container: Container) -> ObjectResult:
        """Read object, probe and positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        found = _layout(container) or LAYOUTS[1]
        parameters, notes = found.parameters, list[str]()
        datasets = {"object": found.object}
        sample = _object(images(container, found.object, matlab=found.matlab), notes)
        probe: NDArray[np.complex64] | None = None
        if container.has(found.probe):
            datasets["probe"] = found.probe
            probe = probe_modes(images(container, found.probe, matlab=found.matlab), notes)
        window = _window(container, f"{parameters}/asize", probe)
        pixel, scale = (1.0, 1.0), 1.0
        unit: LengthUnit = "px"
        if container.has(f"{parameters}/dx_spec"):
            pixel, scale = recorded_pixel(container, f"{parameters}/dx_spec", notes)
            unit = "m"
        else:
            notes.append("no pixel size recorded: lengths are in pixels")
        corners = _corners(container, found, notes)
        if corners is not None:
            datasets["positions"] = f"{parameters}/positions"
        wavelength = number(container, f"{parameters}/lambda")
        distance = number(container, f"{parameters}/z")
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit=unit,
            # So that positions are those of the patches' starts, as in the file.
            corner=(-pixel[0] * (window[0] // 2), -pixel[1] * (window[1] // 2)),
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=corners is not None,
            probe=probe,
            positions=None if corners is None else corners * np.asarray(pixel),
            energy_ev=HC_EV_M / (wavelength * scale) if wavelength and wavelength > 0 else None,
            # Electron scripts, which count in ångströms, have no distance but 1.
            distance_m=abs(distance) if distance and scale == 1.0 else None,
            notes=tuple(notes),
        )


def _layout(container: Container) -> _Layout | None:
    for layout in LAYOUTS:
        if len(shape_of(container, layout.object) or ()) < 2:
            continue
        if not layout.matlab:
            return layout
        positions = f"{layout.parameters}/positions"
        own = (f"{MATLAB_OWN}/probe_positions", f"{MATLAB_OWN}/probe_positions_0")
        if container.has(positions) and not any(container.has(name) for name in own):
            return layout
    return None


def _object(stack: NDArray[np.complex64], notes: list[str]) -> NDArray[np.complex64]:
    """One object of (layers, modes, H, W); MATLAB drops last axes of length 1."""
    if stack.ndim > 2 and stack.shape[-3] > 1:
        notes.append(f"of the object's {stack.shape[-3]} modes the first is used")
    return single_layer(stack if stack.ndim == 2 else stack[..., 0, :, :], notes)


def _window(
    container: Container, name: str, probe: NDArray[np.complex64] | None
) -> tuple[int, int]:
    """Size (h, w) of a patch, pixels."""
    if probe is not None:
        return probe.shape[1], probe.shape[2]
    if not container.has(name):
        raise unfit(container, name, "is not recorded, nor is there a probe")
    sizes = reals(container, name, "a size").ravel()
    if sizes.size not in (1, 2) or sizes.min() < 1 or sizes.max() > MAX_SIDE:
        raise unfit(container, name, f"is {sizes}, (h, w) is needed")
    return int(sizes[0]), int(sizes[-1])


def _corners(container: Container, layout: _Layout, notes: list[str]) -> NDArray[np.float64] | None:
    """Where patches start, (N, 2), (y, x), pixels; those of the file's scan, if several."""
    name = f"{layout.parameters}/positions"
    if not container.has(name):
        return None
    points = point_list(container, name, by_column=layout.matlab)[0]
    counts = np.zeros(0)
    if container.has(f"{layout.parameters}/numpts"):
        counts = reals(container, f"{layout.parameters}/numpts", "numbers of points").ravel()
    if counts.size < 2 or number(container, f"{layout.parameters}/share_object"):
        return points
    place = attribute_number(container, ROOT, "obnum")
    if place is None or not 1 <= place <= counts.size or counts.sum() != len(points):
        notes.append(
            f"the positions of {counts.size} scans are in the file, and which are of this object "
            "is not said: they are left out"
        )
        return None
    start = int(counts[: int(place) - 1].sum())
    return points[start : start + int(counts[int(place) - 1])]
