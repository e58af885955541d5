"""Bars of the quality benchmark: which are reached, and by how much not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from figures import Figure
from quality_methods import BEST
from quality_rows import Results, Row
from suite import CASES, standard_set
from suite_measured import STAR

__all__ = ["RIVALS", "verdict"]

RIVALS = ("lsqml", "rpie")
"""Methods of the engine that people would use instead."""


def verdict(results: Results) -> Iterator[Figure]:
    """Figures with their bars; those of which nothing was measured are left out."""
    failed = sum(skipped.failed for skipped in results.skipped)
    yield Figure("every run", "failed", failed, "", ("<=", 0))
    yield from _standard(results)
    yield from _few_points(results)
    yield from _probes(results)
    yield from _low_dose(results)
    yield from _with_sweeps(results)
    yield from _star(results)


def _standard(results: Results) -> Iterator[Figure]:
    rows = _rows(results, [case.name for case in standard_set()], "network")
    case = f"network alone, {len(rows)} standard cases"
    bars: Sequence[tuple[str, Callable[[Row], float], str, float]] = (
        ("median NRMSE", lambda row: row.nrmse, "<=", 0.10),
        ("median phase correlation", lambda row: row.phase_correlation, ">=", 0.97),
        ("median amplitude correlation", lambda row: row.amplitude_correlation, ">=", 0.95),
    )
    for name, value, sign, bar in bars:
        if rows:
            yield Figure(case, name, median(map(value, rows)), "", (sign, bar))
    if rows:
        yield Figure(case, "largest NRMSE", max(row.nrmse for row in rows))


def _few_points(results: Results) -> Iterator[Figure]:
    names = [case.name for case in standard_set()]
    ratios = []
    for row in _rows(results, names, "network", 0.2):
        whole = results.find(row.case, "network")
        if whole is not None:
            ratios.append(row.nrmse / whole.nrmse)
    case = f"20 % of the points, {len(ratios)} cases"
    if ratios:
        yield Figure(case, "NRMSE over that with all, median", median(ratios), "", ("<=", 1.15))
        yield Figure(case, "the same, largest", max(ratios))
    rows = _rows(results, names, "network", 0.04)
    case = f"4 % of the points, {len(rows)} cases"
    if rows:
        errors = [row.nrmse for row in rows]
        yield Figure(case, "network alone: median NRMSE", median(errors), "", ("<=", 0.25))
        yield Figure(case, "network alone: largest NRMSE", max(errors), "", ("<=", 0.25))
        apart = median(row.nrmse_islands for row in rows)
        yield Figure(case, "the same, each lit island's phase free", apart)
    for method in ("sweeps", *RIVALS):
        rows = _rows(results, names, method, 0.04)
        case = f"4 % of the points, {len(rows)} cases"
        if rows:
            yield Figure(case, f"{method}: median NRMSE", median(row.nrmse for row in rows))


def _probes(results: Results) -> Iterator[Figure]:
    """Against the scan's twin whose probe is known.

    Object and probe can share out a common factor between them as they like where the probe
    is to be found, so the error is told both as it is and with that factor removed.
    """
    for told, title, bar in (
        ("out of focus", "defocus of the guess off by 30 %", 1.15),
        ("nothing", "no probe guess", 1.30),
    ):
        names = [case.name for case in CASES.values() if case.told == told]
        pairs = [
            (row, twin)
            for row in _rows(results, names, "network")
            if (twin := results.find(CASES[row.case].twin, "network")) is not None
        ]
        case = f"{title}, {len(pairs)} cases"
        plain = [row.nrmse / twin.nrmse for row, twin in pairs]
        scaled = [row.nrmse_scaled / twin.nrmse_scaled for row, twin in pairs]
        for name, ratios in (("NRMSE", plain), ("NRMSE, scale removed", scaled)):
            if ratios:
                limit = ("<=", bar)
                yield Figure(case, f"{name}, over known probe's: median", median(ratios), "", limit)
                yield Figure(case, f"{name}: largest", max(ratios), "", limit)


def _low_dose(results: Results) -> Iterator[Figure]:
    for case in CASES.values():
        if case.photons > 1e3:
            continue
        rivals = _rows_of(results, case.name, [f"{name}{BEST}" for name in ("sweeps", *RIVALS)])
        if not rivals:
            continue
        best = min(rivals, key=lambda row: row.nrmse)
        for method in ("network", "auto"):
            row = results.find(case.name, method)
            if row is not None:
                name = f"{method}: NRMSE over {best.method}'s"
                yield Figure(case.name, name, row.nrmse / best.nrmse, "", ("<=", 0.6))


def _with_sweeps(results: Results) -> Iterator[Figure]:
    """`auto` against converged rivals, and against the network alone."""
    duels: dict[str, list[float]] = {}
    for row in results.rows:
        rivals = _rows_of(results, row.case, RIVALS, row.fraction) if row.method == "auto" else []
        if rivals:
            ratio = min(_error(rival) for rival in rivals) / _error(row)
            duels.setdefault(_dose(row.case), []).append(ratio)
    for dose, ratios in sorted(duels.items()):
        case = f"auto against pty-chi, {dose}, {len(ratios)} runs"
        won = sum(ratio >= 1 for ratio in ratios) / len(ratios)
        yield Figure(case, "share at or below its NRMSE", won, "", (">=", 0.75))
        yield Figure(case, "pty-chi's NRMSE over auto's, median", median(ratios))
    worse = {}
    for row in results.rows:
        alone = results.find(row.case, "network", row.fraction)
        if row.method == "auto" and alone is not None:
            worse[f"{row.case} ({row.fraction:.0%})"] = _error(row) / _error(alone)
    if worse:
        name = max(worse, key=lambda key: worse[key])
        case = f"auto against the network alone, {len(worse)} runs"
        yield Figure(case, f"largest NRMSE ratio: {name}", worse[name], "", ("<=", 1.05))


def _star(results: Results) -> Iterator[Figure]:
    row = results.find(STAR, "network")
    if row is not None:
        yield Figure(STAR, "phase correlation", row.phase_correlation, "", (">=", 0.96))


def _rows(results: Results, cases: Sequence[str], method: str, fraction: float = 1.0) -> list[Row]:
    found = [results.find(case, method, fraction) for case in cases]
    return [row for row in found if row is not None]


def _rows_of(
    results: Results, case: str, methods: Sequence[str], fraction: float = 1.0
) -> list[Row]:
    found = [results.find(case, method, fraction) for method in methods]
    return [row for row in found if row is not None and not math.isnan(row.nrmse)]


def _dose(case: str) -> str:
    return f"{CASES[case].photons:.0e} photons" if case in CASES else "measured"


def _error(row: Row) -> float:
    """NRMSE; up to scale where object and probe may share it out between them."""
    known = row.case in CASES and CASES[row.case].told in ("all", "first mode")
    return row.nrmse if known else row.nrmse_scaled
