"""A clip becomes a loop by its seam alone: every other sample is the clip's own, bit for bit."""

import dataclasses

import numpy as np
import pytest
import soundfile

from musicdiff import generation
from musicdiff.audio import io, loop_chunks
from musicdiff.creative import loopify as room
from musicdiff.creative import original
from musicdiff.creative.edited import Edited
from musicdiff.creative.loopify import loopify
from musicdiff.errors import DataError, UsageError

RATE = 8000
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def clip(seconds, rate=RATE, channels=1, seed=0):
    """Noise and a tone: no two samples alike, so that every place is known by its own."""
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    return 0.2 * np.sin(2 * np.pi * 300 * t)[:, None] + 0.05 * rng.normal(size=(len(t), channels))


@pytest.fixture
def marked(monkeypatch):
    """Inpainting that writes the seed where it is asked to; what it was asked for is kept."""
    asked = {}

    def inpaint(generator, audio, rate, regions, *, seeds, **more):
        asked.update(audio=audio, rate=rate, regions=regions, more=more)
        out = np.repeat(audio[None], len(seeds), axis=0) + 0.25  # what lies outside is not to be trusted
        for region in regions:
            out[:, region.start : region.stop] = np.reshape(seeds, (-1, 1, 1))
        return Edited(out, rate, None, ("inpainted",))

    monkeypatch.setattr(room, "inpaint", inpaint)
    return asked


@pytest.mark.parametrize("seconds", [0.4, 0.511, 3.0])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("seam", "before"), [(0.1, 0.5), (0.1, 1.0), (0.1, 0.0), (0.0333, 0.3)])
def test_only_the_seam_is_new(generator, marked, seconds, channels, seam, before):
    audio = clip(seconds, channels=channels)
    looped = loopify(generator, audio, RATE, seam=seam, before=before, seeds=SEEDS)
    assert looped.audio.shape == (2, *audio.shape) and looped.rate == RATE
    for seed, made in zip(SEEDS, looped.audio):
        new = (made == seed).all(axis=1)
        assert new.sum() == round(seam * RATE)
        np.testing.assert_array_equal(made[~new], audio[~new])
        # One stretch around the wrap, so much of it before.
        wrapped = np.flatnonzero(np.roll(new, len(audio) // 2))
        assert np.ptp(wrapped) == new.sum() - 1
        assert new[len(audio) // 2 :].sum() == round(before * round(seam * RATE))
    # The model looked at the wrap with as much to each side, and at no more than its own clip.
    seen = marked["audio"]
    assert len(seen) == min(len(audio), 4096)
    (region,) = marked["regions"]
    assert abs((region.start + region.stop) / 2 - len(seen) / 2) <= 1
    assert looped.notes[-1] == "inpainted"


def test_the_ends_of_what_is_looked_at_meet(generator, marked):
    """Of a whole short clip, the middle is where it is cut: there neighbours are the clip's own."""
    audio = clip(0.3)
    loopify(generator, audio, RATE, seam=0.05, seeds=[1])
    seen = marked["audio"]
    where = [int(np.flatnonzero(audio[:, 0] == sample)[0]) for sample in (seen[-1, 0], seen[0, 0])]
    assert where[1] == where[0] + 1


def test_the_seam_follows_the_tempo(generator, marked):
    audio = clip(2.0)
    assert "0.250 s around the wrap" in loopify(generator, audio, RATE, seeds=[1]).notes[0]
    looped = loopify(generator, audio, RATE, bpm=120, seeds=[1], repeats=3)
    assert "0.250 s" in looped.notes[0] and len(looped.notes) == 2 and marked["more"] == {"repeats": 3}
    assert "0.500 s" in loopify(generator, audio, RATE, bpm=60, seeds=[1]).notes[0]
    off = loopify(generator, audio[:-100], RATE, bpm=120, seeds=[1]).notes[1]
    assert "3.975 beats of 120 bpm" in off and "4 of them are 16000 samples" in off


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"seam": 0.0}, UsageError, "no length"),
        ({"seam": float("nan")}, UsageError, "no length"),
        ({"seam": 0.21}, UsageError, "0.2 s at most"),
        ({"before": 1.5}, UsageError, "from 0 to 1"),
        ({"audio": np.zeros((3200, 1))}, DataError, "silent"),
        ({"audio": np.zeros((10, 1))}, UsageError, "more than half"),
    ],
)
def test_what_cannot_be_a_loop(generator, changes, error, words):
    with pytest.raises(error, match=words):
        loopify(generator, **{"audio": clip(0.4), "rate": RATE, "seam": 0.1, "seeds": [1], **changes})


def test_a_clip_of_another_rate_becomes_a_loop(generator):
    """By the model itself: 16-bit samples outside the seam are the same, inside they are new, and of each seed its own."""
    steps = np.round(clip(0.6, rate=11_025, channels=2) * 2**15) / 2**15
    looped = loopify(generator, steps, 11_025, seam=0.1, seeds=SEEDS, sampler={"num_steps": 2})
    size = round(0.1 * 11_025)
    inside = np.roll(np.arange(len(steps)) < size, -round(0.5 * size))
    np.testing.assert_array_equal(looped.audio[:, ~inside], np.stack([steps[~inside]] * 2))
    assert np.isfinite(looped.audio).all() and looped.rate == 11_025
    assert np.abs(looped.audio[0] - looped.audio[1])[inside].max() > 1e-3
    assert np.abs(looped.audio[0] - steps)[inside].max() > 1e-3


@pytest.mark.parametrize(("bpm", "beats"), [(150, 1), (151, None), (None, None)])
def test_files_are_loops_in_the_format_of_the_clip(generator, marked, tmp_path, bpm, beats):
    """0.4 s are a beat of 150 bpm; of 151 they are none, and nothing is said of it."""
    steps = np.round(clip(0.4) * 2**15) / 2**15
    io.write(tmp_path / "break.wav", steps, RATE, subtype="PCM_16")
    given = original.read(tmp_path / "break.wav")
    looped = dataclasses.replace(
        loopify(generator, given.audio, RATE, seam=0.1, seeds=[1]),
        clips=generation.generate(generator, seeds=[1], sampler={"num_steps": 2}),
    )
    lines = list(room.write(tmp_path / "out", generator, looped, given, bpm=bpm, beats_per_bar=4))
    path = tmp_path / "out" / "break-looped-seed-1.wav"
    assert str(path) in lines[0] and lines[-1].startswith("listen: ")
    said = loop_chunks.read(path.read_bytes())
    assert said["loop"] == (0, 3200) and said.get("beats") == beats and ("bpm" in said) == (beats is not None)
    written, rate = soundfile.read(path, always_2d=True, dtype="float64")
    assert rate == RATE and soundfile.info(path).subtype == "PCM_16"
    np.testing.assert_array_equal(written[400:-400], steps[400:-400])
