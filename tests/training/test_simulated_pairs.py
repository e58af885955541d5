"""Patterns computed from a label are those that the label's patches would give."""

import numpy as np
import pytest
import torch

from napari_ptychonn.optics.propagation import diffract
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.training.labels import cut_labels
from napari_ptychonn.training.simulated_pairs import simulate_pairs

SIDE = 16


@pytest.fixture
def scene():
    """A smooth object, a lopsided probe, and a frame of nine points."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :40] / 40
    object_ = np.exp(1j * (np.sin(5 * x) + np.cos(7 * y))) * (0.7 + 0.2 * np.sin(9 * x * y))
    rows = np.arange(SIDE) - SIDE / 2
    light = np.exp(-(rows[:, None] ** 2) / 9 - (rows - 1) ** 2 / 16) * np.exp(0.05j * rows**2)
    places = np.stack(np.meshgrid([0.0, 7.3, 15.6], [0.0, 7.1, 15.2]), -1).reshape(-1, 2)
    frame = make_frame(places + rng.normal(0, 0.2, places.shape), (SIDE, SIDE))
    height, width = frame.shape
    return (
        torch.from_numpy(object_[:height, :width].astype(np.complex64)),
        frame,
        torch.from_numpy(light[None].astype(np.complex64)),
    )


def test_patterns_are_those_of_the_patches(scene):
    object_, frame, probe = scene
    known = torch.ones(frame.shape, dtype=torch.bool)
    patterns, patches, sure = simulate_pairs(
        object_,
        known,
        frame,
        probe,
        torch.arange(9),
        torch.Generator().manual_seed(1),
        photons=False,
    )
    assert patterns.shape == patches.shape == sure.shape == (9, SIDE, SIDE)
    torch.testing.assert_close(patterns, diffract(probe, patches))
    assert bool(sure.all())


def test_counts_scatter_as_photons_do(scene):
    object_, frame, probe = scene
    known = torch.ones(frame.shape, dtype=torch.bool)
    points = torch.zeros(200, dtype=torch.int64)
    counts, patches, _ = simulate_pairs(
        object_, known, frame, 30 * probe, points, torch.Generator().manual_seed(2), photons=True
    )
    assert bool((counts == counts.round()).all())
    expected = diffract(30 * probe, patches)
    bright = expected > 5
    scatter = ((counts - expected).square() / expected)[bright].mean()
    assert 0.9 < float(scatter) < 1.1


def test_all_eight_symmetries_are_drawn_and_what_is_unknown_turns_along(scene):
    object_, frame, probe = scene
    known = torch.ones(frame.shape, dtype=torch.bool)
    known[:, : frame.shape[1] // 3] = False
    points = torch.zeros(120, dtype=torch.int64)
    _, patches, sure = simulate_pairs(
        object_, known, frame, probe, points, torch.Generator().manual_seed(3), photons=False
    )
    sides = {
        (bool(one[:, 0].any()), bool(one[:, -1].any()), bool(one[0].any()), bool(one[-1].any()))
        for one in sure
    }
    # The unknown side of the first window comes to lie on each of the four sides.
    assert len(sides) == 4
    plain = cut_labels(object_, frame, points[:1])[0]
    images = [torch.rot90(side, turn) for side in (plain, plain.flip(0)) for turn in range(4)]
    nearest = {
        min(range(8), key=lambda one: float((patch - images[one]).abs().mean()))
        for patch in patches
    }
    assert nearest == set(range(8))


def test_some_are_turned_by_any_angle_and_zoomed(scene):
    object_, frame, probe = scene
    known = torch.ones(frame.shape, dtype=torch.bool)
    points = torch.full((12,), 4)
    patterns, patches, sure = simulate_pairs(
        object_, known, frame, probe, points, torch.Generator().manual_seed(4), photons=False,
        free=6,
    )  # fmt: skip
    torch.testing.assert_close(patterns, diffract(probe, patches))
    assert bool(sure.all())
    plain = cut_labels(object_, frame, points[:1])[0]
    images = [torch.rot90(side, turn) for side in (plain, plain.flip(0)) for turn in range(4)]
    middle = (slice(SIDE // 4, -SIDE // 4),) * 2
    away = [
        min(float((patch[middle] - image[middle]).abs().mean()) for image in images)
        for patch in patches
    ]
    # A pixel aside, the object changes by 0.1.
    assert max(away[6:]) < 0.15
    assert np.median(away[:6]) > np.median(away[6:])
