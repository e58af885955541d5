"""Jobs in a worker thread: outcomes, cancel, drops and time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.notifications import ErrorNotification, notification_manager

from napari_ptychonn.errors import ScanError, SettingsError
from napari_ptychonn.reconstruction.events import (
    Event,
    Finished,
    Message,
    Metrics,
    Progress,
    ShouldStop,
    Snapshot,
)
from napari_ptychonn.widgets.job_thread import Job
from napari_ptychonn.widgets.jobs import JobRunner, Outcome, notify_failure
from napari_ptychonn.widgets.time_left import TimeLeft, in_words

PATIENCE_MS = 5_000


@pytest.fixture
def errors() -> list[Exception]:
    return []


@pytest.fixture
def runner(qapp, errors) -> Iterator[JobRunner]:
    made = JobRunner(object(), on_failure=errors.append)
    yield made
    made.shutdown()


def counting(batches: int, pause: float = 0.0) -> Any:
    """A job that says how far it is and ends with the number of batches done."""

    def events(should_stop: ShouldStop) -> Iterator[Event[int]]:
        for number in range(batches):
            if should_stop():
                yield Finished(number, stopped=True)
                return
            time.sleep(pause)
            yield Progress("counting", number + 1, batches)
        yield Finished(batches, stopped=False)

    return events


def test_a_job_ends_done_with_its_result_and_full_progress(runner, qtbot) -> None:
    told = []
    runner.progress.connect(lambda *values: told.append(values))
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS) as ended:
        runner.start("count", counting(20))
        assert runner.running
    assert ended.args[0].outcome is Outcome.DONE
    assert ended.args[0].result == 20
    assert told[-1][:2] == ("counting", 1.0)
    assert not runner.running


def test_progress_is_shown_now_and_then_and_the_newest_last(runner, qtbot) -> None:
    told = []
    runner.progress.connect(lambda *values: told.append(values))
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS):
        runner.start("count", counting(100, pause=0.005))
    fractions = [fraction for _, fraction, _ in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.01, 1.0)
    assert len(told) < 20


def test_every_kind_of_event_reaches_its_signal(runner, qtbot) -> None:
    picture = Snapshot(np.zeros((2, 2), np.complex64), (0.0, 0.0), "pass 1")
    numbers = Metrics("result", {"misfit": 0.1})

    def events(should_stop: ShouldStop) -> Iterator[Event[None]]:
        yield Message("first")
        yield picture
        yield numbers
        yield Message("second")
        yield Finished(None, stopped=False)

    texts, pictures, metrics = [], [], []
    runner.message.connect(texts.append)
    runner.snapshot.connect(pictures.append)
    runner.metrics.connect(metrics.append)
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS):
        runner.start("all", events)
    assert texts == ["first", "second"]
    assert pictures == [picture]
    assert metrics == [numbers]


def test_a_cancelled_job_ends_stopped_with_what_it_has(runner, qtbot) -> None:
    runner.start("count", counting(10_000, pause=0.005))
    qtbot.waitSignal(runner.progress, timeout=PATIENCE_MS).wait()
    with qtbot.waitSignal(runner.finished, timeout=1_000) as ended:
        runner.cancel()
        assert runner.cancelling
    assert ended.args[0].outcome is Outcome.STOPPED
    assert 0 < ended.args[0].result < 10_000
    assert not runner.cancelling


def test_a_job_that_is_still_loading_is_cancelled_at_once(runner, qtbot) -> None:
    loaded = threading.Event()

    def loading(should_stop: ShouldStop) -> Iterator[Event[int]]:
        loaded.wait(PATIENCE_MS / 1000)
        yield Progress("late", 1, 1)
        yield Finished(1, stopped=should_stop())

    ends = []
    runner.finished.connect(ends.append)
    runner.start("load", loading, device="cpu")
    runner.cancel()
    assert [end.outcome for end in ends] == [Outcome.STOPPED]
    assert ends[0].result is None
    assert not runner.running
    # The next job waits until the first has really let go of the device.
    runner.start("count", counting(3), device="cpu")
    qtbot.wait(100)
    assert len(ends) == 1
    loaded.set()
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=PATIENCE_MS)
    assert ends[1].outcome is Outcome.DONE
    assert ends[1].result == 3


@pytest.mark.parametrize(
    "error",
    [ScanError("positions", "scan.h5", "none", remedy="choose some"), ZeroDivisionError("no")],
)
def test_a_failed_job_gives_its_error_and_leaves_the_runner_idle(
    runner, qtbot, errors, error
) -> None:
    def events(should_stop: ShouldStop) -> Iterator[Event[None]]:
        yield Progress("before", 1, 2)
        raise error

    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS) as ended:
        runner.start("fail", events)
    qtbot.waitUntil(lambda: errors == [error], timeout=PATIENCE_MS)
    assert ended.args[0].outcome is Outcome.FAILED
    assert ended.args[0].result is None
    assert not runner.running


def test_a_job_without_a_result_is_a_failure(runner, qtbot, errors) -> None:
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS) as ended:
        runner.start("empty", lambda should_stop: iter(()))
    assert ended.args[0].outcome is Outcome.FAILED
    assert "without a result" in str(errors[0])


def test_results_of_a_job_that_was_replaced_are_dropped(runner, qtbot) -> None:
    release = threading.Event()

    def old(should_stop: ShouldStop) -> Iterator[Event[str]]:
        release.wait(PATIENCE_MS / 1000)
        yield Message("old")
        yield Finished("old", stopped=False)

    ends, texts = [], []
    runner.finished.connect(ends.append)
    runner.message.connect(texts.append)
    runner.start("old", old)
    runner.start("new", counting(1))
    release.set()
    qtbot.waitUntil(lambda: bool(ends), timeout=PATIENCE_MS)
    qtbot.wait(100)
    assert [end.result for end in ends] == [1]
    assert texts == []


def test_shutdown_waits_for_the_thread_and_says_nothing_more(runner, qtbot) -> None:
    ends = []
    runner.finished.connect(ends.append)
    runner.start("count", counting(10_000, pause=0.005))
    before = threading.active_count()
    runner.shutdown()
    assert threading.active_count() == before - 1
    qtbot.wait(50)
    assert ends == []
    assert not runner.running


@pytest.mark.parametrize(
    ("first", "second"), [("cpu", "cpu"), ("auto", "cuda:1"), ("cpu", "auto"), ("cuda", "cuda:0")]
)
def test_two_jobs_of_one_viewer_never_share_a_device(qapp, first, second) -> None:
    viewer = object()
    one, two = JobRunner(viewer), JobRunner(viewer)
    one.start("the reconstruction", counting(10_000, pause=0.005), device=first)
    try:
        with pytest.raises(SettingsError, match="the reconstruction is still running"):
            two.start("the fine-tuning", counting(1), device=second)
        assert not two.running
    finally:
        one.shutdown()
    two.start("the fine-tuning", counting(1), device=second)
    two.shutdown()


def test_napari_s_proxies_of_one_viewer_are_one_viewer(qapp) -> None:
    viewer = ViewerModel()
    one, two = (JobRunner(PublicOnlyProxy(viewer)) for _ in range(2))
    one.start("the reconstruction", counting(10_000, pause=0.005), device="cpu")
    try:
        with pytest.raises(SettingsError, match="the reconstruction is still running"):
            two.start("the fine-tuning", counting(1), device="cpu")
    finally:
        one.shutdown()


def test_other_devices_other_viewers_and_readers_may_run_at_once(qapp) -> None:
    viewer = object()
    runners = [JobRunner(owner) for owner in (viewer, viewer, viewer, object())]
    devices = ["cuda:0", "cuda:1", None, "cuda:0"]
    for runner, device in zip(runners, devices, strict=True):
        runner.start("count", counting(10_000, pause=0.005), device=device)
    assert all(runner.running for runner in runners)
    for runner in runners:
        runner.shutdown()


def test_a_window_slower_than_the_job_gets_only_the_newest_picture(runner, qtbot) -> None:
    sent = threading.Event()

    def events(should_stop: ShouldStop) -> Iterator[Event[None]]:
        for number in range(50):
            yield Snapshot(np.zeros((1, 1), np.complex64), (0.0, 0.0), f"{number}")
            yield Progress("drawing", number, 50)
        sent.set()
        yield Finished(None, stopped=False)

    pictures = []
    runner.snapshot.connect(pictures.append)
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS):
        runner.start("draw", events)
        sent.wait(PATIENCE_MS / 1000)  # the window is busy
    assert [picture.stage for picture in pictures] == ["49"]


def test_an_event_that_the_runner_does_not_know_is_told_as_it_is(runner, qtbot) -> None:
    def events(should_stop: ShouldStop) -> Iterator[Any]:
        yield from ("one", 2, "three")
        yield Finished(None, stopped=False)

    told: list[object] = []
    runner.told.connect(told.append)
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS):
        runner.start("tell", events)
    assert told == ["one", 2, "three"]


def test_a_dock_says_of_which_events_only_the_newest_matters(qapp, qtbot) -> None:
    sent = threading.Event()

    def events(should_stop: ShouldStop) -> Iterator[Any]:
        for number in range(20):
            yield ("before", number)
            yield ("after", number)
            yield number
        sent.set()
        yield Finished(None, stopped=False)

    runner = JobRunner(
        object(), supersedes=lambda event: event[0] if isinstance(event, tuple) else None
    )
    told: list[object] = []
    runner.told.connect(told.append)
    with qtbot.waitSignal(runner.finished, timeout=PATIENCE_MS):
        runner.start("draw", events)
        sent.wait(PATIENCE_MS / 1000)  # the window is busy
    assert [event for event in told if isinstance(event, tuple)] == [("before", 19), ("after", 19)]
    assert [event for event in told if isinstance(event, int)] == list(range(20))


def test_a_paused_job_waits_between_two_events_and_goes_on(runner, qtbot) -> None:
    done = []

    def events(should_stop: ShouldStop) -> Iterator[Event[None]]:
        for number in range(10_000):
            if should_stop():
                break
            time.sleep(0.005)
            done.append(number)
            yield Progress("counting", number, 10_000)
        yield Finished(None, stopped=True)

    with qtbot.waitSignal(runner.progress, timeout=PATIENCE_MS):
        runner.start("count", events)
    runner.pause()
    assert runner.paused
    qtbot.wait(50)  # the step under way is finished first
    steps = len(done)
    qtbot.wait(200)
    assert len(done) == steps
    runner.resume()
    assert not runner.paused
    qtbot.waitUntil(lambda: len(done) > steps + 3, timeout=PATIENCE_MS)
    assert runner.running


@pytest.mark.parametrize("end", ["cancel", "drop", "shutdown"])
@pytest.mark.alone
def test_a_paused_job_that_is_told_to_stop_wakes_at_once(runner, qtbot, end) -> None:
    with qtbot.waitSignal(runner.progress, timeout=PATIENCE_MS):
        runner.start("count", counting(10_000, pause=0.005))
    thread = runner._job.thread
    runner.pause()
    qtbot.wait(50)
    told = time.perf_counter()
    getattr(runner, end)()
    thread.join(PATIENCE_MS / 1000)
    # A tenth of a second is what a person may feel; the rest is for a busy machine.
    assert time.perf_counter() - told < 0.5
    assert not thread.is_alive()


def test_time_spent_paused_does_not_count_as_time_left(qapp) -> None:
    job = Job("count", None, None, counting(1), lambda job: None)
    began = job.clock()
    job.pause()
    time.sleep(0.2)
    assert job.clock() - began < 0.1
    job.resume()
    time.sleep(0.05)
    assert 0.05 <= job.clock() - began < 0.2


def test_a_paused_job_holds_its_device(qapp, qtbot) -> None:
    viewer = object()
    one, two = JobRunner(viewer), JobRunner(viewer)
    one.start("the training", counting(10_000, pause=0.005), device="cpu")
    one.pause()
    try:
        with pytest.raises(SettingsError, match="the training is paused, and holds cpu"):
            two.start("the reconstruction", counting(1), device="auto")
    finally:
        one.shutdown()


def test_our_errors_are_shown_as_a_sentence_and_others_with_a_traceback(qapp) -> None:
    shown = []
    notification_manager.notification_ready.connect(shown.append)
    try:
        notify_failure(ScanError("positions", "scan.h5", "are missing", remedy="choose some"))
        notify_failure(ZeroDivisionError("boom"))
    finally:
        notification_manager.notification_ready.disconnect(shown.append)
    ours, other = shown
    assert ours.message == "scan.h5: positions: are missing (choose some)"
    assert not isinstance(ours, ErrorNotification)
    assert isinstance(other, ErrorNotification)
    assert "boom" in other.as_text()


@given(pace=st.floats(0.1, 10), total=st.floats(50, 500), step=st.floats(0.05, 0.5))
def test_at_a_steady_pace_the_time_left_is_right(pace, total, step) -> None:
    clock, done, seconds = TimeLeft(), 0.0, None
    now = 100.0
    while done < total / 2:
        seconds = clock.update(done, total, now)
        now, done = now + step, done + pace * step
    # The clock starts with the first work done, and tells after a second.
    if now - 2 * step - 100.0 < 1.0:
        assert seconds is None
    else:
        assert seconds == pytest.approx((total - done + pace * step) / pace, rel=1e-3)


def test_loading_before_the_first_work_is_no_pace() -> None:
    clock = TimeLeft()
    clock.update(0.0, 100, 0.0)
    told = [clock.update(number, 100, 8.0 + 0.2 * number) for number in range(1, 20)]
    assert told[-1] == pytest.approx(81 * 0.2, rel=0.01)
    assert set(told[:5]) == {None}


def test_one_slow_batch_does_not_make_the_time_left_jump() -> None:
    clock = TimeLeft()
    seconds = [clock.update(number, 100, 0.5 * number) for number in range(40)]
    after = clock.update(40, 100, 19.5 + 2.0)  # four times slower once
    assert seconds[-1] is not None
    assert after == pytest.approx(seconds[-1], rel=0.15)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 200), st.floats(0, 5))))
@example([(0.0, 0.0, 0.0), (1.0, 1.0, 2.2e-311), (1.0, 0.0, 1.0)])
@example([(0.0, 0.0, 0.0), (2.2e-311, 1.0, 1.0), (1.0, 0.0, 1.0)])
def test_the_fraction_never_falls_and_the_time_is_never_negative(steps) -> None:
    clock, now, before = TimeLeft(), 0.0, 0.0
    for done, total, passed in steps:
        now += passed
        seconds = clock.update(done, total, now)
        assert before <= clock.fraction <= 1
        assert seconds is None or seconds >= 0
        before = clock.fraction


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, "a moment left"),
        (6.4, "about 6 s left"),
        (43, "about 45 s left"),
        (200, "about 3 min left"),
        (9000, "about 2.5 h left"),
    ],
)
def test_time_left_is_said_in_round_numbers(seconds, text) -> None:
    assert in_words(seconds) == text
