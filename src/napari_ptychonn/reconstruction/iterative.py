"""Iterative engines of pty-chi on a scan, epoch by epoch (the extra ``iterative``).

The network's picture is measured against these engines, and can be taught by them. They
see the points, the frame and the photons that the other jobs see.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.optics.probe import guess_probes, scale_probe
from napari_ptychonn.reconstruction.as_result import ResultLike, to_result
from napari_ptychonn.reconstruction.device import choose_device
from napari_ptychonn.reconstruction.events import ShouldStop, never
from napari_ptychonn.reconstruction.extent import require_room
from napari_ptychonn.reconstruction.frame import Frame, make_frame
from napari_ptychonn.reconstruction.iterative_settings import Engine, IterativeSettings
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.ptychi_task import PtychiTask, TaskStart, load_ptychi
from napari_ptychonn.reconstruction.result import StartedFrom
from napari_ptychonn.reconstruction.start import LaidStart, lay_start, scale_start
from napari_ptychonn.scan.model import Scan

__all__ = ["Engine", "Epoch", "IterativeSettings", "iterate"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an engine has found after an epoch; arrays are the listener's own.

    Attributes
    ----------
    number, epochs : int
        Epochs done, and asked for.
    loss : float
        Mean of (√model − √counts)² over pixels, met on the way; NaN before the first epoch.
    seconds : float
        Time the engine took so far, setting up included.
    object : ndarray, (H, W) complex64
        Object on the frame of the points; where no light fell, as it started.
    corner_px : tuple[float, float]
        Scan coordinates (y, x), in object pixels, of the centre of pixel [0, 0].
    probe : ndarray, (modes, h, w) complex64
        Probe, centred; Σ|P|² is that of the start, so that object and probe share their
        scale in one way only.
    positions_px : ndarray, (M, 2) float64
        Probe centres (y, x) in object pixels.
    stopped : bool
        Whether the engine was asked to stop; it is then the last event, and the object may
        be in the middle of an epoch.
    start : StartedFrom or None
        The result that it started from, where that was one.
    """

    number: int
    epochs: int
    loss: float
    seconds: float
    object: NDArray[np.complex64]
    corner_px: tuple[float, float]
    probe: NDArray[np.complex64]
    positions_px: NDArray[np.float64]
    stopped: bool = False
    start: StartedFrom | None = None


def iterate(
    scan: Scan,
    settings: IterativeSettings,
    *,
    points: NDArray[np.intp] | None = None,
    start_object: NDArray[np.complexfloating] | ResultLike | None = None,
    start_probe: NDArray[np.complexfloating] | None = None,
    should_stop: ShouldStop = never,
) -> Iterator[Epoch]:
    """Reconstruct a scan with pty-chi.

    The photons of all points are held in memory. What pty-chi sets for the whole process
    (default device and dtype of torch, seeds) is as it was whenever an event is given out.

    Parameters
    ----------
    scan : Scan
        The scan.
    settings : IterativeSettings
        Which engine, and how.
    points : ndarray, (M,) intp, optional
        Numbers of the points to use; all of them by default.
    start_object : ndarray, (H, W) complex, or as in :func:`~.job.reconstruct`, optional
        Object to start from: an array on the frame of these points (a reconstruction of the
        same points has it), 1 where it is NaN; or a reconstruction, or the result of any
        program by its path or opened, which is moved, resampled and scaled to the photons.
        By default it starts as 1.
    start_probe : ndarray, (modes, h, w) complex, optional
        Probe to start from, √photons; by default the scan's, or that of a result to start
        from in place of a guess, or a guess from the mean pattern, brought to the photons of
        the brightest patterns.
    should_stop : callable, optional
        Asked before every batch.

    Returns
    -------
    iterator of Epoch
        One after every epoch; fewer where it was stopped.

    Raises
    ------
    SettingsError
        pty-chi is not installed, or the settings or the start do not fit; while it runs,
        the engine diverged.
    ScanError
        The scan cannot be reconstructed (near field, no light), or the start is not of it.
    """
    if scan.near_field is not None:
        raise ScanError(
            "scan",
            scan.provenance.path,
            f"a far-field reconstruction does not apply: {scan.near_field}",
            remedy="use a near-field engine for this scan",
        )
    load_ptychi()
    device = _device(settings.device)
    chosen = np.arange(scan.n_points) if points is None else np.asarray(points, np.intp)
    frame = make_frame(scan.positions_px[chosen], scan.pattern_shape)
    require_room(scan, chosen, frame, device)
    begun: LaidStart | NDArray[np.complex64]
    if start_object is None or isinstance(start_object, np.ndarray):
        begun = _start_object(start_object, frame)
    else:
        begun = lay_start(to_result(start_object, "start"), scan, frame, scan.pixel_m or (1.0, 1.0))
    given_probe = _given_probe(start_probe, scan.pattern_shape)
    return _epochs(scan, settings, chosen, frame, begun, given_probe, device, should_stop)


def _epochs(
    scan: Scan,
    settings: IterativeSettings,
    chosen: NDArray[np.intp],
    frame: Frame,
    begun: LaidStart | NDArray[np.complex64],
    given_probe: NDArray[np.complex64] | None,
    device: torch.device,
    should_stop: ShouldStop,
) -> Iterator[Epoch]:
    measurements = Measurements(scan, chosen, torch.device("cpu"))
    counts = measurements.counts(torch.arange(len(chosen)))
    brought = begun.probe if isinstance(begun, LaidStart) else None
    probe, is_guess = (
        (given_probe, scan.probe_is_guess)
        if given_probe is not None
        else _probe_of(scan, counts.numpy(), brought)
    )
    record = None
    if isinstance(begun, LaidStart):
        scaled = scale_start(
            begun, measurements, frame, torch.from_numpy(probe), batch_size=settings.batch_size
        )
        record, object_ = scaled.record, scaled.object.numpy()
    else:
        object_ = begun
    start = TaskStart(
        counts=counts,
        mask=measurements.mask,
        frame=frame,
        object=object_,
        probe=probe,
        update_probe=is_guess if settings.update_probe == "auto" else settings.update_probe,
    )
    began = time.perf_counter()
    task = PtychiTask(settings, start, device)
    spent = time.perf_counter() - began
    loss, done = float("nan"), 0
    while done < settings.epochs:
        began = time.perf_counter()
        found = task.epoch(should_stop)
        spent += time.perf_counter() - began
        if found is not None:
            loss, done = found, done + 1
            if not np.isfinite(loss):
                raise SettingsError(
                    "step",
                    None,
                    f"{settings.engine} diverged in epoch {done}",
                    remedy="choose a smaller step, smaller batches, or another start",
                )
        object_, probe = task.object_and_probe()
        yield Epoch(
            number=done,
            epochs=settings.epochs,
            loss=loss,
            seconds=spent,
            object=object_,
            corner_px=frame.corner_px,
            probe=probe,
            positions_px=task.places() + np.asarray(frame.corner_px),
            stopped=found is None,
            start=record,
        )
        if found is None:
            return


def _probe_of(
    scan: Scan, counts: NDArray[np.float32], brought: NDArray[np.complex64] | None
) -> tuple[NDArray[np.complex64], bool]:
    """The start's probe in √photons, else the scan's, else a guess; and whether it is one."""
    sums = counts.sum((1, 2), dtype=np.float64)
    if not sums.max() > 0:
        raise ScanError(
            "patterns",
            scan.provenance.path,
            f"{scan.provenance.datasets.get('patterns', 'the patterns')}: no photon in any of "
            f"{len(sums)} patterns",
            remedy="check the dataset chosen for patterns, and the mask",
        )
    if brought is not None:
        return scale_probe(brought, sums, believed=True)[0], True
    if scan.probe is not None:
        return scale_probe(scan.probe, sums, believed=True)[0], scan.probe_is_guess
    guess = guess_probes(np.fft.fftshift(counts.mean(0)))[0]
    return scale_probe(guess, sums, believed=False)[0], True


def _device(name: str) -> torch.device:
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    device = choose_device(name)
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(
            "device", None, f"pty-chi does not run on {name}", remedy="choose cpu or cuda"
        )
    return device


def _start_object(given: NDArray[np.complexfloating] | None, frame: Frame) -> NDArray[np.complex64]:
    if given is None:
        return np.ones(frame.shape, np.complex64)
    _require(
        given.shape == frame.shape,
        "start_object",
        f"has shape {given.shape}",
        f"give one of {frame.shape}, the frame of these points",
    )
    return np.where(np.isfinite(given), given, 1).astype(np.complex64)


def _given_probe(
    given: NDArray[np.complexfloating] | None, shape: tuple[int, int]
) -> NDArray[np.complex64] | None:
    if given is None:
        return None
    _require(
        given.ndim == 3 and given.shape[1:] == shape,
        "start_probe",
        f"has shape {given.shape}",
        f"give (modes, {shape[0]}, {shape[1]}), the size of the patterns",
    )
    return given.astype(np.complex64)


def _require(holds: bool, name: str, problem: str, remedy: str) -> None:
    if not holds:
        raise SettingsError(name, None, problem, remedy=remedy)
