"""Scans and settings that nobody would make on purpose."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.reconstruction.job import reconstruct
from napari_ptychonn.reconstruction.result import Reconstruction
from napari_ptychonn.reconstruction.settings import ReconstructionSettings
from napari_ptychonn.scan.patterns import ArrayPatterns

QUICK = ReconstructionSettings(device="cpu", passes=1, sweeps=0)


def test_a_scan_of_a_few_lit_patterns_is_no_trouble(simulation, network):
    counts = simulation.scan.patterns.read(np.arange(simulation.scan.n_points))
    counts[1:] = 0
    scan = replace(simulation.scan, patterns=ArrayPatterns(counts))
    assert reconstruct(scan, QUICK, network=network).object.shape


def test_a_position_that_is_far_off_is_refused_with_its_number(simulation, network):
    positions = simulation.scan.positions.copy()
    positions[7] += 0.2
    with pytest.raises(
        ScanError, match=r"would take .* GB, .* farthest from the others is point 7"
    ):
        reconstruct(replace(simulation.scan, positions=positions), QUICK, network=network)


def test_the_callers_random_numbers_stay_what_they_were(simulation, network):
    torch.manual_seed(123)
    wanted = torch.rand(3)
    torch.manual_seed(123)
    reconstruct(simulation.scan, QUICK, network=network)
    assert torch.equal(torch.rand(3), wanted)


def test_numbers_of_numpy_come_back_from_the_file(simulation, network, tmp_path):
    asked = replace(QUICK, passes=np.int64(1), fraction=np.float32(0.5), seed=np.int64(2))
    reconstruct(simulation.scan, asked, network=network).save(tmp_path / "result.h5")
    assert Reconstruction.load(tmp_path / "result.h5").settings == asked
    for seed in (-1, 2**70):
        with pytest.raises(SettingsError, match=f"seed: {seed} is out of range"):
            replace(QUICK, seed=seed)


@pytest.mark.parametrize(
    "wrong", [{"sweeps": "many"}, {"passes": None}, {"seed": "a"}, {"fraction": "all"}]
)
def test_what_is_no_number_is_refused_by_name(wrong):
    with pytest.raises(SettingsError, match=f"{next(iter(wrong))}: .* is out of range"):
        replace(QUICK, **wrong)
