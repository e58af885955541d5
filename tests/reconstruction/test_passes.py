"""A pass: sweeps, then the network, on the whole object or in tiles of it."""

import math

import pytest
import torch

from napari_ptychonn.network.probe_aware import ProbeAwareNet, object_error
from napari_ptychonn.optics.propagation import shift_probe
from napari_ptychonn.optics.sweep import Sweep
from napari_ptychonn.reconstruction import passes as module
from napari_ptychonn.reconstruction.events import never
from napari_ptychonn.reconstruction.pass_plan import sweeps_of_a_pass
from napari_ptychonn.reconstruction.passes import improve_object, network_pass
from napari_ptychonn.reconstruction.sweeping import cover_of


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Float32 everywhere, so that pictures can be compared to the last digits."""
    monkeypatch.setattr(module, "runs_bfloat16", lambda _: False)


@pytest.fixture(scope="module")
def silent():
    """A network that has learned nothing, and takes nothing for noise: as if there were none."""
    network = ProbeAwareNet((8, 8, 8)).eval()
    with torch.no_grad():
        network.head.bias[8:] = -100
    return network


@pytest.fixture(scope="module")
def loud():
    """One with random weights, as deep as the real one."""
    torch.manual_seed(0)
    network = ProbeAwareNet((8, 8, 8)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return network


def passed(laid, network, start=None, *, number=1, probe=None, should_stop=never, **changes):
    how = {"update_probe": False, "seed": 0, "batch_size": 8} | changes
    return list(
        network_pass(
            network, laid.measurements, laid.frame, laid.flat if start is None else start,
            laid.probe if probe is None else probe, number=number, should_stop=should_stop, **how,
        )
    )  # fmt: skip


def swept_parts(shape, seed=0):
    """Something like an object after and before a sweep, its light and what is unexplained."""
    generator = torch.Generator().manual_seed(seed)

    def random(*more):
        return torch.randn(*shape, *more, generator=generator)

    after = torch.polar(1 + 0.1 * random(), 0.3 * random())
    before = after + 0.05 * torch.view_as_complex(random(2))
    # Ten times brighter on one side than on the other: a tile must know the whole's peak.
    slope = torch.linspace(100, 1000, shape[1])
    light = slope * (0.5 + torch.rand(*shape, generator=generator))
    return after, before, light, 0.01 * light


def test_a_pass_takes_every_point_and_ends_with_the_networks_answer(bright, loud, silent):
    steps = passed(bright, silent)
    assert sum(step.points for step in steps) == pytest.approx(100)
    assert [step.complete for step in steps[:-1]] == [False] * (len(steps) - 1)
    assert steps[-1].complete
    assert 0 < steps[-1].misfit < 1
    assert math.isnan(steps[-2].misfit)
    # Without a network the object is what the sweep left; with one it is not.
    torch.testing.assert_close(steps[-1].object, steps[-2].object, rtol=0, atol=1e-5)
    answered = passed(bright, loud)
    assert torch.equal(answered[-2].object, steps[-2].object)
    assert (answered[-1].object - steps[-1].object).abs().max() > 0.01


def test_passes_lead_from_a_flat_object_to_the_truth(bright, silent):
    found, errors, misfits = None, [bright.nrmse(bright.flat)], []
    for number in range(1, 4):
        last = passed(bright, silent, found, number=number, seed=number)[-1]
        found = last.object
        errors.append(bright.nrmse(found))
        misfits.append(last.misfit)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]
    assert misfits == sorted(misfits, reverse=True)


def test_a_pass_leaves_its_start_and_its_probe_alone(bright, silent):
    start, probe = bright.flat, bright.probe.clone()
    steps = passed(bright, silent, start, probe=probe)
    assert (start == 1).all()
    assert torch.equal(probe, bright.probe)
    assert steps[-1].probe is probe


def test_the_light_of_a_pass_is_that_of_all_its_points(bright, silent):
    expected = torch.zeros(bright.frame.shape)
    powers = shift_probe(bright.probe, bright.frame.shifts).abs().square().sum(1)
    for (y, x), power in zip(bright.frame.corners.tolist(), powers, strict=True):
        expected[y : y + 32, x : x + 32] += power
    # Tens of sums of single precision.
    torch.testing.assert_close(passed(bright, silent)[-1].light, expected, rtol=1e-4, atol=0.1)


def test_a_wrong_probe_moves_along_where_it_may(bright, silent):
    blurred = bright.probe + 0.2 * bright.probe.roll(1, -1)
    # What moves is its shape; its photons stay.
    blurred *= bright.probe.norm() / blurred.norm()
    kept = passed(bright, silent, bright.truth, probe=blurred)[-1]
    refined = passed(bright, silent, bright.truth, probe=blurred, update_probe=True)[-1]
    assert kept.probe is blurred

    def missing(probe):
        turn = torch.vdot(bright.probe.ravel(), probe.ravel())
        return float((probe * turn.conj() / turn.abs() - bright.probe).norm())

    assert missing(refined.probe) < 0.8 * missing(blurred)


def test_early_passes_move_farther_than_later_ones(bright, silent, monkeypatch):
    reaches = []

    class Noted(Sweep):
        def __init__(self, object_, probe, mask, settings):
            reaches.append(settings.object_regularisation)
            super().__init__(object_, probe, mask, settings)

    monkeypatch.setattr(module, "Sweep", Noted)
    for number in (1, 2, 3, 4):
        passed(bright, silent, number=number)
    passed(bright, silent, number=4, settles=True)
    assert reaches == sorted(reaches)
    assert len(set(reaches)) == 4


def test_the_last_pass_keeps_nearer_to_where_it_began(bright, silent):
    start = passed(bright, silent)[-1].object
    usual, last = (
        (passed(bright, silent, start, number=3, settles=settles)[-1].object - start).norm()
        for settles in (False, True)
    )
    assert last < 0.9 * usual


def test_momentum_brings_a_pass_farther(bright, silent):
    usual, pushed = (
        bright.nrmse(passed(bright, silent, number=3, momentum=momentum)[-1].object)
        for momentum in (0.0, 0.6)
    )
    assert pushed < 0.95 * usual


def test_a_flat_start_under_many_photons_meets_more_than_noise(bright, silent):
    first = passed(bright, silent)[-1]
    at_the_truth = passed(bright, silent, bright.truth)[-1]
    assert first.beyond_noise > 0.5 > at_the_truth.beyond_noise


@pytest.mark.parametrize(("step_px", "sweeps"), [(1.5, 1), (6.0, 16)])
def test_points_far_apart_are_swept_more_often(make_scan, lay_out, silent, step_px, sweeps):
    laid = lay_out(make_scan(step_px=step_px, points=49))
    made = []

    class Counted(Sweep):
        def __init__(self, *given):
            made.append(self)
            super().__init__(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Sweep", Counted)
        steps = passed(laid, silent)
    assert len(made) == sweeps
    assert sum(step.points for step in steps) == pytest.approx(49)
    assert sum(step.complete for step in steps) == 1


def test_the_same_seed_gives_the_same_pass_and_another_an_other(bright, silent):
    one, same, other = (passed(bright, silent, seed=seed)[-1].object for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("batches", [1, 7])
def test_a_stopped_pass_ends_within_a_batch_and_is_not_complete(
    bright, silent, monkeypatch, batches
):
    taken = []
    real = Sweep.add

    def counting(self, batch):
        taken.append(len(batch.indices))
        real(self, batch)

    monkeypatch.setattr(Sweep, "add", counting)
    steps = passed(bright, silent, should_stop=lambda: len(taken) >= batches, batch_size=2)
    assert len(taken) == batches
    sweeps = sweeps_of_a_pass(cover_of(bright.frame, bright.probe), 1)
    assert sum(step.points for step in steps) == pytest.approx(sum(taken) / sweeps)
    assert not any(step.complete for step in steps)
    assert torch.isfinite(steps[-1].object.abs()).all()
    # What came by then is in the picture.
    assert not torch.equal(steps[-1].object, bright.flat)


@pytest.mark.parametrize("shape", [(128, 200), (131, 205)])
def test_tiles_give_what_the_whole_object_gives(loud, monkeypatch, shape):
    parts = swept_parts(shape)
    whole = improve_object(loud, *parts)
    assert whole.shape == shape
    monkeypatch.setattr(module, "_TILE", 64)
    tiled = improve_object(loud, *parts)
    moved = (whole - parts[0]).abs().max()
    assert moved > 0.01
    # The margin holds all that a pixel's answer depends on; convolutions of another size round
    # differently.
    assert (tiled - whole).abs().max() < 1e-4 * moved
    monkeypatch.setattr(ProbeAwareNet, "reach_px", 8)
    assert (improve_object(loud, *parts) - whole).abs().max() > 1e-2 * moved


def test_a_side_that_is_no_multiple_of_eight_is_padded_by_its_edge(loud):
    parts = swept_parts((37, 45))
    found = improve_object(loud, *parts)
    after, before, light, unexplained = (
        part[torch.arange(40).clamp_max(36)][:, torch.arange(48).clamp_max(44)] for part in parts
    )
    error = object_error(light, unexplained)
    with torch.inference_mode():
        padded = loud.improve(
            *(part[None] for part in (after, before, light, error)), autocast=False
        )
    torch.testing.assert_close(found, padded[0, :37, :45], rtol=1e-4, atol=1e-5)


def test_the_mean_of_four_views_turns_with_the_object(loud):
    parts = swept_parts((40, 56))
    once, whole = (improve_object(loud, *parts, views=views) for views in (1, 4))
    moved = float((whole - parts[0]).abs().max())
    for turns in (1, 2, 3):
        turned = [part.rot90(turns) for part in parts]
        found = improve_object(loud, *turned, views=4).rot90(-turns)
        assert (found - whole).abs().max() < 1e-3 * moved
        # One view does not.
        found = improve_object(loud, *turned).rot90(-turns)
        assert (found - once).abs().max() > 1e-2 * moved


def test_a_tile_without_light_stays_as_it_was(loud, monkeypatch):
    after, before, light, unexplained = swept_parts((64, 256))
    light[:, :200] = 0
    monkeypatch.setattr(module, "_TILE", 64)
    found = improve_object(loud, after, before, light, unexplained)
    assert torch.equal(found[:, :200], after[:, :200])
    assert (found[:, 200:] - after[:, 200:]).abs().max() > 0.01
    assert torch.isfinite(found.abs()).all()
