"""Where it is weak: raw patterns alone, and scans whose file holds no probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure
from simulated import against_truth, natural_scan

if TYPE_CHECKING:
    from napari_ptychonn.simulation.simulate import Simulation

__all__ = ["no_probe", "other_probes", "raw_patterns"]


def raw_patterns() -> Iterator[Figure]:
    """`ptychonn` on the sample scan that it was trained for."""
    yield from _measure("ptychonn, its own setup", _sample("circuit-zone-plate"), "ptychonn")


def other_probes() -> Iterator[Figure]:
    """`ptychonn` on single patches under probes that it was not trained for, three of each kind.

    Beside its error (root of the weighted square, at the best phase) stands that of the best
    constant patch.
    """
    import torch

    from napari_ptychonn.network.weights import load_network
    from napari_ptychonn.simulation.probes import PROBE_KINDS, make_probe
    from napari_ptychonn.training.drawn_samples import VALIDATION_SEED
    from napari_ptychonn.training.examples import ExampleSettings
    from napari_ptychonn.training.losses import patch_error
    from napari_ptychonn.training.pattern_recipe import PatternRecipe

    network = load_network("ptychonn").module
    examples = ExampleSettings(fields=4, side=3)
    own = PatternRecipe(examples).probe
    rng = np.random.default_rng(VALIDATION_SEED)

    def errors(probe: torch.Tensor) -> tuple[float, float]:
        patterns, truth = PatternRecipe(examples, probe=probe).draw(rng)
        weight = probe.abs().square().sum(0)
        with torch.no_grad():
            found = network.patches(patterns)
        mean = (weight * truth).sum((-2, -1), keepdim=True) / weight.sum()
        both = (patch_error(each, truth, weight) for each in (found, mean.expand_as(truth)))
        ours, constant = (float(each.clamp_min(0).sqrt().mean()) for each in both)
        return ours, constant

    flux = own.abs().square().sum().sqrt()
    at_home = np.array([errors(own) for _ in range(4)])
    abroad = np.array(
        [
            errors(torch.from_numpy(make_probe(kind, own.shape[-1], rng))[None] * flux)
            for kind in PROBE_KINDS
            for _ in range(3)
        ]
    )
    for case, each in (("its own probe", at_home), (f"{len(abroad)} other probes", abroad)):
        yield Figure(f"ptychonn, {case}", "error of patches", float(each[:, 0].mean()))
        yield Figure(f"ptychonn, {case}", "error of the best constant", float(each[:, 1].mean()))
    better = int((abroad[:, 0] < abroad[:, 1]).sum())
    yield Figure(f"ptychonn, {len(abroad)} other probes", "better than a constant", better)


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
