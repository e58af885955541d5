"""Scans with known truth, in memory or written straight to disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ptychonn.errors import SettingsError
from napari_ptychonn.optics.propagation import diffract, shift_probe
from napari_ptychonn.scan.model import HC_EV_M, Geometry, Provenance, Scan
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.cxi import write_cxi
from napari_ptychonn.simulation.probes import PROBE_KINDS, make_probe
from napari_ptychonn.simulation.samples import compose, make_sample, painter, random_sample
from napari_ptychonn.simulation.scans import PathSettings, scan_path
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.truth import Truth

__all__ = ["SimulatedPatterns", "Simulation", "simulate", "simulate_lazily", "simulate_to_cxi"]

MARGIN_PX = 2
"""Object pixels beyond the outermost probe window."""
BATCH_PIXELS = 2**20
"""Exit-wave pixels that are propagated at once."""


class Simulation(NamedTuple):
    """A simulated scan and the truth behind it."""

    scan: Scan
    truth: Truth


def simulate(settings: SimulationSettings) -> Simulation:
    """Simulate a scan with all its patterns in memory.

    Parameters
    ----------
    settings : SimulationSettings
        What it shall be.

    Returns
    -------
    Simulation
        ``scan`` and ``truth``.

    Raises
    ------
    SettingsError
        Unknown sample or probe, or a given sample that the scan does not fit into.
    """
    scan, truth = simulate_lazily(settings)
    counts = np.empty(scan.patterns.shape, _count_type(settings, truth))
    batch = _batch(truth)
    for start in range(0, scan.n_points, batch):
        indices = np.arange(start, min(start + batch, scan.n_points))
        counts[indices] = scan.patterns.read(indices)
    return Simulation(replace(scan, patterns=ArrayPatterns(counts)), truth)


def simulate_to_cxi(
    path: str | Path,
    settings: SimulationSettings,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Simulate a scan of any length into a CXI file, with the truth inside.

    Memory holds the object, the positions and one batch of patterns.

    Parameters
    ----------
    path : str or Path
        The file; it appears when it is complete.
    settings : SimulationSettings
        What it shall be.
    on_progress : callable, optional
        Called with (patterns written, patterns in all).

    Raises
    ------
    SettingsError
        As :func:`simulate`.
    OutputError
        The file cannot be written.
    """
    scan, truth = simulate_lazily(settings)
    write_cxi(path, scan, truth, dtype=_count_type(settings, truth), on_progress=on_progress)
    return truth


def simulate_lazily(settings: SimulationSettings) -> Simulation:
    """Simulate a scan whose patterns are computed when they are read.

    Every pattern has its own random numbers: it is the same whenever it is read. Parameters
    and errors are those of :func:`simulate`.
    """
    seeds = np.random.SeedSequence(settings.seed).spawn(3)
    for_probe, for_path, for_sample = (np.random.default_rng(seed) for seed in seeds)
    probe = _probe(settings, for_probe)
    true_px = scan_path(_path(settings, probe), for_path)
    recorded_px = true_px + settings.position_error_px * for_path.standard_normal(true_px.shape)
    first = np.rint(true_px.min(0)).astype(int) - settings.size // 2 - MARGIN_PX
    last = np.rint(true_px.max(0)).astype(int) - settings.size // 2 + settings.size + MARGIN_PX
    sample = _sample(settings, (int(last[0] - first[0]), int(last[1] - first[1])), for_sample)
    geometry = Geometry(
        HC_EV_M / settings.energy_ev, settings.distance_m, (settings.detector_pixel_m,) * 2
    )
    pixel_m = geometry.object_pixel_m((settings.size, settings.size))
    truth = Truth(
        object=sample,
        pixel_m=pixel_m[0],
        corner_m=(float(first[0] * pixel_m[0]), float(first[1] * pixel_m[1])),
        probe=probe,
        positions=true_px * pixel_m,
    )
    mask = _mask(settings)
    guess = settings.guess_defocus
    scan = Scan(
        patterns=SimulatedPatterns(settings, sample, probe, true_px - first, mask),
        positions=recorded_px * pixel_m,
        unit="m",
        mask=mask,
        provenance=Provenance(path=None, format="simulation"),
        pixel_m=pixel_m,
        geometry=geometry,
        probe=probe if guess is None else _defocused(probe[:1], guess),
        probe_is_guess=guess is not None,
    )
    return Simulation(scan, truth)


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedPatterns:
    """Patterns that are computed when they are read.

    Parameters
    ----------
    settings : SimulationSettings
        Background, noise and seed.
    object : ndarray, (H, W) complex64
        Transmission.
    probe : ndarray, (modes, h, w) complex64
        Probe in √photons.
    positions : ndarray, (N, 2) float64
        Probe centres in pixels of `object`.
    mask : ndarray, (h, w) bool
        Blind pixels, which count nothing, are False.
    """

    settings: SimulationSettings
    object: NDArray[np.complex64]
    probe: NDArray[np.complex64]
    positions: NDArray[np.float64]
    mask: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return self.positions.shape[0], self.probe.shape[1], self.probe.shape[2]

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Patterns `indices`, shape (len(indices), H, W), float32 counts, DC at the centre."""
        wanted = np.arange(self.shape[0])[indices]
        frames = np.empty((wanted.size, *self.shape[1:]), np.float32)
        batch = max(1, BATCH_PIXELS // self.probe.size)
        for start in range(0, wanted.size, batch):
            part = slice(start, start + batch)
            frames[part] = self._expected(self.positions[wanted[part]])
        if self.settings.noise:
            for frame, index in zip(frames, wanted, strict=True):
                # The fourth child of the seed; the first three make the scan.
                seed = np.random.SeedSequence(self.settings.seed, spawn_key=(3, int(index)))
                frame[:] = np.random.default_rng(seed).poisson(frame)
        return frames * self.mask

    def _expected(self, positions: NDArray[np.float64]) -> NDArray[np.float32]:
        height, width = self.shape[1:]
        nearest = np.rint(positions).astype(int)
        rows = nearest[:, 0, None] - height // 2 + np.arange(height)
        columns = nearest[:, 1, None] - width // 2 + np.arange(width)
        patches = torch.from_numpy(self.object[rows[:, :, None], columns[:, None, :]])
        shift = torch.from_numpy((positions - nearest).astype(np.float32))
        counts = diffract(shift_probe(torch.from_numpy(self.probe), shift), patches)
        centred = torch.fft.fftshift(counts, dim=(-2, -1)).numpy()
        return np.asarray(centred + np.float32(self.settings.background))


def _probe(settings: SimulationSettings, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Probe modes (modes, size, size) with Σ|P|² = photons."""
    if settings.probe_array is not None:
        first = np.asarray(settings.probe_array, np.complex64)
        if first.shape != (settings.size, settings.size):
            problem = f"the given probe has shape {first.shape}, patterns are {settings.size} wide"
            raise SettingsError("probe", None, problem, remedy="crop or pad the probe")
    elif settings.probe in PROBE_KINDS:
        first = make_probe(settings.probe, settings.size, rng)
    else:
        problem = f"there is no kind {settings.probe!r}"
        raise SettingsError("probe", None, problem, remedy=f"use {', '.join(PROBE_KINDS)}")
    modes = [_unit(first)]
    powers = [1 - settings.second_mode]
    if settings.second_mode > 0:
        modes.append(_vibration(modes[0], rng.uniform(0, np.pi)))
        powers.append(settings.second_mode)
    return np.stack(
        [
            np.sqrt(settings.photons * power) * mode
            for mode, power in zip(modes, powers, strict=True)
        ]
    ).astype(np.complex64)


def _vibration(mode: NDArray[np.complex64], angle: float) -> NDArray[np.complex64]:
    """The mode that a small vibration along `angle` adds: the derivative, orthogonalised."""
    frequency = np.fft.fftfreq(mode.shape[0])
    along = np.sin(angle) * frequency[:, None] + np.cos(angle) * frequency[None, :]
    derivative = np.fft.ifft2(2j * np.pi * along * np.fft.fft2(mode))
    derivative -= mode * np.vdot(mode, derivative)
    return _unit(derivative)


def _unit(wave: NDArray[Any]) -> NDArray[np.complex64]:
    return (wave / np.linalg.norm(wave)).astype(np.complex64)


def _defocused(probe: NDArray[np.complex64], rate: float) -> NDArray[np.complex64]:
    """Fresnel propagation: a ray at frequency f moves by rate·f·size pixels."""
    size = probe.shape[-1]
    frequency = np.fft.fftfreq(size)
    square = frequency[:, None] ** 2 + frequency[None, :] ** 2
    kernel = np.exp(1j * np.pi * rate * size * square)
    return np.fft.ifft2(np.fft.fft2(probe) * kernel).astype(np.complex64)


def _path(settings: SimulationSettings, probe: NDArray[np.complex64]) -> PathSettings:
    step = settings.step_px
    if step is None:
        intensity = (np.abs(probe) ** 2).sum(0).astype(np.float64)
        # Area of a disc of even light with the same participation ratio.
        area = intensity.sum() ** 2 / (intensity**2).sum()
        step = (1 - settings.overlap) * 2 * np.sqrt(area / np.pi)
    return PathSettings(settings.path, settings.points, float(step))


def _sample(
    settings: SimulationSettings, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.complex64]:
    given = settings.sample_array
    if given is not None:
        top, left = (given.shape[0] - shape[0]) // 2, (given.shape[1] - shape[1]) // 2
        if min(top, left) < 0:
            problem = f"the scan covers {shape} pixels, the given sample has {given.shape}"
            raise SettingsError("sample", None, problem, remedy="use fewer points or more overlap")
        cut = given[top : top + shape[0], left : left + shape[1]]
        return np.ascontiguousarray(cut, np.complex64)
    if settings.sample == "random":
        return random_sample(shape, rng)
    if settings.phase_sample is None and settings.contrast is None:
        return make_sample(settings.sample, shape, rng)
    first = painter(settings.sample)
    second = painter(settings.phase_sample or settings.sample)
    return compose(first, second, shape, rng, settings.contrast)


def _mask(settings: SimulationSettings) -> NDArray[np.bool_]:
    """A cross of blind pixels, off the direct beam."""
    mask = np.ones((settings.size, settings.size), np.bool_)
    if settings.gap_px:
        start = settings.size // 2 + settings.size // 8
        mask[start : start + settings.gap_px] = False
        mask[:, start : start + settings.gap_px] = False
    return mask


def _batch(truth: Truth) -> int:
    return max(1, BATCH_PIXELS // truth.probe.size)


def _count_type(settings: SimulationSettings, truth: Truth) -> type[np.generic]:
    """The smallest type that holds every count."""
    if not settings.noise:
        return np.float32
    # |F(P·O)| ≤ max|O|·Σ|P|/√(HW), and ten standard deviations of Poisson noise above it.
    sums = np.abs(truth.probe).sum((-2, -1)) ** 2 / truth.probe[0].size
    peak = float(sums.sum() * np.abs(truth.object).max() ** 2) + settings.background
    return np.uint16 if peak + 10 * np.sqrt(peak) + 10 < 2**16 else np.uint32
