"""The sample scans, simulated on demand."""

from __future__ import annotations

from dataclasses import replace

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.simulation.settings import SAMPLE_SCANS
from napari_ptychonn.simulation.simulate import simulate

__all__ = ["sample_scan"]


def sample_scan(name: str) -> Scan:
    """Simulate one of :data:`~napari_ptychonn.simulation.settings.SAMPLE_SCANS`.

    Its seed is fixed: it is the same scan every time, and carries its name.

    Raises
    ------
    SettingsError
        There is none of that name.
    """
    if name not in SAMPLE_SCANS:
        remedy = f"use {', '.join(SAMPLE_SCANS)}"
        raise SettingsError("sample scan", None, f"there is no {name!r}", remedy=remedy)
    scan = simulate(SAMPLE_SCANS[name]).scan
    return replace(scan, provenance=replace(scan.provenance, format=name))
