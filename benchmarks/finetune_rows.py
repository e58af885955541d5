"""What fine-tuning gains, row by row; every training is run here, from the bundled networks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from figures import Figure, data_folder, run_shell
from finetune_samples import KINDS, against_truth, around, corner_px, scan_of

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.training.finetune_events import FineTuned

__all__ = ["labels", "memory", "physics", "star"]

_LABEL_SWEEPS = 20


def star() -> Iterator[Figure]:
    """The measured star taught by its own patterns, five minutes."""
    from star import reference_frame

    from napari_ptychonn.reconstruction.comparison import compare
    from napari_ptychonn.scan.open import open_scan

    folder = data_folder("siemens_star")
    scan = open_scan(folder / "siemens_star.h5")
    found = _taught(scan, minutes=5)
    case = "Siemens star, physics, 5 min"
    corner, region = reference_frame(folder)
    with np.load(folder / "epie_reference.npz") as file:
        reference = file["object"]
    ((before, after),) = found.pictures
    same = [
        compare(each.object, corner_px(each), reference, corner, region) for each in (before, after)
    ]
    yield from _standing(case, found)
    assert found.before.misfit is not None
    assert found.after.misfit is not None
    yield Figure(
        case, "misfit of held-out points, after / before",
        found.after.misfit / found.before.misfit, "", ("<=", 0.85),
    )  # fmt: skip
    yield Figure(case, "phase correlation before", same[0].phase_correlation)
    yield Figure(
        case, "phase correlation after", same[1].phase_correlation, "",
        (">=", same[0].phase_correlation),
    )  # fmt: skip


def physics() -> Iterator[Figure]:
    """Three kinds that training never had, taught by their own patterns."""
    for photons in (1e4, 1e5, 1e3):
        ratios = []
        for kind in KINDS:
            simulation = scan_of(kind, photons)
            found = _taught(simulation.scan, minutes=5)
            case = f"{kind}, {photons:.0e} photons, 5 min"
            region = around(simulation.scan.positions_px)
            ((before, after),) = found.pictures
            errors = [against_truth(simulation, each, region).nrmse for each in (before, after)]
            ratios.append(errors[1] / errors[0])
            yield Figure(case, "NRMSE before", errors[0])
            yield Figure(case, "NRMSE after", errors[1])
        case = f"three kinds, {photons:.0e} photons"
        bar = ("<=", 0.75) if photons == 1e4 else None
        yield Figure(case, "median NRMSE, after / before", float(np.median(ratios)), "", bar)


def labels() -> Iterator[Figure]:
    """Twenty sweeps on the first fifth of a scan teach; the network alone predicts the rest.

    At this dose none would be done unasked.
    """
    for kind in KINDS:
        simulation = scan_of(kind, 1e4, points=1600)
        scan = simulation.scan
        found = _taught(scan, teacher="sweeps", part=0.2, minutes=5, label_sweeps=_LABEL_SWEEPS)
        region = around(scan.positions_px[round(0.2 * scan.n_points) :])
        case = f"{kind}, labels on 20 %, 5 min"
        ((before, after),) = found.pictures
        old, new, own = (
            against_truth(simulation, each, region).nrmse for each in (before, after, _swept(scan))
        )
        yield Figure(case, "NRMSE of the rest before", old)
        yield Figure(case, "the same after", new)
        yield Figure(case, "sweeps' own", own)
        yield Figure(case, "after / before", new / old, "", ("<=", 0.65))
        yield Figure(case, "after / sweeps' own", new / own, "", ("<=", 1.5))


def memory() -> Iterator[Figure]:
    """50,000 patterns of 128×128, read from disk as they are asked for."""
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate_to_cxi

    peaks = []
    for count in (2_000, 50_000):
        case = f"{count:,} patterns of 128×128, 1 min"
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "scan.cxi"
            simulate_to_cxi(
                file,
                SimulationSettings(
                    sample="siemens-star", size=128, points=count, step_px=6.0, photons=1e4
                ),
            )
            run = run_shell(
                ["finetune", file, "-o", Path(place) / "net.safetensors", "--self-supervised",
                 "--minutes", "1"]
            )  # fmt: skip
        peaks.append(run.peak_bytes / 1e9)
        yield Figure(case, "whole command", run.seconds, "s")
        yield Figure(case, "peak memory", peaks[-1], "GB", ("<=", 3.0))
    yield Figure(case, "the patterns themselves", count * 128 * 128 * 4 / 1e9, "GB")


def _taught(scan: Scan, **settings: Any) -> FineTuned:
    from napari_ptychonn.training.finetune import finetune
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

    return finetune(scan, FinetuneSettings(**settings))


def _swept(scan: Scan) -> Reconstruction:
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    return reconstruct(scan, ReconstructionSettings(sweeps=_LABEL_SWEEPS))


def _standing(case: str, found: FineTuned) -> Iterator[Figure]:
    yield Figure(case, "steps", found.step)
    for name, standing in (("before", found.before), ("after", found.after)):
        for what, value in standing.as_dict().items():
            yield Figure(case, f"{what}, {name}", value)
