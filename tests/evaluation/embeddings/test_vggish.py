"""The front end and the windows, against plain definitions and torchvggish; where the weights come from."""

import pickle
import zipfile

import jax
import numpy as np
import pytest
import torch_files

from musicdiff.errors import DataError
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embeddings import vggish
from musicdiff.interop.torchvggish import FILE, convert
from musicdiff.networks.vggish import Vggish

TINY = Vggish(((2,), (3,), (4, 4), (5, 5)), hidden=12, width=7)


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.8, 0.8, num_samples).astype(np.float32)


def plain(audio):
    """The log-mel of a signal, frame by frame in double precision."""
    frames = [audio[i : i + 400] for i in range(0, len(audio) - 399, 160)]
    magnitude = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)), 512))
    return np.log(magnitude @ vggish.filter_bank().astype(float) + 0.01)


@pytest.mark.parametrize(("num_samples", "count"), [(0, 0), (15_599, 0), (15_600, 1), (30_959, 1), (30_960, 2)])
def test_there_are_as_many_windows_as_are_whole(num_samples, count):
    windows = vggish.cut(noise(num_samples))
    assert windows.x.shape == (count, vggish.WINDOW)
    np.testing.assert_array_equal(windows.padding, np.zeros(count))


def test_windows_have_the_frames_of_the_whole_clip():
    """The published code takes patches of 96 out of all of a clip's frames."""
    audio = noise(50_000)
    mel = np.asarray(jax.jit(vggish.log_mel)(vggish.cut(audio).x))
    assert mel.shape == (3, 96, 64)
    np.testing.assert_allclose(mel, plain(audio)[: 3 * 96].reshape(3, 96, 64), atol=1e-4)


def test_the_filters():
    bank = vggish.filter_bank()
    assert not bank[0].any()
    assert (bank.max(axis=0) > 0.3).all()
    peaks = np.argmax(bank, axis=0) * 31.25
    mels = 1127 * np.log1p(peaks / 700)
    edges = 1127 * np.log1p(np.array([125, 7500]) / 700)
    np.testing.assert_allclose(mels, np.linspace(*edges, 66)[1:-1], atol=25)  # half a bin of the FFT at its widest


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A file in the published layout, of a network with fewer channels, which stands for the published one; and the user's cache, empty."""
    monkeypatch.setattr(vggish, "NETWORK", TINY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return torch_files.save(tmp_path / "it.pth", torch_files.vggish(torch_files.draw(TINY, (1, 96, 64))))


def test_a_file_becomes_an_embedding(published):
    loaded = embedding.load("vggish", published)
    params, audio = torch_files.draw(TINY, (1, 96, 64)), noise(31_000)
    expected = jax.jit(TINY.apply)({"params": params}, vggish.log_mel(vggish.cut(audio).x))
    np.testing.assert_allclose(loaded.embed(loaded.cut(audio).x), expected, atol=1e-4)


def test_without_a_file_it_is_looked_for_in_the_cache(published, tmp_path):
    place = tmp_path / "cache" / "musicdiff" / "weights"
    with pytest.raises(DataError) as caught:
        embedding.load("vggish")
    for told in (FILE, "Apache-2.0", "release v0.1 of torchvggish", f"put it into {place}", "--weights"):
        assert told in str(caught.value)
    place.mkdir(parents=True)
    published.rename(place / FILE)
    assert embedding.load("vggish").weights


def test_a_file_of_another_network_is_refused(published, tmp_path):
    tensors = torch_files.vggish(torch_files.draw(TINY, (1, 96, 64)))
    torch_files.save(published, {**tensors, "features.3.bias": np.zeros(9, np.float32)})
    with pytest.raises(DataError, match=r"it\.pth: conv_1_0/bias is \(9,\), the network makes it \(3,\)"):
        embedding.load("vggish", published)
    torch_files.save(published, {"weight": np.zeros(3, np.float32)})
    with pytest.raises(DataError, match=r"it\.pth lacks the tensor features\.0\.weight: it is another network's file"):
        embedding.load("vggish", published)
    with zipfile.ZipFile(published, "w") as file:
        file.writestr("it/data.pkl", pickle.dumps([1]))
    with pytest.raises(DataError, match=r"it\.pth lacks the tensor"):
        embedding.load("vggish", published)
    published.write_bytes(b"text")
    with pytest.raises(DataError, match="no file of torch"):
        embedding.load("vggish", published)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_against_torchvggish():
    """The whole of it, once: 72 million random weights, its own front end."""
    torchvggish, torch = pytest.importorskip("torchvggish.torchvggish"), pytest.importorskip("torch")
    vggish_input = pytest.importorskip("torchvggish.vggish_input")

    torch.manual_seed(0)
    module = torchvggish._vgg().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=(2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.1)
        audio = noise(31_000)
        patches = vggish_input.waveform_to_examples(audio.astype(float), 16_000)
        module.embeddings = module.embeddings[:-1]  # without the last ReLU
        expected = module(patches).numpy()
    windows = vggish.cut(audio).x
    np.testing.assert_allclose(jax.jit(vggish.log_mel)(windows), patches[:, 0].detach().numpy(), atol=1e-4)
    params = convert({name: tensor.numpy() for name, tensor in module.state_dict().items()})
    found = jax.jit(vggish.embed)(params, windows)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
