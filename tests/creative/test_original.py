"""Clips as their files hold them: exact there and back, whatever the sample format."""

import numpy as np
import pytest
import soundfile

from musicdiff.audio import io
from musicdiff.creative import original
from musicdiff.errors import UsageError
from musicdiff.typing import Domain

RATE = 8000


def samples(bits, num=500):
    """Every kind of sample of so many bits, the extremes too."""
    edge = 2 ** (bits - 1)
    steps = np.random.default_rng(0).integers(-edge, edge, (num, 2))
    steps[:2] = [[-edge, edge - 1], [0, -1]]
    return steps.astype(np.int64) << (32 - bits)


@pytest.mark.parametrize(
    ("suffix", "subtype", "bits"),
    [
        (".wav", "PCM_16", 16),
        (".wav", "PCM_24", 24),
        (".wav", "PCM_32", 32),
        (".flac", "PCM_16", 16),
        (".flac", "PCM_24", 24),
        (".aiff", "PCM_16", 16),
        (".wav", "PCM_U8", 8),
    ],
)
def test_integers_come_back(tmp_path, suffix, subtype, bits):
    path = tmp_path / f"given{suffix}"
    soundfile.write(path, samples(bits).astype(np.int32), RATE, subtype=subtype)
    clip = original.read(path)
    assert clip.subtype == {"PCM_U8": "PCM_16"}.get(subtype, subtype) and clip.name == "given"
    assert clip.container == ("flac" if suffix == ".flac" else "wav")
    again = tmp_path / f"again.{clip.container}"
    io.write(again, clip.audio, clip.rate, subtype=clip.subtype)
    np.testing.assert_array_equal(soundfile.read(again, dtype="int32")[0], samples(bits))


@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", np.float32), ("DOUBLE", np.float64)])
def test_floats_come_back_louder_than_full_scale_too(tmp_path, subtype, dtype):
    audio = np.random.default_rng(0).normal(0, 1, (500, 1)).astype(dtype)
    soundfile.write(tmp_path / "given.wav", audio, RATE, subtype=subtype)
    clip = original.read(tmp_path / "given.wav")
    io.write(tmp_path / "again.wav", clip.audio, RATE, subtype=clip.subtype)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "again.wav", dtype=dtype, always_2d=True)[0], audio)


@pytest.mark.parametrize(("suffix", "subtype"), [(".ogg", "VORBIS"), (".mp3", "MPEG_LAYER_III"), (".wav", "ULAW")])
def test_of_lossy_files_the_decoded_samples_are_kept(tmp_path, suffix, subtype):
    audio = 0.3 * np.sin(np.arange(4000) / 9)[:, None]
    soundfile.write(tmp_path / f"given{suffix}", audio, RATE, subtype=subtype)
    clip = original.read(tmp_path / f"given{suffix}")
    assert (clip.container, clip.subtype) == ("wav", "FLOAT")
    io.write(tmp_path / "again.wav", clip.audio, RATE, subtype=clip.subtype)
    np.testing.assert_array_equal(io.read(tmp_path / "again.wav")[0], io.read(tmp_path / f"given{suffix}")[0])


def test_the_same_file_has_the_same_sha256(tmp_path):
    for name, gain in (("a.wav", 0.1), ("b.wav", 0.1), ("c.wav", 0.2)):
        io.write(tmp_path / name, np.full((100, 1), gain), RATE)
    a, b, c = (original.read(tmp_path / name).sha256 for name in ("a.wav", "b.wav", "c.wav"))
    assert a == b != c


def test_a_clip_that_is_nothing_at_the_models_rate_is_refused():
    domain = Domain((4, 16, 1), 8000, 1, 64, 1, (-1.0, 1.0))
    assert original.to_model(np.ones((4, 2)), 44_100, domain).shape == (1, 1)
    with pytest.raises(UsageError, match="is less than one sample at the model's 8000 Hz"):
        original.to_model(np.ones((1, 2)), 44_100, domain)
