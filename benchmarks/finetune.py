"""Measures what fine-tuning gains, and prints a table beside the machine it ran on.

``python benchmarks/finetune.py [ROW ...]``; without names all rows but the long ones (``lines``,
``tenth``: an hour each on two cores, minutes on a GPU; they go on where they were stopped, and
``--device``, ``--minutes``, ``--epochs`` and ``--folder`` are theirs). Networks start from the
bundled files; no row's sample is one that the pretraining drew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import finetune_lines
import finetune_rows
from figures import Figure, MissingData, line
from main_job import machine

__all__ = ["main"]

ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "star": finetune_rows.star,
    "physics": finetune_rows.physics,
    "labels": finetune_rows.labels,
    "memory": finetune_rows.memory,
}
LONG: dict[str, Callable[[finetune_lines.Length], Iterator[Figure]]] = {
    "lines": finetune_lines.lines,
    "tenth": finetune_lines.tenth,
}


def main() -> int:
    """Measure the rows asked for; 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usual = finetune_lines.Length()
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join([*ROWS, *LONG]))
    parser.add_argument("--device", default=usual.device, help="auto, cpu, cuda, …")
    parser.add_argument("--minutes", type=float, help="how long to train")
    parser.add_argument("--epochs", type=float, help="how long to train, in epochs")
    parser.add_argument("--folder", type=Path, default=usual.folder, help="where results go")
    given = parser.parse_args()
    asked = given.rows or list(ROWS)
    unknown = [name for name in asked if name not in {*ROWS, *LONG}]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join([*ROWS, *LONG])}")
    length = finetune_lines.Length(given.device, given.minutes, given.epochs, given.folder)
    print(" · ".join(f"{key}: {value}" for key, value in machine().items()), flush=True)
    missed = False
    for name in asked:
        try:
            for figure in LONG[name](length) if name in LONG else ROWS[name]():
                missed |= figure.holds is False
                print(line(figure), flush=True)
        except MissingData as missing:
            print(f"{name}: left out, {missing}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
