"""Figures of a benchmark, and what several of them need: data, and the shell measured."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Figure", "MissingData", "ShellRun", "data_folder", "line", "run_shell"]

_SHELL = """
import sys
from napari_ptychonn.cli import main
code = main(sys.argv[1:])
try:
    # Unlike the maximum that getrusage knows, this one does not count the parent's.
    status = open("/proc/self/status").read().split("VmHWM:")[1]
    peak = int(status.split()[0]) * 1024
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
print("peak bytes", peak)
sys.exit(code)
"""


class MissingData(Exception):
    """A file that a row needs is not there."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes
    ----------
    case, name : str
        What was done, and what was measured.
    value : float
        The number.
    unit : str
        Its unit; empty for a pure number.
    bar : tuple[str, float] or None
        What it must be: ``(">=", 0.93)``; None: it is only told.
    """

    case: str
    name: str
    value: float
    unit: str = ""
    bar: tuple[str, float] | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        compare = {">=": operator.ge, "<=": operator.le, "<": operator.lt}[self.bar[0]]
        return bool(compare(self.value, self.bar[1]))


def line(figure: Figure) -> str:
    """A figure as a line of the table."""
    value = f"{figure.value:.4g} {figure.unit}".strip()
    said = f"{figure.case:<34} {figure.name:<34} {value:>14}"
    if figure.bar is None:
        return said
    verdict = "met" if figure.holds else "MISSED"
    return f"{said}   bar {figure.bar[0]} {figure.bar[1]:.4g}: {verdict}"


def data_folder(name: str) -> Path:
    """Folder `name` of the measured data.

    Raises
    ------
    MissingData
        It is not there.
    """
    given = os.environ.get("PTYCHONN_DATA")
    root = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (root / name).is_dir():
        raise MissingData(f"{root / name} is not there; set PTYCHONN_DATA")
    return root / name


@dataclass(frozen=True, slots=True)
class ShellRun:
    """What a command cost.

    Attributes
    ----------
    seconds : float
        Wall time, from the start of the interpreter to its end.
    peak_bytes : int
        Largest resident memory.
    """

    seconds: float
    peak_bytes: int


def run_shell(arguments: Sequence[str | Path]) -> ShellRun:
    """Run ``napari-ptychonn`` with `arguments` in a process of its own.

    Raises
    ------
    RuntimeError
        It failed.
    """
    command = [sys.executable, "-c", _SHELL, *map(str, arguments)]
    started = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[3:])} ended with {ran.returncode}: {ran.stderr}")
    return ShellRun(seconds, int(ran.stdout.rsplit("peak bytes", 1)[1]))
