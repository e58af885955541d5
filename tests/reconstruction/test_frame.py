"""The frame: every window on the grid, and what is left of its position as a shift."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_ptychonn.reconstruction.frame import make_frame


@given(
    arrays(np.float64, (6, 2), elements=st.floats(-1e4, 1e4)),
    st.sampled_from([(8, 8), (16, 24), (7, 9)]),
)
@settings(max_examples=60)
def test_corner_window_and_shift_add_up_to_the_position(positions, shape):
    frame = make_frame(positions, shape)
    half = np.asarray(shape) // 2
    back = frame.corners.numpy() + half + frame.corner_px + frame.shifts.numpy()
    # Shifts are of single precision, below one.
    np.testing.assert_allclose(back, positions, atol=1e-6)
    assert frame.shifts.abs().max() <= 0.5
    # The smallest grid that holds every window.
    assert frame.corners.amin(0).tolist() == [0, 0]
    assert (frame.corners.amax(0) + torch.tensor(shape)).tolist() == list(frame.shape)


def test_a_window_covers_its_part_of_the_object():
    frame = make_frame(np.array([[10.0, 20.0], [13.0, 18.0]]), (8, 8))
    assert frame.shape == (11, 10)
    assert frame.corner_px == (6.0, 14.0)
    plane = torch.arange(110).view(11, 10)
    assert torch.equal(plane.ravel()[frame.indices(torch.tensor([1]))[0]], plane[3:11, 0:8])


def test_whole_pixels_need_no_shift_and_fractions_do():
    whole = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert not make_frame(whole, (8, 8)).subpixel
    assert not make_frame(whole + 1e-3, (8, 8)).subpixel
    assert make_frame(whole + 0.25, (8, 8)).subpixel


def test_a_subset_lies_on_the_same_grid():
    frame = make_frame(np.array([[0.0, 0.0], [3.2, 4.0], [9.0, 1.0]]), (8, 8))
    part = frame.subset(torch.tensor([1]))
    assert (part.shape, part.corner_px, part.n_points) == (frame.shape, frame.corner_px, 1)
    assert torch.equal(part.indices(torch.tensor([0])), frame.indices(torch.tensor([1])))
    assert torch.equal(part.shifts, frame.shifts[1:2])
