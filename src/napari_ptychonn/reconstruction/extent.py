"""Whether memory can hold the object that the points of a scan span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch

from napari_ptychonn.errors import ScanError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.frame import Frame
    from napari_ptychonn.scan.model import Scan

__all__ = ["BYTES_PER_PIXEL", "require_room"]

BYTES_PER_PIXEL = 80
"""Of the object, in a sweep: eight arrays of complex numbers and a few of real ones."""


def require_room(scan: Scan, chosen: NDArray[np.intp], frame: Frame, device: torch.device) -> None:
    """Refuse points whose object could never fit into the memory of a device.

    Parameters
    ----------
    scan : Scan
        The scan.
    chosen : ndarray, (M,) intp
        Numbers of the points in use.
    frame : Frame
        Their windows.
    device : torch.device
        Where the object is to be.

    Raises
    ------
    ScanError
        It is too large: most likely a position, or the unit or the pixel, is wrong.
    """
    height, width = frame.shape
    wanted = BYTES_PER_PIXEL * height * width
    on_gpu = device.type == "cuda"
    there = torch.cuda.mem_get_info(device)[1] if on_gpu else psutil.virtual_memory().total
    if wanted <= there:
        return
    places = scan.positions_px[chosen]
    farthest = int(chosen[np.abs(places - np.median(places, axis=0)).max(1).argmax()])
    raise ScanError(
        "positions", scan.provenance.path,
        f"the points span {height:.4g} × {width:.4g} object pixels, which would take "
        f"{wanted / 1e9:.0f} GB, and {'the GPU' if on_gpu else 'the machine'} has "
        f"{there / 1e9:.0f}; farthest from the others is point {farthest}",
        remedy="check the unit of the positions and the pixel, leave stray points out by a "
        "region, or crop the patterns",
    )  # fmt: skip
