"""How many passes there are, and what each is told."""

import pytest

from napari_ptychonn.reconstruction.pass_plan import PassPlan, sweeps_of_a_pass

CLOSE, APART = 16.0, 2.0


def followed(plan, beyond_noise=1.0):
    """Turns of a plan whose passes meet this."""
    turns = []
    for turn in plan.turns():
        turns.append(turn)
        plan.took(beyond_noise)
    return turns


def stiffness(turns):
    """How stiffly objects are held before each turn; 0: they are not weighed."""
    return [turn.weighing.stiffness if turn.weighing else 0 for turn in turns]


def test_the_farther_apart_points_lie_the_more_passes_there_are():
    counts = [len(followed(PassPlan("auto", cover))) for cover in (CLOSE, 10.0, 5.0, APART, 0.5)]
    assert counts == [4, 5, 10, 20, 40]
    # The last one averages.
    turns = followed(PassPlan("auto", CLOSE))
    assert [turn.settles for turn in turns] == [False] * 3 + [True]


@pytest.mark.parametrize("cover", [CLOSE, APART])
@pytest.mark.parametrize("wanted", [1, 2, 3, 7])
def test_a_number_is_kept_to(wanted, cover):
    turns = followed(PassPlan(wanted, cover))
    assert [turn.number for turn in turns] == list(range(1, wanted + 1))
    # One or two passes have not come far enough to settle.
    assert turns[-1].settles is (wanted >= 3)
    assert not any(turn.settles for turn in turns[:-1])


def test_momentum_begins_after_a_first_pass_that_met_more_than_noise():
    plan = PassPlan(4, CLOSE)
    moving = followed(plan, beyond_noise=0.8)
    assert [turn.momentum > 0 for turn in moving] == [False, True, True, True]
    assert not plan.met_mostly_noise
    plan = PassPlan(4, CLOSE)
    assert not any(turn.momentum for turn in followed(plan, beyond_noise=0.2))
    assert plan.met_mostly_noise


def test_where_the_first_pass_meets_mostly_noise_there_are_four_and_each_takes_four_views():
    turns = followed(PassPlan("auto", APART), beyond_noise=0.2)
    assert [turn.views for turn in turns] == [1, 4, 4, 4]
    turns = followed(PassPlan(7, APART), beyond_noise=0.2)
    assert [turn.views for turn in turns] == [1, 4, 4, 4, 4, 4, 4]
    turns = followed(PassPlan("auto", APART), beyond_noise=0.8)
    assert {turn.views for turn in turns} == {1}


@pytest.mark.parametrize(
    ("cover", "beyond_noise", "held", "held_last"),
    [
        (CLOSE, 0.8, 0, 0), (CLOSE, 0.7, 10, 0), (CLOSE, 0.2, 10, 10), (0.5, 0.2, 10, 10),
        (0.5, 0.7, 100, 0), (0.5, 0.8, 100, 0),
    ],
)  # fmt: skip
def test_where_photons_or_points_are_few_objects_are_weighed(cover, beyond_noise, held, held_last):
    plan = PassPlan(3, cover)
    assert not plan.last_weighing
    # There is nothing to weigh before the first pass.
    assert stiffness(followed(plan, beyond_noise)) == [0, held, held]
    assert (plan.last_weighing.stiffness if plan.last_weighing else 0) == held_last


def test_where_some_is_noise_the_last_two_passes_are_enough():
    assert stiffness(followed(PassPlan("auto", 5.0), 0.7)) == [0] * 8 + [10, 10]
    assert stiffness(followed(PassPlan(1, 5.0), 0.7)) == [0]


@pytest.mark.parametrize(
    ("cover", "beyond_noise", "count"),
    [(CLOSE, 0.8, 0), (CLOSE, 0.7, 2), (CLOSE, 0.2, 4), (0.5, 0.8, 39), (0.5, 0.2, 4)],
)
def test_after_the_first_pass_it_is_known_how_often_objects_will_be_weighed(
    cover, beyond_noise, count
):
    plan = PassPlan("auto", cover)
    turns = plan.turns()
    next(turns)
    plan.took(beyond_noise)
    assert plan.weighings == count
    left = []
    for turn in turns:
        left.append(turn.weighing)
        plan.took(beyond_noise)
    assert sum(bool(weighing) for weighing in [*left, plan.last_weighing]) == count
    assert PassPlan("auto", cover, are_photons=False).weighings == 0


def test_an_object_to_start_from_is_weighed_at_once_and_values_that_are_no_photons_never():
    plan = PassPlan(2, CLOSE, come=2, mostly_noise=True)
    assert stiffness(followed(plan)) == [10, 10]
    plan = PassPlan(2, 0.5, come=2, mostly_noise=True, are_photons=False)
    assert stiffness(followed(plan)) == [0, 0]
    assert plan.last_weighing is None


def test_passes_from_an_object_go_like_later_ones_and_settle_at_once():
    turns = followed(PassPlan(2, CLOSE, come=2))
    assert [(turn.number, turn.like, turn.settles) for turn in turns] == [
        (1, 3, False),
        (2, 4, True),
    ]


@pytest.mark.parametrize("noisy", [False, True])
def test_what_is_known_of_the_noise_is_not_judged_by_a_first_pass_from_an_object(noisy):
    plan = PassPlan(4, CLOSE, come=2, mostly_noise=noisy)
    turns = followed(plan, beyond_noise=0.0 if not noisy else 1.0)
    assert plan.met_mostly_noise is noisy
    assert any(turn.momentum for turn in turns) is not noisy


def test_what_is_expected_is_what_there_may_be():
    assert PassPlan("auto", CLOSE).expected == 4
    assert PassPlan(2, APART).expected == 2
    assert PassPlan("auto", APART).expected == 20


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_pass_has_more_sweeps_the_farther_apart_the_points_lie(number):
    sweeps = [sweeps_of_a_pass(cover, number) for cover in (60.0, 30.0, 10.0, 4.0, 2.0, 0.1)]
    assert sweeps == sorted(sweeps)
    assert sweeps[0] == sweeps[1] == 1
    assert sweeps[-1] == 16


def test_later_passes_have_more_sweeps():
    assert [sweeps_of_a_pass(8.0, number) for number in (1, 2, 3, 4)] == [1, 3, 5, 5]
