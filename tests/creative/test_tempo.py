"""Lengths of loops: exact where they are allowed, and refused with tempi that are."""

import re

import numpy as np
import pytest

from musicdiff.creative import tempo
from musicdiff.errors import UsageError
from musicdiff.typing import Domain

MEL = Domain((512, 128, 1), 22_050, 1, 256, 32, (-1.0, 1.0))
LATENT = Domain((64, 16, 8), 22_050, 1, 2048, 4, None)  # the same frames, eight to one
COARSE = Domain((256, 256, 1), 22_050, 1, 256, 256, (-1.0, 1.0))
WAVEFORM = Domain((32_768, 1), 22_050, 1, 1, 256, (-1.0, 1.0))

ALLOWED = [  # domain, bars, bpm, beats a bar, rate; samples by hand: 60 rate bars beats / bpm
    (LATENT, 4, 120, 4, 44_100, 352_800),
    (LATENT, 4, 60, 4, 44_100, 705_600),
    (LATENT, 4, 174, 4, 44_100, 243_310),  # 243310.34
    (LATENT, 4, 90, 4, 48_000, 512_000),
    (LATENT, 4, 92.3, 4, 44_100, 458_678),  # 458678.22
    (LATENT, 8, 128, 4, 44_100, 661_500),
    (LATENT, 8, 133.33, 4, 96_000, 1_382_435),  # 1382434.56
    (LATENT, 2, 84, 4, 44_100, 252_000),
    (LATENT, 2, 100, 4, 48_000, 230_400),
    (LATENT, 1, 40, 4, 44_100, 264_600),
    (LATENT, 4, 140, 3, 44_100, 226_800),
    (LATENT, 16, 77, 4, 22_050, 1_099_636),  # 1099636.36
    (MEL, 4, 180, 4, 44_100, 235_200),
    (MEL, 4, 101, 4, 48_000, 456_238),  # 456237.62
    (MEL, 3, 110, 7, 44_100, 505_145),  # 505145.45
    (MEL, 6, 150, 5, 8_000, 96_000),
    (COARSE, 4, 80, 4, 44_100, 529_200),
    (WAVEFORM, 1, 170, 4, 44_100, 62_259),  # 62258.82
    (WAVEFORM, 2, 61.7, 3, 44_100, 257_310),  # 257309.56
    (WAVEFORM, 1, 300, 1, 192_000, 38_400),
]


@pytest.mark.parametrize(("domain", "bars", "bpm", "beats", "rate", "samples"), ALLOWED)
def test_lengths_are_exact(domain, bars, bpm, beats, rate, samples):
    layout = tempo.lay_out(domain, bars=bars, bpm=bpm, beats_per_bar=beats, rate=rate)
    assert layout.samples == samples
    assert abs(layout.samples - 60 * rate * bars * beats / bpm) <= 0.5
    assert abs(layout.model_samples - 60 * domain.sample_rate * bars * beats / bpm) <= 0.5
    assert layout.frames % domain.multiple == 0 and layout.beats == bars * beats
    assert layout.stretch == layout.model_samples / (layout.frames * domain.samples_per_frame)
    assert 0.94 <= layout.stretch <= 1.06
    # No other multiple is nearer.
    own = layout.model_samples / domain.samples_per_frame
    assert abs(layout.frames - own) <= domain.multiple / 2 + 1e-9


def test_it_says_its_stretch():
    said = str(tempo.lay_out(LATENT, bars=4, bpm=120))
    assert "4 bars of 4 beats at 120 bpm" in said and "352800 samples at 44100 Hz" in said and "stretch" in said


REFUSED = [
    (LATENT, 1, 145, 4, "at 145 bpm"),  # 1.66 s: 4.46 units of 0.37 s
    (MEL, 1, 108, 3, "at 108 bpm"),  # 4.49
    (COARSE, 4, 120, 4, "at 120 bpm"),  # 8 s: 2.69 units
    (COARSE, 2, 105, 4, "at 105 bpm"),
    (COARSE, 1, 140, 4, "at 140 bpm"),  # less than one unit
]


@pytest.mark.parametrize(("domain", "bars", "bpm", "beats", "words"), REFUSED)
def test_refusals_name_the_nearest_tempi(domain, bars, bpm, beats, words):
    with pytest.raises(UsageError, match="nearest tempi that fit are") as caught:
        tempo.lay_out(domain, bars=bars, bpm=bpm, beats_per_bar=beats)
    said = str(caught.value)
    assert "\n" not in said and words in said
    named = [int(found) for found in re.findall(r"(\d+) bpm", said.partition("that fit are")[2].partition(";")[0])]
    slower, faster = [t for t in named if t < bpm], [t for t in named if t > bpm]
    assert named and len(slower) <= 1 and len(faster) <= 1

    def fits(t):
        try:
            return bool(tempo.lay_out(domain, bars=bars, bpm=t, beats_per_bar=beats))
        except UsageError:
            return False

    assert all(map(fits, named))
    # Nothing whole between what is asked for and what is named.
    lowest, highest = slower[0] if slower else 20, faster[0] if faster else 400
    assert not any(fits(t) for t in range(lowest + 1, highest) if t not in named)
    if other := re.search(r"(\d+) bars? fit", said):
        assert tempo.lay_out(domain, bars=int(other[1]), bpm=bpm, beats_per_bar=beats)


def test_every_slow_loop_of_four_bars_fits_32_frames():
    """DESIGN, section 7: a multiple of 32 frames allows every loop of 4 bars from 60 to 180 bpm, one of 256 far from all."""

    def share(domain):
        fitting = 0
        for bpm in range(60, 181):
            try:
                tempo.lay_out(domain, bars=4, bpm=bpm)
                fitting += 1
            except UsageError:
                pass
        return fitting / 121

    assert share(MEL) == share(LATENT) == 1.0
    assert 0.2 < share(COARSE) < 0.6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bars": 0}, "bars must be a whole number from 1 on, not 0"),
        ({"bars": 1.5}, "bars must be"),
        ({"beats_per_bar": -3}, "beats_per_bar must be"),
        ({"bars": 20_000}, "65535 beats at most, not of 80000"),
        ({"bpm": 0}, "above 0, 65535 at most, not 0"),
        ({"bpm": float("nan")}, "65535 at most, not nan"),
        ({"bpm": float("inf")}, "65535 at most, not inf"),
    ],
)
def test_numbers_that_make_no_bar(changes, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        tempo.lay_out(MEL, **{"bars": 4, "bpm": 120, **changes})


def test_a_tempo_is_read_as_it_is_written():
    assert tempo.count_samples(16, 92.3, 44_100) == round(60 * 44_100 * 16 * 10 / 923)
    assert tempo.count_samples(16, np.float64(92.3), 44_100) == tempo.count_samples(16, 92.3, 44_100)
