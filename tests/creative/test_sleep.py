"""A night: a file that is valid at any time, resumed to the same bits after a kill, mastered block by block, and without a window twice."""

import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from musicdiff import generation
from musicdiff.audio import io, loudness
from musicdiff.creative import mastering, wav
from musicdiff.creative import sleep as room
from musicdiff.creative.extend import stream
from musicdiff.creative.mastering import Mastering
from musicdiff.creative.sleep import sleep
from musicdiff.creative.wav import Wav
from musicdiff.errors import DataError, UsageError

RATE = 8000
HOURS = 6 / 3600
NIGHT = {"hours": HOURS, "seed": 5, "rate": RATE, "fade_in": 0.5, "fade_out": 1.0, "low_pass": 3000.0, "lufs": -30.0}


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def noise(seconds=3.0, channels=2, level=0.2, seed=0):
    return np.random.default_rng(seed).normal(scale=level, size=(round(seconds * RATE), channels))


def mastered(asked, audio, sizes):
    carried, out = mastering.begin(asked, audio.shape[1]), []
    edges = np.minimum(np.cumsum([0, *sizes]), len(audio))
    for begin, end in itertools.pairwise(edges):
        block, carried = mastering.master(asked, carried, audio[begin:end], last=end == len(audio))
        out.append(block)
    return np.concatenate(out)


def test_mastering_does_not_know_of_blocks():
    audio = noise()
    asked = Mastering(RATE, len(audio), 4000, 6000, 2000.0, 3.0)
    whole = mastered(asked, audio, [len(audio)])
    assert whole.shape == audio.shape
    assert np.array_equal(whole, mastered(asked, audio, [1, 799, 5000, 3, len(audio)]))


def test_the_limiter_holds_its_ceiling_and_leaves_what_is_below():
    audio = noise(level=0.05)
    assert np.array_equal(mastered(Mastering(RATE, len(audio)), audio, [len(audio)]), audio)
    audio[10_000] = 4.0
    limited = mastered(Mastering(RATE, len(audio)), audio, [3000] * 8)
    assert np.abs(limited).max() == pytest.approx(mastering.CEILING, rel=1e-3)
    assert np.array_equal(limited[:8000], audio[:8000])
    gain = limited[:, 0] / audio[:, 0]
    assert np.abs(np.diff(gain)).max() < 2 / (mastering.CHUNK * RATE)  # no click: a line between nodes


def test_fades_and_low_pass():
    audio = np.ones((RATE * 2, 1)) * 0.5
    faded = mastered(Mastering(RATE, len(audio), 4000, 8000), audio, [len(audio)])[:, 0]
    assert faded[0] < 1e-6 and faded[-1] < 1e-6 and np.allclose(faded[4000:8000], 0.5)
    assert np.all(np.diff(faded[:4000]) > 0) and np.all(np.diff(faded[-8000:]) < 0)
    t = np.arange(2 * RATE) / RATE
    for hz, most, least in ((3000, -24, -60), (200, 0.1, -0.1)):
        tone = 0.5 * np.sin(2 * np.pi * hz * t)[:, None]
        passed = mastered(Mastering(RATE, len(tone), low_pass=1500.0), tone, [len(tone)])
        assert least < 20 * np.log10(passed[4000:].std() / tone[4000:].std()) < most


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_file_that_grows_is_valid_after_every_block(tmp_path, subtype):
    audio, path = noise(0.5), tmp_path / "grows.wav"
    file = Wav(path, RATE, 2, subtype)
    for begin in range(0, len(audio), 1001):
        file.append(audio[begin : begin + 1001])
        read, rate = io.read(path, dtype="float64")
        assert (len(read), rate, io.probe(path).subtype) == (min(begin + 1001, len(audio)), RATE, subtype)
    io.write(tmp_path / "whole.wav", audio, RATE, subtype=subtype)
    assert np.array_equal(io.read(tmp_path / "whole.wav", dtype="float64")[0], io.read(path, dtype="float64")[0])
    Wav(path, RATE, 2, subtype, 700).append(audio[700:])
    assert np.array_equal(io.read(tmp_path / "whole.wav", dtype="float64")[0], io.read(path, dtype="float64")[0])
    with pytest.raises(DataError, match="begin anew"):
        Wav(path, RATE, 2, subtype, 70_000)


def test_a_finished_file_says_what_it_is(tmp_path):
    """Behind its samples, where they may still go on: what was said is overwritten then."""
    audio, path = noise(0.5), tmp_path / "said.wav"
    file = Wav(path, RATE, 2, "PCM_24")
    file.append(audio[:999])  # of an odd number of bytes, if it were mono
    file.finish('{"seed": 1, "prompt": "Klänge"}')
    with soundfile.SoundFile(path) as read:
        assert read.comment == '{"seed": 1, "prompt": "Klänge"}' and read.frames == 999
    file.append(audio[999:])
    file.finish("{}")
    with soundfile.SoundFile(path) as read:
        assert read.comment == "{}" and read.frames == len(audio)
    io.write(tmp_path / "whole.wav", audio, RATE)
    np.testing.assert_array_equal(io.read(path)[0], io.read(tmp_path / "whole.wav")[0])


def test_beyond_four_gigabytes_it_is_rf64(tmp_path):
    size = 8 * 3600 * 44_100 * 3 * 2  # eight hours in stereo
    head = wav.header(size, 44_100, 2, "PCM_24")
    assert len(head) == wav.HEADER and head[:4] == b"RF64" and head[12:16] == b"ds64"
    assert int.from_bytes(head[28:36], "little") == size
    assert wav.header(size // 4, 44_100, 2, "PCM_24")[:4] == b"RIFF"
    path = tmp_path / "large.wav"
    with open(path, "wb") as file:  # a hole, which takes no disk
        file.write(head)
        file.truncate(wav.HEADER + size)
    with soundfile.SoundFile(path) as file:
        assert (file.frames, file.format, file.samplerate) == (8 * 3600 * 44_100, "RF64", 44_100)
    Wav(path, 44_100, 2, "PCM_24", 8 * 3600 * 44_100).append(np.full((3, 2), 0.5))
    with soundfile.SoundFile(path) as file:
        file.seek(8 * 3600 * 44_100)
        assert np.array_equal(file.read(), np.full((3, 2), 0.5))
    Wav(path, 44_100, 2, "PCM_24", 8 * 3600 * 44_100).finish("a night")
    with soundfile.SoundFile(path) as file:
        assert file.frames == 8 * 3600 * 44_100 and file.comment == "a night"


@pytest.fixture(scope="module")
def night(generator, tmp_path_factory):
    """(the file, what was said) of an undisturbed night."""
    path = tmp_path_factory.mktemp("night") / "whole.wav"
    return path, list(sleep(generator, path, **NIGHT))


def test_a_night_says_what_it_takes_and_is_as_asked(night):
    path, said = night
    audio, rate = io.read(path)
    assert (len(audio), rate, io.probe(path).subtype) == (6 * RATE, RATE, "PCM_24")
    assert "to compute" in said[0] and "GB of disk" in said[0]
    assert sorted(file.name for file in path.parent.iterdir()) == ["whole.json", "whole.wav"]
    assert np.abs(audio).max() <= mastering.CEILING + 1e-6
    assert loudness.lufs(audio[RATE : 5 * RATE], rate) == pytest.approx(-30, abs=2)
    assert np.abs(audio[:200]).max() < 0.02 * np.abs(audio).max()


CHILD = """
import sys
from musicdiff import generation
from musicdiff.creative import sleep, wav
generator = generation.load(sys.argv[1])
for line in sleep.sleep(generator, sys.argv[2], **eval(sys.argv[3])):
    print(line, flush=True)
"""


def test_killed_and_resumed_it_has_the_same_bits(generator, night, trained, tmp_path):
    path = tmp_path / "killed.wav"
    arguments = [sys.executable, "-c", CHILD, str(trained), str(path), repr(NIGHT)]
    child = subprocess.Popen(arguments, env=dict(os.environ), stdout=subprocess.DEVNULL)
    state, deadline = path.with_name("killed.wav.state.npz"), time.monotonic() + 120
    while not (state.exists() and path.exists() and path.stat().st_size > 3 * RATE) and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert state.exists(), "it was through before it was killed: make the night longer"
    kept = len(io.read(path)[0])  # valid as it was left
    assert 0 < kept < 6 * RATE
    with open(path, "ab") as file:
        file.write(b"half a block")
    with pytest.raises(UsageError, match="asked for otherwise"):
        list(sleep(generator, path, **{**NIGHT, "seed": 6}))
    said = list(sleep(generator, path, **NIGHT))
    assert said[0].startswith("going on at")
    assert path.read_bytes() == night[0].read_bytes()
    assert not state.exists()
    with pytest.raises(UsageError, match="is there already"):
        list(sleep(generator, path, **NIGHT))


def nearest(audio, size):
    """For each segment of `size` samples of audio [N], the RMS difference to the most similar stretch elsewhere, over its own RMS."""
    power = np.convolve(np.square(audio), np.ones(size), "valid")  # of the stretch that begins at each sample
    spectrum, found = np.fft.rfft(audio, 2 * len(audio)), []
    for begin in range(0, len(audio) - size + 1, size):
        product = np.fft.irfft(np.fft.rfft(audio[begin : begin + size], 2 * len(audio)).conj() * spectrum)[: len(power)]
        differences = power[begin] + power - 2 * product
        differences[max(0, begin - size) : begin + size] = np.inf  # itself
        found.append(np.sqrt(max(0.0, differences.min()) / power[begin]))
    return np.array(found)


def test_no_window_is_repeated(generator):
    audio = np.concatenate(list(stream(generator, seconds=12.0, seed=5, rate=RATE)))[:, 0]
    window = round(generator.model.domain.seconds * RATE)
    assert nearest(audio, window // 2).min() > 0.5
    audio[-2 * window :] = audio[window : 3 * window]  # the check finds what is planted
    assert nearest(audio, window // 2).min() < 0.1


def test_presets_are_listed_and_quicker(generator):
    quick, asked = room.use(generator, "overnight")
    assert asked["sampler"]["num_steps"] == 8 and quick.config["vocoder"]["num_iterations"] == 8
    assert room.use(generator, "studio") == (generator, {"sampler": {}, "share": 0.5})
    with pytest.raises(UsageError, match="overnight, studio"):
        room.use(generator, "nap")


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"fade_in": 5.0, "fade_out": 5.0}, "shorten them"),
        ({"fade_out": float("nan")}, "fades are of 0 s or more"),
        ({"lufs": float("nan")}, "between -70 and 0 LUFS, not at nan"),
        ({"low_pass": 4000.0}, "half the file's rate"),
        ({"rate": 100}, "rate lies between"),
        ({"hours": 0.0}, "less than one sample"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(generator, tmp_path, asked, said):
    with pytest.raises(UsageError, match=said) as refused:
        list(sleep(generator, tmp_path / "night.wav", **{**NIGHT, **asked}))
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


def test_a_night_needs_its_disk(generator, tmp_path):
    with pytest.raises(DataError, match="GB of disk"):
        list(sleep(generator, tmp_path / "night.wav", **{**NIGHT, "hours": 1e7}))
    with pytest.raises(UsageError, match="written as"):
        list(sleep(generator, tmp_path / "night.flac", **NIGHT))
