"""The measured Siemens star through the shell, from its deliberately wrong probe guess."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from figures import Figure, data_folder, run_shell

__all__ = ["network_alone", "reference_frame", "with_sweeps"]

_REFERENCE_MARGIN_PX = 10
"""Pixels of the reference before the first window."""


def network_alone() -> Iterator[Figure]:
    """Network, passes and probe rounds, without sweeps."""
    yield from _measure("0", least_phase=0.93, most_misfit=None)


def with_sweeps() -> Iterator[Figure]:
    """The same with as many sweeps as the data allow."""
    yield from _measure("auto", least_phase=0.975, most_misfit=0.016)


def _measure(sweeps: str, *, least_phase: float, most_misfit: float | None) -> Iterator[Figure]:
    from napari_ptychonn.reconstruction.comparison import compare
    from napari_ptychonn.reconstruction.product import load

    folder = data_folder("siemens_star")
    case = f"Siemens star, --sweeps {sweeps}"
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "star.h5"
        run = run_shell(
            ["reconstruct", folder / "siemens_star.h5", "-o", output, "--sweeps", sweeps, "-q"]
        )
        result = load(output)
    corner, region = reference_frame(folder)
    with np.load(folder / "epie_reference.npz") as file:
        same = compare(result.object, result.corner, file["object"], corner, region)
    yield Figure(case, "phase correlation", same.phase_correlation, "", (">=", least_phase))
    yield Figure(case, "amplitude correlation", same.amplitude_correlation)
    bar = None if most_misfit is None else ("<=", most_misfit)
    yield Figure(case, "misfit", result.report.misfit, "", bar)
    yield Figure(case, "NRMSE against the reference", same.nrmse)
    yield Figure(case, "probe rounds", result.report.probe_rounds)
    yield Figure(case, "sweeps", result.report.sweeps)
    yield Figure(case, "whole command", run.seconds, "s", ("<=", 60))
    yield Figure(case, "the job alone", result.report.seconds, "s")
    yield Figure(case, "peak memory", run.peak_bytes / 1e9, "GB", ("<=", 2))


def reference_frame(
    folder: Path,
) -> tuple[tuple[float, float], tuple[tuple[float, float], tuple[float, float]]]:
    """Corner of the reference, and the scanned region, in the loader's coordinates."""
    import h5py

    from napari_ptychonn.scan.open import open_scan

    path = folder / "siemens_star.h5"
    scan = open_scan(path)
    with h5py.File(path) as file:
        stored = file["scan"][()].astype(np.float64)
    # The reference's first window begins its margin before the smallest stored number,
    # wherever in the window the loader puts the point itself.
    half = np.asarray(scan.pattern_shape) // 2
    added = (scan.positions_px - stored).mean(0)
    first = stored.min(0) - _REFERENCE_MARGIN_PX - half + added
    low, high = scan.positions_px.min(0), scan.positions_px.max(0)
    return (
        (float(first[0]), float(first[1])),
        ((float(low[0]), float(low[1])), (float(high[0]), float(high[1]))),
    )
