"""A scan in words, for the shell and the window."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.orientation import orientation_text
from napari_ptychonn.words import counted, rounded

__all__ = ["describe", "describe_text"]


def describe(scan: Scan) -> dict[str, Any]:
    """Format, shapes, geometry, probe and assumptions, ready for JSON.

    Parameters
    ----------
    scan : Scan
        The scan; its patterns are not read.

    Returns
    -------
    dict
        Plain values; lengths in metres (keys end in ``_m``) or pixels (``_px``).
    """
    # Importing it takes longer than the rest of a dock.
    from scipy.spatial import cKDTree

    span = np.ptp(scan.positions, axis=0)
    steps, _ = cKDTree(scan.positions).query(scan.positions, k=2)
    geometry = scan.geometry
    return {
        "name": scan.name,
        "path": str(scan.provenance.path) if scan.provenance.path else None,
        "format": scan.provenance.format,
        "datasets": dict(scan.provenance.datasets),
        "points": scan.n_points,
        "pattern_shape": list(scan.pattern_shape),
        "masked_pixels": int((~scan.mask).sum()),
        "unit": scan.unit,
        f"extent_{scan.unit}": [float(value) for value in span],
        f"step_{scan.unit}": float(np.median(steps[:, 1])),
        "pixel_m": None if scan.pixel_m is None else list(scan.pixel_m),
        "geometry": None
        if geometry is None
        else {
            "energy_ev": geometry.energy_ev,
            "wavelength_m": geometry.wavelength_m,
            "distance_m": geometry.distance_m,
            "detector_pixel_m": list(geometry.detector_pixel_m),
        },
        "probe": None
        if scan.probe is None
        else {"modes": scan.probe.shape[0], "is_guess": scan.probe_is_guess},
        "orientation": scan.provenance.orientation,
        "orientation_is_known": scan.provenance.orientation_is_known,
        "near_field": scan.near_field,
        "assumptions": list(scan.provenance.assumptions),
    }


def describe_text(scan: Scan) -> str:
    """The same as lines of text, lengths in nm and µm."""
    facts = describe(scan)
    height, width = scan.pattern_shape
    lines = [
        f"{facts['path'] or facts['name']}: {facts['format']}",
        f"patterns    {scan.n_points} of {height} × {width} pixels, "
        f"{counted(facts['masked_pixels'], 'pixel')} masked",
    ]
    extent, step = facts[f"extent_{scan.unit}"], facts[f"step_{scan.unit}"]
    if scan.unit == "m":
        lines.append(
            f"positions   {rounded(extent[0] * 1e6)} × {rounded(extent[1] * 1e6)} µm, "
            f"step {rounded(step * 1e9)} nm"
        )
    else:
        sides = " × ".join(rounded(side, 4) for side in extent)
        lines.append(f"positions   {sides} px, step {rounded(step)} px")
    if scan.geometry is not None:
        pitch = scan.geometry.detector_pixel_m
        lines.append(
            f"geometry    {scan.geometry.energy_ev:.6g} eV, {scan.geometry.distance_m:.4g} m, "
            f"detector pixel {pitch[0] * 1e6:.4g} × {pitch[1] * 1e6:.4g} µm"
        )
    if scan.pixel_m is not None:
        sides = " × ".join(rounded(side * 1e9, 4) for side in scan.pixel_m)
        lines.append(f"pixel       {sides} nm")
    else:
        lines.append("pixel       not recorded, lengths are in pixels")
    lines.append(f"probe       {_probe_words(scan)}")
    if not scan.provenance.orientation_is_known:
        code = scan.provenance.orientation
        lines.append(
            f"orientation {code} ({orientation_text(code)}), not recorded: a search may find it"
        )
    lines += [f"{role:<11} {name}" for role, name in facts["datasets"].items() if name]
    lines += [f"assumed     {sentence}" for sentence in facts["assumptions"]]
    if scan.near_field:
        lines.append(f"NEAR FIELD  {scan.near_field}")
    return "\n".join(lines)


def _probe_words(scan: Scan) -> str:
    if scan.probe is None:
        return "none"
    modes = scan.probe.shape[0]
    return counted(modes, "mode") + (", a guess" if scan.probe_is_guess else "")
