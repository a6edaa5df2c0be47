"""Restoration: what is damaged comes nearer to what it was, what is not stays bit for bit."""

import dataclasses

import jax
import micro
import numpy as np
import pytest

from musicdiff import generation, models
from musicdiff.creative import original as originals
from musicdiff.creative import restore as room
from musicdiff.creative.prediction import fit, interpolate
from musicdiff.creative.regions import Region
from musicdiff.creative.restore import restore, written
from musicdiff.errors import UsageError

RATE = 8000


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


@pytest.fixture(scope="module")
def mel_generator():
    """Of random weights, which are as good as any here."""
    config = micro.make_config("mel")
    model = models.build(config)
    return generation.Generator(
        model, micro.randomise(model.init), model.init_frozen(jax.random.key(0)), config, "mel", 0
    )


def tones(seconds=0.6, channels=1, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.2 * np.sin(2 * np.pi * np.array([220.0, 554, 1310]) * t[:, None] + [0.3, 1, 2]).sum(axis=1)
    rng = np.random.default_rng(0)
    return wave[:, None] + 1e-3 * rng.normal(size=(len(t), channels))


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


def test_burg_finds_the_coefficients_of_a_process():
    rng, a = np.random.default_rng(0), np.array([1.0, -1.6, 0.9])
    x = np.zeros(20_000)
    for n in range(2, len(x)):
        x[n] = 1.6 * x[n - 1] - 0.9 * x[n - 2] + rng.normal()
    np.testing.assert_allclose(fit(x, 2), a, atol=0.02)


@pytest.mark.parametrize("size", [1, 8, 40])
def test_gaps_of_tones_are_filled_far_better_than_by_lines(size):
    clean = tones()[:, 0]
    lost = np.zeros(len(clean), bool)
    lost[1000 : 1000 + size] = lost[3000 : 3000 + size] = True
    made = interpolate(np.where(lost, 1e3, clean), lost)  # what it holds there counts for nothing
    places = np.arange(len(clean))
    lines = np.interp(places, places[~lost], clean[~lost])
    np.testing.assert_array_equal(made[~lost], clean[~lost])
    assert rms((made - clean)[lost]) < 0.1 * rms((lines - clean)[lost])


def test_gaps_at_the_ends_and_of_silence_are_filled():
    clean = tones()[:, 0]
    for start in (0, len(clean) - 10):
        lost = np.zeros(len(clean), bool)
        lost[start : start + 10] = True
        assert rms((interpolate(clean, lost) - clean)[lost]) < 0.1 * rms(clean)
    np.testing.assert_allclose(interpolate(np.zeros(500), np.arange(500) == 9), 0.0)


def test_clipped_peaks_end_beyond_the_ceiling_and_nearer(generator):
    clean = tones(channels=2)
    clipped = np.clip(clean, -0.3, 0.35)
    made = restore(generator, clipped, RATE, "clip", seeds=[1, 2])
    np.testing.assert_array_equal(made.audio[0], made.audio[1])
    out, high, low = made.audio[0], clean >= 0.35, clean <= -0.3
    assert (out[high] >= 0.35).all() and (out[low] <= -0.3).all()
    np.testing.assert_array_equal(out[~(high | low)], clean[~(high | low)])
    assert rms(out - clean) < 0.3 * rms(clipped - clean)
    assert any("dBFS" in note for note in made.notes)


def test_clicks_are_mended_and_nothing_else(generator):
    clean = tones(channels=2)
    damaged = clean.copy()
    damaged[2000:2003, 1] += 0.7
    out = restore(generator, damaged, RATE, "click", seeds=[1]).audio[0]
    changed = (out != damaged).any(axis=1)
    assert changed[2000:2003].all() and changed.sum() <= 12
    np.testing.assert_array_equal(out[:, 0], clean[:, 0])
    assert rms((out - clean)[1990:2012]) < 0.02 * rms((damaged - clean)[1990:2012])


def test_short_dropouts_are_interpolated_and_long_ones_inpainted(generator):
    clean = tones(channels=2)
    damaged = clean.copy()
    damaged[1000:1040] = damaged[2500:3100] = 0.0
    made = restore(generator, damaged, RATE, "dropout", seeds=[1, 2], sampler={"num_steps": 2})
    lost = (damaged == 0).all(axis=1)
    np.testing.assert_array_equal(made.audio[:, ~lost], np.stack([clean[~lost]] * 2))
    assert rms((made.audio - clean)[:, 1000:1040]) < 0.1 * rms(clean)
    assert rms(made.audio[0, 2500:3100] - made.audio[1, 2500:3100]) > 0.02  # seeds differ
    assert len(made.clips.seeds) == 2


def test_a_dropout_of_one_channel_leaves_the_other(generator):
    clean = tones(channels=2)
    damaged = clean.copy()
    damaged[2500:3100, 0] = 0.0
    made = restore(generator, damaged, RATE, "dropout", seeds=[1, 2], sampler={"num_steps": 2}).audio[0]
    np.testing.assert_array_equal(made[:, 1], clean[:, 1])
    assert rms(made[2500:3100, 0]) > 0.01


@pytest.mark.parametrize("name", ["trained", "mel"])
def test_a_band_is_added_and_what_is_below_stays(name, generator, mel_generator):
    generator = generator if name == "trained" else mel_generator
    audio = tones(rate=RATE)
    made = restore(generator, audio, RATE, "bandwidth", cutoff=2000.0, seeds=[1, 2], sampler={"num_steps": 2})
    assert made.audio.shape == (2, *audio.shape)
    frequencies = np.fft.rfftfreq(len(audio), 1 / RATE)
    window = np.hanning(len(audio))[:, None]
    change = np.abs(np.fft.rfft(window * (made.audio[0] - audio), axis=0))[:, 0]
    power = np.abs(np.fft.rfft(window * audio, axis=0))[:, 0]
    assert change[frequencies < 1900].max() < 1e-3 * power.max()
    assert change[frequencies > 2100].max() > 10 * change[frequencies < 1900].max()
    assert rms(made.audio[0] - made.audio[1]) > 0


def test_bins_below_the_cut_off_are_held(mel_generator):
    audio = tones(0.512)
    x_0 = generation.encode(mel_generator, np.float32(audio)[None])
    edit = room._banded(mel_generator, x_0, 2000.0, [1], {})
    clips = generation.generate(mel_generator, seeds=[1], frames=64, edit=edit, sampler={"num_steps": 2})
    held = ~edit.held["mask"][0, 0, :, 0]
    assert 0 < held.sum() < len(held) and held[0] and not held[-1]
    np.testing.assert_array_equal(clips.x_0[0][:, held], x_0[0][:, held])


@pytest.mark.parametrize(
    ("fix", "changes", "said"),
    [
        ("hum", {}, "no such damage"),
        ("click", {}, "no click found"),
        ("dropout", {}, "no dropout found"),
        ("clip", {}, "no clip found"),
        ("bandwidth", {}, "no cut-off found"),
        ("bandwidth", {"cutoff": 9000.0}, "not between"),
        ("bandwidth", {"cutoff": 3990.0}, "a higher rate"),
        ("bandwidth", {"regions": [Region(0, 9)]}, "leave the regions out"),
        ("click", {"cutoff": 3000.0}, "of --fix bandwidth"),
        ("dropout", {"regions": [Region(0, 9_000)]}, "not within the clip"),
        ("dropout", {"regions": [Region(0, 4_800)]}, "nothing of the clip"),
    ],
)
def test_what_cannot_be_done_is_said(generator, fix, changes, said):
    with pytest.raises(UsageError, match=said):
        restore(generator, tones(), RATE, fix, seeds=[1], **changes)


def test_silence_has_no_damage(generator):
    for fix in room.KINDS:
        with pytest.raises(UsageError, match="found in the clip"):
            restore(generator, np.zeros((4800, 1)), RATE, fix, seeds=[1])


def test_only_unclipped_files_are_written_as_floats():
    clip = originals.Original(np.zeros((1, 1)), RATE, "PCM_16", "flac", "a", "")
    assert written(clip, "click") is clip
    assert written(clip, "clip") == dataclasses.replace(clip, subtype="FLOAT", container="wav")
    assert written(dataclasses.replace(clip, subtype="PCM_32"), "clip").subtype == "DOUBLE"
