"""The windows, and the vectors against what TensorFlow's network computes of the same log-mel."""

import pathlib

import numpy as np
import pytest
import torch_files

from musicdiff import pretrained, weights
from musicdiff.errors import DataError
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embeddings import musicnn
from musicdiff.networks.musicnn import Musicnn
from musicdiff.tagging import tags

FIXTURE = pathlib.Path(__file__).parents[2] / "fixtures" / "musicnn" / "oracle.npz"
MEL = (1, tags.FRAMES, tags.NUM_MELS)


def noise(num_samples):
    return np.random.default_rng(0).uniform(-0.8, 0.8, num_samples).astype(np.float32)


def logits(params, vectors):
    """The last layer, which makes 50 tags of what the embedding is."""
    return vectors @ params["tags"]["kernel"] + params["tags"]["bias"]


def test_it_is_what_the_recorded_network_makes_tags_of(tmp_path):
    """Weights drawn as when the network agreed with TensorFlow on them."""
    recorded, params = np.load(FIXTURE), torch_files.draw(Musicnn(), MEL)
    weights.write_tree(tmp_path / "it.safetensors", params)
    found = embedding.load("musicnn", tmp_path / "it.safetensors").embed(recorded["patch"])
    np.testing.assert_allclose(logits(params, found)[0], recorded["drawn_logits"], rtol=1e-4, atol=1e-4)


def test_a_clip_of_2_97_s_is_186_frames_and_counts_as_whole():
    """65,536 samples at 22,050 Hz."""
    (window,), padding = musicnn.cut(noise(round(65_536 * 16_000 / 22_050)))
    assert padding == pytest.approx(1 / 187) and padding < 0.05
    np.testing.assert_array_equal(window[186], window[0])


def test_a_short_clip_is_repeated():
    (window,), padding = musicnn.cut(noise(99 * 256))
    assert padding == pytest.approx(87 / 187)
    np.testing.assert_array_equal(window[100:], window[:87])


def test_windows_are_of_the_whole_clips_frames():
    audio = noise(3 * musicnn.HOP)
    x, padding = musicnn.cut(audio)
    np.testing.assert_array_equal(x.reshape(-1, 96), tags.log_mel(audio)[: 3 * 187])
    np.testing.assert_array_equal(padding, 0)
    assert len(musicnn.cut(audio[: 2 * musicnn.HOP + musicnn.WINDOW - 1]).x) == 2


@pytest.mark.parametrize(("num_samples", "count"), [(0, 0), (511, 0), (512, 1)])
def test_below_one_frame_there_is_nothing_to_hear(num_samples, count):
    assert musicnn.cut(noise(num_samples)).x.shape == (count, 187, 96)


def test_missing_weights_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="fetch it by `musicdiff weights get musicnn`"):
        embedding.load("musicnn")


@pytest.mark.network
@pytest.mark.parametrize("variant", musicnn.VARIANTS)
def test_the_real_weights_against_tensorflow(monkeypatch, tmp_path_factory, variant):
    """The logits are up to 14; TensorFlow's and ours differ by 7e-6."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    list(pretrained.fetch("musicnn"))
    recorded, loaded = np.load(FIXTURE), embedding.load(f"musicnn:{variant}")
    found = logits(loaded.params, loaded.embed(recorded["patch"]))
    np.testing.assert_allclose(found[0], recorded[f"{variant}_logits"], rtol=0, atol=2e-5)
