"""Trials: a few sweeps over a few neighbouring points, to judge how a scan is laid out.

A wrong orientation, beam centre or object pixel shows in patterns that no sweep has
used: what neighbouring points taught about the object does not explain them. All trials
of a search see the same points, and are judged by the same held-out ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ptychonn.errors import ScanError
from napari_ptychonn.optics.probe import guess_probes, scale_probe
from napari_ptychonn.optics.propagation import exit_waves
from napari_ptychonn.optics.sweep import Sweep, SweepSettings, correct
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import ShouldStop
from napari_ptychonn.reconstruction.extent import require_room
from napari_ptychonn.reconstruction.frame import Frame, make_frame
from napari_ptychonn.reconstruction.measurements import Measurements
from napari_ptychonn.reconstruction.points import interleave, spread_evenly
from napari_ptychonn.reconstruction.sweeping import point_probes, run_sweep
from napari_ptychonn.scan.fit import crop_scan
from napari_ptychonn.scan.model import Scan
from napari_ptychonn.scan.patterns import ArrayPatterns

__all__ = ["Trial", "excerpt", "held_out", "starting_probes"]

_POINTS = 80
_HELD_SHARE = 0.25
_LARGEST_SIDE = 128
_SMALLEST_SIDE = 32
_LIGHT_KEPT = 0.98
_POINTS_PER_SUBSET = 6
_BATCH = 64


def excerpt(
    scan: Scan, points: int = _POINTS, *, reach_px: float = 0.0, light: float = _LIGHT_KEPT
) -> Scan:
    """Neighbouring points of a scan, read into memory, with the detector's dark rim cut off.

    Parameters
    ----------
    scan : Scan
        The scan.
    points : int
        How many at most; those nearest to the middle one overlap as much as the scan does.
    reach_px : float
        Points up to here from the middle one count as near too, object pixels: where there
        are more than `points`, that many of them, spread evenly.
    light : float
        Share of the light inside the cut.

    Returns
    -------
    Scan
        Patterns are square, with a side of 128 pixels or less.

    Raises
    ------
    ScanError
        The scan is a near-field one, or there is no photon in these patterns.
    """
    if scan.near_field is not None:
        raise ScanError(
            "scan",
            scan.provenance.path,
            f"a far-field reconstruction does not apply: {scan.near_field}",
            remedy="use a near-field engine for this scan",
        )
    middle = np.median(scan.positions_px, axis=0)
    distance = np.hypot(*(scan.positions_px - middle).T)
    near = max(points, int((distance <= reach_px).sum()))
    near_ones = np.argsort(distance, kind="stable")[:near]
    chosen = np.sort(near_ones[spread_evenly(scan.positions_px[near_ones], points)])
    total = np.zeros(scan.pattern_shape)
    for number in chosen:
        total += scan.patterns.read(np.array([number]))[0] * scan.mask
    if not total.any():
        raise ScanError(
            "patterns",
            scan.provenance.path,
            f"{scan.provenance.datasets.get('patterns', 'the patterns')}: no photon in any of "
            f"{len(chosen)} patterns looked at",
            remedy="check the dataset chosen for patterns, and the mask",
        )
    side = _lit_side(total, light)
    smaller = crop_scan(scan, (side, side))
    counts = np.concatenate([smaller.patterns.read(part) for part in np.array_split(chosen, 10)])
    return replace(
        smaller, patterns=ArrayPatterns(counts * smaller.mask), positions=smaller.positions[chosen]
    )


def held_out(scan: Scan) -> NDArray[np.bool_]:
    """Which points (N,) of an excerpt judge, and are not used: a quarter, and one at least."""
    held = np.zeros(scan.n_points, np.bool_)
    held[spread_evenly(scan.positions_px, max(1, round(_HELD_SHARE * scan.n_points)))] = True
    return held


def starting_probes(scan: Scan) -> list[NDArray[np.complex64]]:
    """Probes (modes, h, w) of an excerpt to start from, in √photons.

    The scan's own, which stands as the positions do, however the patterns are turned; where
    there is none, several that could have made the mean pattern.
    """
    patterns = scan.patterns.read(np.arange(scan.n_points))
    sums = patterns.sum((1, 2))
    if scan.probe is not None:
        return [scale_probe(scan.probe, sums, believed=True)[0]]
    guesses = guess_probes(patterns.mean(0))
    return [scale_probe(probe, sums, believed=False)[0] for probe in guesses]


class Trial:
    """Object and probe of one assumption, sweep by sweep.

    Parameters
    ----------
    scan : Scan
        An excerpt, laid out as assumed.
    probe : ndarray, (modes, h, w) complex64
        Where to start, √photons.
    held : ndarray, (N,) bool
        Points that only judge.
    update_probe : bool
        Whether the probe is refined along.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    frame : Frame
        Where the points lie on the object.
    object : Tensor, (H, W) complex64
        Flat at first.
    probe : Tensor, (modes, h, w) complex64
        As it is now.
    sweeps : int
        Done so far.
    met : float
        R-factor that the last sweep met on its way.
    """

    def __init__(
        self,
        scan: Scan,
        probe: NDArray[np.complex64],
        held: NDArray[np.bool_],
        *,
        update_probe: bool,
        device: torch.device,
    ) -> None:
        points = np.arange(scan.n_points)
        self.frame = make_frame(scan.positions_px, scan.pattern_shape).to(device)
        require_room(scan, points, self.frame, device)
        self.object = torch.ones(self.frame.shape, dtype=torch.complex64, device=device)
        self.probe = torch.from_numpy(probe).to(device)
        self.sweeps, self.met = 0, float("nan")
        self._settings = SweepSettings(update_probe=update_probe, statistics="amplitude")
        self._all = Measurements(scan, points, device)
        self._fitted = Measurements(scan, points[~held], device)
        self._fitted_frame = self.frame.subset(torch.from_numpy(points[~held]).to(device))
        self._held, self._used = torch.from_numpy(points[held]), torch.from_numpy(points[~held])

    def sweep(self, should_stop: ShouldStop) -> None:
        """Sweep once over the points that do not judge; not at all once it is to stop."""
        subsets = _subsets(self._fitted_frame, self.sweeps)
        run = Sweep(self.object, self.probe, self._fitted.mask, self._settings)
        for _ in run_sweep(
            run, self._fitted, self._fitted_frame, subsets,
            batch_size=_BATCH, should_stop=should_stop,
        ):  # fmt: skip
            pass
        if should_stop():
            return
        self.probe, self.met = run.probe, run.misfit
        self.sweeps += 1

    @torch.inference_mode()
    def misfits(self, *, fitted: bool = False) -> NDArray[np.float64]:
        """Σ(√I − |F(P·O)|)² of every held-out point, as a share of their mean ΣI, (H,).

        Parameters
        ----------
        fitted : bool
            Of the points that do not judge instead.
        """
        missed, counted = [], []
        for points in (self._used if fitted else self._held).split(_BATCH):
            on_device = points.to(self._all.device)
            light = point_probes(self.probe, self.frame, on_device)
            patches = cut_windows(self.object, self.frame.indices(on_device))
            found = correct(
                exit_waves(light, patches), self._all.counts(points), self._all.mask, "amplitude"
            )
            missed.append(found.missed.cpu().numpy().astype(np.float64))
            counted.append(found.counted.cpu().numpy().astype(np.float64))
        if not missed:
            return np.empty(0)
        return np.concatenate(missed) / max(float(np.concatenate(counted).mean()), 1.0)

    def picture(self) -> NDArray[np.complex64]:
        """The object where probe centres were, (h, w); its mean phase is 0."""
        half = [side // 2 for side in self.frame.patch_shape]
        corners = self.frame.corners.cpu().numpy() + half
        (top, left), (bottom, right) = corners.min(0), corners.max(0) + 1
        shown = self.object[top:bottom, left:right].cpu().numpy()
        mean = shown.mean()
        turned: NDArray[np.complex64] = (shown * np.exp(-1j * np.angle(mean))).astype(np.complex64)
        return turned


def _subsets(frame: Frame, seed: int) -> list[torch.Tensor]:
    """Some points each: fewer would be slow, more would learn little from each other."""
    count = max(1, frame.n_points // _POINTS_PER_SUBSET)
    # With what rounding left off, so that scaled positions have the same subsets.
    places = frame.corners.cpu().numpy() + frame.shifts.cpu().numpy().astype(np.float64)
    parts = interleave(places, count)
    order = np.random.default_rng(seed).permutation(len(parts))
    return [torch.from_numpy(parts[place]) for place in order]


def _lit_side(total: NDArray[np.float64], light: float) -> int:
    """Side of the square around DC that holds that share of the light; a multiple of 8."""
    height, width = total.shape
    y = np.abs(np.arange(height) - height // 2)[:, None]
    x = np.abs(np.arange(width) - width // 2)[None, :]
    ring = np.bincount(np.maximum(y, x).ravel(), total.ravel())
    share = np.cumsum(ring) / ring.sum()
    half = int(np.searchsorted(share, light)) + 1
    side = int(np.clip(-(-2 * half // 8) * 8, _SMALLEST_SIDE, _LARGEST_SIDE))
    return min(side, height, width)
