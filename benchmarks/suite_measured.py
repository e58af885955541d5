"""The measured scan of the suite: a Siemens star, and ePIE's reconstruction of it for truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from figures import data_folder
from star import reference_frame

if TYPE_CHECKING:
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.simulation.truth import Truth

__all__ = ["STAR", "measured_star"]

STAR = "measured-siemens-star"


def measured_star() -> tuple[Scan, Truth]:
    """The scan with its deliberately wrong probe guess, and the reference in pixels.

    Raises
    ------
    MissingData
        The data folder is not there.
    """
    from napari_ptychonn.scan.open import open_scan
    from napari_ptychonn.simulation.truth import Truth

    folder = data_folder("siemens_star")
    scan = open_scan(folder / "siemens_star.h5")
    corner, _ = reference_frame(folder)
    with np.load(folder / "epie_reference.npz") as file:
        truth = Truth(
            object=file["object"],
            pixel_m=1.0,
            corner_m=corner,
            probe=file["probe"][None],
            positions=scan.positions_px,
        )
    return scan, truth
