"""The coarse step: slow phase, which sweeps find last, straight from where the patterns lie.

Under its probe, every pattern measures the slope that the object's phase lacks (see
:mod:`napari_ptychonn.optics.slope`). Slopes of many points are integrated to a smooth phase
on a grid about as fine as the probe is wide; what is finer is left to the sweeps. Both
together are a two-grid method: sweeps pass phase on by one probe width each, this step
over the whole scan at once. Slopes are believed as far as they scatter more than photon
noise and the pointing of the beam do (empirical Bayes; James & Stein 1961).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve
from torch import Tensor

from napari_ptychonn.optics.propagation import exit_waves, intensity, to_detector
from napari_ptychonn.optics.slope import pattern_moves
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import ShouldStop
from napari_ptychonn.reconstruction.frame import Frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.points import spread_evenly
from napari_ptychonn.reconstruction.sweeping import cover_of, point_probes

__all__ = ["Slopes", "coarse_phase", "integrate", "measure_slopes"]

_COVER = 6.0
_LEAST_COVER = 1.0
_POINTING_PX = 0.025
_FEWEST_POINTS = 3


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slopes that the phase of an object lacks.

    Attributes
    ----------
    places : ndarray, (K, 2) float64
        Where (y, x) the light of each point is centred, object pixels.
    slopes, variances : ndarray, (K, 2) float64
        Along y and x, radians per pixel, and what noise makes of them.
    reach : float
        Radius of the light, pixels: the slope is that over about this distance.
    missed : float
        Σ(√I − |F(P·O)|)² of the patterns, photons.
    """

    places: NDArray[np.float64]
    slopes: NDArray[np.float64]
    variances: NDArray[np.float64]
    reach: float
    missed: float


def coarse_phase(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Tensor:
    """The object with its slow phase corrected, (H, W) complex64.

    Parameters
    ----------
    measurements, frame : Measurements, Frame
        Counts and places of the points; as many are used as cover the scan six times.
    object_ : Tensor, (H, W) complex64
        Object so far; it is not changed.
    probe : Tensor, (modes, h, w) complex64
        Probe, √photons.
    batch_size : int
        Patterns at a time.
    should_stop : callable
        Asked at every batch; when true, the object comes back as it is.

    Returns
    -------
    Tensor, (H, W) complex64
        `object_` itself where nothing is gained, or where the points lie so far apart that
        between them no slope is known.
    """
    if cover_of(frame, probe) < _LEAST_COVER:
        return object_
    slopes = measure_slopes(
        measurements, frame, object_, probe, batch_size=batch_size, should_stop=should_stop
    )
    if slopes is None:
        return object_
    nodes, step = integrate(slopes, frame.shape)
    if not nodes.any():
        return object_
    angle = _interpolated(torch.from_numpy(nodes).to(object_.device), step, frame.shape)
    turned = object_ * torch.polar(torch.ones_like(angle), angle)
    after = measure_slopes(
        measurements, frame, turned, probe, batch_size=batch_size, should_stop=should_stop
    )
    # A beam that trembles moves patterns too, and no phase explains that.
    return turned if after is not None and after.missed < slopes.missed else object_


@torch.inference_mode()
def measure_slopes(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    *,
    batch_size: int,
    should_stop: ShouldStop,
) -> Slopes | None:
    """Slopes of a part of the points spread over the scan; None where it was stopped.

    Parameters are those of :func:`coarse_phase`.
    """
    corners = frame.corners.cpu().numpy().astype(np.float64)
    wanted = int(np.ceil(frame.n_points * min(1.0, _COVER / cover_of(frame, probe))))
    chosen = torch.from_numpy(spread_evenly(corners, max(wanted, _FEWEST_POINTS)))
    there = chosen.to(measurements.device)
    moves: list[Tensor] = []
    noises: list[Tensor] = []
    missed: list[Tensor] = []
    start = 0
    while start < len(chosen):
        if should_stop():
            return None
        points, on_device = chosen[start : start + batch_size], there[start : start + batch_size]
        try:
            found = _moves(measurements, frame, object_, probe, points, on_device)
        except torch.OutOfMemoryError:
            if len(points) == 1:
                raise
            found = None
        if found is None:
            batch_size = len(points) // 2
            torch.cuda.empty_cache()
            continue
        for kept, part in zip((moves, noises, missed), found, strict=True):
            kept.append(part)
        start += len(points)
    size = np.asarray(frame.patch_shape, np.float64)
    weight = probe.abs().square().sum(0).cpu().numpy().astype(np.float64)
    total = weight.sum()
    y, x = (np.arange(side) for side in weight.shape)
    middle = np.asarray((weight.sum(1) @ y, weight.sum(0) @ x)) / total
    lit = total**2 / (weight**2).sum()
    places = corners[chosen.numpy()] + frame.shifts.cpu().numpy()[chosen.numpy()] + middle
    to_slope = 2 * np.pi / size
    return Slopes(
        places=places,
        slopes=_fetched(moves) * to_slope,
        variances=(_fetched(noises) + _POINTING_PX**2) * to_slope**2,
        reach=max(2.0, 0.7 * float(np.sqrt(lit / np.pi))),
        missed=float(sum(torch.stack(missed).tolist())),
    )


def _moves(
    measurements: Measurements,
    frame: Frame,
    object_: Tensor,
    probe: Tensor,
    points: Tensor,
    on_device: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """How far patterns moved, the variance of that, and what they miss all together."""
    light = point_probes(probe, frame, on_device)
    light = light if light.dim() == 4 else light[None]
    patches = cut_windows(object_, frame.indices(on_device))
    modelled = intensity(to_detector(exit_waves(light, patches)))
    counts = measurements.counts(points, on_device)
    move, noise = pattern_moves(modelled, counts, measurements.mask)
    missed = ((counts.sqrt() - modelled.sqrt()) * measurements.mask).square().sum()
    return move, noise, missed


def _fetched(parts: list[Tensor]) -> NDArray[np.float64]:
    return torch.cat(parts).cpu().numpy().astype(np.float64)


def integrate(slopes: Slopes, shape: tuple[int, int]) -> tuple[NDArray[np.float32], float]:
    """Phase whose slopes are the likeliest.

    Minimised is Σ (D θ − s)² / σ² + Σ |∇θ|² / S², where D takes the slope over the reach
    of the light and S² is how far the true slopes scatter, as found from s and σ.

    Parameters
    ----------
    slopes : Slopes
        What was measured.
    shape : tuple of int
        Object (H, W), pixels.

    Returns
    -------
    nodes : ndarray, (n, m) float32
        Phase θ on a grid, radians; all zero where noise explains every slope.
    step : float
        Its step, pixels; node [0, 0] lies on pixel [0, 0].
    """
    reach, step = slopes.reach, 3.0 * slopes.reach
    grid = (int(np.ceil(shape[0] / step)) + 2, int(np.ceil(shape[1] / step)) + 2)
    trust = slopes.variances**-2
    surplus = float((trust * (slopes.slopes**2 - slopes.variances)).sum() / trust.sum())
    # An object that has blown up has no slopes to speak of.
    if not (np.isfinite(surplus) and surplus > 0):
        return np.zeros(grid, np.float32), step
    differences = []
    for axis in range(2):
        aside = reach * np.eye(2)[axis]
        ahead = _at(slopes.places + aside, step, grid)
        behind = _at(slopes.places - aside, step, grid)
        differences.append((ahead - behind) / (2 * reach))
    difference = sparse.vstack(differences, format="csr")
    certainty = 1 / slopes.variances.T.reshape(-1)
    smooth = _gradients(grid, step)
    # The tiny last term fixes the phase's mean, of which slopes know nothing.
    matrix = (
        difference.T @ (sparse.diags_array(certainty) @ difference)
        + smooth.T @ smooth / surplus
        + 1e-9 * certainty.mean() * sparse.eye_array(grid[0] * grid[1])
    )
    wanted = difference.T @ (certainty * slopes.slopes.T.reshape(-1))
    return spsolve(matrix.tocsc(), wanted).reshape(grid).astype(np.float32), step


def _at(places: NDArray[np.float64], step: float, grid: tuple[int, int]) -> sparse.csr_array:
    """Matrix (K, n·m) that interpolates node values bilinearly at `places` (K, 2)."""
    at = places / step
    first = np.clip(np.floor(at).astype(np.int64), 0, np.asarray(grid) - 2)
    part = np.clip(at - first, 0, 1)
    corner = first[:, 0] * grid[1] + first[:, 1]
    columns = np.stack((corner, corner + 1, corner + grid[1], corner + grid[1] + 1), 1)
    y, x = part[:, 0], part[:, 1]
    values = np.stack(((1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x), 1)
    rows = np.arange(0, 4 * len(places) + 1, 4)
    return sparse.csr_array(
        (values.reshape(-1), columns.reshape(-1), rows), shape=(len(places), grid[0] * grid[1])
    )


def _gradients(grid: tuple[int, int], step: float) -> sparse.csr_array:
    """Matrix of the slopes between neighbouring nodes."""

    def along(count: int) -> sparse.dia_array:
        ends = [-np.ones(count - 1), np.ones(count - 1)]
        return sparse.diags_array(ends, offsets=[0, 1], shape=(count - 1, count)) / step

    down = sparse.kron(along(grid[0]), sparse.eye_array(grid[1]))
    right = sparse.kron(sparse.eye_array(grid[0]), along(grid[1]))
    return sparse.vstack((down, right), format="csr")


def _interpolated(nodes: Tensor, step: float, shape: tuple[int, int]) -> Tensor:
    """Bicubic interpolation (H, W) of nodes (n, m)."""
    rows = torch.arange(shape[0], device=nodes.device) / step * (2 / (nodes.shape[0] - 1)) - 1
    columns = torch.arange(shape[1], device=nodes.device) / step * (2 / (nodes.shape[1] - 1)) - 1
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.nn.functional.grid_sample(
        nodes[None, None], torch.stack((x, y), -1)[None],
        mode="bicubic", padding_mode="border", align_corners=True,
    )[0, 0]  # fmt: skip
