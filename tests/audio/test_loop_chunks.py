"""Loop points in WAV files: written as the published layouts say, read by others, and nothing said that is not known."""

import struct

import numpy as np
import pytest
import soundfile

from musicdiff.audio import io, loop_chunks
from musicdiff.errors import UsageError

SAID = {"loop": (0, 1001), "bpm": 92.5, "beats": 16, "beats_per_bar": 4, "root": 9}


@pytest.fixture(params=["PCM_16", "PCM_24", "FLOAT"])
def path(tmp_path, request):
    path = tmp_path / "loop.wav"
    audio = np.random.default_rng(0).uniform(
        -0.5, 0.5, (1001, 1)
    )  # an odd number of samples: of 24 bits, an odd number of bytes
    io.write(path, audio, 44_100, subtype=request.param, provenance={"seed": 3})
    return path


def test_what_is_said_is_read_again(path):
    path.write_bytes(loop_chunks.add(path.read_bytes(), **SAID))
    assert loop_chunks.read(path.read_bytes()) == SAID


def test_the_audio_and_its_tags_stay(path):
    before, plain = io.read(path)[0], path.read_bytes()
    path.write_bytes(loop_chunks.add(plain, **SAID))
    np.testing.assert_array_equal(io.read(path)[0], before)
    with soundfile.SoundFile(path) as file:
        assert '"seed": 3' in file.comment
    assert struct.unpack_from("<I", path.read_bytes(), 4)[0] == len(path.read_bytes()) - 8


def test_libsndfile_reads_the_loop(path):
    """Its own reader of the chunks, which prints what it finds."""
    path.write_bytes(loop_chunks.add(path.read_bytes(), **SAID))
    said = [" ".join(line.split()) for line in soundfile.info(str(path), verbose=True).extra_info.splitlines()]
    assert {"Period : 22676 nsec", "Midi Note : 69", "Loop Count : 1"} <= set(said)
    assert "Cue ID : 0 Type : 0 Start : 0 End : 1000 Fraction : 0 Count : 0" in said
    assert {"Root note : 0x39", "Beats : 16", "Meter : 4/4", "Tempo : 92.500000"} <= set(said)


def test_what_is_not_known_is_not_said(path):
    plain = path.read_bytes()
    assert loop_chunks.add(plain) == plain
    assert loop_chunks.read(loop_chunks.add(plain, loop=(10, 20))) == {"loop": (10, 20)}
    assert loop_chunks.read(loop_chunks.add(plain, bpm=90.0, beats=8)) == {}
    unrooted = {name: value for name, value in SAID.items() if name != "root"}
    assert loop_chunks.read(loop_chunks.add(plain, **unrooted)) == unrooted


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"loop": (0, 1002)}, "of a file of 1001"),
        ({"loop": (5, 5)}, "no loop"),
        ({"loop": (-1, 5)}, "no loop"),
        ({"root": 12}, "0 to 11"),
        ({"bpm": float("nan")}, "bpm of a loop must be above 0"),
        ({"beats": 0}, "beats of a loop must be above 0"),
        ({"beats_per_bar": -4}, "beats_per_bar of a loop must be above 0"),
    ],
)
def test_loops_that_cannot_be_are_refused(path, said, words):
    with pytest.raises(UsageError, match=words):
        loop_chunks.add(path.read_bytes(), **said)


def test_other_files_are_refused(tmp_path):
    io.write(tmp_path / "a.flac", np.zeros((100, 1)), 44_100)
    with pytest.raises(UsageError, match="WAV files only"):
        loop_chunks.add((tmp_path / "a.flac").read_bytes(), loop=(0, 5))
