"""Rounds that refine a wrong probe, and the choice among several."""

import numpy as np
import pytest
import torch

from napari_ptychonn.reconstruction import probe_rounds as module
from napari_ptychonn.reconstruction.events import never
from napari_ptychonn.reconstruction.probe_rounds import choose_probe, refine_probe


@pytest.fixture(scope="module")
def guessed(make_scan, lay_out):
    """The scan laid out, and a probe out of focus, in √photons."""
    laid = lay_out(make_scan(guess_defocus=1.0))
    guess = torch.from_numpy(laid.simulation.scan.probe)
    return laid, guess * (laid.probe.norm() / guess.norm())


def refined(laid, probe, rounds, should_stop=never):
    return list(
        refine_probe(
            laid.measurements, laid.frame, probe, rounds, batch_size=16, should_stop=should_stop
        )
    )


def chosen(laid, candidates, should_stop=never):
    return list(
        choose_probe(
            laid.measurements, laid.frame, candidates, batch_size=16, should_stop=should_stop
        )
    )


def overlap(laid, probe):
    return float(
        torch.vdot(laid.probe.ravel(), probe.ravel()).abs() / laid.probe.norm() / probe.norm()
    )


def test_rounds_lower_the_misfit_and_bring_the_probe_nearer_to_the_true_one(guessed):
    laid, guess = guessed
    before = guess.clone()
    found = refined(laid, guess, 4)
    assert [step.number for step in found] == [1, 2, 3, 4]
    assert found[-1].misfit < 0.6 * found[0].misfit
    assert overlap(laid, guess) < 0.5
    assert overlap(laid, found[-1].probe) > 0.75
    assert torch.equal(guess, before)


def test_the_right_probe_stays_right(bright):
    found = refined(bright, bright.probe, 1)[0]
    assert overlap(bright, found.probe) > 0.98


def test_auto_ends_when_a_round_brings_little(guessed, bright):
    laid, guess = guessed
    misfits = [step.misfit for step in refined(laid, guess, "auto")]
    assert 2 <= len(misfits) <= module._MOST_ROUNDS
    steps = np.divide(misfits[1:], misfits[:-1])
    assert (steps[:-1] <= 1 - module._SETTLED).all()
    if len(misfits) < module._MOST_ROUNDS:
        assert steps[-1] > 1 - module._SETTLED
    # A probe that is right already settles sooner.
    assert len(refined(bright, bright.probe, "auto")) <= len(misfits)


def test_a_stopped_round_is_not_given(guessed):
    laid, guess = guessed
    assert refined(laid, guess, 2, should_stop=lambda: True) == []
    rounds = []
    for step in refine_probe(
        laid.measurements, laid.frame, guess, 5, batch_size=16, should_stop=lambda: bool(rounds)
    ):
        rounds.append(step)
    assert [step.number for step in rounds] == [1]


def test_the_candidate_nearest_to_the_truth_is_chosen(guessed):
    laid, guess = guessed
    steps = chosen(laid, [guess, laid.probe, guess.roll(3, -1)])
    assert [step.number for step in steps] == [1, 2, 3, 0]
    assert steps[-1].misfit == min(step.misfit for step in steps)
    assert torch.equal(steps[-1].probe, steps[1].probe)


def test_a_stopped_choice_gives_the_best_so_far(guessed):
    laid, guess = guessed
    seen = []
    for step in choose_probe(
        laid.measurements, laid.frame, [guess, laid.probe], batch_size=16,
        should_stop=lambda: bool(seen),
    ):  # fmt: skip
        seen.append(step)
    assert [step.number for step in seen] == [1, 0]
    assert torch.equal(seen[0].probe, seen[1].probe)
    assert chosen(laid, [guess], should_stop=lambda: True) == []
