"""Stitching: exact where patches agree, silent where nothing was measured."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction import stitch as module
from napari_ptychonn.reconstruction.frame import make_frame
from napari_ptychonn.reconstruction.stitch import Pass, Stitch
from napari_ptychonn.simulation.probes import PupilSettings, probe_from_pupil

CPU = torch.device("cpu")
SIZE = 32


@pytest.fixture
def patches(rng):
    """Frame, weight and patches of one object, in agreement."""
    positions = np.stack(np.divmod(np.arange(36), 6), 1) * 3.0
    frame = make_frame(positions, (SIZE, SIZE))
    phase, amplitude = ndimage.gaussian_filter(rng.normal(size=(2, *frame.shape)), (0, 2, 2)) * 5
    truth = torch.from_numpy((1 + 0.2 * amplitude) * np.exp(1j * phase))
    truth = truth.to(torch.complex64)
    probe = probe_from_pupil(PupilSettings(radius=0.2, defocus=0.15), SIZE)
    weight = torch.from_numpy(np.abs(probe) ** 2)[None]
    return frame, truth, weight, cut_windows(truth, frame.indices(torch.arange(36)))


def stitched(frame, patches, weight, batch=7):
    pass_ = Pass(frame, CPU)
    for points in torch.arange(len(patches)).split(batch):
        pass_.add(patches[points], weight, points)
    return pass_, pass_.stitch()


def aligned(found, truth, lit):
    turn = (truth.conj() * found)[lit].sum()
    return found * torch.exp(-1j * turn.angle())


def test_patches_in_agreement_give_back_the_object_exactly(patches):
    frame, truth, weight, cut = patches
    stitch = Stitch(frame.shape, CPU)
    stitch.add(cut, weight, frame.indices(torch.arange(36)))
    lit = stitch.lit
    assert lit.float().mean() > 0.5
    torch.testing.assert_close(stitch.object()[lit], truth[lit], atol=1e-5, rtol=1e-5)
    # The difference of two squares, in single precision.
    assert stitch.disagreement()[lit].max() < 3e-3


def test_random_global_phases_do_not_matter(patches, rng):
    frame, truth, weight, cut = patches
    turns = torch.from_numpy(np.exp(2j * np.pi * rng.random(36)).astype(np.complex64))
    pass_, stitch = stitched(frame, cut * turns[:, None, None], weight)
    lit = stitch.lit
    left = aligned(stitch.object(), truth, lit) - truth
    # What cells of two pixels leave, most of it at the rim where one patch stands alone.
    assert left[lit].abs().max() < 0.15
    assert left[lit].abs().square().mean().sqrt() < 0.04
    found = pass_.phases() * turns.numpy().conj()
    assert np.abs(np.angle(found * np.conj(found.mean()))).max() < 0.1


def test_where_no_light_fell_stands_the_mean_of_the_rest(patches):
    frame, _, weight, cut = patches
    narrow = torch.where(weight > 0.02 * weight.max(), weight, 0)
    _, stitch = stitched(frame, cut, narrow)
    assert (~stitch.lit).any()
    filled = stitch.object()[~stitch.lit]
    assert torch.isfinite(filled.abs()).all()
    assert (filled - filled[0]).abs().max() == 0
    assert filled[0].abs() < stitch.object()[stitch.lit].abs().max()


def test_a_stitch_of_nothing_is_dark_everywhere():
    empty = Stitch((5, 6), CPU)
    assert not empty.lit.any()
    assert torch.isfinite(empty.object().abs()).all()


def test_disagreement_is_the_spread_of_the_patches(patches, rng):
    frame, _, weight, _ = patches
    # Every patch says 1 plus its own error: at each pixel a known weighted spread.
    errors = torch.from_numpy(rng.normal(0, 0.1, 36).astype(np.float32))
    flat = torch.ones(36, SIZE, SIZE, dtype=torch.complex64) + errors[:, None, None]
    stitch = Stitch(frame.shape, CPU)
    stitch.add(flat, weight, frame.indices(torch.arange(36)))
    wide = weight[0].double().numpy()
    sums = np.zeros((3, *frame.shape))
    for (y, x), value in zip(frame.corners.tolist(), 1 + errors.double().numpy(), strict=True):
        place = np.s_[y : y + SIZE, x : x + SIZE]
        for power in range(3):
            sums[power][place] += wide * value**power
    lit = stitch.lit.numpy()
    mean = sums[1][lit] / sums[0][lit]
    spread = np.sqrt(np.maximum(sums[2][lit] / sums[0][lit] - mean**2, 0))
    np.testing.assert_allclose(stitch.disagreement().numpy()[lit], spread, atol=2e-3)
    assert np.median(spread) > 0.05


def test_brighter_patches_count_more():
    frame = make_frame(np.zeros((2, 2)), (8, 8))
    both = torch.stack([torch.ones(8, 8), 3 * torch.ones(8, 8)]).to(torch.complex64)
    weight = torch.stack([3 * torch.ones(8, 8), torch.ones(8, 8)])
    stitch = Stitch(frame.shape, CPU)
    stitch.add(both, weight, frame.indices(torch.arange(2)))
    torch.testing.assert_close(stitch.object().real, torch.full((8, 8), 1.5))
    torch.testing.assert_close(stitch.disagreement(), torch.full((8, 8), 0.75**0.5))
    assert (stitch.weight == 4).all()


def test_pieces_that_fit_into_memory_give_the_same_as_one_go(patches, rng, monkeypatch):
    frame, _, weight, cut = patches
    turns = torch.from_numpy(np.exp(2j * np.pi * rng.random(36)).astype(np.complex64))
    turned = cut * turns[:, None, None]
    _, whole = stitched(frame, turned, weight, batch=4)
    # Eight patches at a time: their phases are settled before the next come.
    monkeypatch.setattr(module, "_HELD_BYTES", 8 * 8 * SIZE**2 - 1)
    pass_, pieces = stitched(frame, turned, weight, batch=4)
    assert len(pass_.phases()) == 36
    assert torch.equal(whole.lit, pieces.lit)
    torch.testing.assert_close(whole.weight, pieces.weight)
    lit = whole.lit
    left = aligned(pieces.object(), whole.object(), lit) - whole.object()
    # Consistent patches fix the phases, whoever comes first, to what the cells' size leaves.
    assert left[lit].abs().max() < 0.1
    assert left[lit].abs().square().mean().sqrt() < 0.03


def test_another_stitch_joins_with_its_turn(patches):
    frame, truth, weight, cut = patches
    halves = []
    for start in (0, 1):
        points = torch.arange(start, 36, 2)
        half = Stitch(frame.shape, CPU)
        half.add(cut[points] * 1j**start, weight, frame.indices(points))
        halves.append(half)
    halves[0].merge(halves[1], torch.tensor(-1j))
    lit = halves[0].lit
    torch.testing.assert_close(halves[0].object()[lit], truth[lit], atol=1e-5, rtol=1e-5)


def test_a_picture_on_the_way_does_not_change_the_end(patches):
    frame, _, weight, cut = patches
    _, whole = stitched(frame, cut, weight, batch=6)
    pass_ = Pass(frame, CPU)
    for points in torch.arange(36).split(6):
        pass_.add(cut[points], weight, points)
        pass_.stitch()
    assert torch.equal(pass_.stitch().object(), whole.object())
