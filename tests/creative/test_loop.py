"""Loops are exactly as long as their bars, have no beginning, and are named by what they were told; and the detector of seams finds what is one."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from experiments import loop_seams
from musicdiff import generation
from musicdiff.audio import loop_chunks
from musicdiff.creative import loop as loops
from musicdiff.creative.tempo import lay_out
from musicdiff.errors import UsageError
from musicdiff.generation import Edit

SEEDS = (3, 4, 5, 6)
# 22712 samples at 44.1 kHz; 4120 at the model's 8 kHz, as 32 latent frames
SHORT = {"bars": 1, "bpm": 233, "beats_per_bar": 2}
LONG = {"bars": 1, "bpm": 120, "beats_per_bar": 2}  # a second: twice the model's own clip
ASKED = {"sampler": {"num_steps": 2}}


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


@pytest.fixture(scope="module")
def looped(generator):
    return loops.loop(generator, **SHORT, seeds=SEEDS, turn=False, **ASKED)


@pytest.fixture(scope="module")
def longer(generator):
    return loops.loop(generator, **LONG, seeds=SEEDS, turn=False, **ASKED)


def test_a_loop_is_as_long_as_its_bars(generator, looped, longer):
    assert looped.audio.shape == (4, 22_712, 1) and looped.audio.dtype == np.float64 and looped.rate == 44_100
    assert looped.clips.audio.shape == (4, 4120, 1) and looped.clips.x_0.shape[1] == 32
    assert longer.audio.shape == (4, 44_100, 1) and longer.clips.x_0.shape[1] == 62
    assert any("windows" in note for note in longer.notes) and not any("windows" in note for note in looped.notes)
    for clips in (looped, longer):
        assert np.isfinite(clips.audio).all() and np.abs(clips.audio).max() > 1e-4
        assert "stretch" in clips.notes[0]


def test_seeds_are_different_loops_and_the_same_bits(generator, looped):
    assert np.abs(looped.audio[0] - looped.audio[1]).max() > 1e-3
    again = loops.loop(generator, **SHORT, seeds=SEEDS[::-1], turn=False, **ASKED)
    np.testing.assert_array_equal(again.audio[::-1], looped.audio)


def test_the_circle_has_no_beginning(generator):
    """Noise turned by some frames makes the same loop, turned by as much: nothing stands at the wrap."""
    domain = generator.model.domain
    layout = lay_out(domain, **SHORT)
    x_T = np.random.default_rng(0).normal(size=(2, layout.frames, *domain.shape[1:])).astype(np.float32)
    made = []
    for turn in (0, 5 * domain.multiple):
        clips = generation.generate(
            generator,
            seeds=[1, 1],
            padding="circular",
            frames=layout.frames,
            samples=layout.model_samples,
            edit=Edit(x_T=np.roll(x_T, turn, axis=1)),
            **ASKED,
        )
        made.append(np.roll(clips.x_0, -turn, axis=1))
    assert made[0].std() > 0.1
    np.testing.assert_allclose(made[0], made[1], atol=2e-4)


@pytest.mark.parametrize("kind", ["looped", "longer"])
def test_the_wrap_is_a_step_like_others(kind, request):
    """Cut where they were not closed, the same loops have a step that is none."""
    audio = request.getfixturevalue(kind).audio[:, :, 0]
    ranks = np.array([loop_seams.step_rank(circle) for circle in audio])
    steps = np.abs(np.diff(audio, axis=1, append=audio[:, :1]))
    assert np.mean(ranks) < 0.95
    assert (steps[:, -1] <= steps[:, :-1].max(axis=1)).all()


def test_turning_a_loop_keeps_its_samples(generator, looped, monkeypatch):
    """Whole samples of the model's, so that nothing is lost, and pictures turn with them."""
    found = loops.downbeat.Downbeat(share=0.25, beat=0.9, bar=0.3)
    monkeypatch.setattr(loops.downbeat, "find", lambda *a, **b: found)
    turned = loops.loop(generator, **SHORT, seeds=SEEDS, **ASKED)
    np.testing.assert_array_equal(turned.clips.audio, np.roll(looped.clips.audio, -1030, axis=1))
    np.testing.assert_array_equal(turned.clips.log_mel, np.roll(looped.clips.log_mel, -16, axis=1))
    assert any("seed 3: turned by 0.129 s: it begins on a beat (90% sure)" in note for note in turned.notes)
    np.testing.assert_allclose(np.square(turned.audio).sum(axis=1), np.square(looped.audio).sum(axis=1), rtol=1e-6)


def test_without_a_clear_beat_a_loop_stays(generator, looped, monkeypatch):
    monkeypatch.setattr(loops.downbeat, "find", lambda *a, **b: loops.downbeat.Downbeat(0.4, 0.59, 0.2))
    left = loops.loop(generator, **SHORT, seeds=SEEDS, **ASKED)
    np.testing.assert_array_equal(left.audio, looped.audio)
    assert sum("no beat is clear" in note for note in left.notes) == len(SEEDS)


def test_a_loop_that_does_not_fit_is_refused_before_anything_is_made(generator):
    with pytest.raises(UsageError, match=r"multiple|above 0|whole number"):
        loops.loop(generator, bars=0, bpm=120, seeds=[1])


class Refusing:
    """A condition that knows tempi from 30 to 300."""

    @staticmethod
    def refuse(value):
        return None if 30 <= value <= 300 else f"must be a number from 30 to 300, not {value}"


def with_conditions(generator, **conditions):
    return dataclasses.replace(generator, model=dataclasses.replace(generator.model, conditions=conditions))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, {"tempo": 90}),
        ({"style": "waltz"}, {"style": "waltz", "tempo": 90}),
        ({"tempo": 45.0}, {"tempo": 45.0}),
        ([{}, {"tempo": None}, {"tempo": 60}], [{"tempo": 90}, {"tempo": 90}, {"tempo": 60}]),
        (
            [((0.7, {"style": "waltz"}), (0.3, {"style": "folk"}))],
            [((0.7, {"style": "waltz", "tempo": 90}), (0.3, {"style": "folk", "tempo": 90}))],
        ),
    ],
)
def test_a_model_that_knows_tempi_is_told_it(generator, told, expected):
    assert loops._with_tempo(with_conditions(generator, tempo=Refusing), told, 90) == (expected, [])


def test_what_cannot_be_told_is_said(generator):
    told, notes = loops._with_tempo(with_conditions(generator, tempo=Refusing), {"style": "x"}, 20)
    assert told == {"style": "x"} and "30 to 300" in notes[0]
    told, notes = loops._with_tempo(with_conditions(generator), None, 120)
    assert told is None and "cannot be told a tempo" in notes[0]


@pytest.mark.parametrize(
    ("told", "bpm", "name", "root"),
    [
        ({"style": "drum and bass", "key": "F# minor", "tempo": 174}, 174, "drum and bass_174bpm_F sharp minor_3", 6),
        ({"style": "waltz"}, 92.3, "waltz_92.3bpm_3", None),
        ({"key": "c"}, 120.0, "120bpm_C major_3", 0),
        ({"text": "calm piano in A minor"}, 90, "90bpm_3", None),
        (((0.5, {"style": "waltz"}), (0.5, {"style": "folk"})), 90, "90bpm_3", None),
    ],
)
def test_names_say_what_was_told_and_nothing_else(looped, told, bpm, name, root):
    layout = dataclasses.replace(lay_out_of(looped), bpm=bpm)
    clips = dataclasses.replace(looped.clips, told=(told,), seeds=(3,))
    assert loops.names(layout, clips) == [name]
    assert loops.root_of(told) == root


def lay_out_of(looped):
    from musicdiff.typing import Domain

    return lay_out(Domain((32, 8, 2), 8000, 1, 128, 2, None), **SHORT)


def test_files_are_loops_to_samplers_and_sequencers(generator, looped, tmp_path):
    layout = lay_out(generator.model.domain, **SHORT)
    told = ({"key": "A minor"}, {}, {}, {})
    clips = dataclasses.replace(looped.clips, told=told)
    lines = list(loops.write(tmp_path, generator, dataclasses.replace(looped, clips=clips), layout))
    assert [line.split()[0].rpartition("/")[2] for line in lines[:4]] == [
        "233bpm_A-minor_3.wav",
        "233bpm_4.wav",
        "233bpm_5.wav",
        "233bpm_6.wav",
    ]
    assert set(looped.notes) < set(lines) and lines[-1].startswith("listen: ")
    path = tmp_path / "233bpm_A-minor_3.wav"
    audio, rate = soundfile.read(path, always_2d=True)
    assert rate == 44_100 and soundfile.info(path).subtype == "PCM_24" and len(audio) == 22_712
    np.testing.assert_allclose(audio, looped.audio[0] / max(1, np.abs(looped.audio[0]).max()), atol=2**-23)
    said, other = (loop_chunks.read((tmp_path / name).read_bytes()) for name in (path.name, "233bpm_4.wav"))
    assert said["loop"] == (0, 22_712) and said["bpm"] == pytest.approx(233) and said["beats"] == 2
    assert other.get("root") is None and said["root"] == 9
    assert json.loads(path.with_suffix(".json").read_text())["loop"]["bars"] == 1


def cut_and_tiled(count, seed):
    """Stretches of chords with strokes, cut anywhere."""
    rng, rate = np.random.default_rng(seed), 22_050
    t = np.arange(3 * rate) / rate
    for _ in range(count):
        chord = sum(np.sin(2 * np.pi * f * t + p) for f, p in zip(rng.uniform(100, 900, 4), rng.uniform(0, 6, 4)))
        strokes = rng.normal(size=len(t)) * np.exp(-12 * ((t * rng.uniform(2, 3)) % 1))
        start = rng.integers(0, rate)
        yield (0.1 * chord + 0.1 * strokes)[start : start + 40_000]


def test_the_detector_finds_seams_and_nothing_else():
    """What it was trained on is found in others; of a circle, a wrap is any place."""
    tiled = np.stack([loop_seams.places(circle, i) for i, circle in enumerate(cut_and_tiled(16, 0))])
    detector = loop_seams.Detector(tiled[:8])
    assert loop_seams.auc(detector(tiled[8:])) > 0.9
    # Smooth circles: whole periods of tones and of noise.
    rng, n = np.random.default_rng(1), 40_000
    circles = [
        np.fft.irfft(np.fft.rfft(rng.normal(size=n)) * np.exp(-np.arange(n // 2 + 1) / 4000), n) for _ in range(12)
    ]
    whole = np.stack([loop_seams.places(circle, i) for i, circle in enumerate(circles)])
    assert 0.3 < loop_seams.auc(detector(whole)) < 0.7


def test_silence_and_drones_are_no_pass():
    t = np.arange(2 * 22_050) / 22_050
    music = next(cut_and_tiled(1, 2))
    assert loop_seams.is_counted(music, 22_050)
    assert not loop_seams.is_counted(1e-4 * music, 22_050)
    assert not loop_seams.is_counted(0.3 * np.sin(2 * np.pi * 220 * t), 22_050)


def test_an_auc_is_the_share_of_pairs():
    scores = np.array([[2.0, 1, 3], [0.0, 0, -1]])
    assert loop_seams.auc(scores) == pytest.approx((3 + 1.5) / 8)
    assert loop_seams.step_rank(np.array([0.0, 1, 3, 0, 10])) == pytest.approx(3 / 4)


def test_steps_at_wraps_are_like_others_or_not():
    t = np.arange(20_000) / 20_000
    waves = [np.sin(2 * np.pi * (50 * t + phase)) for phase in np.linspace(0, 1, 20)]
    assert 5 < loop_seams.step_percentile(waves) < 95
    assert loop_seams.step_percentile([wave[:-150] for wave in waves]) > 99
