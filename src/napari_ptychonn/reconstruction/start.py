"""Where a reconstruction starts: an object found before, by whichever program.

Programs share scale, ramps and shifts between object and probe each in its own way. So one
real factor of the object is fitted to the photons, and a probe that is only a guess gives way
to the one that was found together with the object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ptychonn.errors import ScanError
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.photons import photon_gain
from napari_ptychonn.reconstruction.placed import object_on
from napari_ptychonn.reconstruction.result import StartedFrom
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.results.place import placed_on
from napari_ptychonn.scan.results.result import ObjectResult
from napari_ptychonn.words import counted

__all__ = ["LaidStart", "Start", "lay_start", "scale_start"]

_SAME_PIXEL = 0.01
_WORTH = 2
"""Whether it is the truth or that blurred by five pixels: a first pass like the third from a flat
object leaves half the error of one like the first, which brings the photon noise back."""
_ABSURD = 1e6
"""Times the median amplitude: no sample is that bright, and one such pixel outshines all."""
_MOSTLY_COVERED = 0.9


@dataclass(frozen=True, slots=True)
class LaidStart:
    """A starting object on a frame, as its program scaled it.

    Attributes
    ----------
    object : Tensor, (H, W) complex64
        Where it is not known, its mean amplitude and the phase of its mean.
    covered : Tensor, (M,) bool
        Points whose middle lies where it is known.
    source, format : str
        File, or name in the viewer; and the program's format.
    is_flat : bool
        Whether nothing was reconstructed in it.
    probe : ndarray, (modes, h, w) complex64, or None
        The probe found with it, where it takes the place of none, or of a guess.
    messages : tuple of str
        What the person should know.
    """

    object: Tensor
    covered: Tensor
    source: str
    format: str
    is_flat: bool
    probe: NDArray[np.complex64] | None
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """A starting object that fits the photons.

    Attributes
    ----------
    object : Tensor, (H, W) complex64
        On the frame, on its device.
    record : StartedFrom
        For the result.
    worth : int
        Passes from a flat object that it is worth; 0: it is flat, there or here.
    brings_probe : bool
        Whether the job's probe came with it.
    messages : tuple of str
        What the person should know.
    """

    object: Tensor
    record: StartedFrom
    worth: int
    brings_probe: bool
    messages: tuple[str, ...]


def lay_start(
    result: ObjectResult, scan: Scan, frame: Frame, pixel: tuple[float, float]
) -> LaidStart:
    """Bring a result to the coordinates of a scan, and onto the frame of its points.

    Parameters
    ----------
    result : ObjectResult
        Of any program; its coordinates are its own.
    scan : Scan
        The scan.
    frame : Frame
        Of the points in use.
    pixel : tuple of float
        Its pixel (y, x), in the scan's unit.

    Raises
    ------
    ScanError
        It lies beside all points, or its unit is not known to the scan.
    """
    placed = _without_absurd(placed_on(result, scan))
    object_, known = object_on(placed, frame, pixel)
    half = torch.tensor([side // 2 for side in frame.patch_shape], device=known.device)
    middles = frame.corners + half
    covered = known[middles[:, 0], middles[:, 1]]
    count = int(covered.sum())
    if not count:
        raise ScanError(
            "start", result.path,
            f"the object ({_extent(placed)}) and the scan's points ({_reach(frame, pixel, scan)}) "
            "do not overlap",
            remedy="check pixel size and unit of the positions of both",
        )  # fmt: skip
    values = object_[known]
    mean = values.mean()
    # Under a ramp or wrapped phase the complex mean is near 0, and no sample is that dark.
    fill = values.abs().mean() * torch.polar(torch.ones_like(mean.real), mean.angle())
    probe = _probe_for(placed, scan, pixel)
    told = [f"Starts from {result.path} ({result.format})."]
    told += [f"Start: {note}." for note in placed.notes]
    if count < frame.n_points:
        told.append(
            f"Start: it covers {count} of {frame.n_points} points; elsewhere its mean is taken."
        )
    if probe is not None:
        reason = "the scan has none" if scan.probe is None else "that of the scan is a guess"
        told.append(f"Start: its probe is taken too, since {reason}.")
    return LaidStart(
        object=torch.where(known, object_, fill),
        covered=covered,
        source=str(result.path),
        format=result.format,
        is_flat=result.is_start,
        probe=probe,
        messages=tuple(told),
    )


def scale_start(
    laid: LaidStart, measurements: Measurements, frame: Frame, probe: Tensor, *, batch_size: int
) -> Start:
    """Give a starting object the scale at which, under a probe, it explains the photons.

    Parameters
    ----------
    laid : LaidStart
        The object.
    measurements, frame : Measurements, Frame
        Counts and places of the points.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    batch_size : int
        Patterns at a time.

    Raises
    ------
    ScanError
        No factor does: the object is dark where there is light.
    """
    # Far from 1, the squares of float32 would be 0 or infinite.
    level = _level(laid.object.abs().cpu().numpy())
    object_ = laid.object / level
    gain = photon_gain(object_, laid.covered, measurements, frame, probe, batch_size=batch_size)
    if gain is None:
        raise ScanError(
            "start", laid.source, "the object lets no light through where the scan has photons",
            remedy="check that object and scan belong together",
        )  # fmt: skip
    covered = float(laid.covered.float().mean())
    return Start(
        object=object_ * gain,
        record=StartedFrom(laid.source, laid.format, covered=covered, gain=gain / level),
        worth=0 if laid.is_flat or covered < _MOSTLY_COVERED else _WORTH,
        brings_probe=laid.probe is not None,
        messages=(*laid.messages, f"Start: amplitudes times {gain / level:.3g} fit the photons."),
    )


def _without_absurd(placed: ObjectResult) -> ObjectResult:
    """The result with its pixels beyond all bounds unknown."""
    amplitudes = np.abs(placed.object)
    # Not a number is not more, and infinity is not known either.
    absurd = np.isfinite(amplitudes) & (amplitudes > _ABSURD * _level(amplitudes))
    count = int(absurd.sum())
    if not count:
        return placed
    note = (
        f"{counted(count, 'pixel')} brighter than {_ABSURD:.0e} times the median amplitude "
        f"{'is' if count == 1 else 'are'} taken as not known"
    )
    unknown = np.where(absurd, np.complex64(np.nan), placed.object)
    return replace(placed, object=unknown, notes=(*placed.notes, note))


def _level(amplitudes: NDArray[np.float32]) -> float:
    """Median of the amplitudes that are known and not 0; 1 where there are none."""
    seen = amplitudes[np.isfinite(amplitudes) & (amplitudes > 0)]
    return float(np.median(seen)) if seen.size else 1.0


def _probe_for(
    placed: ObjectResult, scan: Scan, pixel: tuple[float, float]
) -> NDArray[np.complex64] | None:
    """The result's probe, where the scan's is none or a guess and this one fits its grid."""
    probe = placed.probe
    if probe is None or placed.is_start or not (scan.probe is None or scan.probe_is_guess):
        return None
    fits = probe.shape[1:] == scan.pattern_shape and np.isfinite(probe).all() and probe.any()
    same = np.allclose(placed.pixel, pixel, rtol=_SAME_PIXEL, atol=0)
    return np.ascontiguousarray(probe, np.complex64) if fits and same else None


def _extent(placed: ObjectResult) -> str:
    corner, pixel = np.asarray(placed.corner), np.asarray(placed.pixel)
    # Only what is known of it: a wide margin of NaN overlaps anything.
    rows, columns = np.nonzero(np.isfinite(placed.object))
    if not rows.size:
        return "known nowhere"
    low = corner + pixel * (rows.min(), columns.min())
    high = corner + pixel * (rows.max(), columns.max())
    return _box(low, high, placed.unit)


def _reach(frame: Frame, pixel: tuple[float, float], scan: Scan) -> str:
    half = np.asarray([side // 2 for side in frame.patch_shape])
    middles = (frame.corners.cpu().numpy() + half + frame.corner_px) * pixel
    return _box(middles.min(0), middles.max(0), scan.unit)


def _box(low: NDArray[np.float64], high: NDArray[np.float64], unit: str) -> str:
    scale, name = (1e6, "µm") if unit == "m" else (1.0, "px")
    spans = (
        f"{axis} {scale * low[number]:.4g} to {scale * high[number]:.4g} {name}"
        for number, axis in enumerate("yx")
    )
    return ", ".join(spans)
