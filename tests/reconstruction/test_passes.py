"""A pass: every point once, in subsets that each cover the scan and see what came before."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.events import never
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.passes import PassStep, network_pass, subsets_of
from napari_ptychonn.reconstruction.predict import Prediction

SIZE = 32


@pytest.fixture(scope="module")
def place():
    """Frame, light and truth of 144 points, 3 px apart, under a disc of light."""
    rng = np.random.default_rng(0)
    frame = make_frame(np.stack(np.divmod(np.arange(144), 12), 1) * 3.0, (SIZE, SIZE))
    axis = np.arange(SIZE) - SIZE // 2
    disc = np.clip(9 - np.hypot(axis[:, None], axis[None, :]), 0, 1).astype(np.float32)
    phase = 5 * ndimage.gaussian_filter(rng.normal(size=frame.shape), 2)
    truth = torch.from_numpy(np.exp(1j * phase).astype(np.complex64))
    return frame, 100 * torch.from_numpy(disc), truth


def predictor(place, seen, batch=10):
    """Predicts the truth, every patch turned by a phase of its own."""
    frame, light, truth = place
    generator = torch.Generator().manual_seed(0)

    def predict(points, estimate):
        seen.append((points, estimate))
        for part in points.split(batch):
            turn = 6.28 * torch.rand(len(part), generator=generator)
            turn = torch.polar(torch.ones_like(turn), turn)[:, None, None]
            yield Prediction(part, cut_windows(truth, frame.indices(part)) * turn, light[None])

    return predict


def test_subsets_hold_every_point_once_and_each_covers_the_scan(place):
    frame, light, _ = place
    subsets = subsets_of(frame, light)
    assert len(subsets) > 1
    assert sorted(torch.cat(subsets).tolist()) == list(range(144))
    for subset in subsets:
        corners = frame.corners[subset].double().numpy()
        assert np.ptp(corners, axis=0).min() >= 0.7 * 33
        covered = np.zeros(frame.shape)
        for y, x in corners.astype(int):
            covered[y : y + SIZE, x : x + SIZE] += light.numpy()
        # Nine of ten pixels between the points see light from every subset.
        assert (covered[16:-16, 16:-16] > 0).mean() > 0.9


def test_points_far_apart_are_one_subset(place):
    _, light, _ = place
    frame = make_frame(np.stack(np.divmod(np.arange(9), 3), 1) * 40.0, (SIZE, SIZE))
    assert len(subsets_of(frame, light)) == 1


def test_a_pass_stitches_all_subsets_and_each_sees_what_the_last_one_found(place):
    frame, light, truth = place
    seen = []
    subsets = subsets_of(frame, light)
    steps = list(network_pass(predictor(place, seen), frame, subsets, None, should_stop=never))
    assert sum(step.points for step in steps) == 144
    assert seen[0][1] is None
    for _, estimate in seen[1:]:
        assert estimate is not None
    assert not torch.equal(seen[1][1], seen[-1][1])
    last = steps[-1]
    lit = last.stitch.lit
    for found in (last.stitch.object(), last.found):
        turn = (truth.conj() * found)[lit].sum().angle()
        left = found * torch.exp(-1j * turn) - truth
        # Light-weighted: what synchronisation by cells of two pixels leaves.
        weight = last.stitch.weight
        assert ((weight * left.abs().square()).sum() / weight.sum()).sqrt() < 0.05
    assert last.stitch.weight.sum() == pytest.approx(144 * float(light.sum()), rel=1e-4)


def test_the_phases_of_a_subset_bring_its_patches_into_the_objects_phase(place):
    frame, light, _ = place
    subsets = subsets_of(frame, light)
    patches = torch.full((144, SIZE, SIZE), torch.nan, dtype=torch.complex64)
    last = None
    for step in network_pass(predictor(place, []), frame, subsets, None, should_stop=never):
        if step.prediction is not None:
            patches[step.prediction.points] = step.prediction.patches
        if step.subset is not None:
            patches[step.subset] *= step.phases[:, None, None]
            last = step
    object_ = cut_windows(last.stitch.object(), frame.indices(torch.arange(144)))
    turn = (light * patches.conj() * object_).sum((-2, -1)).angle()
    assert turn.abs().max() < 0.15


def test_a_stopped_pass_ends_with_what_it_had(place):
    frame, light, _ = place
    subsets = subsets_of(frame, light)
    steps: list[PassStep] = []
    asked = []

    def stop_at_third():
        asked.append(None)
        return len(asked) >= 3

    steps.extend(
        network_pass(predictor(place, [], 4), frame, subsets, None, should_stop=stop_at_third)
    )
    assert sum(step.points for step in steps) == 12
    assert steps[-1].stitch.weight.sum() == pytest.approx(12 * float(light.sum()), rel=1e-4)
    assert steps[-1].subset.tolist() == subsets[0][:12].tolist()
