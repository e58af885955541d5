"""ptypy's reconstructions, ``.ptyr``: storages in ``/content/obj`` and ``/content/probe``.

Known from ptypy's ``core/ptycho.py`` (``save_run``), ``core/classes.py`` (``Storage``) and
``io/h5rw.py``: `_origin` is the place (y, x) of pixel [0, 0], `_psize` the pixel, both in
metres, and None is a dataset of one zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.coordinates import point_list
from napari_ptychonn.scan.entries import beam_energy_ev, is_group, reals
from napari_ptychonn.scan.results.arrays import images, pixel_pair, probe_modes, single_layer, unfit
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.words import counted

__all__ = ["PtypyResult"]

OBJECTS, PROBES, POSITIONS = "/content/obj", "/content/probe", "/content/positions"
STORAGE = re.compile(r"^/content/(?P<kind>obj|probe)/(?P<id>[^/]+)/data$")


@dataclass(frozen=True, slots=True)
class PtypyResult:
    """What ptypy saves after a run."""

    name: str = field(default="ptypy result", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there are object storages of ptypy."""
        return is_group(container, OBJECTS)

    def load(self, container: Container) -> ObjectResult:
        """Read the first object with its probe and, where they were recorded, positions.

        Raises
        ------
        ScanError
            A dataset is missing or is not what it must be.
        """
        notes: list[str] = []
        names = _storages(container)
        if not names["obj"]:
            raise unfit(container, OBJECTS, "holds no object")
        for kind, word in (("obj", "objects"), ("probe", "probes")):
            if len(names[kind]) > 1:
                notes.append(f"of {len(names[kind])} {word} the first, {names[kind][0]}, is used")
        storage = f"{OBJECTS}/{names['obj'][0]}"
        datasets = {"object": f"{storage}/data"}
        stack = images(container, datasets["object"])
        if stack.ndim == 3 and len(stack) > 1:
            notes.append(f"of the object's {len(stack)} modes the first is used")
            stack = stack[:1]
        sample = single_layer(stack, notes)
        size = _pair(container, f"{storage}/_psize") or (None, None)
        pixel = pixel_pair(container, f"{storage}/_psize", *size)
        origin = _pair(container, f"{storage}/_origin")
        corner = origin
        if corner is None:
            notes.append("the object's origin is not recorded: (0, 0) is taken as its middle")
            corner = (
                -pixel[0] * (sample.shape[0] // 2),
                -pixel[1] * (sample.shape[1] // 2),
            )
        probe: NDArray[np.complex64] | None = None
        if names["probe"]:
            datasets["probe"] = f"{PROBES}/{names['probe'][0]}/data"
            probe = probe_modes(images(container, datasets["probe"]), notes)
        positions: NDArray[np.float64] | None = None
        places = f"{POSITIONS}/{names['obj'][0]}"
        if container.has(places):
            datasets["positions"] = places
            positions = point_list(container, places, by_column=False)[0]
        return ObjectResult(
            object=sample,
            pixel=pixel,
            unit="m",
            corner=corner,
            path=container.path,
            format=self.name,
            datasets=datasets,
            is_placed=origin is not None or positions is not None,
            probe=probe,
            positions=positions,
            energy_ev=_energy(container, f"{storage}/_energy"),
            notes=tuple(notes),
        )


def _storages(container: Container) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"obj": [], "probe": []}
    for info in container.infos():
        if match := STORAGE.match(info.path):
            found[match["kind"]].append(match["id"])
    return found


def _pair(container: Container, name: str) -> tuple[float, float] | None:
    """Two numbers (y, x), or one for both; None where ptypy stored None."""
    if not container.has(name) or _is_none(container, name):
        return None
    values = reals(container, name, "a pair of numbers").ravel()
    if values.size not in (1, 2):
        raise unfit(container, name, f"has {counted(values.size, 'value')}, (y, x) is needed")
    return float(values[0]), float(values[-1])


def _energy(container: Container, name: str) -> float | None:
    if _is_none(container, name):
        return None
    return beam_energy_ev(container, name, "keV")


def _is_none(container: Container, name: str) -> bool:
    kind = container.attribute(name, "type")
    return isinstance(kind, str) and kind == "None"
