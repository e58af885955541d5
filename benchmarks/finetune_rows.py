"""What fine-tuning gains, row by row; every training is run here, from the bundled networks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from figures import Figure, data_folder, run_shell
from finetune_samples import KINDS, against_truth, scan_of, usual_probe

if TYPE_CHECKING:
    from napari_ptychonn.reconstruction.comparison import Rectangle
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.simulation.simulate import Simulation
    from napari_ptychonn.training.finetune_events import FineTuned

__all__ = ["labels", "lines", "memory", "physics", "star", "tenth"]

_LINES, _TAUGHT_LINES = 161, 100
_LONG = Path(os.environ.get("PTYCHONN_FINETUNE_FOLDER", "finetune-benchmark"))
"""Where the long trainings keep their checkpoints."""


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
        compare(each.object, _corner_px(each), reference, corner, region)
        for each in (before, after)
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
            found = _taught(simulation.scan, minutes=2)
            case = f"{kind}, {photons:.0e} photons, 2 min"
            region = _around(simulation.scan.positions_px)
            ((before, after),) = found.pictures
            errors = [against_truth(simulation, each, region).nrmse for each in (before, after)]
            ratios.append(errors[1] / errors[0])
            yield Figure(case, "NRMSE before", errors[0])
            yield Figure(case, "NRMSE after", errors[1])
        case = f"three kinds, {photons:.0e} photons"
        bar = ("<=", 0.75) if photons == 1e4 else None
        yield Figure(case, "median NRMSE, after / before", float(np.median(ratios)), "", bar)


def labels() -> Iterator[Figure]:
    """Sweeps on the first fifth of a scan teach; the rest is predicted by the network alone."""
    for kind in KINDS:
        simulation = scan_of(kind, 1e4, points=1600)
        scan = simulation.scan
        found = _taught(scan, teacher="sweeps", part=0.2, minutes=2)
        region = _around(scan.positions_px[round(0.2 * scan.n_points) :])
        case = f"{kind}, labels on 20 %, 2 min"
        ((before, after),) = found.pictures
        old, new, own = (
            against_truth(simulation, each, region).nrmse for each in (before, after, _swept(scan))
        )
        yield Figure(case, "NRMSE of the rest before", old)
        yield Figure(case, "the same after", new)
        yield Figure(case, "sweeps' own", own)
        yield Figure(case, "after / before", new / old, "", ("<=", 0.65))
        yield Figure(case, "after / sweeps' own", new / own, "", ("<=", 1.5))


def lines() -> Iterator[Figure]:
    """The paper's use: lines 0 to 99 of 161 teach `ptychonn`, the rest is predicted."""
    yield from _lines("lines", _TAUGHT_LINES / _LINES, epochs=16, least=0.85)


def tenth() -> Iterator[Figure]:
    """The same with a tenth of the lines, and as many steps."""
    yield from _lines("tenth", _TAUGHT_LINES / _LINES / 10, epochs=160, least=None)


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


def _lines(name: str, part: float, *, epochs: float, least: float | None) -> Iterator[Figure]:
    from napari_ptychonn.network.weights import Network, build_module
    from napari_ptychonn.reconstruction.comparison import align
    from napari_ptychonn.reconstruction.fidelity import fidelity
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    simulation = raster_scan()
    scan = simulation.scan
    found = _taught(
        scan, network="ptychonn", teacher="sweeps", part=part, label_sweeps=10, epochs=epochs,
        rate=1e-3, minutes=None, folder=_LONG / name, show=True,
    )  # fmt: skip
    module = build_module(found.card)
    module.load_state_dict(dict(found.state))
    result = reconstruct(
        scan, ReconstructionSettings(sweeps=0), network=Network(found.card, module, Path())
    )
    unseen = scan.positions_px[_TAUGHT_LINES * _LINES :]
    truth = simulation.truth
    corner = (truth.corner_m[0] / truth.pixel_m, truth.corner_m[1] / truth.pixel_m)
    aligned = align(result.object, _corner_px(result), truth.object, corner, _around(unseen))
    same = against_truth(simulation, result, _around(unseen))
    quality = fidelity(aligned)
    known = aligned.known
    ours, theirs = aligned.object[known], aligned.reference[known]
    phases = aligned.phases()
    case = f"{part * _LINES:.0f} of {_LINES} lines teach ptychonn"
    yield Figure(case, "steps", found.step)
    yield Figure(case, "time", found.seconds / 60, "min")
    bar = None if least is None else (">=", least)
    yield Figure(case, "lines 100-160: phase SSIM", quality.ssim_phase, "", bar)
    yield Figure(case, "phase correlation", same.phase_correlation)
    yield Figure(case, "NRMSE", same.nrmse)
    amplitude = float(np.mean((np.abs(ours) - np.abs(theirs)) ** 2))
    phase = float(np.mean((phases[0][known] - phases[1][known]) ** 2))
    yield Figure(case, "mean squared error, amplitude", amplitude)
    yield Figure(case, "the paper's, on its own data", 5.2e-5 if least is None else 3.9e-5)
    yield Figure(case, "mean squared error, phase", phase, "rad²")
    yield Figure(case, "the paper's, on its own data", 0.103 if least is None else 0.088, "rad²")


def raster_scan() -> Simulation:
    """161×161 points, 2 px apart, over a circuit; the paper's scan had as many."""
    from napari_ptychonn.simulation.samples import make_sample
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate

    rng = np.random.default_rng(3)
    return simulate(
        SimulationSettings(
            sample_array=make_sample("circuit", (_SAMPLE_SIDE, _SAMPLE_SIDE), rng),
            probe_array=usual_probe(),
            size=64,
            points=_LINES**2,
            step_px=2.0,
            path="raster",
            photons=1e5,
            seed=1,
        )
    )


_SAMPLE_SIDE = 2 * _LINES + 100


def _taught(scan: Scan, *, show: bool = False, **settings: Any) -> FineTuned:
    from napari_ptychonn.training.finetune import finetune
    from napari_ptychonn.training.finetune_events import Losses
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

    def tell(event: object) -> None:
        if show and isinstance(event, Losses):
            print(f"  step {event.step}: held-out loss {event.held_out:.4f}", flush=True)

    return finetune(scan, FinetuneSettings(**settings), on_event=tell)


def _swept(scan: Scan) -> Reconstruction:
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    return reconstruct(scan, ReconstructionSettings())


def _standing(case: str, found: FineTuned) -> Iterator[Figure]:
    yield Figure(case, "steps", found.step)
    for name, standing in (("before", found.before), ("after", found.after)):
        for what, value in standing.as_dict().items():
            yield Figure(case, f"{what}, {name}", value)


def _around(positions: np.ndarray[Any, np.dtype[np.float64]]) -> Rectangle:
    (top, left), (bottom, right) = positions.min(0), positions.max(0)
    return (float(top), float(left)), (float(bottom), float(right))


def _corner_px(result: Reconstruction) -> tuple[float, float]:
    return result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1]
