"""Detectors as they are: a large compressed scan, and one with gaps between its modules.

``python benchmarks/detectors.py [gaps] [large] [--gigabytes 10] [--folder DIR]``. The large scan is
made in a temporary folder: frames of 1024×1024, bitshuffle-LZ4, in whose middle 128×128 pixels
are a simulated scan, and whose rim holds random counts that hardly compress, so that the file
reaches its size. It is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure, line, run_shell
from simulated import against_truth, natural_pictures, scanned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import PatternSource

__all__ = ["gaps", "large"]

_SIDE = 1024
_WINDOW = 128
_DARK_RIM = 400
"""Side of the square around the pattern that holds no random counts, pixels."""
_HIGHEST = 2**12
_POOL = 32
_BYTES_PER_FRAME = 1.36e6
"""Of a frame in the file, measured."""
_BROWSED = 40


def gaps() -> Iterator[Figure]:
    """A scan with and without a cross of blind pixels: 4.9 % of 80×80."""
    from napari_ptychonn.reconstruction.comparison import compare
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings
    from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate

    settings = SimulationSettings(
        sample_array=natural_pictures(300),
        probe_array=probe_from_pupil(PupilSettings(radius=0.2, stop=0.35, defocus=0.14), 80),
        size=80,
        points=400,
        overlap=0.8,
        photons=1e5,
    )
    whole, gapped = simulate(settings), simulate(replace(settings, gap_px=2))
    share = 100 * float((~gapped.scan.mask).mean())
    for case, sweeps in (("gaps, network alone", 0), ("gaps, auto", "auto")):
        asked = ReconstructionSettings(sweeps=sweeps)
        results = [reconstruct(each.scan, asked) for each in (whole, gapped)]
        errors = [
            against_truth(each, result.object, _corner_px(result)).nrmse
            for each, result in zip((whole, gapped), results, strict=True)
        ]
        same = compare(
            results[1].object, _corner_px(results[1]), results[0].object, _corner_px(results[0]),
            scanned(whole),
        )  # fmt: skip
        yield Figure(case, "blind pixels", share, "%")
        yield Figure(case, "NRMSE against the scan without", same.nrmse, "", ("<=", 0.05))
        yield Figure(case, "phase correlation with it", same.phase_correlation)
        yield Figure(case, "NRMSE against truth, with gaps", errors[1])
        yield Figure(case, "NRMSE against truth, without", errors[0])


def large(gigabytes: float, folder: Path | None) -> Iterator[Figure]:
    """Open, browse and reconstruct a compressed scan of a given size."""
    from napari_ptychonn.reconstruction.product import load
    from napari_ptychonn.scan.open import open_scan
    from napari_ptychonn.scan.options import ScanOptions

    place = Path(tempfile.mkdtemp(dir=folder, prefix="ptychonn-large-"))
    try:
        if shutil.disk_usage(place).free < 1.2e9 * gigabytes:
            raise SystemExit(f"{place} has no room for {gigabytes:g} GB; choose --folder")
        file, output = place / "large.cxi", place / "result.h5"
        points = max(100, round(1e9 * gigabytes / _BYTES_PER_FRAME))
        started = time.perf_counter()
        _write(file, points)
        case = f"{points:,} patterns of {_SIDE}×{_SIDE}"
        size = file.stat().st_size
        yield Figure(case, "made in", time.perf_counter() - started, "s")
        yield Figure(case, "file", size / 1e9, "GB")
        yield Figure(case, "uncompressed", 2e-9 * points * _SIDE**2, "GB")
        options, opened = ScanOptions(dc="centre"), []
        for _ in range(3):
            _forget(file)
            started = time.perf_counter()
            scan = open_scan(file, options)
            opened.append(time.perf_counter() - started)
        yield Figure(case, "opened in, slowest of 3", max(opened), "s")
        yield Figure(case, "opened in, median", float(np.median(opened)), "s", ("<=", 2.0))
        _forget(file)
        seconds = list(_browse(scan.patterns))
        yield Figure(case, "a frame browsed in, median", 1e3 * float(np.median(seconds)), "ms")
        yield Figure(case, "the slowest of 40", 1e3 * max(seconds), "ms", ("<=", 100.0))
        shared = ["reconstruct", file, "-o", output, "--dc", "centre", "-q"]
        run = run_shell([*shared, "--crop", str(_WINDOW), "--passes", "1", "--sweeps", "2"])
        yield Figure(case, f"cropped to {_WINDOW}: whole command", run.seconds, "s")
        yield Figure(
            case, f"cropped to {_WINDOW}: peak memory", run.peak_bytes / 1e9, "GB", ("<=", 3.0)
        )
        yield Figure(case, f"cropped to {_WINDOW}: misfit", load(output).report.misfit)
        share = min(1.0, 100 / points)
        run = run_shell([*shared, "--passes", "1", "--sweeps", "1", "--fraction", f"{share:.6f}"])
        yield Figure(case, "100 points uncropped: command", run.seconds, "s")
        yield Figure(
            case, "100 points uncropped: peak memory", run.peak_bytes / 1e9, "GB", ("<=", 3.0)
        )
    finally:
        shutil.rmtree(place)


def _browse(patterns: PatternSource) -> Iterator[float]:
    """Seconds that the window waits for a frame, all over the scan."""
    from napari_ptychonn.widgets.stacks import log_patterns

    stack = log_patterns(patterns)
    for index in np.random.default_rng(1).choice(len(stack), _BROWSED):
        started = time.perf_counter()
        np.asarray(stack[int(index)])
        yield time.perf_counter() - started


def _write(file: Path, points: int) -> None:
    from napari_ptychonn.scan.fit import fit_scan
    from napari_ptychonn.simulation.cxi import write_cxi
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate_lazily

    scan, _ = simulate_lazily(
        SimulationSettings(
            sample="siemens-star", size=_WINDOW, points=points, step_px=6.0, photons=1e5
        )
    )
    wide = fit_scan(scan, (_SIDE, _SIDE))
    whole = np.ones((_SIDE, _SIDE), bool)
    write_cxi(file, replace(wide, patterns=_Rimmed(wide.patterns), mask=whole), dtype=np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class _Rimmed:
    """Patterns in the middle of frames whose rim holds random counts."""

    source: PatternSource

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.source.shape

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        frames = self.source.read(indices)
        for frame, index in zip(frames, indices, strict=True):
            frame += _pool()[int(index) % _POOL]
        return frames


@cache
def _pool() -> tuple[NDArray[np.float32], ...]:
    rng = np.random.default_rng(0)
    low = (_SIDE - _DARK_RIM) // 2
    frames = rng.integers(0, _HIGHEST, (_POOL, _SIDE, _SIDE)).astype(np.float32)
    frames[:, low : low + _DARK_RIM, low : low + _DARK_RIM] = 0
    return tuple(frames)


def _forget(file: Path) -> None:
    """Ask the system not to keep the file in memory, so that it is read from the disk."""
    os.sync()
    with file.open("rb") as stream:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _corner_px(result: Reconstruction) -> tuple[float, float]:
    return result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1]


def main() -> int:
    """Measure the rows asked for; 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="gaps, large; both without")
    parser.add_argument("--gigabytes", type=float, default=10.0, help="size of the file")
    parser.add_argument("--folder", type=Path, help="where the file is made")
    arguments = parser.parse_args()
    rows: dict[str, Callable[[], Iterator[Figure]]] = {
        "gaps": gaps,
        "large": lambda: large(arguments.gigabytes, arguments.folder),
    }
    unknown = [name for name in arguments.rows if name not in rows]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(rows)}")
    missed = False
    for name in arguments.rows or rows:
        for figure in rows[name]():
            print(line(figure), flush=True)
            missed |= figure.holds is False
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
