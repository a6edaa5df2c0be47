"""A clip is found again with everything that was said of it; its file name is safe and says what it is."""

import json
import unicodedata

import numpy as np
import pytest

from musicdiff.artifacts import read_clips, save_clips
from musicdiff.artifacts.clips import NAME_BYTES, file_names
from musicdiff.audio import io
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import UsageError

RATE = 22050


def tones(batch=2, channels=1):
    """[B, N, C], on the grid of 16 bits, so that any PCM file gives them back."""
    time = np.arange(2205) / RATE
    waves = [np.round(16384 * np.sin(2 * np.pi * hertz * time)) / 32768 for hertz in 220.0 * np.arange(1, batch + 1)]
    return np.repeat(np.stack(waves)[..., None], channels, axis=-1).astype(np.float32)


@pytest.mark.parametrize("format", ["wav", "flac"])
@pytest.mark.parametrize("subtype", [None, "PCM_16"])
def test_clips_come_back_as_they_were_saved(tmp_path, format, subtype):
    audio, records = tones(channels=2), [{"seed": 0, "prompt": "a"}, {"seed": 1, "prompt": "b"}]
    saved = save_clips(tmp_path / "new", ["a", "b"], audio, RATE, provenance=records, format=format, subtype=subtype)
    assert saved == read_clips(tmp_path / "new")
    for clip, name, wave, record in zip(saved, "ab", audio, records):
        assert clip.audio.name == f"{name}.{format}" and clip.title == name
        assert clip.provenance == {"name": name, **record} and clip.findings == [] and clip.picture is None
        found, rate = io.read(clip.audio)
        np.testing.assert_array_equal(found, wave)
        assert rate == RATE and io.probe(clip.audio).subtype == (subtype or "PCM_24")


def test_a_mel_is_drawn_beside_its_clip(tmp_path):
    spec = MelSpec(num_mels=16)
    mels = np.zeros((2, 9, 16, 1), np.float32)
    clips = save_clips(tmp_path, ["a", "b"], tones(), RATE, provenance=[{}, {}], mels=mels, spec=spec)
    assert [clip.picture.name for clip in clips] == ["a.png", "b.png"]
    assert clips[0].picture.read_bytes().startswith(b"\x89PNG")
    assert read_clips(tmp_path) == clips


def test_findings_are_kept(tmp_path):
    audio = tones(3)
    audio[1] = 0
    audio[2, 7] = np.nan
    options = {"roughness": [0.5, 0.1, 0.1], "reference_roughness": 0.1}
    clips = save_clips(tmp_path, ["noise", "silence", "broken"], audio, RATE, provenance=[{}] * 3, **options)
    assert [clip.findings[0].split(":")[0] for clip in clips] == ["noise-like", "silent", "not finite"]
    found, _ = io.read(clips[2].audio)
    assert found[7] == 0 and np.abs(found).max() > 0.4


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"'mp3'.*wav, flac"):
        save_clips(tmp_path / "new", ["a"], tones(1), RATE, provenance=[{}], format="mp3")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("sidecar", ["", '{"prompt": "cut o', "[1, 2]", '{"findings": 3}', None])
def test_a_damaged_sidecar_costs_only_its_facts(tmp_path, sidecar):
    (clip,) = save_clips(tmp_path, ["a"], tones(1), RATE, provenance=[{"seed": 1}])
    path = clip.audio.with_suffix(".json")
    path.unlink() if sidecar is None else path.write_text(sidecar)
    (found,) = read_clips(tmp_path)
    assert found.audio == clip.audio and found.title == "a" and found.findings == []


def test_the_same_clip_replaces_itself(tmp_path):
    for _ in range(2):
        save_clips(tmp_path, ["a", "a"], tones(), RATE, provenance=[{}, {}])
    assert [clip.audio.name for clip in read_clips(tmp_path)] == ["a-2.wav", "a.wav"]


def test_file_names_say_what_it_is():
    assert file_names(["reggaeton, 94 bpm, C minor  seed 0", "Été à Åre 音楽", "v1.5_x"]) == [
        "reggaeton-94-bpm-C-minor-seed-0",
        "Été-à-Åre-音楽",
        "v1.5_x",
    ]


def test_file_names_differ():
    assert file_names(["a", "a", "a-2", "A", "a?"]) == ["a", "a-2", "a-2-2", "A-3", "a-4"]
    assert len(set(file_names(["é", unicodedata.normalize("NFD", "é")]))) == 2


@pytest.mark.parametrize(
    "hostile", ["../../etc/passwd", "/abs", "..", "", 'a/b\\c:d*?"<>|\n\0', ".hidden", "x" * 999, "音" * 999, "con. "]
)
def test_hostile_names_become_safe_files(hostile):
    (name,) = file_names([hostile])
    assert name and len(name.encode()) <= NAME_BYTES
    assert not set(name) & set('/\\:*?"<>|\n\0 ') and not name.startswith(".") and not name.endswith(".")


@pytest.mark.parametrize("letter", ["x", "音"])
def test_long_names_keep_their_ends_and_differ(letter):
    """However far apart they are saved; and they are sorted by their ends, as seeds are."""
    titles = [f"calm {letter * 99}{middle} seed {seed}" for middle in ("a", "b") for seed in range(3)]
    names = [file_names([title])[0] for title in titles]
    assert len(set(names)) == 6 and max(len(name.encode()) for name in names) <= NAME_BYTES
    assert names[:3] == sorted(names[:3])
    assert all(
        name.startswith("calm-") and name.endswith(title[-6:].replace(" ", "-")) for name, title in zip(names, titles)
    )


def test_letters_that_are_cut_through_count():
    """Of two bytes each, of which only the first differs and stands where the beginning ends."""
    names = {file_names([f"{'x' * 79}{letter}{'y' * 99}"])[0] for letter in ("é", "ĩ", "-é")}
    assert len(names) == 3


def test_the_sidecar_is_what_the_clip_says(tmp_path):
    (clip,) = save_clips(tmp_path, ["é"], 4 * tones(1), RATE, provenance=[{"steps": 50}])
    record = json.loads((tmp_path / "é.json").read_text())
    assert record == clip.provenance
    assert record["steps"] == 50 and record["gain_db"] == pytest.approx(-6.02, abs=0.01)  # turned down from 2 to fit
