"""Inputs that are kept, read or computed are the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_ptychonn.network.card import Preprocessing
from napari_ptychonn.network.preprocess import gather_statistics, needs_statistics, transform
from napari_ptychonn.training.inputs import make_inputs

WAYS = [
    Preprocessing(),
    Preprocessing(flux=1024.0),
    Preprocessing(threshold=3.0, subtract_mean_pattern=True),
    Preprocessing(subtract_mean_pattern=True, standardise=True),
]


@pytest.fixture(params=WAYS, ids=str)
def way(request, taught_simulation):
    """Preprocessing, the statistics that it needs, and the scan with a few blind pixels."""
    mask = taught_simulation.scan.mask.copy()
    mask[16, 12:15] = mask[9, 20] = False
    scan = replace(taught_simulation.scan, mask=mask)
    statistics = (
        gather_statistics(scan.patterns, request.param, mask=mask)
        if needs_statistics(request.param)
        else None
    )
    return request.param, statistics, scan


def test_kept_and_read_inputs_are_the_transformed_patterns(way):
    how, statistics, scan = way
    numbers = np.arange(3, 60, 2)
    points = torch.tensor([5, 0, 17])
    wanted = transform(scan.patterns.read(numbers[points.numpy()]), how, statistics, mask=scan.mask)
    for keep in (True, False):
        found = make_inputs(scan, numbers, how, statistics, torch.device("cpu"), keep=keep)
        assert (found.kept is not None) == keep
        np.testing.assert_array_equal(found.measured(points).numpy(), wanted)


def test_computed_patterns_are_transformed_as_measured_ones_are(way):
    how, statistics, scan = way
    numbers = np.arange(4)
    found = make_inputs(scan, numbers, how, statistics, torch.device("cpu"), keep=False)
    counts = np.fft.ifftshift(scan.patterns.read(numbers), axes=(1, 2))
    np.testing.assert_allclose(
        found.computed(torch.from_numpy(counts.copy())).numpy(),
        transform(scan.patterns.read(numbers), how, statistics, mask=scan.mask),
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip
