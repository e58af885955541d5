"""Opens damaged files of every scan format, each in a process of its own.

``python benchmarks/fuzz_formats.py [--side] [--files 10000] [--seed 0] [--first 0]
[--seconds S] [--only NUMBER ...] [--keep FOLDER]``. A damaged file must give a scan that passes
its checks, or one ScanError; anything else (a crash, more than 5 s of work, more than 1 GB of
memory, another exception, a warning, a message of several lines) is a finding, is printed, and
makes the exit code 1. With ``--side`` the scan is sound, and a file beside it is damaged that
gives positions, a mask, a dark pattern or a probe. File `NUMBER` of a seed is always the same,
so that ``--only`` shows a finding again. The sound files come from the tests' writers, in
``tests/scan``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["Outcome", "main", "try_file"]

TESTS = Path(__file__).resolve().parents[1] / "tests" / "scan"
MAX_SECONDS = 5.0
"""Of work; a machine that is busy with other things may let it wait ten times as long."""
MAX_BYTES = 10**9


@dataclass(frozen=True, slots=True)
class Outcome:
    """What opening one file led to.

    Attributes
    ----------
    word : str
        ``"scan"``, ``"refused"``, or what it should not have done.
    seconds : float
        Work of the process, seconds.
    peak_bytes : int
        Its largest memory, bytes, the interpreter and its libraries included.
    """

    word: str
    seconds: float
    peak_bytes: int

    @property
    def is_finding(self) -> bool:
        """Whether it is neither a scan nor a refusal, or took too long or too much."""
        return self.word not in ("scan", "refused")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the files asked for; 1 where one led to anything but a scan or a ScanError."""
    asked = _parse(arguments)
    world = _tests_module("world").World()
    if asked.side:
        side = _tests_module("wrecked_side_files")
        make_sound, mutate, judge = side.sound_side_files, side.mutate_side, side.judge_side
    else:
        files = _tests_module("wrecked_files")
        make_sound, mutate, judge = files.sound_files, files.mutate, files.judge
    results: dict[str, Counter[str]] = {}
    slowest, largest, findings = 0.0, 0, 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sound = make_sound(Path(folder), world)
        for number in asked.only or range(asked.first, asked.first + asked.files):
            if asked.seconds is not None and time.perf_counter() - started > asked.seconds:
                print(f"stopped before file {number}; go on with --first {number}")
                break
            random = np.random.default_rng([asked.seed, number])
            chosen = sound[number % len(sound)]
            said, told = mutate(chosen, random)
            outcome = try_file(judge, chosen.path, told)
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.peak_bytes)
            word = "finding" if outcome.is_finding else outcome.word
            results.setdefault(chosen.known_as, Counter())[word] += 1
            if outcome.is_finding:
                findings += 1
                print(f"--- file {number} ({chosen.name}): {said}\n{outcome.word}", flush=True)
            if asked.keep is not None:
                shutil.copytree(chosen.path.parent, asked.keep / str(number), dirs_exist_ok=True)
    _print_table(results)
    tried = sum(counts.total() for counts in results.values())
    kinds = f"{len(results)} {'kinds' if asked.side else 'formats'}"
    print(
        f"{tried} files of {kinds}, seed {asked.seed}, in "
        f"{time.perf_counter() - started:.0f} s: {findings} findings; slowest {slowest:.2f} s, "
        f"largest {largest / 1e6:.0f} MB"
    )
    return 1 if findings else 0


def try_file(judge: Any, path: Path, told: dict[str, Any]) -> Outcome:
    """Judge a file in a process of its own.

    Parameters
    ----------
    judge : callable
        Takes `path` and `told` and gives a word, or raises.
    path : Path
        The file.
    told : dict
        Options of the scan.

    Returns
    -------
    Outcome
        An exception, a signal, too much time or too much memory is its word.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _judge_and_exit(judge, path, told, reader, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        word = stream.read().decode("utf-8", "replace")
    _, status, used = os.wait4(child, 0)
    seconds, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        late = number in (signal.SIGXCPU, signal.SIGALRM)
        word = f"hangs for {seconds:.1f} s" if late else f"killed by {signal.Signals(number).name}"
    elif seconds > MAX_SECONDS:
        word = f"took {seconds:.1f} s: {word}"
    elif peak > MAX_BYTES:
        word = f"took {peak / 1e9:.2f} GB: {word}"
    return Outcome(word or "ended without a word", seconds, peak)


def _judge_and_exit(judge: Any, path: Path, told: dict[str, Any], reader: int, writer: int) -> None:
    """Never returns: the child does nothing of what its parent has still to do."""
    os.close(reader)
    # What a signal ends, it ends in C too, where Python would not notice an alarm.
    resource.setrlimit(resource.RLIMIT_CPU, (int(MAX_SECONDS) + 1, int(MAX_SECONDS) + 2))
    resource.setrlimit(resource.RLIMIT_AS, (_address_bytes() + MAX_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(10 * MAX_SECONDS))
    try:
        word = judge(path, told)
    except BaseException:  # noqa: BLE001  (whatever it is, it is told)
        word = "".join(traceback.format_exc().splitlines(keepends=True)[-7:])
    os.write(writer, word[-60_000:].encode("utf-8", "replace"))
    os._exit(0)


def _address_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", action="store_true", help="damage files beside a sound scan")
    parser.add_argument("--files", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seconds", type=float, help="stop after this long")
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="these files alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the damaged files")
    return parser.parse_args(arguments)


def _tests_module(name: str) -> ModuleType:
    """A module of the tests' folder, which is no package, as the tests have it."""
    if f"scan_{name}" not in sys.modules:
        spec = importlib.util.spec_from_file_location("scan_conftest", TESTS / "conftest.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError(TESTS / "conftest.py")
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return sys.modules[f"scan_{name}"]


def _print_table(results: dict[str, Counter[str]]) -> None:
    print(f"{'format':28}{'files':>8}{'scans':>8}{'refused':>9}{'findings':>10}")
    for name, counts in results.items():
        print(
            f"{name:28}{counts.total():8}{counts['scan']:8}{counts['refused']:9}"
            f"{counts['finding']:10}"
        )


if __name__ == "__main__":
    sys.exit(main())
