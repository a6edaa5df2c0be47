"""Time by a clock that the test turns."""

import pytest

from musicdiff.training import clock
from musicdiff.training.clock import Clock, duration


@pytest.fixture
def turn(monkeypatch):
    """Moves the clock by so many seconds."""
    now = [1000.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])

    def turn(seconds):
        now[0] += seconds

    return turn


def test_compilation_is_told_apart(turn):
    timed = Clock()
    for seconds in (12.0, 0.5):
        turn(seconds)
        timed.tick()
    assert timed.forecast(8) == "compiled in 12 s; a step takes 0.5 s: the remaining 8 take about 4 s"


def test_the_rate_leaves_out_the_first_step_and_pauses(turn):
    timed = Clock()
    assert timed.rate() == 0
    turn(30.0)
    timed.tick()
    assert timed.rate() == 0
    for _ in range(4):
        turn(0.5)
        timed.tick()
        with timed.pause():
            turn(10.0)
    assert timed.rate() == pytest.approx(2.0)


def test_the_pace_is_that_of_this_part_of_the_run(turn):
    """However many steps were done before: what is left takes as long as steps take now."""
    timed = Clock(seconds_before=1e6)
    turn(30.0)
    timed.tick()
    assert timed.pace(700) == ""
    for _ in range(4):
        turn(0.5)
        timed.tick()
    assert timed.pace(700) == "2 steps/s, ETA 5 min 50 s"


def test_a_pause_does_not_count_as_a_step(turn):
    timed = Clock()
    turn(9.0)
    timed.tick()
    with timed.pause():
        turn(100.0)
    turn(1.0)
    timed.tick()
    assert "a step takes 1 s" in timed.forecast(1)


def test_samples_have_their_share(turn):
    timed = Clock()
    turn(100.0)
    assert timed.may_sample(0.05)
    with timed.pause(sampling=True):
        turn(10.0)
    assert not timed.may_sample(0.05)
    turn(89.0)
    assert not timed.may_sample(0.05)
    turn(2.0)
    assert timed.may_sample(0.05)


def test_other_pauses_take_nothing_from_the_samples(turn):
    timed = Clock()
    with timed.pause():
        turn(50.0)
    assert timed.may_sample(0.05)


def test_a_run_is_as_long_as_its_parts(turn):
    timed = Clock(seconds_before=40.0)
    turn(2.0)
    assert timed.total() == 42.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.0123, "0.012 s"), (0.5, "0.5 s"), (9.96, "10 s"), (41.4, "41 s"),
        (59.6, "1 min"), (61, "1 min 1 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h"), (3725, "1 h 2 min"),
        (86_399, "24 h"), (86_400 * 3.5, "3 d 12 h"),
    ],
)  # fmt: skip
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
