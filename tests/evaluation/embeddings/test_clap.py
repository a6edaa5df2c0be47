"""The front end and the windows, against librosa, transformers and the published way to fill short clips."""

import jax
import numpy as np
import pytest

from musicdiff.evaluation.embeddings import clap


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.8, 0.8, num_samples).astype(np.float32)


def test_a_window_each_second_as_long_as_it_is_whole():
    audio = noise(clap.WINDOW + 2 * clap.HOP - 1)
    windows = clap.windows(audio)
    assert windows.shape == (2, clap.WINDOW)
    np.testing.assert_allclose(windows[1], audio[clap.HOP : clap.HOP + clap.WINDOW], atol=1 / 32767)
    assert np.abs(windows * 32767 - np.round(windows * 32767)).max() < 0.01


def test_a_short_clip_is_repeated_whole_and_then_silent():
    audio = noise(clap.WINDOW * 2 // 5)  # 4 s
    (window,) = clap.windows(audio)
    parts = window[: 2 * len(audio)].reshape(2, -1)
    np.testing.assert_array_equal(parts[0], parts[1])
    assert not window[2 * len(audio) :].any()
    np.testing.assert_array_equal(clap.windows(audio[:0]), np.zeros((1, clap.WINDOW)))


def test_fadtk_fills_windows_with_zeros():
    """A clip of 5.93 s has six windows, with 5.93 ... 0.93 s of it."""
    audio = noise(round(5.93 * clap.SAMPLE_RATE))
    windows = clap.zero_padded(audio)
    heard = [np.flatnonzero(window)[-1] + 1 for window in windows]
    np.testing.assert_allclose(np.array(heard) / clap.SAMPLE_RATE, 5.93 - np.arange(6), atol=1e-3)
    assert len(clap.zero_padded(noise(clap.WINDOW))) == 10


def test_the_front_end_is_librosas():
    import librosa

    audio = noise(48_000)
    mel = np.asarray(jax.jit(clap.log_mel)(audio[None]))[0]
    settings = {"sr": 48_000, "n_fft": 1024, "hop_length": 480, "n_mels": 64, "fmin": 50, "fmax": 14_000}
    power = librosa.feature.melspectrogram(y=audio.astype(float), pad_mode="reflect", **settings)
    np.testing.assert_allclose(mel, librosa.power_to_db(power, amin=1e-10, top_db=None).T, atol=1e-4)
    assert mel.shape == (101, 64)
    np.testing.assert_array_equal(clap.log_mel(np.zeros((1, 48_000), np.float32)), -100)


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
    found = np.asarray(jax.jit(clap.embed)(clap.convert({"state_dict": state}), windows))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
