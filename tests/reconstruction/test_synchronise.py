"""Synchronisation finds the phase that every patch was turned by."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.points import spatial_order
from napari_ptychonn.reconstruction.synchronise import cell_rows, cell_size, synchronise
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil


def grid(side, step, rng, jitter=0.3):
    positions = np.stack(np.divmod(np.arange(side**2), side), 1) * float(step)
    return positions + rng.normal(0, jitter, positions.shape)


def turned_patches(positions, size, rng, noise=0.0):
    """Patches of one smooth object, each turned by a random phase, and those phases."""
    frame = make_frame(positions, (size, size))
    amplitude, phase = (
        ndimage.gaussian_filter(rng.normal(size=frame.shape), 2) * 8 for _ in range(2)
    )
    object_ = torch.from_numpy((1 + 0.2 * amplitude) * np.exp(1j * phase)).to(torch.complex64)
    patches = cut_windows(object_, frame.indices(torch.arange(frame.n_points)))
    grain = rng.normal(size=(2, *patches.shape)).astype(np.float32)
    patches = patches + noise * torch.complex(*torch.from_numpy(grain))
    turns = np.exp(2j * np.pi * rng.random(frame.n_points)).astype(np.complex64)
    return frame, patches * torch.from_numpy(turns)[:, None, None], turns


def light(size):
    probe = probe_from_pupil(PupilSettings(radius=0.22, stop=0.3, defocus=0.12), size)
    return torch.from_numpy(np.abs(probe) ** 2)[None]


def solve(frame, patches, fixed=None):
    size = patches.shape[-1]
    cell = cell_size(frame.n_points, (size, size))
    rows = [
        cell_rows(patches[part], light(size), frame.subset(part), cell)
        for part in torch.arange(frame.n_points).split(50)
    ]
    return synchronise(rows, spatial_order(frame.corners.numpy().astype(float)), fixed)


def error(found, truth):
    """Root mean square of what is left, radians, at the best global phase."""
    left = found * truth.conj()
    return float(np.std(np.angle(left * np.conj(left.mean()))))


@given(st.integers(0, 10_000), st.sampled_from([2, 4, 7]))
@settings(max_examples=12)
def test_random_phases_of_consistent_patches_are_found(seed, side):
    rng = np.random.default_rng(seed)
    frame, patches, turns = turned_patches(grid(side, 4, rng), 24, rng)
    found = solve(frame, patches)
    np.testing.assert_allclose(np.abs(found), 1, atol=1e-5)
    assert error(found, turns) < 0.01


@given(st.integers(0, 10_000))
@settings(max_examples=6)
def test_noise_half_as_strong_as_the_object_is_averaged_out(seed):
    rng = np.random.default_rng(seed)
    frame, patches, turns = turned_patches(grid(7, 4, rng), 24, rng, noise=0.5)
    assert error(solve(frame, patches), turns) < 0.2


@pytest.mark.parametrize("seed", [0, 4, 7])
def test_a_scan_of_forty_by_forty_points_is_solved_as_a_whole(seed):
    # With steps of two thirds of the light's diameter, local steps leave vortices for these seeds.
    rng = np.random.default_rng(seed)
    frame, patches, turns = turned_patches(grid(40, 4, rng), 24, rng, noise=0.2)
    found = solve(frame, patches)
    # Errors that grow over the scan would show in its corners, a thousand patches apart.
    assert error(found, turns) < 0.08
    left = (found * turns.conj()).reshape(40, 40)
    corners = np.array([left[:10, :10], left[:10, -10:], left[-10:, :10], left[-10:, -10:]])
    apart = np.angle(corners.mean((1, 2)) * np.conj(left.mean()))
    assert np.abs(apart).max() < 0.08


@pytest.mark.parametrize("cell", [3, 6])
def test_exact_patches_in_large_cells_lose_nothing_over_a_scan(cell):
    # Light that changes within the cells once turned every patch a little, and all of them a lot.
    rng = np.random.default_rng(5)
    frame, patches, turns = turned_patches(grid(30, 2, rng, jitter=0), 24, rng)
    rows = [cell_rows(patches, light(24), frame, cell)]
    found = synchronise(rows, spatial_order(frame.corners.numpy().astype(float)))
    assert error(found, turns) < 0.01


def test_phases_that_were_settled_stay_and_the_others_join_them():
    rng = np.random.default_rng(1)
    frame, patches, turns = turned_patches(grid(8, 4, rng), 24, rng)
    fixed = (turns[:20] * np.exp(0.7j)).astype(np.complex64)
    found = solve(frame, patches, fixed)
    np.testing.assert_array_equal(found[:20], fixed)
    left = np.angle(found * turns.conj() * np.exp(-0.7j))
    assert np.abs(left[20:]).max() < 0.1


def test_parts_of_a_scan_that_do_not_touch_are_each_solved():
    rng = np.random.default_rng(2)
    near = grid(4, 4, rng)
    frame, patches, turns = turned_patches(np.concatenate([near, near + 60]), 24, rng)
    found = solve(frame, patches)
    assert error(found[:16], turns[:16]) < 0.08
    assert error(found[16:], turns[16:]) < 0.08


@pytest.mark.parametrize("step", [0.0, 60.0])
def test_patches_that_coincide_or_never_meet_are_no_trouble(step):
    rng = np.random.default_rng(3)
    frame, patches, turns = turned_patches(grid(6, step, rng, jitter=0), 16, rng)
    found = solve(frame, patches)
    np.testing.assert_allclose(np.abs(found), 1, atol=1e-5)
    if step == 0:
        assert error(found, turns) < 1e-3


def test_cells_keep_the_matrix_small():
    assert cell_size(100, (64, 64)) == 2
    for n_points, side in ((1600, 64), (20_000, 128), (100_000, 256)):
        cell = cell_size(n_points, (side, side))
        assert n_points * (side / cell) ** 2 <= 3.1e6 or cell == side // 4


def test_phases_that_are_right_already_stay_where_they_are():
    rng = np.random.default_rng(8)
    frame, patches, _ = turned_patches(grid(20, 4, rng), 24, rng, noise=0.2)
    first = solve(frame, patches)
    again = solve(frame, patches * torch.from_numpy(first.conj())[:, None, None])
    assert error(again, np.ones_like(again)) < 5e-3
