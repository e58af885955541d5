"""Samples of three kinds that no training draws from, and their scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.alignment import Rectangle
    from napari_ptychonn.reconstruction.comparison import Comparison
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.simulation.simulate import Simulation

__all__ = ["KINDS", "against_truth", "around", "corner_px", "scan_of", "usual_probe"]

_SIDE = 420
_PERIOD_PX = 12.0
_PITCH_PX = 9.0


def maze(rng: np.random.Generator) -> NDArray[np.float64]:
    """Winding walls of one width, as in a phase-separated film."""
    spectrum = np.fft.rfft2(rng.normal(size=(_SIDE, _SIDE)))
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE))
    spectrum *= np.exp(-(((frequency - 1 / _PERIOD_PX) / 0.012) ** 2))
    walls = np.fft.irfft2(spectrum, (_SIDE, _SIDE)) > 0
    return ndimage.gaussian_filter(walls.astype(np.float64), 0.7)


def lattice(rng: np.random.Generator) -> NDArray[np.float64]:
    """Particles on a hexagonal lattice with vacancies and some disorder."""
    found = np.zeros((_SIDE, _SIDE))
    count = int(_SIDE / _PITCH_PX)
    rows, columns = np.divmod(np.arange(count * count), count)
    places = np.stack((rows, columns + 0.5 * (rows % 2)), 1) * _PITCH_PX
    places += rng.normal(0, 0.4, places.shape)
    kept = places[rng.random(len(places)) < 0.9].astype(int)
    kept = kept[((kept >= 0) & (kept < _SIDE)).all(1)]
    found[kept[:, 0], kept[:, 1]] = 1
    return np.clip(ndimage.gaussian_filter(found, 1.8) * 18, 0, 1)


def star(rng: np.random.Generator) -> NDArray[np.float64]:
    """A Siemens star: the kind that training leaves out."""
    from napari_ptychonn.simulation.painters import paint_siemens_star

    return np.asarray(paint_siemens_star((_SIDE, _SIDE), rng), np.float64)


KINDS = {"maze": maze, "lattice": lattice, "star": star}


def usual_probe() -> NDArray[np.complex64]:
    """A zone plate a little out of focus, 64×64."""
    from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil

    return probe_from_pupil(PupilSettings(radius=0.2, stop=0.35, defocus=0.14), 64)


def scan_of(kind: str, photons: float, points: int = 900) -> Simulation:
    """A scan of one material, 3 rad and 40 % absorption at its thickest, 80 % overlap."""
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate

    thickness = KINDS[kind](np.random.default_rng(5))
    return simulate(
        SimulationSettings(
            sample_array=(0.6**thickness * np.exp(3j * thickness)).astype(np.complex64),
            probe_array=usual_probe(),
            size=64,
            points=points,
            overlap=0.8,
            photons=photons,
            seed=5,
        )
    )


def against_truth(simulation: Simulation, result: Reconstruction, region: Rectangle) -> Comparison:
    """Compare a result with the truth inside a region, object pixels."""
    from napari_ptychonn.reconstruction.comparison import compare

    truth = simulation.truth
    corner = (truth.corner_m[0] / truth.pixel_m, truth.corner_m[1] / truth.pixel_m)
    return compare(result.object, corner_px(result), truth.object, corner, region)


def around(positions: NDArray[np.float64]) -> Rectangle:
    """The rectangle that positions (N, 2) span."""
    (top, left), (bottom, right) = positions.min(0), positions.max(0)
    return (float(top), float(left)), (float(bottom), float(right))


def corner_px(result: Reconstruction) -> tuple[float, float]:
    """Where a result's first pixel lies, object pixels."""
    return result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1]
