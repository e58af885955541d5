"""Rows of the quality benchmark: what is told of a run, and the file that holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Results", "Row", "Skipped", "heading", "row_line"]

_COLUMNS = (
    ("NRMSE", "nrmse", "{:.3f}"),
    ("phase", "phase_correlation", "{:.3f}"),
    ("ampl.", "amplitude_correlation", "{:.3f}"),
    ("SSIM ph.", "ssim_phase", "{:.3f}"),
    ("SSIM am.", "ssim_amplitude", "{:.3f}"),
    ("FRC px", "resolution_px", "{:.2f}"),
    ("misfit", "misfit", "{:.4f}"),
    ("iter.", "iterations", "{:d}"),
    ("s", "seconds", "{:.1f}"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One run of one method.

    Attributes
    ----------
    case, method : str
        Which scan, and what was done with it.
    fraction : float
        Share of the points.
    points : int
        Points used.
    nrmse, nrmse_scaled, phase_correlation, amplitude_correlation
        As in :class:`quality_judge.Score`.
    nrmse_islands, ssim_amplitude, ssim_phase, resolution_px, pixels
        As there.
    misfit, seconds, iterations, note
        As in :class:`quality_methods.Attempt`.
    """

    case: str
    fraction: float
    method: str
    points: int
    nrmse: float
    nrmse_scaled: float
    nrmse_islands: float
    phase_correlation: float
    amplitude_correlation: float
    ssim_amplitude: float
    ssim_phase: float
    resolution_px: float
    pixels: int
    misfit: float
    seconds: float
    iterations: int
    note: str = ""

    def cells(self) -> list[str]:
        """Figures as they are shown."""
        values = [(shape, getattr(self, name)) for _, name, shape in _COLUMNS]
        return [
            "–" if isinstance(value, float) and math.isnan(value) else shape.format(value)
            for shape, value in values
        ]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A run that was not done, and why; or one that `failed`."""

    case: str
    fraction: float
    method: str
    why: str
    failed: bool = False


@dataclass(slots=True)
class Results:
    """All that was measured, kept in a file as it comes.

    Attributes
    ----------
    path : Path or None
        JSON file; None: in memory alone.
    machine : dict
        What it was measured on.
    rows, skipped : list
        What was done, and what was not.
    """

    path: Path | None
    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path | None, machine: dict[str, str], *, resume: bool) -> Results:
        """Start anew, or go on with what the file holds."""
        found = cls(path, machine)
        if resume and path is not None and path.is_file():
            found.rows = [Row(**row) for row in json.loads(path.read_text())["rows"]]
        return found

    def join(self, path: Path) -> None:
        """Take the rows of another file too, what it left out, and what it was measured on."""
        held = json.loads(path.read_text())
        self.machine = held["machine"]
        self.skipped += [Skipped(**each) for each in held["skipped"]]
        self.add(*(Row(**row) for row in held["rows"]))

    def find(self, case: str, method: str, fraction: float = 1.0) -> Row | None:
        """Return the row of a run, or None."""
        return next(
            (
                row
                for row in self.rows
                if (row.case, row.method, row.fraction) == (case, method, fraction)
            ),
            None,
        )

    def add(self, *rows: Row) -> None:
        """Keep the rows of one run, in place of older ones of the same."""
        new = {(row.case, row.method, row.fraction) for row in rows}
        self.rows = [
            row for row in self.rows if (row.case, row.method, row.fraction) not in new
        ] + list(rows)
        self._write()

    def skip(self, skipped: Skipped) -> None:
        """Say that a run was not done."""
        self.skipped.append(skipped)
        self._write()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "machine": self.machine,
            "rows": [asdict(row) for row in self.rows],
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def markdown(self) -> Iterator[str]:
        """Lines of a table of all rows."""
        yield "| case | points | method | " + " | ".join(name for name, _, _ in _COLUMNS) + " |"
        yield "|---|---|---|" + "---|" * len(_COLUMNS)
        for row in self.rows:
            points = f"{row.points} ({row.fraction:.0%})"
            yield f"| {row.case} | {points} | {row.method} | " + " | ".join(row.cells()) + " |"

    def _write(self) -> None:
        if self.path is None:
            return
        # A run that is killed while it writes must not take the others with it.
        partial = self.path.with_name(f"{self.path.name}.part")
        partial.write_text(json.dumps(self.as_dict(), indent=1) + "\n")
        partial.replace(self.path)


def heading() -> str:
    """Line above the rows."""
    return _joined("case", "points", "method", [name for name, _, _ in _COLUMNS])


def row_line(row: Row) -> str:
    """A row as a line of the table."""
    points = f"{row.points} ({row.fraction:.0%})"
    return f"{_joined(row.case, points, row.method, row.cells())}  {row.note}".rstrip()


def _joined(case: str, points: str, method: str, cells: list[str]) -> str:
    return f"{case:<26} {points:>11} {method:<15}" + "".join(f"{cell:>9}" for cell in cells)
