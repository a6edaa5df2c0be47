"""Clips from everywhere: noise of a known level, real ones of a run's own data, by way of its codec, and generated ones."""

import dataclasses

import jax
import loudness
import numpy as np
import pytest

from musicdiff import data, facts, generation, randomness
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import sounds
from musicdiff.evaluation.sounds import Like, Trained


@pytest.fixture(scope="module")
def model(trained):
    return Trained(trained, generation.load(trained))


def test_noise_is_at_the_clips_level_and_as_long():
    found = dict(sounds.noise(Like([4000, 8000], 8000, 0.05), seed=1))
    assert [audio.shape for audio in found.values()] == [(4000, 1), (8000, 1)]
    for audio in found.values():
        assert np.sqrt(np.mean(np.square(audio))) == pytest.approx(0.05, rel=0.03)
    first, second = found.values()
    assert not np.array_equal(first, second[:4000])
    again, other = (dict(sounds.noise(Like([4000], 8000, 0.05), seed=seed)) for seed in (1, 2))
    assert np.array_equal(again["noise 0"], first) and not np.array_equal(other["noise 0"], first)


def test_noise_is_made_like_the_clips(tmp_path):
    """As long in seconds, at the highest rate."""
    a, b = loudness.clips(2, 0)
    loudness.write(tmp_path, [a])
    loudness.write(tmp_path, [b], rate=16_000)
    _, like = sounds.examine([tmp_path / a[0], tmp_path / b[0]])
    assert like.lengths == [8192, 4096] and like.rate == 16_000
    assert like.rms == pytest.approx(np.sqrt(np.mean(np.square([a[1], b[1]]))), rel=1e-6)


def test_silent_clips_have_no_level(tmp_path):
    loudness.write(tmp_path, [("a.wav", np.zeros((4096, 1), np.float32))])
    levels, like = sounds.examine([tmp_path / "a.wav"])
    assert levels.rms_db is None and levels.peak_db is None and levels.findings == {"silent": 1}
    assert like.rms == 0.0


def test_real_clips_are_cut_from_the_tracks_of_their_split(model):
    """As long as the model's, where data.held_out cuts them: the mel of a clip is that of the cache but for its edges."""
    config, domain = model.generator.config, model.generator.model.domain
    source = data.open_source(config["data"]["source"])
    spec = MelSpec(**config["mel"])
    tracks = data.build(source, "mel", spec, config["data"]["cache_dir"])
    frames = domain.shape[0] * domain.samples_per_frame // spec.hop
    for split in ("train", "test"):
        clips = list(sounds.real(model, split, 3))
        assert len(clips) == 3 and all(audio.shape == (frames * 64, 1) for _, audio in clips)
        names = set(tracks.split(split).labels["name"])
        assert {name.rpartition(" ")[0] for name, _ in clips} <= names
        (batch,) = data.held_out(tracks.split(split), feature="mel", frames=frames, batch_size=3, limit=3)
        mels = np.asarray(mel.log_mel(np.stack([audio for _, audio in clips]), spec))
        assert np.abs(mels - batch["x_0"])[:, 4:-4].max() < 2e-3
    train, test = ({name for name, _ in sounds.real(model, split, 50)} for split in ("train", "test"))
    assert not train & test


def test_a_clip_longer_than_its_track_ends_in_silence(model):
    domain = model.generator.model.domain
    long = dataclasses.replace(domain, shape=(domain.shape[0] * 1000, *domain.shape[1:]))
    generator = dataclasses.replace(model.generator, model=dataclasses.replace(model.generator.model, domain=long))
    (_, audio), *_ = sounds.real(Trained(model.workdir, generator), "test", 1)
    assert len(audio) == long.shape[0] * long.samples_per_frame
    assert not audio[-1000:].any() and audio[:8000].any()


def test_the_codec_is_the_models_own(model):
    """Encoded and vocoded one by one, each by the key of its place; whatever the batch."""
    carried = dict(sounds.carried(model, 10))
    real = dict(sounds.real(model, "test", 10))
    assert list(carried) == list(real) and len(real) == 10
    network, frozen = model.generator.model, model.generator.frozen
    places, names = np.array([9, 0], np.uint32), list(real)  # of two batches
    x_0 = network.encode(frozen, np.stack([real[names[place]] for place in places]))
    alone = np.asarray(jax.jit(network.to_audio)(frozen, x_0, randomness.seed_keys(places, "vocoder")))
    for place, audio in zip(places, alone):
        assert audio.shape == real[names[place]].shape
        assert np.abs(audio - carried[names[place]]).max() < 1e-3 * np.abs(audio).max()


def test_generated_clips_are_those_of_their_seeds(model):
    options = {"batch_size": 4, "asked": {"sampler": {"num_steps": 2}}}
    found = dict(sounds.generated(model.generator, sounds.seeds(5, 4), **options))
    assert list(found) == [f"seed {seed:06d}" for seed in (5, 6, 7, 8)]
    clips = generation.generate(model.generator, seeds=[8, 7, 6, 5], sampler={"num_steps": 2}, batch_size=4)
    for seed, audio in zip(clips.seeds, clips.audio):
        assert np.array_equal(found[f"seed {seed:06d}"], audio)


def test_one_clip_is_no_set():
    assert sounds.seeds(3, 2) == range(3, 5)
    with pytest.raises(UsageError, match="2 at least, not 1"):
        sounds.seeds(0, 1)


def test_data_of_one_track_hold_nothing_out(model, tmp_path):
    config = {**model.generator.config, "data": {**model.generator.config["data"], "source": "builtin:1"}}
    tracks = data.build(data.open_source("builtin:1"), "mel", MelSpec(**config["mel"]), config["data"]["cache_dir"])
    facts.add(tmp_path, fingerprint=tracks.fingerprint)
    lonely = Trained(tmp_path, dataclasses.replace(model.generator, config=config))
    assert next(sounds.real(lonely, "train", 3))
    with pytest.raises(DataError, match="builtin:1 has one track, which was trained on: nothing was held out"):
        next(sounds.real(lonely, "test", 3))


def test_a_model_from_elsewhere_has_no_data(trained_copy, model):
    for path in (facts.FILE, f"{facts.FILE}.copy"):
        (trained_copy / path).unlink()
    with pytest.raises(DataError, match="does not tell what it was trained on"):
        next(sounds.real(Trained(trained_copy, model.generator), "train", 3))
