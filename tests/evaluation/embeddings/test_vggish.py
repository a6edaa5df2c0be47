"""The front end and the windows, against plain definitions and torchvggish."""

import jax
import numpy as np
import pytest

from musicdiff.evaluation.embeddings import vggish


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.8, 0.8, num_samples).astype(np.float32)


def plain(audio):
    """The log-mel of a signal, frame by frame in double precision."""
    frames = [audio[i : i + 400] for i in range(0, len(audio) - 399, 160)]
    magnitude = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)), 512))
    return np.log(magnitude @ vggish.filter_bank().astype(float) + 0.01)


@pytest.mark.parametrize(("num_samples", "count"), [(0, 0), (15_599, 0), (15_600, 1), (30_959, 1), (30_960, 2)])
def test_there_are_as_many_windows_as_are_whole(num_samples, count):
    assert vggish.windows(noise(num_samples)).shape == (count, vggish.WINDOW)


def test_windows_have_the_frames_of_the_whole_clip():
    """The published code takes patches of 96 out of all of a clip's frames."""
    audio = noise(50_000)
    mel = np.asarray(jax.jit(vggish.log_mel)(vggish.windows(audio)))
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
    windows = vggish.windows(audio)
    np.testing.assert_allclose(jax.jit(vggish.log_mel)(windows), patches[:, 0].detach().numpy(), atol=1e-4)
    params = vggish.convert({name: tensor.numpy() for name, tensor in module.state_dict().items()})
    found = jax.jit(vggish.embed)(params, windows)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
