"""The datasets that ptychodus products and pty-chi's ``*_para.hdf5`` have in common.

As ptychodus' ``plugins/h5_product_file.py`` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ptychonn.errors import OutputError
from napari_ptychonn.scan.model import LengthUnit, Scan
from napari_ptychonn.scan.results.result import ObjectResult

__all__ = ["ProductParts", "parts_of_result", "parts_of_scan", "write_parts"]

UNKNOWN = 0.0
"""What a product says where a number of its metadata is not known."""
MARGIN = 8
"""Pixels around the flat object of a scan, room for positions to be refined."""


@dataclass(frozen=True, slots=True, eq=False)
class ProductParts:
    """What goes into a product.

    Attributes
    ----------
    name, comments : str
        For people.
    object : ndarray, (H, W) complex64
        Reconstructed, or flat to start from.
    is_start : bool
        Whether the object is flat.
    pixel : (y, x)
        Object pixel in `unit`.
    centre : (y, x)
        Coordinates of the object's pixel (H / 2, W / 2), in `unit`.
    unit : {"m", "px"}
        A pixel is stored as 1 m where it is "px".
    probe : ndarray, (modes, h, w) complex64
        It may have no mode.
    probe_is_guess : bool
        Whether it is only a start.
    positions : ndarray, (N, 2)
        Probe centres (y, x), in `unit`.
    energy_ev, distance_m : float or None
        None: not known.
    """

    name: str
    comments: str
    object: NDArray[np.complex64]
    is_start: bool
    pixel: tuple[float, float]
    centre: tuple[float, float]
    unit: LengthUnit
    probe: NDArray[np.complex64]
    probe_is_guess: bool
    positions: NDArray[np.float64]
    energy_ev: float | None
    distance_m: float | None


def parts_of_scan(scan: Scan, *, centred: bool = False) -> ProductParts:
    """Parts of a scan: its positions and probe, and a flat object to start from.

    Parameters
    ----------
    scan : Scan
        The scan.
    centred : bool
        Whether positions shall be counted from the object's middle.

    Raises
    ------
    OutputError
        It is a near-field scan, whose object pixel these files do not describe.
    """
    if scan.near_field is not None:
        raise OutputError(
            "scan", scan.provenance.path, scan.near_field,
            remedy="write a CXI file: these files describe far-field scans",
        )  # fmt: skip
    pixel = scan.pixel_m or (1.0, 1.0)
    low, high = scan.positions.min(0), scan.positions.max(0)
    middle = (low + high) / 2
    span = np.ceil((high - low) / np.asarray(pixel)).astype(int)
    # Even sides: programs agree on where the middle of an even number of pixels is.
    height, width = (
        int(2 * -(-(extent + side + 2 * MARGIN) // 2))
        for extent, side in zip(span, scan.pattern_shape, strict=True)
    )
    probe = scan.probe
    return ProductParts(
        name=scan.name,
        comments="written by napari-ptychonn from a scan; the object is flat",
        object=np.ones((height, width), np.complex64),
        is_start=True,
        pixel=pixel,
        centre=(0.0, 0.0) if centred else (float(middle[0]), float(middle[1])),
        unit=scan.unit,
        probe=np.zeros((0, *scan.pattern_shape), np.complex64) if probe is None else probe,
        probe_is_guess=scan.probe_is_guess,
        positions=scan.positions - middle if centred else scan.positions,
        energy_ev=scan.geometry.energy_ev if scan.geometry else None,
        distance_m=scan.geometry.distance_m if scan.geometry else None,
    )


def parts_of_result(result: ObjectResult) -> ProductParts:
    """Parts of a reconstruction, whichever program made it."""
    probe, positions = result.probe, result.positions
    height, width = result.object.shape
    return ProductParts(
        name=result.path.stem,
        comments=f"written by napari-ptychonn; its object: {result.format}",
        object=result.object,
        is_start=result.is_start,
        pixel=result.pixel,
        centre=(
            result.corner[0] + result.pixel[0] * height / 2,
            result.corner[1] + result.pixel[1] * width / 2,
        ),
        unit=result.unit,
        probe=np.zeros((0, 1, 1), np.complex64) if probe is None else probe,
        probe_is_guess=False,
        positions=np.zeros((0, 2)) if positions is None else positions,
        energy_ev=result.energy_ev,
        distance_m=result.distance_m,
    )


def write_parts(file: h5py.File, parts: ProductParts) -> None:
    """Write everything into an open file."""
    photons = float(np.sum(np.abs(parts.probe) ** 2, dtype=np.float64))
    file.attrs.update(
        {
            "name": parts.name,
            "comments": parts.comments,
            "detector_object_distance_m": parts.distance_m or UNKNOWN,
            # The name before and since ptychodus 1.7.
            "probe_energy_eV": parts.energy_ev or UNKNOWN,
            "photon_energy_eV": parts.energy_ev or UNKNOWN,
            "probe_photon_count": photons,
            "exposure_time_s": UNKNOWN,
            "mass_attenuation_m2_kg": UNKNOWN,
            "tomography_angle_deg": UNKNOWN,
        }
    )
    pixel = {"pixel_height_m": float(parts.pixel[0]), "pixel_width_m": float(parts.pixel[1])}
    centre = {"center_y_m": float(parts.centre[0]), "center_x_m": float(parts.centre[1])}
    file["object"] = parts.object[None].astype(np.complex64)
    file["object"].attrs.update(pixel | centre | {"is_start": parts.is_start})
    file["object_layer_spacing_m"] = np.zeros(0)
    file["probe"] = parts.probe[None].astype(np.complex64)
    file["probe"].attrs.update(pixel | {"is_guess": parts.probe_is_guess})
    file["probe_position_indexes"] = np.arange(len(parts.positions), dtype=np.int64)
    file["probe_position_y_m"] = parts.positions[:, 0].astype(np.float64)
    file["probe_position_x_m"] = parts.positions[:, 1].astype(np.float64)
    file["loss_values"] = np.zeros(0, np.float64)
    file["loss_epochs"] = np.zeros(0, np.int64)
    if parts.unit == "px":
        file.create_group("ptychonn").attrs["unit"] = "px"
