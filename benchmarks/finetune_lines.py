"""The paper's use: the first lines of a large scan teach `ptychonn`, and the others are predicted.

Labels, checkpoints, networks and figures lie in one folder: what is there is not made again, so
that a network taught on one machine is judged on another by the same command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from figures import Figure
from finetune_samples import around, corner_px, usual_probe

if TYPE_CHECKING:
    from napari_ptychonn.network.weights import Network
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.scan.model import Scan
    from napari_ptychonn.scan.results.result import ObjectResult
    from napari_ptychonn.simulation.simulate import Simulation

__all__ = ["Length", "lines", "raster_scan", "tenth"]

_LINES, _TAUGHT_LINES = 161, 100
_SAMPLE_SIDE = 2 * _LINES + 100


@dataclass(frozen=True, slots=True)
class Length:
    """How long, where, and where to.

    Attributes
    ----------
    device : str
        As in the settings of a fine-tuning.
    minutes, epochs : float or None
        Of the training; None for both: a default number of epochs.
    folder : Path
        Where all that is made goes.
    """

    device: str = "auto"
    minutes: float | None = None
    epochs: float | None = None
    folder: Path = Path(os.environ.get("PTYCHONN_FINETUNE_FOLDER", "finetune-benchmark"))


def lines(length: Length) -> Iterator[Figure]:
    """Lines 0 to 99 of 161 teach `ptychonn`, lines 100 to 160 are predicted."""
    yield from _row("lines", 1.0, length, epochs=16, least=0.85)


def tenth(length: Length) -> Iterator[Figure]:
    """The same with a tenth of the lines that teach, and as many steps."""
    yield from _row("tenth", 0.1, length, epochs=160, least=None)


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


def _row(
    name: str, share: float, length: Length, *, epochs: float, least: float | None
) -> Iterator[Figure]:
    simulation = raster_scan()
    taught = round(share * _TAUGHT_LINES) * _LINES
    network = _taught(name, simulation.scan, taught, length, epochs)
    told = network.card.training
    case = f"{taught // _LINES} of {_LINES} lines teach ptychonn"
    speed = told["steps_done"] * told["batch"] / max(1, told["seconds"])
    found = [
        Figure(case, "steps", told["steps_done"]),
        Figure(case, "time", told["seconds"] / 60, "min"),
        Figure(case, "patterns per second", speed),
        *_judged(case, simulation, network, length.device, least),
    ]
    (length.folder / f"{name}.json").write_text(
        json.dumps([{**asdict(figure), "holds": figure.holds} for figure in found], indent=1)
    )
    yield from found


def _taught(name: str, scan: Scan, points: int, length: Length, epochs: float) -> Network:
    """The taught network, from its file where there is one."""
    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.training.finetune import finetune
    from napari_ptychonn.training.finetune_events import Losses
    from napari_ptychonn.training.finetune_settings import FinetuneSettings

    def tell(event: object) -> None:
        if isinstance(event, Losses):
            training = "" if event.training is None else f", of training {event.training:.4f}"
            print(f"  step {event.step}: held-out loss {event.held_out:.4f}{training}", flush=True)

    path = length.folder / f"{name}.safetensors"
    if not path.exists():
        label = _label(name, scan, points, length)
        wanted = None if length.minutes else length.epochs or epochs
        settings = FinetuneSettings(
            network="ptychonn", teacher="labels", part=points / scan.n_points, validation=0.1,
            epochs=wanted, minutes=length.minutes, rate=1e-3, device=length.device,
            folder=length.folder / name,
        )  # fmt: skip
        found = finetune(scan, settings, labels=label, on_event=tell)
        found.save(path)
    return load_network(str(path))


def _label(name: str, scan: Scan, points: int, length: Length) -> ObjectResult:
    """Ten sweeps over the points that teach, and no others."""
    from napari_ptychonn.scan.results.result import ObjectResult

    path = length.folder / f"{name}-label.npz"
    if not path.exists():
        length.folder.mkdir(parents=True, exist_ok=True)
        made = _reconstructed(scan, np.arange(points), length.device, sweeps=10)
        np.savez(path, object=made.object, pixel=made.pixel, corner=made.corner)
    with np.load(path) as kept:
        pixel, corner = (tuple(map(float, kept[key])) for key in ("pixel", "corner"))
        return ObjectResult(
            kept["object"], (pixel[0], pixel[1]), scan.unit, (corner[0], corner[1]), path, "sweeps"
        )


def _judged(
    case: str, simulation: Simulation, network: Network, device: str, least: float | None
) -> Iterator[Figure]:
    """What the network makes of the lines that none was taught, against the truth."""
    from napari_ptychonn.reconstruction.alignment import align
    from napari_ptychonn.reconstruction.comparison import measure
    from napari_ptychonn.reconstruction.fidelity import fidelity

    scan, truth = simulation.scan, simulation.truth
    unseen = np.arange(_TAUGHT_LINES * _LINES, scan.n_points)
    result = _reconstructed(scan, unseen, device, sweeps=0, network=network)
    corner = (truth.corner_m[0] / truth.pixel_m, truth.corner_m[1] / truth.pixel_m)
    region = around(scan.positions_px[unseen])
    aligned = align(result.object, corner_px(result), truth.object, corner, region)
    same = measure(aligned)
    known = aligned.known
    ours, theirs = aligned.object[known], aligned.reference[known]
    phases = aligned.phases()
    bar = None if least is None else (">=", least)
    yield Figure(case, "lines 100-160: phase SSIM", fidelity(aligned).ssim_phase, "", bar)
    yield Figure(case, "phase correlation", same.phase_correlation)
    yield Figure(case, "NRMSE", same.nrmse)
    amplitude = float(np.mean((np.abs(ours) - np.abs(theirs)) ** 2))
    phase = float(np.mean((phases[0][known] - phases[1][known]) ** 2))
    yield Figure(case, "mean squared error, amplitude", amplitude)
    yield Figure(case, "the paper's, on its own data", 5.2e-5 if least is None else 3.9e-5)
    yield Figure(case, "mean squared error, phase", phase, "rad²")
    yield Figure(case, "the paper's, on its own data", 0.103 if least is None else 0.088, "rad²")


def _reconstructed(
    scan: Scan, points: np.ndarray[Any, np.dtype[np.intp]], device: str, **changes: Any
) -> Reconstruction:
    from napari_ptychonn.reconstruction.events import result_of
    from napari_ptychonn.reconstruction.job import reconstruct_events
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    network = changes.pop("network", None)
    settings = ReconstructionSettings(device=device, **changes)
    return result_of(reconstruct_events(scan, settings, network=network, chosen=points))
