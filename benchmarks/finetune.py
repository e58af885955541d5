"""Measures what fine-tuning gains, and prints a table beside the machine it ran on.

``python benchmarks/finetune.py [ROW ...]``; without names all rows but the long ones (``lines``,
``tenth``: half an hour each on two cores; they go on where they were stopped). Networks start from
the bundled files; no row's sample is one that the pretraining drew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import finetune_rows
from figures import Figure, MissingData, line
from main_job import machine

__all__ = ["main"]

ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "star": finetune_rows.star,
    "physics": finetune_rows.physics,
    "labels": finetune_rows.labels,
    "memory": finetune_rows.memory,
    "lines": finetune_rows.lines,
    "tenth": finetune_rows.tenth,
}
LONG = ("lines", "tenth")


def main() -> int:
    """Measure the rows asked for; 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    asked = parser.parse_args().rows or [name for name in ROWS if name not in LONG]
    unknown = [name for name in asked if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    print(" · ".join(f"{key}: {value}" for key, value in machine().items()), flush=True)
    missed = False
    for name in asked:
        try:
            for figure in ROWS[name]():
                missed |= figure.holds is False
                print(line(figure), flush=True)
        except MissingData as missing:
            print(f"{name}: left out, {missing}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
