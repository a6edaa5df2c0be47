"""The beginning of a bar is found where it is clear, wherever a loop begins, and nothing is sure where there is no beat."""

import numpy as np
import pytest

from musicdiff.creative import downbeat
from musicdiff.data import songs

RATE = 22_050
BARS = 4


@pytest.fixture(scope="module")
def song():
    """Four bars of rock from a downbeat on, and the length of a bar in samples."""
    plan = songs.plan_song(11)
    audio = songs.render(songs.compose(plan), RATE, 1)
    bar = plan.style.meter * 60 / plan.tempo * RATE
    assert plan.style.meter == 4
    return audio[round(8 * bar) :][: round(BARS * bar)], bar


@pytest.mark.parametrize("share", [0.0, 0.31, 0.77])
def test_it_follows_the_turn(song, share):
    audio, bar = song
    found = downbeat.find(np.roll(audio, round(share * bar), axis=0), RATE, bars=BARS, beats_per_bar=4)
    off = (found.share - share + 0.5) % 1 - 0.5
    assert abs(off) * bar / RATE < 0.03
    assert 0.6 < found.bar <= found.beat <= 1.0 + 1e-9


def test_turning_moves_the_answer_and_nothing_else(song):
    audio, bar = song
    here = downbeat.find(audio, RATE, bars=BARS, beats_per_bar=4)
    there = downbeat.find(np.roll(audio, round(1.5 * bar), axis=0), RATE, bars=BARS, beats_per_bar=4)
    assert (there.share - here.share) % 1 == pytest.approx(0.5, abs=0.01)
    assert there.bar == pytest.approx(here.bar, abs=0.1)


@pytest.mark.parametrize("what", ["silence", "tone", "noise"])
@pytest.mark.parametrize("beats", [1, 3, 4])
def test_without_a_beat_nothing_is_sure(what, beats):
    n = 4 * RATE
    audio = {
        "silence": np.zeros(n),
        "tone": 0.3 * np.sin(2 * np.pi * 220 * np.arange(n) / RATE),
        "noise": np.random.default_rng(0).normal(scale=0.1, size=n),
    }[what][:, None]
    found = downbeat.find(audio, RATE, bars=2, beats_per_bar=beats)
    assert found.bar < 0.5 and 0 <= found.share < 1
    assert found.beat < 0.6


def test_any_rate_and_channels(song):
    audio, _ = song
    found = downbeat.find(np.repeat(audio[::2], 2, axis=1), RATE // 2, bars=BARS, beats_per_bar=4)
    assert abs((found.share + 0.5) % 1 - 0.5) < 0.02
