"""Where it is weak: raw patterns alone, and scans whose file holds no probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from figures import Figure
from simulated import against_truth, natural_scan

if TYPE_CHECKING:
    from napari_ptychonn.simulation.simulate import Simulation

__all__ = ["no_probe", "raw_patterns"]


def raw_patterns() -> Iterator[Figure]:
    """`ptychonn` on the sample scan that it was trained for."""
    yield from _measure("ptychonn, its own setup", _sample("circuit-zone-plate"), "ptychonn")


def no_probe() -> Iterator[Figure]:
    """The network alone, without any probe; and *cells* from its wrong guess beside it."""
    for name, simulation in (
        ("natural pictures", natural_scan(1e5)),
        ("cells", _sample("cells-wrong-probe")),
    ):
        blind = replace(simulation.scan, probe=None, probe_is_guess=False)
        yield from _measure(f"{name}, no probe", simulation._replace(scan=blind))
    yield from _measure("cells, wrong probe", _sample("cells-wrong-probe"))


def _sample(name: str) -> Simulation:
    from napari_ptychonn.simulation.settings import SAMPLE_SCANS
    from napari_ptychonn.simulation.simulate import simulate

    return simulate(SAMPLE_SCANS[name])


def _measure(
    case: str, simulation: Simulation, network: str = "ptychonn-probe"
) -> Iterator[Figure]:
    from napari_ptychonn.reconstruction.job import reconstruct
    from napari_ptychonn.reconstruction.settings import ReconstructionSettings

    settings = ReconstructionSettings(network=network, device="cpu", sweeps=0)
    result = reconstruct(simulation.scan, settings)
    corner = (result.corner[0] / result.pixel[0], result.corner[1] / result.pixel[1])
    same = against_truth(simulation, result.object, corner)
    yield Figure(case, "phase correlation", same.phase_correlation)
    yield Figure(case, "NRMSE, scale removed", same.nrmse_scaled)
    yield Figure(case, "misfit", result.report.misfit)
