"""Measures the quality of the bundled network against sweeps and pty-chi, and says no.

``python benchmarks/quality.py [--cases NAME …] [--methods NAME …] [--fractions F …] [--quick]
[--device NAME] [--part K/N] [--json FILE] [--resume] [--merge FILE …] [--markdown FILE]
[--pictures FOLDER]``

Every case of the suite, and the measured Siemens star, goes through every method. The
standard cases are also run with 20 % and 4 % of their points by the network, and two of
them with 20 %, 10 % and 4 % by all. Truth is the judge's alone. What is measured is written
at once: ``--resume`` goes on where an earlier run was stopped. Several processes share the
work with ``--part 1/6`` to ``--part 6/6``, each with its own file; ``--merge`` joins these.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Figure, MissingData, line
from main_job import machine
from quality_judge import Problem, make_problem
from quality_methods import BEST, METHODS, NETWORK_METHODS, Attempt, CannotRun, Failed
from quality_rows import Results, Row, Skipped, heading, row_line
from quality_sheets import draw_sheet
from quality_verdict import verdict
from suite import CASES
from suite_measured import STAR, measured_star

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.alignment import Alignment

__all__ = ["main", "part_of", "plan"]

_FEW = (0.2, 0.1, 0.04)
_PICTURED = {
    ("camera-coins", 1.0),
    ("camera-coins", 0.04),
    ("camera-coins-1e3", 1.0),
    ("siemens-star", 1.0),
    ("gravel-wrong-probe", 1.0),
    (STAR, 1.0),
}
"""Cases and shares of the points of which sheets are drawn."""
_SHOWN = ("network", "auto", f"sweeps{BEST}", f"lsqml{BEST}")


@dataclass(frozen=True, slots=True)
class Task:
    """A case with a share of its points, and what is to be done with it."""

    case: str
    fraction: float
    methods: tuple[str, ...]


def main() -> int:
    """Measure; 1 where a bar is missed."""
    arguments = _arguments()
    about = machine() | {"device": arguments.device}
    results = Results.open(arguments.json, about, resume=arguments.resume)
    print(" · ".join(f"{key}: {value}" for key, value in about.items()))
    print(heading(), flush=True)
    for path in arguments.merge or ():
        results.join(path)
    tasks = list(plan(arguments.cases, arguments.methods, arguments.fractions))
    if arguments.merge:
        tasks = []
    elif arguments.part is not None:
        tasks = list(part_of(tasks, *arguments.part))
    for task in tasks:
        for done in _run(task, results, arguments.device, arguments.pictures):
            print(row_line(done) if isinstance(done, Row) else _said(done), flush=True)
    figures = list(verdict(results))
    print("\nVerdict")
    for figure in figures:
        print(line(figure))
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(_markdown(results, figures)) + "\n")
    return int(any(figure.holds is False for figure in figures))


def plan(
    cases: Sequence[str], methods: Sequence[str], fractions: Sequence[float] | None = None
) -> Iterator[Task]:
    """Which runs there are, in order.

    Parameters
    ----------
    cases, methods : sequence of str
        Names to keep.
    fractions : sequence of float, optional
        Shares of the points to keep; None: all.
    """
    for name in cases:
        few = _FEW if name in CASES and CASES[name].is_standard else ()
        for share in (1.0, *few):
            if methods and (fractions is None or share in fractions):
                yield Task(name, share, tuple(methods))


def part_of(tasks: Sequence[Task], number: int, parts: int) -> Iterator[Task]:
    """Every `parts`-th run, from the `number`-th on, counted from 1."""
    single = [
        Task(task.case, task.fraction, (method,)) for task in tasks for method in task.methods
    ]
    yield from single[number - 1 :: parts]


def _part(text: str) -> tuple[int, int]:
    number, parts = (int(part) for part in text.split("/"))
    if not 1 <= number <= parts:
        raise ValueError(text)
    return number, parts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    everything = [*CASES, STAR]
    quick = [case.name for case in CASES.values() if case.is_standard and case.size == 64]
    parser.add_argument("--cases", nargs="+", metavar="NAME", help=", ".join(everything))
    parser.add_argument("--methods", nargs="+", metavar="NAME", choices=METHODS)
    parser.add_argument("--fractions", nargs="+", type=float, metavar="F", help="1, 0.2, 0.1, 0.04")
    parser.add_argument(
        "--quick", action="store_true", help="the network on the 64 px standard cases, all points"
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, mps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write rows there as they come")
    parser.add_argument("--resume", action="store_true", help="keep the rows of that file")
    parser.add_argument("--part", type=_part, metavar="K/N", help="do every N-th run alone")
    parser.add_argument(
        "--merge", nargs="+", type=Path, metavar="FILE", help="judge the rows of these files"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write tables there")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw sheets there")
    arguments = parser.parse_args()
    arguments.cases = arguments.cases or (quick if arguments.quick else everything)
    unknown = [name for name in arguments.cases if name not in everything]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(everything)}")
    arguments.methods = arguments.methods or (NETWORK_METHODS if arguments.quick else [*METHODS])
    if arguments.quick and arguments.fractions is None:
        arguments.fractions = [1.0]
    if arguments.resume and arguments.json is None:
        parser.error("--resume needs --json FILE")
    if arguments.part is not None and arguments.pictures is not None:
        parser.error("--pictures needs all methods of a scan: it cannot go with --part")
    return arguments


def _run(
    task: Task, results: Results, device: str, pictures: Path | None
) -> Iterator[Row | Skipped]:
    """Do what is not done yet of a task."""
    sheet = None
    if pictures is not None and (task.case, task.fraction) in _PICTURED:
        sheet = pictures / f"{task.case}-{task.fraction:.0%}.png".replace("%", "")
    drawn = sheet is None or sheet.is_file()
    missing = [
        method
        for method in task.methods
        # A sheet needs the objects themselves, and rows do not hold them.
        if not drawn or results.find(task.case, method, task.fraction) is None
    ]
    if not missing:
        return
    try:
        scan, truth = measured_star() if task.case == STAR else CASES[task.case].make()
    except MissingData as why:
        yield _skip(results, task, "every method", why)
        return
    problem = make_problem(scan, truth, task.fraction)
    found: dict[str, Alignment] = {}
    for method in missing:
        try:
            attempts = list(METHODS[method](problem, device))
        except CannotRun as why:
            yield _skip(results, task, method, why)
            continue
        aligned = {
            attempt.method: problem.judge.align(attempt.object, attempt.corner_px)
            for attempt in attempts
        }
        rows = [_row(task, problem, attempt, aligned[attempt.method]) for attempt in attempts]
        results.add(*rows)
        yield from rows
        found |= aligned
    if sheet is not None and found:
        draw_sheet(sheet, {name: found[name] for name in _SHOWN if name in found})


def _skip(results: Results, task: Task, method: str, why: Exception) -> Skipped:
    skipped = Skipped(task.case, task.fraction, method, str(why), failed=isinstance(why, Failed))
    results.skip(skipped)
    return skipped


def _row(task: Task, problem: Problem, attempt: Attempt, aligned: Alignment) -> Row:
    return Row(
        case=task.case,
        fraction=task.fraction,
        method=attempt.method,
        points=problem.scan.n_points,
        misfit=attempt.misfit,
        seconds=attempt.seconds,
        iterations=attempt.iterations,
        note=attempt.note,
        **asdict(problem.judge.score(aligned)),
    )


def _said(skipped: Skipped) -> str:
    what = "FAILED" if skipped.failed else "left out"
    return f"{skipped.case} ({skipped.fraction:.0%}), {skipped.method}: {what}, {skipped.why}"


def _markdown(results: Results, figures: Sequence[Figure]) -> Iterator[str]:
    yield "Measured on: " + " · ".join(f"{key} {value}" for key, value in results.machine.items())
    yield ""
    yield "| what | figure | measured | bar | |"
    yield "|---|---|---|---|---|"
    for figure in figures:
        bar = "" if figure.bar is None else f"{figure.bar[0]} {figure.bar[1]:.4g}"
        met = {True: "met", False: "**missed**", None: ""}[figure.holds]
        yield f"| {figure.case} | {figure.name} | {figure.value:.3f} | {bar} | {met} |"
    yield ""
    yield from results.markdown()
    if results.skipped:
        yield ""
        yield from (f"- {_said(skipped)}" for skipped in results.skipped)


if __name__ == "__main__":
    sys.exit(main())
