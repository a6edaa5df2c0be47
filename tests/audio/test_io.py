"""Audio files: what is written comes back, and every kind of bad file is named."""

import io
import json
import struct
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import soundfile

from musicdiff.audio import container
from musicdiff.audio.io import EXTENSIONS, Header, mix, probe, read, resample, write
from musicdiff.errors import DataError, UsageError

RATE = 22050


def tone(seconds=0.5, channels=1, peak=0.5):
    time = np.arange(round(seconds * RATE)) / RATE
    waves = [peak * np.sin(2 * np.pi * hertz * time) for hertz in (440, 660)[:channels]]
    return np.stack(waves, axis=-1).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("channels", [1, 2])
def test_written_audio_comes_back(tmp_path, suffix, channels):
    audio = tone(channels=channels)
    assert write(tmp_path / f"a{suffix}", audio, RATE) == 0
    back, rate = read(tmp_path / f"a{suffix}")
    assert (back.dtype, back.shape, rate) == (np.float32, audio.shape, RATE)
    np.testing.assert_allclose(back, audio, atol=0.05 if suffix == ".ogg" else 2**-23)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_every_integer_sample_is_copied_bit_for_bit(tmp_path, subtype, bits, suffix):
    integers = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 5000)
    integers[:2] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    samples = (integers << (32 - bits)).astype(np.int32)[:, None]
    soundfile.write(tmp_path / f"original{suffix}", samples, RATE, subtype=subtype)
    write(tmp_path / f"copy{suffix}", read(tmp_path / f"original{suffix}")[0], RATE, subtype=subtype)
    np.testing.assert_array_equal(soundfile.read(tmp_path / f"copy{suffix}", dtype="int32")[0], samples[:, 0])


@pytest.mark.parametrize("subtype", ["PCM_32", "FLOAT", "DOUBLE"])
def test_wide_samples_are_copied_bit_for_bit(tmp_path, subtype):
    """Doubles hold them all: of the 32 bits of an integer, single precision keeps 24."""
    rng = np.random.default_rng(0)
    samples = rng.integers(-(2**31), 2**31, (5000, 2)).astype(np.int32)
    samples[:2] = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    if subtype != "PCM_32":
        samples = rng.normal(size=(5000, 2)).astype(
            "float32" if subtype == "FLOAT" else "float64"
        )  # beyond full scale too
    soundfile.write(tmp_path / "original.wav", samples, RATE, subtype=subtype)
    audio, _ = read(tmp_path / "original.wav", dtype="float64")
    assert audio.dtype == np.float64
    assert write(tmp_path / "copy.wav", audio, RATE, subtype=subtype) == 0
    np.testing.assert_array_equal(soundfile.read(tmp_path / "copy.wav", dtype=samples.dtype.name)[0], samples)


FILES = [("a.wav", None), ("a.wav", "FLOAT"), ("a.flac", None), ("a.ogg", None)]


@pytest.mark.parametrize(("name", "subtype"), FILES)
def test_provenance_is_in_the_tag_and_in_the_sidecar(tmp_path, name, subtype):
    provenance = {"seed": 7, "prompt": "Mädchen & drums", "steps": 50}
    write(tmp_path / name, tone(), RATE, subtype=subtype, provenance=provenance)
    with soundfile.SoundFile(tmp_path / name) as file:
        assert json.loads(file.comment) == provenance
    assert json.loads((tmp_path / "a.json").read_text()) == provenance


@pytest.mark.parametrize("prompt", ["PEAK hour techno", "data, then PEAK"])
def test_a_prompt_may_say_what_chunks_are_called(tmp_path, prompt):
    """Searched for by its letters, the clock's chunk would be found in the prompt, or not at all behind it."""
    for name, subtype in FILES:
        write(tmp_path / name, tone(), RATE, subtype=subtype, provenance={"prompt": prompt})
        with soundfile.SoundFile(tmp_path / name) as file:
            assert json.loads(file.comment) == {"prompt": prompt}
        if subtype == "FLOAT":
            data = (tmp_path / name).read_bytes()
            (peak,) = [start for chunk, start, _ in container.chunks(io.BytesIO(data)) if chunk == b"PEAK"]
            assert data[peak + 4 : peak + 8] == bytes(4)


def test_peaks_above_one_are_turned_down_and_noted(tmp_path):
    audio = tone(peak=2.0)
    gain_db = write(tmp_path / "a.wav", audio, RATE, provenance={"seed": 1})
    assert gain_db == pytest.approx(-6.02, abs=0.01)
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], audio / np.abs(audio).max(), atol=2**-22)
    assert json.loads((tmp_path / "a.json").read_text()) == {"seed": 1, "gain_db": -6.021}
    assert write(tmp_path / "b.wav", audio, RATE, subtype="FLOAT") == 0
    np.testing.assert_array_equal(read(tmp_path / "b.wav")[0], audio)


def test_the_same_audio_makes_the_same_bytes(tmp_path):
    def write_all():
        for name, subtype in FILES:
            write(tmp_path / f"{subtype}-{name}", tone(), RATE, subtype=subtype, provenance={"seed": 1})
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = write_all()
    time.sleep(1.1)  # encoders stamp whole seconds
    assert write_all() == first and len(first) == 6


def test_long_vorbis_is_written(tmp_path):
    """In a process of its own: one long block overflows libvorbis's stack, which no exception reports."""
    program = f"""
        import numpy as np
        from musicdiff.audio.io import probe, write
        write({str(tmp_path / "long.ogg")!r}, np.zeros((44100 * 120, 2), np.float32), 44100)
        assert probe({str(tmp_path / "long.ogg")!r}).seconds == 120
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)


def test_read_resamples_and_mixes(tmp_path):
    write(tmp_path / "a.wav", tone(channels=2), RATE)
    audio, rate = read(tmp_path / "a.wav", sample_rate=44100, channels=1)
    assert (audio.shape, rate) == ((22050, 1), 44100)
    expected = 0.25 * np.sum([np.sin(2 * np.pi * hertz * np.arange(22050) / 44100) for hertz in (440, 660)], axis=0)
    np.testing.assert_allclose(audio[500:-500, 0], expected[500:-500], atol=1e-3)


@pytest.mark.parametrize(("rate", "to"), [(44100, 22050), (48000, 22050), (22050, 44100), (22050, 48000)])
@pytest.mark.parametrize("num_samples", [1, 99, 44101])
def test_resampled_length_is_exact(rate, to, num_samples):
    assert resample(np.zeros((num_samples, 2)), rate, to).shape == (round(num_samples * to / rate), 2)


def test_mix():
    stereo = np.array([[1.0, 3.0]])
    np.testing.assert_array_equal(mix(stereo, 1), [[2.0]])
    np.testing.assert_array_equal(mix(mix(stereo, 1), 2), [[2.0, 2.0]])
    np.testing.assert_array_equal(mix(np.array([[1.0, 2.0, 3.0]]), 2), [[1.0, 2.0]])
    with pytest.raises(UsageError, match="1 or 2"):
        mix(stereo, 3)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"])
def test_probe_and_read_know_every_extension(tmp_path, suffix):
    form = {".opus": ("OGG", "OPUS"), ".aif": ("AIFF", "PCM_16")}.get(suffix, (None, None))
    rate = 48000  # the only one of these that Opus knows
    soundfile.write(tmp_path / f"a{suffix}", tone(), rate, format=form[0], subtype=form[1])
    header = probe(tmp_path / f"a{suffix}")
    audio, _ = read(tmp_path / f"a{suffix}")
    assert suffix in EXTENSIONS
    assert header == Header(rate, 1, len(audio), header.subtype)
    assert header.seconds == len(audio) / rate


# Bad files


def truncated(path, **encoding):
    soundfile.write(path, np.random.default_rng(0).normal(size=(3 * RATE, 2)) * 0.1, RATE, **encoding)
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])


def header_only(path):
    soundfile.write(path, np.zeros((0, 1)), RATE)


def samples(value):
    def make(path):
        soundfile.write(path, np.array([[0.0], [value]], np.float32), RATE, subtype="FLOAT")

    return make


BAD = {
    "missing.wav": (lambda path: None, "no such file"),
    "folder.wav": (lambda path: path.mkdir(), "directory"),
    "empty.wav": (lambda path: path.touch(), "0 bytes"),
    "text.wav": (lambda path: path.write_text("This is a letter, not music. " * 99), "not readable as audio"),
    "head.wav": (header_only, "header without samples"),
    "cut.wav": (truncated, "truncated: [0-9]+ bytes"),
    "cut.aiff": (truncated, "truncated: [0-9]+ bytes"),
    "cut.ogg": (truncated, "truncated: [0-9]+ bytes"),
    "cut.flac": (truncated, "truncated or damaged"),
    "cut.mp3": (truncated, "truncated: only [0-9]+ of [0-9]+ samples"),
    "nan.wav": (samples(np.nan), "NaN or infinite"),
    "inf.wav": (samples(-np.inf), "NaN or infinite"),
    "huge.wav": (samples(1e29), r"absurd .*1e\+29"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_its_defect(tmp_path, name):
    make, defect = BAD[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=defect) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.wav", "folder.wav", "empty.wav", "text.wav", "head.wav"])
def test_probe_names_what_it_can_see(tmp_path, name):
    make, defect = BAD[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=defect):
        probe(tmp_path / name)


def test_a_stream_of_unknown_length_is_not_called_truncated(tmp_path):
    """Programs that write WAV into a pipe leave the sizes at their largest."""
    soundfile.write(tmp_path / "a.wav", tone(), RATE)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    for position in (4, data.find(b"data") + 4):
        data[position : position + 4] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(bytes(data))
    assert len(read(tmp_path / "a.wav")[0]) == len(tone())


def test_a_chunk_after_the_samples_may_be_cut(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(), RATE)
    with open(tmp_path / "a.wav", "ab") as file:
        file.write(b"LIST" + struct.pack("<I", 1000) + b"half of it")
    assert len(read(tmp_path / "a.wav")[0]) == len(tone())


@pytest.mark.parametrize(
    ("name", "audio", "subtype", "message"),
    [
        ("a.mp4", tone(), None, "cannot write '.mp4'"),
        ("a.flac", tone(), "FLOAT", "FLAC has no subtype 'FLOAT'"),
        ("a.wav", tone()[:, 0], None, "must be .N, C."),
        ("a.wav", np.array([[np.nan]]), None, "finite"),
        ("a.wav", np.zeros((0, 1)), None, "samples in it"),
        ("a.ogg", tone(), "OPUS", "22050 Hz"),
    ],
)
def test_write_refuses_and_leaves_nothing(tmp_path, name, audio, subtype, message):
    with pytest.raises(UsageError, match=message):
        write(tmp_path / name, audio, RATE, subtype=subtype, provenance={})
    assert not list(tmp_path.iterdir())
