"""The front end and the windows, against librosa, transformers and the published way to fill short clips."""

import jax
import numpy as np
import pytest
import torch_files

from musicdiff.errors import DataError
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embeddings import clap
from musicdiff.interop.laion_clap import convert
from musicdiff.networks.htsat import Htsat
from musicdiff.pretrained.clap import PUBLISHED

TINY = Htsat(8, (1, 1), (2, 4), projected=6)
MEL = (1, 1001, 64)


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.8, 0.8, num_samples).astype(np.float32)


def test_a_window_each_second_as_long_as_it_is_whole():
    audio = noise(clap.WINDOW + 2 * clap.HOP - 1)
    windows, padding = clap.cut(audio)
    assert windows.shape == (2, clap.WINDOW)
    np.testing.assert_array_equal(padding, 0)
    np.testing.assert_allclose(windows[1], audio[clap.HOP : clap.HOP + clap.WINDOW], atol=1 / 32767)
    assert np.abs(windows * 32767 - np.round(windows * 32767)).max() < 0.01


def test_a_short_clip_is_repeated_whole_and_then_silent():
    audio = noise(clap.WINDOW * 2 // 5)  # 4 s
    (window,), padding = clap.cut(audio)
    parts = window[: 2 * len(audio)].reshape(2, -1)
    np.testing.assert_array_equal(parts[0], parts[1])
    assert not window[2 * len(audio) :].any()
    np.testing.assert_allclose(padding, [0.6], rtol=1e-6)  # of 10 s, 4 are the clip
    assert clap.cut(audio[:0]).x.shape == (0, clap.WINDOW)


def test_fadtk_fills_windows_with_zeros():
    """A clip of 5.93 s has six windows, with 5.93 ... 0.93 s of it."""
    audio = noise(round(5.93 * clap.SAMPLE_RATE))
    windows, padding = clap.cut_zero_padded(audio)
    heard = [np.flatnonzero(window)[-1] + 1 for window in windows]
    np.testing.assert_allclose(np.array(heard) / clap.SAMPLE_RATE, 5.93 - np.arange(6), atol=1e-3)
    np.testing.assert_allclose(padding, 1 - (5.93 - np.arange(6)) / 10, atol=1e-6)
    assert len(clap.cut_zero_padded(noise(clap.WINDOW)).x) == 10
    assert clap.cut_zero_padded(audio[:0]).x.shape == (0, clap.WINDOW)


def test_the_front_end_is_librosas():
    import librosa

    audio = noise(48_000)
    mel = np.asarray(jax.jit(clap.log_mel)(audio[None]))[0]
    settings = {"sr": 48_000, "n_fft": 1024, "hop_length": 480, "n_mels": 64, "fmin": 50, "fmax": 14_000}
    power = librosa.feature.melspectrogram(y=audio.astype(float), pad_mode="reflect", **settings)
    np.testing.assert_allclose(mel, librosa.power_to_db(power, amin=1e-10, top_db=None).T, atol=1e-4)
    assert mel.shape == (101, 64)
    np.testing.assert_array_equal(clap.log_mel(np.zeros((1, 48_000), np.float32)), -100)


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A file in the published layout, of a small network, which stands for the one trained on sounds; and the user's cache, empty."""
    monkeypatch.setitem(clap.NETWORKS, "audio", TINY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return torch_files.save(tmp_path / "it.pt", torch_files.clap(torch_files.draw(TINY, MEL)))


def test_a_file_becomes_an_embedding(published):
    loaded, windows = embedding.load("clap", published), 0.3 * noise(clap.WINDOW)[None]
    expected = jax.jit(clap.embed)(torch_files.draw(TINY, MEL), windows)
    found = loaded.embed(windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-6)


def test_variants_differ_by_protocol_and_file(published):
    for name in ("clap", "clap:audio"):
        assert embedding.load(name, published).name == "clap:audio"
    ours, theirs = embedding.load("clap:audio", published), embedding.load("clap:audio-fadtk", published)
    audio = noise(3 * clap.HOP)
    assert (len(ours.cut(audio).x), len(theirs.cut(audio).x)) == (1, 3)
    assert ours.weights == theirs.weights and ours.sha256 != theirs.sha256


@pytest.mark.parametrize("variant", clap.VARIANTS)
def test_without_a_file_it_is_looked_for_in_the_cache(published, tmp_path, variant):
    place, name = tmp_path / "cache" / "musicdiff" / "weights", PUBLISHED[variant.removesuffix("-fadtk")].name
    with pytest.raises(DataError) as caught:
        embedding.load(f"clap:{variant}")
    for told in (name, "CC0-1.0", "checkpoints of laion_clap", f"put it into {place}", "--weights"):
        assert told in str(caught.value)
    if variant.startswith("audio"):
        place.mkdir(parents=True)
        published.rename(place / name)
        assert embedding.load(f"clap:{variant}").weights


def test_a_file_of_another_network_is_refused(published):
    with pytest.raises(DataError, match=r"it\.pt is of another network than music_audioset.*, which clap:music reads"):
        embedding.load("clap:music", published)
    torch_files.save(published, torch_files.clap(torch_files.draw(TINY, (1, 512, 32))))
    with pytest.raises(DataError, match=r"it\.pt is of another network than 630k"):
        embedding.load("clap", published)
    torch_files.save(published, {"features.0.weight": np.zeros((2, 1, 3, 3), np.float32)})
    with pytest.raises(DataError, match=r"it\.pt lacks the tensor audio_branch"):
        embedding.load("clap", published)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_the_front_end_against_transformers():
    transformers = pytest.importorskip("transformers")
    extractor = transformers.ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc")
    audio = 0.3 * noise(clap.WINDOW)
    expected = extractor(audio.astype(float), sampling_rate=48_000, return_tensors="np")["input_features"][0]
    found = np.asarray(jax.jit(clap.log_mel)(audio[None]))
    assert found.shape == expected.shape == (1, 1001, 64)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("width", "depth"), [(96, 6), (128, 12)])
def test_the_published_sizes_against_transformers(width, depth):
    """HTSAT-tiny and -base, on random weights and one window of noise, from samples to the unit sphere."""
    torch = pytest.importorskip("torch")
    from fixtures import record_embeddings

    torch.manual_seed(0)
    shape = {"patch_embeds_hidden_size": width, "hidden_size": 8 * width, "depths": [2, 2, depth, 2]}
    module = record_embeddings.make_clap(**shape)
    state = {name: tensor.numpy() for name, tensor in record_embeddings.laion_names(module).items()}
    windows = 0.3 * noise(clap.WINDOW)[None]
    with torch.no_grad():
        mel = torch.from_numpy(np.array(clap.log_mel(windows)))
        expected = torch.nn.functional.normalize(module(mel[:, None]).audio_embeds, dim=-1).numpy()
    found = np.asarray(jax.jit(clap.embed)(convert({"state_dict": state}), windows))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
