"""Copies are found where they lie, at any level, cropped, in noise and through the codec; clips of other tracks are left alone."""

import math

import jax
import numpy as np
import pytest

from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import DataError
from musicdiff.evaluation import copies, fingerprints
from musicdiff.vocoders import griffin_lim

RATE = 11_025


def tune(seed, seconds):
    """Notes of random pitch and length, decaying: [N, 1]."""
    rng, audio = np.random.default_rng(seed), np.zeros(int(seconds * RATE))
    start = 0
    while start < len(audio):
        time = np.arange(min(RATE, len(audio) - start)) / RATE
        pitch = 110 * 2 ** (rng.integers(0, 36) / 12)
        audio[start : start + len(time)] += sum(np.sin(2 * np.pi * k * pitch * time) / k for k in (1, 2, 3)) * np.exp(
            -6 * time
        )
        start += int(rng.uniform(0.1, 0.5) * RATE)
    return (0.1 * audio[:, None]).astype(np.float32)


TRACKS = [(f"track {chr(97 + i)}", tune(i, 20)) for i in range(4)]
HELD_OUT = [
    (f"held {i}x {start}", tune(100 + i, 12)[start : start + 6 * RATE]) for i in range(6) for start in (0, 60_000)
]


def codec(audio):
    spec = MelSpec(sample_rate=RATE)
    vocoder = griffin_lim.build(spec, num_iterations=8, num_inversion_steps=10)
    return np.asarray(
        vocoder.to_audio(vocoder.load(), mel.log_mel(audio[None], spec), jax.random.split(jax.random.key(0), 1))
    )[0]


def planted():
    cut = TRACKS[2][1][40_123 : 40_123 + 6 * RATE]
    noise = np.random.default_rng(9).standard_normal(cut.shape) * np.sqrt(np.mean(cut**2)) * 10**-1.5
    partly = np.concatenate([tune(500, 2), cut[: 4 * RATE]])
    return {
        "verbatim": cut,
        "quiet": 0.01 * cut,
        "cropped": cut[10_000:50_000],
        "noisy": cut + noise.astype(np.float32),
        "codec": codec(cut),
        "partly": partly,
        "none": tune(600, 6),
    }


@pytest.fixture(scope="module")
def found():
    return copies.measure(planted().items(), TRACKS, HELD_OUT, RATE, seed=0)


def test_planted_copies_are_found_and_nothing_else(found):
    flagged = {match.clip: match.flagged for match in found.generated}
    assert flagged == {name: name != "none" for name in planted()}
    assert all(match.track == "track c" for match in found.generated if match.flagged)


def test_where_a_copy_begins_is_told(found):
    """Any of the clip's patches may be the likest: its place is a patch's place in the cut, to an eighth of a hop and a frame's rounding."""
    match = next(match for match in found.generated if match.clip == "verbatim")
    frames = (match.start * RATE - 40_123) / fingerprints.SPEC.hop
    last = fingerprints.SPEC.num_frames(6 * RATE - fingerprints.SHIFTS[-1]) - fingerprints.EDGE - fingerprints.PATCH
    starts = fingerprints.EDGE + np.array([0, 30, last - fingerprints.EDGE])
    assert np.abs(frames - starts).min() < 1.0


def test_the_level_is_no_part_of_it(found):
    by_name = {match.clip: match.similarity for match in found.generated}
    assert by_name["quiet"] == pytest.approx(by_name["verbatim"], abs=1e-4)


def test_a_patch_of_a_track_has_similarity_one_at_its_own_place():
    """Beyond the first chunk as well; the rest is by brute force."""
    image = np.random.default_rng(0).random((1500, fingerprints.SPEC.num_mels)).astype(np.float32)
    asked = fingerprints.patches(image[1200 : 1200 + fingerprints.PATCH])
    nearest = fingerprints.search(asked, [("noise", image[::-1]), ("it", image)])
    assert nearest.similarity[0] == pytest.approx(1.0, abs=1e-5) and nearest.track[0] == "it"
    assert nearest.start[0] * RATE / fingerprints.SPEC.hop == pytest.approx(1200)
    other = image[:60] - image[:60].mean(axis=0)
    expected = max(
        np.corrcoef(other.ravel(), (cut - cut.mean(axis=0)).ravel())[0, 1]
        for cut in (image[300 + i : 360 + i] for i in range(41))
    )
    got = fingerprints.search(fingerprints.patches(image[:60]), [("a", image[300:400])])
    assert got.similarity[0] == pytest.approx(expected, abs=1e-5)


def test_the_threshold_is_an_order_statistic():
    assert copies.limit(np.arange(199.0)) == (197.0, 2 / 200)
    assert copies.limit(np.arange(10.0)) == (9.0, 1 / 11)


def test_wilsons_interval():
    assert copies.wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert copies.wilson(5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)


def test_too_few_held_out_clips_are_told(found, tmp_path):
    said = copies.render(found)
    assert "Too few held-out clips for 1%" in said and "| verbatim | track c |" in said
    assert found.expected == 1 / 7 and math.isclose(found.threshold, max(found.held_out[0]))
    copies.save_picture(tmp_path / "copies.png", found)
    assert (tmp_path / "copies.png").read_bytes()[:4] == b"\x89PNG"


def test_clips_of_a_track_stay_in_one_half():
    names = [f"song {i} {start}" for i in range(10) for start in (0, 100, 200)]
    first, second = copies._halves(names, seed=1)
    assert len(first) == len(second) == 15
    assert not {names[i].rpartition(" ")[0] for i in first} & {names[i].rpartition(" ")[0] for i in second}


def test_silence_and_short_clips_are_searched_too():
    clips = [("silent", np.zeros((RATE, 1), np.float32)), ("short", TRACKS[1][1][50_000:60_000])]
    found = {match.clip: match for match in copies.measure(clips, TRACKS, HELD_OUT, RATE).generated}
    assert found["silent"].similarity == 0 and not found["silent"].flagged
    assert found["short"].track == "track b"


@pytest.mark.parametrize("what", ["generated", "training", "held_out", "nan"])
def test_what_cannot_be_measured(what):
    sets = {"generated": HELD_OUT[:1], "training": TRACKS[:1], "held_out": HELD_OUT[:4]}
    sets["generated" if what == "nan" else what] = [("bad", np.full((9, 1), np.nan))] if what == "nan" else []
    with pytest.raises(DataError, match="bad" if what == "nan" else "no |0 held-out"):
        copies.measure(**sets, rate=RATE)
