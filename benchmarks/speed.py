"""Measures how fast it is, row by row, and prints a table beside the machine it ran on.

``python benchmarks/speed.py [ROW ...] [--device NAME] [--threads N] [--repeats N] [--large]
[--json FILE] [--markdown FILE]``; without names all rows. Every figure is measured in this run,
those that it is compared with too; times are medians. Rows that need what is not there say so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import speed_gpu
import speed_growth
import speed_limit
import speed_ptychi
import speed_rates
import speed_window
from figures import Figure, MissingData, line
from main_job import machine
from stopwatch import Options

__all__ = ["main"]

ROWS: dict[str, Callable[[Options], Iterator[Figure]]] = {
    "rates": speed_rates.rates,
    "batches": speed_rates.batch_sizes,
    "stages": speed_rates.stages,
    "limit": speed_limit.limit,
    "pty-chi": speed_ptychi.against_ptychi,
    "window": speed_window.window,
    "growth": speed_growth.growth,
    "gpu": speed_gpu.gpu,
    "gpu-agrees": speed_gpu.agrees,
    "gpu-memory": speed_gpu.memory,
}


def main() -> int:
    """Measure the rows asked for; 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, mps")
    parser.add_argument(
        "--threads", type=int, default=Options().threads, metavar="N", help="at most, on a CPU"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="of short runs")
    parser.add_argument("--large", action="store_true", help="let the scan grow to 100,000 points")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    about = machine() | {"device": arguments.device}
    print(" · ".join(f"{key}: {value}" for key, value in about.items()), flush=True)
    options = Options(arguments.device, arguments.threads, arguments.repeats, arguments.large)
    found: list[Figure] = []
    left_out: list[str] = []
    for name in arguments.rows or ROWS:
        try:
            for figure in ROWS[name](options):
                found.append(figure)
                print(line(figure), flush=True)
        except MissingData as missing:
            left_out.append(f"{name}: left out, {missing}")
            print(left_out[-1], flush=True)
    barred = [figure for figure in found if figure.bar is not None]
    print("\nVerdict")
    print("\n".join([*map(line, barred), *left_out]))
    if arguments.json:
        report = {"machine": about, "figures": [asdict(figure) for figure in found]}
        arguments.json.write_text(json.dumps(report | {"left out": left_out}, indent=2) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(_markdown(about, found, left_out)) + "\n")
    return int(any(figure.holds is False for figure in barred))


def _markdown(
    about: dict[str, str], figures: Sequence[Figure], left_out: Sequence[str]
) -> Iterator[str]:
    yield "Measured on: " + " · ".join(f"{key} {value}" for key, value in about.items())
    yield ""
    yield "| what | figure | measured | bar | |"
    yield "|---|---|---|---|---|"
    for figure in sorted(figures, key=lambda figure: figure.bar is None):
        bar = "" if figure.bar is None else f"{figure.bar[0]} {figure.bar[1]:,g}"
        met = {True: "reached", False: "**missed**", None: ""}[figure.holds]
        value = f"{figure.value:.4g} {figure.unit}".strip()
        yield f"| {figure.case} | {figure.name} | {value} | {bar} | {met} |"
    if left_out:
        yield ""
        yield from (f"- {said}" for said in left_out)


if __name__ == "__main__":
    sys.exit(main())
