"""A simulated scan of two natural pictures, one the amplitude and one the phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_ptychonn.reconstruction.comparison import Comparison
    from napari_ptychonn.reconstruction.result import Reconstruction
    from napari_ptychonn.simulation.simulate import Simulation

__all__ = ["against_truth", "high_dose", "low_dose", "natural_scan", "scanned"]

_POINTS = 1600
_CONVERGED_SWEEPS = 60


def high_dose() -> Iterator[Figure]:
    """1e5 photons: the network alone, and with 20 sweeps."""
    simulation = natural_scan(1e5)
    case = "natural pictures, 1e5 photons"
    alone = _reconstruct(simulation, sweeps=0)
    same = against_truth(simulation, alone.object, _corner_px(alone))
    yield Figure(case, "network: phase correlation", same.phase_correlation, "", (">=", 0.95))
    yield Figure(
        case, "network: amplitude correlation", same.amplitude_correlation, "", (">=", 0.9)
    )
    yield Figure(case, "network: NRMSE", same.nrmse)
    yield Figure(case, "network: misfit", alone.report.misfit)
    yield Figure(case, "network: time", alone.report.seconds, "s")
    swept = _reconstruct(simulation, sweeps=20)
    same = against_truth(simulation, swept.object, _corner_px(swept))
    yield Figure(case, "20 sweeps: NRMSE", same.nrmse, "", ("<=", 0.06))
    yield Figure(case, "20 sweeps: phase correlation", same.phase_correlation)
    yield Figure(case, "20 sweeps: misfit", swept.report.misfit)
    yield Figure(case, "20 sweeps: time", swept.report.seconds, "s")


def low_dose() -> Iterator[Figure]:
    """1e3 photons: `auto` against sweeps from a flat object, run to convergence."""
    simulation = natural_scan(1e3)
    case = "natural pictures, 1e3 photons"
    errors = list(_sweeps_from_flat(simulation))
    yield Figure(case, f"flat, {_CONVERGED_SWEEPS} sweeps: NRMSE", errors[-1])
    yield Figure(case, f"flat, best ({int(np.argmin(errors)) + 1} sweeps): NRMSE", min(errors))
    automatic = _reconstruct(simulation, sweeps="auto")
    same = against_truth(simulation, automatic.object, _corner_px(automatic))
    yield Figure(case, "auto: NRMSE", same.nrmse, "", ("<", errors[-1]))
    yield Figure(case, "auto: phase correlation", same.phase_correlation)
    yield Figure(case, "auto: amplitude correlation", same.amplitude_correlation)
    yield Figure(case, "auto: sweeps", automatic.report.sweeps)
    yield Figure(case, "auto: time", automatic.report.seconds, "s")


def natural_scan(photons: float, points: int = _POINTS) -> Simulation:
    """A scan with a known probe and 80 % overlap."""
    from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil
    from napari_ptychonn.simulation.settings import SimulationSettings
    from napari_ptychonn.simulation.simulate import simulate

    probe = probe_from_pupil(PupilSettings(radius=0.2, stop=0.35, defocus=0.14), 64)
    return simulate(
        SimulationSettings(
            sample_array=natural_pictures(360),
            probe_array=probe,
            size=64,
            points=points,
            overlap=0.8,
            photons=photons,
        )
    )


def natural_pictures(side: int) -> NDArray[np.complex64]:
    """Amplitude 0.4 to 1 from one photograph, phase −1 to 1 rad from another."""
    from skimage import data, transform

    amplitude, phase = (
        transform.resize(picture / 255.0, (side, side), anti_aliasing=True)
        for picture in (data.camera(), data.coins())
    )
    return ((0.4 + 0.6 * amplitude) * np.exp(1j * (2 * phase - 1))).astype(np.complex64)


def against_truth(
    simulation: Simulation, object_: NDArray[np.complex64], corner_px: tuple[float, float]
) -> Comparison:
    """Compare an object with the truth inside the scanned region."""
    from napari_ptychonn.reconstruction.comparison import compare

    truth = simulation.truth
    corner = (truth.corner_m[0] / truth.pixel_m, truth.corner_m[1] / truth.pixel_m)
    return compare(object_, corner_px, truth.object, corner, scanned(simulation))


def scanned(simulation: Simulation) -> tuple[tuple[float, float], tuple[float, float]]:
    """Rectangle around the probe centres, object pixels."""
    positions = simulation.scan.positions_px
    (top, left), (bottom, right) = positions.min(0), positions.max(0)
    return (float(top), float(left)), (float(bottom), float(right))


def _reconstruct(simulation: Simulation, *, sweeps: int | str) -> Reconstruction:
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    wanted: int | str = sweeps
    return reconstruct(
        simulation.scan,
        ReconstructionSettings(device="cpu", sweeps=wanted),  # type: ignore[arg-type]
    )


def _corner_px(result: Reconstruction) -> tuple[float, float]:
    return result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1]


def _sweeps_from_flat(simulation: Simulation) -> Iterator[float]:
    """NRMSE after every sweep from a flat object with the true probe, all photons fitted."""
    import torch

    from napari_ptychonn.reconstruction.events import never
    from napari_ptychonn.reconstruction.frame import make_frame
    from napari_ptychonn.reconstruction.measurements import Measurements
    from napari_ptychonn.reconstruction.sweeps import SweepState, sweep_object

    scan = simulation.scan
    frame = make_frame(scan.positions_px, scan.pattern_shape)
    measurements = Measurements(scan, np.arange(scan.n_points), torch.device("cpu"))
    flat = torch.ones(frame.shape, dtype=torch.complex64)
    probe = torch.from_numpy(simulation.truth.probe)
    for event in sweep_object(
        measurements, frame, flat, probe, _CONVERGED_SWEEPS,
        update_probe=False, seed=0, batch_size=64, should_stop=never,
    ):  # fmt: skip
        if isinstance(event, SweepState):
            yield against_truth(simulation, event.object.numpy(), frame.corner_px).nrmse
