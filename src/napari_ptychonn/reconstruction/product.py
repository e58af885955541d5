"""Results on disk: HDF5 in the layout of a ptychodus product, with our own in ``/ptychonn``.

A point at x lies on object pixel (x − center_x) / pixel_width + W / 2. Where the scan has no
geometry, a pixel is stored as 1 m and ``/ptychonn`` says ``unit = "px"``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_ptychonn import __version__
from napari_ptychonn.errors import PtychonnError
from napari_ptychonn.network.card import NetworkCard
from napari_ptychonn.output import appearing
from napari_ptychonn.reconstruction.result import Reconstruction, RunReport, StartedFrom
from napari_ptychonn.reconstruction.settings import ReconstructionSettings, Region
from napari_ptychonn.scan.heaps import GuardedFile
from napari_ptychonn.scan.model import Geometry, Provenance

__all__ = ["load", "save"]

_UNKNOWN = 0.0
"""What a ptychodus product says where a number of its metadata is not known."""


def save(reconstruction: Reconstruction, path: str | Path) -> None:
    """Write a result; the file appears when it is complete.

    Patches are not written. NaN, where nothing was measured, stays NaN.

    Parameters
    ----------
    reconstruction : Reconstruction
        The result, complete or stopped early.
    path : str or Path
        To be written, or replaced.

    Raises
    ------
    OutputError
        The file cannot be written; one that was there before is untouched.
    """
    with appearing(path, "result") as partial, h5py.File(partial, "w") as file:
        _write_product(file, reconstruction)
        _write_own(file.create_group("ptychonn"), reconstruction)


def load(path: str | Path) -> Reconstruction:
    """Read a result that :func:`save` wrote.

    Raises
    ------
    PtychonnError
        The file cannot be read, or is not one of ours.
    """
    if not Path(path).is_file():
        raise PtychonnError("result", path, "there is no such file", remedy="check the path")
    try:
        with GuardedFile(path) as file:
            if "ptychonn" not in file:
                raise PtychonnError(
                    "result", path, "has no /ptychonn, so this program did not write it",
                    remedy="give a file that reconstruct wrote",
                )  # fmt: skip
            return _read(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise PtychonnError(
            "result", path, f"cannot be read: {reason}",
            remedy="give a file that reconstruct wrote, or reconstruct again",
        ) from None  # fmt: skip


def _write_product(file: h5py.File, result: Reconstruction) -> None:
    geometry, report = result.geometry, result.report
    photons = float(np.sum(np.abs(result.probe) ** 2, dtype=np.float64))
    file.attrs.update(
        {
            "name": result.name,
            "comments": f"napari-ptychonn {__version__}, network {result.card.name}"
            + (f", started from {report.start.source}" if report.start else "")
            + (", stopped early" if report.stopped else ""),
            "detector_object_distance_m": geometry.distance_m if geometry else _UNKNOWN,
            "probe_energy_eV": geometry.energy_ev if geometry else _UNKNOWN,
            "probe_photon_count": photons,
            "exposure_time_s": _UNKNOWN,
            "mass_attenuation_m2_kg": _UNKNOWN,
            "tomography_angle_deg": _UNKNOWN,
        }
    )
    pixel = {"pixel_height_m": float(result.pixel[0]), "pixel_width_m": float(result.pixel[1])}
    height, width = result.object.shape
    file["object"] = result.object[None].astype(np.complex64)
    file["object"].attrs.update(
        pixel
        | {
            "center_y_m": result.corner[0] + result.pixel[0] * height / 2,
            "center_x_m": result.corner[1] + result.pixel[1] * width / 2,
        }
    )
    file["object_layer_spacing_m"] = np.zeros(0)
    file["probe"] = result.probe[None].astype(np.complex64)
    file["probe"].attrs.update(pixel)
    file["probe_position_indexes"] = result.indices.astype(np.int64)
    file["probe_position_y_m"] = result.positions[:, 0].astype(np.float64)
    file["probe_position_x_m"] = result.positions[:, 1].astype(np.float64)
    # A job that was stopped before it was judged has no misfit.
    known = math.isfinite(report.misfit)
    file["loss_values"] = np.asarray([report.misfit] if known else [], np.float64)
    file["loss_epochs"] = np.asarray([report.sweeps] if known else [], np.int64)


def _write_own(group: h5py.Group, result: Reconstruction) -> None:
    group.attrs["unit"] = result.unit
    group.attrs["stopped"] = result.report.stopped
    group["version"] = __version__
    group["indices"] = result.indices.astype(np.int64)
    for name in ("misfit", "coverage", "disagreement"):
        group[name] = getattr(result, name).astype(np.float32)
    group["settings"] = _json(result.settings.as_dict())
    group["card"] = result.card.to_json()
    group["provenance"] = _json(_provenance_fields(result.provenance))
    group["report"] = _json(asdict(result.report))
    group["geometry"] = _json(asdict(result.geometry) if result.geometry else None)


def _provenance_fields(provenance: Provenance) -> dict[str, object]:
    # asdict would copy `datasets`, and not every mapping can be copied.
    return {field.name: getattr(provenance, field.name) for field in fields(provenance)}


def _json(value: object) -> str:
    """JSON in which a number that is not finite is null."""
    return json.dumps(_finite(value), allow_nan=False, default=str, ensure_ascii=False)


def _finite(value: object) -> object:
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _read(file: h5py.File) -> Reconstruction:
    own, stored = file["ptychonn"], file["object"]
    attrs = stored.attrs
    pixel = (float(attrs["pixel_height_m"]), float(attrs["pixel_width_m"]))
    height, width = stored.shape[1:]
    return Reconstruction(
        object=stored[0],
        pixel=pixel,
        unit=own.attrs["unit"],
        corner=(
            float(attrs["center_y_m"]) - pixel[0] * height / 2,
            float(attrs["center_x_m"]) - pixel[1] * width / 2,
        ),
        probe=file["probe"][0],
        positions=np.stack([file["probe_position_y_m"][()], file["probe_position_x_m"][()]], 1),
        indices=own["indices"][()].astype(np.intp),
        coverage=own["coverage"][()],
        disagreement=own["disagreement"][()],
        misfit=own["misfit"][()],
        settings=_settings(_dict(own, "settings")),
        card=NetworkCard.from_json(own["card"].asstr()[()], where=str(file.filename), to_run=False),
        provenance=_provenance(_dict(own, "provenance")),
        report=_report(_dict(own, "report")),
        geometry=_geometry(_dict(own, "geometry")),
    )


def _dict(group: h5py.Group, name: str) -> dict[str, Any]:
    return json.loads(group[name].asstr()[()]) or {}


def _settings(stored: dict[str, Any]) -> ReconstructionSettings:
    if stored["region"] is not None:
        vertices = tuple((float(y), float(x)) for y, x in stored["region"]["vertices"])
        stored["region"] = Region(vertices)
    return ReconstructionSettings(**stored)


def _provenance(stored: dict[str, Any]) -> Provenance:
    path = stored.pop("path")
    assumptions = tuple(stored.pop("assumptions"))
    return Provenance(path=Path(path) if path else None, assumptions=assumptions, **stored)


def _report(stored: dict[str, Any]) -> RunReport:
    for name in ("misfit", "seconds", "patterns_per_second"):
        if stored[name] is None:
            stored[name] = math.nan
    # Files of before there were starts do not speak of one.
    start = stored.pop("start", None)
    return RunReport(
        **{**stored, "messages": tuple(stored["messages"])},
        start=StartedFrom(**start) if start else None,
    )


def _geometry(stored: dict[str, Any]) -> Geometry | None:
    if not stored:
        return None
    return Geometry(**{**stored, "detector_pixel_m": tuple(stored["detector_pixel_m"])})
