"""Networks that see raw patterns alone: their patches are put into one phase and stitched."""

import numpy as np
import pytest
import torch

from napari_ptychonn.network.card import NetworkCard, Preprocessing
from napari_ptychonn.network.ptychonn import PtychoNN
from napari_ptychonn.network.weights import Network
from napari_ptychonn.optics.windows import cut_windows
from napari_ptychonn.reconstruction.direct import centre_weight, direct_pass
from napari_ptychonn.reconstruction.events import Message, never
from napari_ptychonn.reconstruction.prepare import prepare
from napari_ptychonn.reconstruction.settings import ReconstructionSettings


class Oracle(PtychoNN):
    """Knows the truth of the points in turn, each in a phase of its own."""

    def __init__(self, laid, fails_at=None):
        super().__init__(encoder=(4,), decoder=(4,))
        generator = torch.Generator().manual_seed(0)
        turns = torch.polar(torch.ones(100), 6.28 * torch.rand(100, generator=generator))
        self.truths = cut_windows(laid.truth, laid.frame.indices(torch.arange(100)))
        self.truths = self.truths * turns[:, None, None]
        self.sizes = []
        self.told = 0
        self.fails_at = fails_at

    def patches(self, patterns):
        self.sizes.append(len(patterns))
        if len(self.sizes) == self.fails_at:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        start, self.told = self.told, self.told + len(patterns)
        return self.truths[start : self.told]


def prepared(laid, oracle, preprocessing=None):
    card = NetworkCard(
        "oracle", "ptychonn", size_multiple=2, preprocessing=preprocessing or Preprocessing()
    )
    scan = laid.simulation.scan
    settings = ReconstructionSettings(device="cpu", batch_size=16)
    return prepare(scan, settings, Network(card, oracle, scan.provenance.path))


def passed(laid, oracle, room=None, probe="true", should_stop=never):
    light = laid.probe if probe == "true" else probe
    return list(direct_pass(oracle, prepared(laid, oracle), light, room, should_stop=should_stop))


def missing(laid, stitch):
    """Light-weighted error of a stitch at its best global phase."""
    found, weight = stitch.object(), stitch.weight
    turn = (weight * laid.truth.conj() * found).sum()
    left = found * turn.conj() / turn.abs() - laid.truth
    return float(((weight * left.abs().square()).sum() / weight.sum()).sqrt())


@pytest.mark.parametrize("probe", ["true", None])
def test_patches_of_any_phase_are_stitched_into_the_truth(bright, probe):
    steps = passed(bright, Oracle(bright), probe=probe)
    assert sum(step.points for step in steps) == 100
    last = steps[-1].stitch
    # What synchronisation by cells of two pixels leaves.
    assert missing(bright, last) < 0.05
    weight = bright.probe.abs().square().sum() if probe else centre_weight((32, 32)).sum()
    assert float(last.weight.sum()) == pytest.approx(100 * float(weight), rel=1e-4)


def test_kept_patches_are_in_the_phase_of_the_object(bright):
    room = np.full((100, 32, 32), np.nan, np.complex64)
    last = passed(bright, Oracle(bright), room)[-1].stitch
    object_ = cut_windows(last.object(), bright.frame.indices(torch.arange(100)))
    light = bright.probe.abs().square().sum(0)
    turn = (light * torch.from_numpy(room).conj() * object_).sum((-2, -1)).angle()
    assert turn.abs().max() < 0.15


def test_pictures_come_early_and_stay_cheap(bright):
    steps = passed(bright, Oracle(bright))
    shown = [number for number, step in enumerate(steps) if step.stitch is not None]
    # After 16, 32 and 64 points, and at the end; never twice for the same points.
    assert shown == [0, 1, 3, len(steps) - 1]
    known = [float(steps[number].stitch.lit.float().mean()) for number in shown]
    assert known == sorted(known)


def test_a_stopped_pass_stitches_what_came(bright):
    oracle = Oracle(bright)
    room = np.full((100, 32, 32), np.nan, np.complex64)
    steps = passed(bright, oracle, room, should_stop=lambda: len(oracle.sizes) >= 3)
    assert oracle.sizes == [16, 16, 16]
    light = float(bright.probe.abs().square().sum())
    assert float(steps[-1].stitch.weight.sum()) == pytest.approx(48 * light, rel=1e-4)
    assert np.isfinite(room[:48]).all()
    assert np.isnan(room[48:]).all()


def test_a_pass_stopped_while_it_surveys_the_scan_gives_nothing(bright):
    oracle = Oracle(bright)
    job = prepared(bright, oracle, Preprocessing(standardise=True))
    steps = list(direct_pass(oracle, job, bright.probe, None, should_stop=lambda: True))
    assert steps == []
    assert oracle.sizes == []


def test_a_full_memory_halves_the_batch_and_loses_no_point(bright):
    oracle = Oracle(bright, fails_at=2)
    steps = passed(bright, oracle)
    assert oracle.sizes[:4] == [16, 16, 8, 8]
    said = [step.text for step in steps if isinstance(step, Message)]
    assert said == ["The device's memory is full: going on with batches of 8 patterns."]
    assert missing(bright, steps[-1].stitch) < 0.05


def test_without_a_probe_the_middle_of_a_patch_counts_most():
    weight = centre_weight((20, 40))
    assert weight.shape == (20, 40)
    assert weight.max() == weight[10, 20] == 1
    # A tenth of the side away: one standard deviation, on both axes.
    assert weight[12, 20] == pytest.approx(weight[10, 24]) == pytest.approx(np.exp(-0.5))
