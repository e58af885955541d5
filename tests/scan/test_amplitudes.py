"""Counts and their square roots are told apart by the steps that photons leave."""

import numpy as np
import pytest
from scan_exchange_files import square_world
from scan_npz_files import write_ptychopinn
from scan_world import World, write_plain

from napari_ptychonn.scan.amplitudes import looks_like_amplitudes
from napari_ptychonn.scan.open import open_scan
from napari_ptychonn.scan.options import ScanOptions
from napari_ptychonn.scan.patterns import ArrayPatterns
from napari_ptychonn.simulation.probes import PROBE_KINDS
from napari_ptychonn.simulation.settings import SimulationSettings
from napari_ptychonn.simulation.simulate import simulate

WORLDS = {
    "world": World(),
    "square": square_world(),
    "long": World(size=(16, 48), seed=1),
    "wide": World(size=(40, 40), seed=9),
}
SCALES = (1.0, 1e-3, 0.37, 1 / 4095)
TYPES = (np.float32, np.float64)


def verdict(array):
    return looks_like_amplitudes(ArrayPatterns(array))


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", TYPES)
def test_every_fixture_is_told_as_counts_and_as_amplitudes(name, scale, dtype):
    counts = WORLDS[name].patterns * scale
    assert verdict(counts.astype(dtype)) is False
    assert verdict(np.sqrt(counts).astype(dtype)) is True


@pytest.mark.parametrize("kind", PROBE_KINDS)
@pytest.mark.parametrize("photons", [3e2, 1e4, 1e6])
def test_simulated_scans_of_every_probe_and_dose_are_told(kind, photons):
    settings = SimulationSettings(probe=kind, size=64, points=16, photons=photons, seed=2)
    counts = simulate(settings).scan.patterns.read(np.arange(16))
    normalised = counts / counts.max()
    assert verdict(counts) is False
    assert verdict(normalised) is False
    assert verdict(np.sqrt(counts)) is True
    assert verdict(np.sqrt(normalised)) is True


def test_values_that_no_photon_left_a_step_in_do_not_tell():
    smooth = np.random.default_rng(0).exponential(50, (20, 32, 32)).astype(np.float32)
    assert verdict(smooth) is None
    assert verdict(np.zeros((4, 8, 8), np.float32)) is None


def test_counts_with_amplifier_noise_are_not_called_amplitudes():
    rng = np.random.default_rng(1)
    counts = WORLDS["world"].patterns * 1.4 + rng.normal(0, 0.3, WORLDS["world"].patterns.shape)
    assert verdict(np.clip(counts, 0, None).astype(np.float32)) is None


def test_amplitudes_in_a_file_of_no_known_format_are_squared(tmp_path, world):
    path = write_plain(
        tmp_path / "any.h5", frames=np.sqrt(world.patterns).astype(np.float32),
        places=world.positions_px,
    )  # fmt: skip
    options = ScanOptions({"patterns": "/frames", "positions": "/places"}, positions_unit="px")
    scan = open_scan(path, options)
    np.testing.assert_allclose(
        scan.patterns.read(world.everything)[:, : world.size[0], : world.size[1]],
        world.patterns * scan.mask, rtol=1e-6,
    )  # fmt: skip
    assert any("squared" in sentence for sentence in scan.provenance.assumptions)


def test_ptychopinn_counts_that_were_normalised_are_not_squared(tmp_path, world):
    counts = (world.patterns * 1e-3).astype(np.float32)
    scan = open_scan(write_ptychopinn(tmp_path / "scaled.npz", world, stack=counts))
    np.testing.assert_array_equal(scan.patterns.read(world.everything), world.patterns * scan.mask)


@pytest.mark.data
def test_measured_patterns_are_counts(shared_data):
    frames = np.load(shared_data / "ptychonn_paper_frames/20191008_39_diff_sample.npy")
    stacks = {"paper": frames.reshape(-1, *frames.shape[-2:])}
    for name in (
        "siemens_star/siemens_star.h5",
        "near_field_cxi/PETRAIII_P25_Near_Field_Ptycho.cxi",
    ):
        scan = open_scan(shared_data / name)
        stacks[name] = scan.patterns.read(np.arange(0, scan.n_points, 20))
    for name, counts in stacks.items():
        assert verdict(counts.astype(np.float32)) is False, name
        assert verdict(np.sqrt(counts)) is True, name
