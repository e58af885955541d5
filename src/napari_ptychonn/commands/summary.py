"""The numbers of a reconstruction as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.words import counted

__all__ = ["summary"]


def summary(result: Reconstruction, files: Iterable[Path]) -> str:
    """What was found, how good it is, how long it took, and where it is."""
    report = result.report
    height, width = result.object.shape
    if result.unit == "m":
        scale = f"{result.pixel[0] * 1e9:.4g} × {result.pixel[1] * 1e9:.4g} nm"
    else:
        scale = "size unknown: lengths are in pixels"
    steps = [
        counted(report.passes, "pass", "passes"),
        counted(report.probe_rounds, "probe round"),
        counted(report.sweeps, "sweep"),
    ]
    lines = {
        "object": f"{height} × {width} pixels, pixel {scale}",
        "points": f"{len(result.indices)}",
        "network": result.card.name,
        "done": ", ".join(steps) + (" (STOPPED EARLY, partial result)" if report.stopped else ""),
        "misfit": "not computed" if report.misfit != report.misfit else f"{report.misfit:.4f}",
        "time": f"{report.seconds:.1f} s, {report.patterns_per_second:.0f} patterns/s",
        "device": report.device,
    }
    if report.start is not None:
        start = report.start
        lines["start"] = (
            f"{start.source} ({start.format}), covers {start.covered:.0%}, "
            f"amplitudes × {start.gain:.3g}"
        )
    text = [f"{name:<9} {value}" for name, value in lines.items()]
    return "\n".join([*text, *(f"{'saved':<9} {path}" for path in files)])
