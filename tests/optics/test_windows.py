"""Cutting patches and adding them back are adjoint, so gradients and stitches are exact."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ptychonn.optics.windows import add_windows, cut_windows, window_indices


@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9))
@settings(max_examples=50)
def test_adding_is_the_adjoint_of_cutting(seed, height, width, count):
    rng = np.random.default_rng(seed)
    shape = (height + 4, width + 3)
    corners = torch.from_numpy(rng.integers(0, (5, 4), (count, 2)))
    indices = window_indices(corners, (height, width), shape[1])
    array = torch.from_numpy(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    size = (count, height, width)
    patches = torch.from_numpy(rng.normal(size=size) + 1j * rng.normal(size=size))
    total = torch.zeros(shape, dtype=torch.complex128)
    add_windows(total, indices, patches)
    torch.testing.assert_close(
        torch.vdot(cut_windows(array, indices).ravel(), patches.ravel()),
        torch.vdot(array.ravel(), total.ravel()),
    )


def test_a_window_is_the_slice_at_its_corner():
    array = torch.arange(70.0).view(7, 10)
    cut = cut_windows(array, window_indices(torch.tensor([[2, 3], [0, 6]]), (4, 3), 10))
    assert torch.equal(cut[0], array[2:6, 3:6])
    assert torch.equal(cut[1], array[0:4, 6:9])


def test_overlapping_windows_sum_up():
    total = torch.zeros(3, 4)
    indices = window_indices(torch.tensor([[0, 0], [0, 1], [0, 1]]), (2, 2), 4)
    add_windows(total, indices, torch.ones(3, 2, 2))
    assert total.tolist() == [[1, 3, 2, 0], [1, 3, 2, 0], [0, 0, 0, 0]]
