"""On a GPU: the same counts, the same objects, and a way on where its memory is full."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.network.weights import load_network
from napari_ptychonn.reconstruction.job import reconstruct
from napari_ptychonn.reconstruction.measurements import HeldOut, Measurements, _staged
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device"
)


@pytest.fixture(scope="module")
def simulation():
    return simulate(
        SimulationSettings(sample="bars", size=32, points=400, step_px=2.0, photons=1e4, seed=3)
    )


def in_memory(scan, dtype):
    counts = np.minimum(scan.patterns.read(np.arange(scan.n_points)), np.iinfo(np.uint8).max)
    return replace(scan, patterns=ArrayPatterns(counts.astype(dtype)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, ">u2"])
@pytest.mark.parametrize("bad", [False, True])
def test_counts_of_any_type_reach_the_device_as_they_are(rng, dtype, bad):
    counts = rng.integers(0, 256 if dtype == np.uint8 else 65_536, (20, 8, 6)).astype(dtype)
    source = ArrayPatterns(counts, bad=rng.random((8, 6)) < 0.2 if bad else None)
    numbers = np.array([19, 0, 7, 7])
    found = _staged(source, numbers, CPU)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), source.read(numbers))


def test_photons_drawn_at_once_are_a_binomial_split(simulation):
    """What a GPU draws, drawn here: the mean and the variance of Poisson counts, not changed."""
    measurements = Measurements(simulation.scan, np.arange(simulation.scan.n_points), CPU)
    whole = measurements.whole()
    drawn, again = (HeldOut(measurements, 0.1, seed=5)._drawn_on_gpu() for _ in range(2))
    assert torch.equal(drawn, again)
    assert bool((drawn >= 0).all())
    assert bool((drawn <= whole).all())
    left = whole - drawn
    total = float(whole.sum())
    # Five standard deviations of a binomial draw from all photons.
    assert abs(float(left.sum()) - 0.1 * total) < 5 * (0.09 * total) ** 0.5
    spread = float((left - 0.1 * whole).square().sum())
    assert spread == pytest.approx(0.09 * total, rel=0.05)


@needs_gpu
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_gpu_gets_the_counts_of_the_cpu(simulation, dtype):
    scan = in_memory(simulation.scan, dtype)
    every = np.arange(scan.n_points)
    here, there = (Measurements(scan, every, torch.device(name)) for name in ("cpu", "cuda"))
    for points in torch.arange(scan.n_points).split(70):
        found = there.counts(points, points.cuda())
        assert torch.equal(found.cpu(), here.counts(points))
    assert torch.equal(there.whole().cpu(), here.whole())
    part = there.part(torch.tensor([5, 3]))
    assert torch.equal(part.counts(torch.tensor([1])).cpu(), here.counts(torch.tensor([3])))


@needs_gpu
def test_photons_held_out_on_a_gpu_add_up(simulation):
    every = np.arange(simulation.scan.n_points)
    measurements = Measurements(simulation.scan, every, torch.device("cuda"))
    held = measurements.held_out(0.1, seed=1)
    points = torch.arange(50, 90)
    fitted, left = held.split(points)
    assert torch.equal(fitted + left, measurements.counts(points))
    assert torch.equal(fitted, held.fitted(points, points.cuda()))


@needs_gpu
@pytest.mark.parametrize("sweeps", [0, 3, "auto"])
@pytest.mark.parametrize("guess", [False, True])
def test_a_gpu_finds_the_object_of_the_cpu(simulation, sweeps, guess):
    scan = replace(simulation.scan, probe_is_guess=guess)
    settings = ReconstructionSettings(sweeps=sweeps)
    here, there = (reconstruct(scan, replace(settings, device=name)) for name in ("cpu", "cuda"))
    assert not there.report.messages
    # Convolutions run in bfloat16 there, and other photons are held out.
    assert there.report.misfit == pytest.approx(here.report.misfit, rel=0.1)
    lit = here.coverage > 0.1 * here.coverage.max()
    ours, theirs = here.object[lit], there.object[lit]
    turn = np.exp(-1j * np.angle(np.vdot(ours, theirs)))
    assert np.linalg.norm(theirs * turn - ours) < 0.05 * np.linalg.norm(ours)


@needs_gpu
def test_a_job_in_too_little_of_a_gpus_memory_halves_its_batches(simulation):
    settings = ReconstructionSettings(device="cuda", sweeps=1)
    network = load_network("ptychonn-probe", device="cuda")
    usual = reconstruct(simulation.scan, settings, network=network)
    torch.cuda.empty_cache()
    limit = torch.cuda.memory_allocated() + 24 * 2**20
    try:
        torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.mem_get_info()[1])
        tight = reconstruct(simulation.scan, settings, network=network)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("going on with batches of" in text for text in tight.report.messages)
    assert not tight.report.stopped
    assert np.isfinite(tight.misfit).all()
    assert tight.report.misfit == pytest.approx(usual.report.misfit, rel=0.05)
