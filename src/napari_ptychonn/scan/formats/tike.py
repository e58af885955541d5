"""tike's arrays, as npz or as HDF5 with the same names: ``data``, ``scan``, ``probe``.

Names are the arguments of tike's ``ptycho.reconstruct``, which documents ``scan`` as the
minimum corner of the probe's grid: positions are in object pixels, and half a window is added
to get the probe's centre. Patterns have DC at the corner.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_ptychonn.errors import ScanError
from napari_ptychonn.scan.container import Container
from napari_ptychonn.scan.contents import Contents, masked_source
from napari_ptychonn.scan.entries import reals
from napari_ptychonn.scan.options import ScanOptions

__all__ = ["Tike"]

PROBES = ("probe", "probe_guess")


@dataclass(frozen=True, slots=True)
class Tike:
    """tike-like files."""

    name: str = field(default="tike", init=False)

    def detect(self, container: Container) -> bool:
        """Whether there is a stack ``data`` and a matching list of pairs ``scan``."""
        if not (container.has("data") and container.has("scan")):
            return False
        data, scan = container.info("data").shape, container.info("scan").shape
        return len(data) in (3, 4) and len(scan) in (2, 3) and scan[-1] == 2

    def load(self, container: Container, options: ScanOptions) -> Contents:
        """Read positions, probe and mask.

        Raises
        ------
        ScanError
            A dataset is missing, or no list of pairs.
        """
        names = {"patterns": "data", "positions": "scan", **options.datasets}
        if "probe" not in names:
            found = next((probe for probe in PROBES if container.has(probe)), None)
            names |= {"probe": found} if found else {}
        mask = None
        if "mask" in names:
            mask = np.asarray(reals(container, names["mask"], "a mask") == 0, dtype=np.bool_)
        source = masked_source(container, names["patterns"], mask)
        positions = None
        notes: list[str] = []
        if not options.brings_positions:
            stored = reals(container, names["positions"], "positions", finite=False)
            if stored.shape[-1:] != (2,):
                problem = f"{names['positions']} has shape {stored.shape}, (N, 2) is needed"
                remedy = "choose another dataset with --dataset positions=/PATH"
                raise ScanError("positions", container.path, problem, remedy=remedy)
            positions = stored.reshape(-1, 2)
            if options.positions_unit in (None, "px"):
                positions = positions + np.asarray(source.shape[1:]) // 2
                notes.append("positions are taken as corners of the probe's window, in pixels")
        else:
            del names["positions"]
        probe = None
        if "probe" in names and options.probe_file is None:
            probe = container.array(names["probe"])
            # Leading axes of length 1 and the modes: (1, 1, 1, modes, H, W).
            probe = probe.reshape(-1, *probe.shape[-2:]) if probe.ndim > 2 else probe
        return Contents(
            source,
            names,
            positions=positions,
            positions_unit="px",
            probe=probe,
            probe_is_guess="guess" in names.get("probe", ""),
            mask=mask,
            dc="corner",
            assumptions=tuple(notes),
        )
