"""Measures the main job, row by row, and prints a table beside the machine it ran on.

``python benchmarks/main_job.py [ROW ...] [--large] [--json FILE]``; without names all rows but
``large``. Every figure is measured in this run. Measured scans are read from
``../shared/data`` beside the checkout, or from the folder in ``PTYCHONN_DATA``; rows that
need them say so where they are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import large
import setups
import simulated
import star
import timing
from figures import Figure, MissingData, line

__all__ = ["main"]

ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "star-network": star.network_alone,
    "star-auto": star.with_sweeps,
    "natural": simulated.high_dose,
    "low-dose": simulated.low_dose,
    "raw-patterns": setups.raw_patterns,
    "other-probes": setups.other_probes,
    "no-probe": setups.no_probe,
    "stitch": timing.stitch,
    "gold": timing.gold,
    "cancel": timing.cancel,
    "large": large.memory,
}


def main() -> int:
    """Measure the rows asked for; 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--large", action="store_true", help="also 20,000 patterns from disk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    names = arguments.rows or [name for name in ROWS if name != "large"]
    if arguments.large and "large" not in names:
        names = [*names, "large"]
    about = machine()
    print(" · ".join(f"{key}: {value}" for key, value in about.items()), flush=True)
    found: list[Figure] = []
    for name in names:
        try:
            for figure in ROWS[name]():
                found.append(figure)
                print(line(figure), flush=True)
        except MissingData as missing:
            print(f"{name}: left out, {missing}", flush=True)
    if arguments.json:
        report = {"machine": about, "figures": [asdict(figure) for figure in found]}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return int(any(figure.holds is False for figure in found))


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    import torch

    from napari_ptychonn import __version__

    model = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        lines = listing.read_text().splitlines()
        model = next(
            (text.split(":", 1)[1].strip() for text in lines if text.startswith("model name")),
            model,
        )
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    return {
        "CPU": model,
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "GPU": gpu,
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "napari-ptychonn": __version__,
    }


if __name__ == "__main__":
    sys.exit(main())
