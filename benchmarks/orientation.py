"""How well a scan's layout is found: orientation, beam centre, amplitudes, positions' scale.

``python benchmarks/orientation.py [ROW ...]``; without names all rows. Measured scans are read
from ``../shared/data`` beside the checkout, or from the folder in ``PTYCHONN_DATA``.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from figures import Figure, MissingData, data_folder, line

from napari_ptychonn.reconstruction.beam_centre import find_beam_centre
from napari_ptychonn.reconstruction.orient import find_orientation, turned_scan
from napari_ptychonn.reconstruction.position_scale import position_scale
from napari_ptychonn.scan.amplitudes import looks_like_amplitudes
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.orientation import N_ORIENTATIONS, inverse_orientation
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.probes import PROBE_KINDS, make_probe
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

__all__ = ["main"]

SAMPLES = ("dead-leaves", "cells", "circuit", "bars")
DOSES = (1e4, 1e5, 1e3)
DEFOCUS = 0.12
SCALES = (0.88, 0.95, 1.0, 1.05, 1.12)
MOST_SCALE_ERROR = 0.015


def simulated_eight() -> Iterator[Figure]:
    """One simulated scan, stored in each of the eight, with a known and with a wrong probe."""
    for case, defocus in (("simulated, known probe", None), ("simulated, wrong probe", DEFOCUS)):
        settings = SimulationSettings(
            sample="circuit", probe="zone plate", points=144, step_px=4.0, seed=3,
            guess_defocus=defocus,
        )  # fmt: skip
        yield from _all_eight(case, simulate(settings).scan)


def star_eight() -> Iterator[Figure]:
    """The measured Siemens star, stored in each of the eight, from its wrong probe guess."""
    scan = open_scan(data_folder("siemens_star") / "siemens_star.h5")
    yield from _all_eight("Siemens star", scan)
    yield from _all_eight("Siemens star, no probe", replace(scan, probe=None), half_turn=True)


def many_scans() -> Iterator[Figure]:
    """Scans of every kind of probe and several samples and doses."""
    right = sure = wrong = 0
    count = 4 * len(PROBE_KINDS)
    for seed in range(count):
        settings = SimulationSettings(
            sample=SAMPLES[seed % 4], probe=PROBE_KINDS[seed % len(PROBE_KINDS)],
            photons=DOSES[seed % 3], points=100, step_px=4.0, seed=seed,
            guess_defocus=DEFOCUS if seed % 2 else None,
        )  # fmt: skip
        found = find_orientation(simulate(settings).scan, device="cpu")
        right += found.best == 0
        sure += found.sure
        wrong += found.sure and found.best != 0
    case = f"{count} simulated scans"
    yield Figure(case, "right", right)
    yield Figure(case, "sure", sure)
    yield Figure(case, "sure and wrong", wrong, "", ("<=", 0))


def beam_centre() -> Iterator[Figure]:
    """Scans whose beam hits the detector off its middle by up to 4 px."""
    rng = np.random.default_rng(0)
    known: list[float] = []
    unknown: list[float] = []
    for seed in range(2 * len(PROBE_KINDS)):
        true = rng.uniform(-4, 4, 2)
        probe = make_probe(PROBE_KINDS[seed % len(PROBE_KINDS)], 64, np.random.default_rng(seed))
        y, x = np.mgrid[:64, :64] - 32
        moved = probe * np.exp(2j * np.pi * (true[0] * y + true[1] * x) / 64)
        settings = SimulationSettings(
            sample=SAMPLES[seed % 4], probe_array=moved, photons=DOSES[seed % 3], points=196,
            step_px=4.0, seed=seed,
        )  # fmt: skip
        scan = replace(simulate(settings).scan, probe=probe[None].astype(np.complex64))
        for errors, seen in ((known, scan), (unknown, replace(scan, probe=None))):
            offset = find_beam_centre(seen, device="cpu").offset
            errors.append(float(np.abs(np.asarray(offset) - true).max()))
    for case, errors in (("beam centre, probe known", known), ("beam centre, no probe", unknown)):
        yield Figure(case, "median error", float(np.median(errors)), "px")
        yield Figure(case, "largest error", max(errors), "px", ("<=", 0.5))


def amplitudes() -> Iterator[Figure]:
    """Counts and square roots of them, as they are and normalised, of every probe and dose."""
    right = total = 0
    for kind in PROBE_KINDS:
        for dose in (1e2, 1e3, 1e5, 1e7):
            settings = SimulationSettings(probe=kind, points=16, photons=dose, seed=1)
            counts = simulate(settings).scan.patterns.read(np.arange(16))
            for scale in (1.0, 1 / float(counts.max())):
                for values, answer in ((counts * scale, False), (np.sqrt(counts * scale), True)):
                    said = looks_like_amplitudes(ArrayPatterns(values.astype(np.float32)))
                    right += said is answer
                    total += 1
    yield Figure("amplitude or intensity", "wrong or not told", total - right, "", ("<=", 0))


def scale() -> Iterator[Figure]:
    """Scans whose positions are read too large or too small, of every probe, with it known."""
    for samples, what in (
        (("dead-leaves", "circuit"), "simulated"),
        (("cells",), "smooth samples"),
    ):
        errors, unsure, sure_and_wrong = [], 0, 0
        for seed, (kind, sample) in enumerate(itertools.product(PROBE_KINDS, samples)):
            settings = SimulationSettings(
                sample=sample, probe=kind, photons=1e5, points=144, step_px=4.0, seed=seed
            )
            true = SCALES[seed % len(SCALES)]
            scan = simulate(settings).scan
            found = position_scale(replace(scan, positions=scan.positions / true), device="cpu")
            error = abs(found.scale / true - 1)
            unsure += not found.sure
            sure_and_wrong += found.sure and error > MOST_SCALE_ERROR
            if found.sure:
                errors.append(100 * error)
        case = f"scale, {what}, of {len(errors) + unsure}"
        yield Figure(case, "cannot tell", unsure)
        yield Figure(case, "sure and off by over 1.5 %", sure_and_wrong, "", ("<=", 0))
        yield Figure(case, "median error, of the sure", float(np.median(errors)), "%")
        yield Figure(case, "largest error, of the sure", max(errors), "%", ("<=", 1.5))


def five_scales() -> Iterator[Figure]:
    """The same scan at five scales, and the measured star with a probe that is known."""
    settings = SimulationSettings(
        sample="circuit", probe="zone plate", points=144, step_px=4.0, seed=3
    )
    scan = simulate(settings).scan
    for true in SCALES:
        found = position_scale(replace(scan, positions=scan.positions / true), device="cpu")
        yield Figure("circuit, zone plate", f"found for {true}", found.scale)
        error = 100 * abs(found.scale / true - 1) if found.sure else float("nan")
        yield Figure("circuit, zone plate", "its error", error, "%", ("<=", 1.5))
    folder = data_folder("siemens_star")
    star = open_scan(folder / "siemens_star.h5")
    guessed = position_scale(star, device="cpu")
    yield Figure("Siemens star, wrong probe", "said to be off", guessed.is_off, "", ("<=", 0))
    with np.load(folder / "epie_reference.npz") as reference:
        probe = reference["probe"][None].astype(np.complex64)
    start = time.perf_counter()
    known = position_scale(replace(star, probe=probe, probe_is_guess=False), device="cpu")
    yield Figure("Siemens star, probe of ePIE", "scale", known.scale)
    yield Figure("Siemens star, probe of ePIE", "error", abs(known.scale - 1), "", ("<=", 0.02))
    yield Figure("Siemens star, probe of ePIE", "one check", time.perf_counter() - start, "s")


ROWS: dict[str, Callable[[], Iterator[Figure]]] = {
    "eight": simulated_eight,
    "star": star_eight,
    "many": many_scans,
    "centre": beam_centre,
    "amplitudes": amplitudes,
    "scale": scale,
    "five": five_scales,
}


def main() -> int:
    """Measure the rows asked for; 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    missed = False
    for name in parser.parse_args().rows or ROWS:
        try:
            for figure in ROWS[name]():
                missed = missed or figure.holds is False
                print(line(figure), flush=True)
        except MissingData as error:
            print(f"{name}: {error}")
    return int(missed)


def _all_eight(case: str, scan: Scan, *, half_turn: bool = False) -> Iterator[Figure]:
    right, margins, seconds = 0, [], []
    for code in range(N_ORIENTATIONS):
        turned = turned_scan(scan, code)
        stored = replace(turned, provenance=replace(turned.provenance, orientation=0))
        start = time.perf_counter()
        found = find_orientation(stored, device="cpu")
        seconds.append(time.perf_counter() - start)
        wanted = inverse_orientation(code)
        # Without a probe nothing tells half a turn.
        codes = {found.best, *found.tied}
        right += codes == {wanted, wanted ^ 3} if half_turn else found.sure and found.best == wanted
        margins.append(found.margin)
    what = "right up to half a turn, of 8" if half_turn else "right and sure, of 8"
    yield Figure(case, what, right, "", (">=", 8))
    yield Figure(case, "least margin", min(margins))
    yield Figure(case, "one search", float(np.median(seconds)), "s")


if __name__ == "__main__":
    raise SystemExit(main())
