"""Stitching in bulk, the published network's output, and how soon a job stops."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from figures import Figure, MissingData, data_folder

__all__ = ["cancel", "gold", "stitch"]

_REPEATS = 5


def stitch() -> Iterator[Figure]:
    """1,600 patches of 64×64 with random phases, at most two threads."""
    import torch
    from simulated import natural_pictures

    from napari_ptychonn.optics.windows import cut_windows
    from napari_ptychonn.reconstruction.frame import make_frame
    from napari_ptychonn.reconstruction.stitch import Pass
    from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil

    rng = np.random.default_rng(0)
    side, count = 40, 1600
    positions = np.stack(np.divmod(np.arange(count), side), 1) * 4.8
    frame = make_frame(positions + rng.normal(0, 0.5, positions.shape), (64, 64))
    picture = torch.from_numpy(natural_pictures(max(frame.shape)))
    picture = picture[: frame.shape[0], : frame.shape[1]].contiguous()
    points = torch.arange(count)
    phases = torch.from_numpy(rng.uniform(-np.pi, np.pi, count).astype(np.float32))
    patches = cut_windows(picture, frame.indices(points))
    patches = patches * torch.polar(torch.ones(count), phases)[:, None, None]
    probe = probe_from_pupil(PupilSettings(radius=0.2, stop=0.35, defocus=0.14), 64)
    weight = torch.from_numpy(np.abs(probe) ** 2)[None]
    threads = torch.get_num_threads()
    seconds = []
    try:
        torch.set_num_threads(min(2, threads))
        for _ in range(_REPEATS):
            started = time.perf_counter()
            pass_ = Pass(frame, torch.device("cpu"))
            for batch in points.split(64):
                pass_.add(patches[batch], weight, batch)
            stitched = pass_.stitch()
            seconds.append(time.perf_counter() - started)
        used = torch.get_num_threads()
    finally:
        torch.set_num_threads(threads)
    left = np.exp(1j * (np.angle(pass_.phases()) - phases.numpy()))
    left *= np.conj(left.mean()) / np.abs(left.mean())
    case = f"stitch 1,600 patches, {used} threads"
    yield Figure(case, f"median of {_REPEATS}", float(np.median(seconds)), "s", ("<=", 0.5))
    yield Figure(case, "slowest", max(seconds), "s")
    yield Figure(case, "phase error left (rms)", float(np.std(np.angle(left))), "rad")
    spread = stitched.disagreement()[stitched.lit]
    yield Figure(case, "largest disagreement left", float(spread.max()))


def gold() -> Iterator[Figure]:
    """The published network against its authors' output."""
    import tifffile
    import torch

    from napari_ptychonn.network.foreign import import_foreign
    from napari_ptychonn.network.preprocess import gather_statistics, transform
    from napari_ptychonn.network.weights import load_network, save_network
    from napari_ptychonn.scan.patterns import ArrayPatterns

    folder = data_folder("ptychonn_scan235")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "gold.safetensors"
        save_network(file, *import_foreign(folder / "model_ptychonn_bn_meanSubStdData.pth"))
        network = load_network(file)
    with np.load(folder / "test235_truncated.npz") as stored:
        counts = stored["reciprocal"]
    patterns = np.where(counts < 0, 65536 + counts, counts).astype(np.float32)
    how = network.card.preprocessing
    statistics = gather_statistics(ArrayPatterns(patterns), how)
    inputs = torch.from_numpy(transform(patterns, how, statistics))[:, None]
    with torch.inference_mode():
        _, phase = network.module(inputs)
    published = tifffile.imread(folder / "gold_pred_phase.tiff")
    worst = float(np.abs(phase[:, 0].numpy() - published).max())
    yield Figure("published network", "largest difference", worst, "rad", ("<=", 1e-5))


def cancel() -> Iterator[Figure]:
    """From the wish to stop to the end of the job, with a partial result."""
    from simulated import natural_scan

    from napari_ptychonn.scan.open import open_scan

    moments: dict[str, Callable[[str], bool]] = {
        "in pass 1": lambda stage: stage == "starting",
        "in a later pass": lambda stage: stage == "pass 2",
        "in the trial sweeps": lambda stage: stage == "held-out photons",
        "in the sweeps": lambda stage: stage == "sweep 1",
    }
    scan = natural_scan(1e5).scan
    for name, reached in moments.items():
        seconds = _latency(scan, reached, 200 if name == "in the sweeps" else "auto")
        yield Figure("cancel, natural pictures", name, seconds, "s", ("<=", 1))
    try:
        star = open_scan(data_folder("siemens_star") / "siemens_star.h5")
    except MissingData as missing:
        print(f"cancel, Siemens star: left out, {missing}")
        return
    moments = {
        "in a probe round": lambda stage: stage == "starting",
        "in the sweeps": lambda stage: stage == "sweep 1",
    }
    for name, reached in moments.items():
        seconds = _latency(star, reached, 200 if name == "in the sweeps" else "auto")
        yield Figure("cancel, Siemens star", name, seconds, "s", ("<=", 1))


def _latency(
    scan: object, reached: Callable[[str], bool], sweeps: int | Literal["auto"] = "auto"
) -> float:
    """Seconds from the wish, a moment after a stage was reached, to the job's last event."""
    from napari_ptychonn.reconstruction.events import Finished, Metrics, Progress
    from napari_ptychonn.reconstruction.job import reconstruct_events
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    wish = threading.Event()
    wished = [0.0]

    def click() -> None:
        wished[0] = time.perf_counter()
        wish.set()

    timer = threading.Timer(0.15, click)
    events = reconstruct_events(
        scan,
        ReconstructionSettings(device="cpu", sweeps=sweeps),
        should_stop=wish.is_set,  # type: ignore[arg-type]
    )
    started = False
    for event in events:
        if isinstance(event, Progress | Metrics) and not started and reached(event.stage):
            started = True
            timer.start()
        if isinstance(event, Finished):
            seconds = time.perf_counter() - wished[0]
            timer.join()
            if not event.stopped:
                raise RuntimeError("the job was done before it could be stopped")
            return seconds
    raise AssertionError("a job ends with its result")
