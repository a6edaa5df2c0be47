"""What a tool leaves: files in the given clip's own format, whose samples outside the regions are the clip's, and all that is known of them."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from musicdiff import generation
from musicdiff.audio import io
from musicdiff.creative import files, original
from musicdiff.creative.inpaint import inpaint
from musicdiff.creative.regions import Region

RATE, REGION = 8000, Region(900, 1500)
TITLES = ["clip inpainted seed 1", "clip inpainted seed 2"]
FORMATS = [
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "PCM_32"),
    ("wav", "FLOAT"),
    ("wav", "DOUBLE"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
]


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


def given(folder, container="wav", subtype="PCM_24", name="clip"):
    """A file of stereo noise, each sample of all its bits, with full scale among them."""
    audio = np.random.default_rng(0).uniform(-1, 1, (2400, 2))
    audio[100] = [-1.0, 1.0]
    path = folder / f"{name}.{container}"
    soundfile.write(path, audio, RATE, subtype=subtype)
    return path


def raw(path):
    """The samples that a file holds, none of them rounded."""
    subtype = soundfile.info(path).subtype
    dtype = {"PCM_16": "int16", "FLOAT": "float32", "DOUBLE": "float64"}.get(subtype, "int32")
    return subtype, soundfile.read(path, dtype=dtype, always_2d=True)[0]


def edit(generator, clip):
    return inpaint(generator, clip.audio, clip.rate, [REGION], seeds=[1, 2], sampler={"num_steps": 1})


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_outside_the_regions_no_sample_of_a_file_differs(generator, tmp_path, container, subtype):
    path = given(tmp_path, container, subtype)
    clip = original.read(path)
    made = edit(generator, clip)
    loud = made.audio.copy()
    loud[:, REGION.start : REGION.start + 2] = [[1.0, -1.0]]  # as loud as a tool may make it: nothing is turned down
    list(
        files.write(tmp_path / "out", TITLES, generator, dataclasses.replace(made, audio=loud), [clip], tool="inpaint")
    )
    kind, before = raw(path)
    copies = [tmp_path / "out" / f"clip-inpainted-seed-{seed}.{container}" for seed in (1, 2)]
    found = [raw(copy) for copy in copies]
    assert [each for each, _ in found] == [kind, kind] and {io.probe(copy).sample_rate for copy in copies} == {RATE}
    inside = np.zeros(len(before), bool)
    inside[REGION.start : REGION.stop] = True
    for _, after in found:
        assert after.shape == before.shape and after.dtype == before.dtype
        assert np.count_nonzero(after[~inside] != before[~inside]) == 0
        assert np.mean(after[inside] != before[inside]) > 0.9
    kept = tmp_path / "out" / "samples" / "given" / f"clip.{container}"
    np.testing.assert_array_equal(raw(kept)[1], before)


def test_files_say_how_they_were_made(generator, tmp_path):
    path = given(tmp_path)
    clip = original.read(path)
    details = {"regions": [[0.1125, 0.1875]], "repeats": 1}
    said = list(
        files.write(tmp_path, TITLES, generator, edit(generator, clip), [clip], tool="inpaint", details=details)
    )
    for seed in (1, 2):
        record = json.loads((tmp_path / f"clip-inpainted-seed-{seed}.json").read_text())
        assert record["tool"] == "inpaint" and record["seed"] == seed
        assert record["regions"] == [[0.1125, 0.1875]] and record["repeats"] == 1
        assert record["given"] == [{"name": "clip", "sha256": clip.sha256, "seconds": 0.3}]
        assert record["step"] == generator.step and record["sampler"]["num_steps"] == 1 and record["model"] == "latent"
        assert json.loads(soundfile.SoundFile(tmp_path / f"clip-inpainted-seed-{seed}.wav").comment)["seed"] == seed
        assert (tmp_path / f"clip-inpainted-seed-{seed}.png").exists()
    assert "is mono" in "\n".join(said) and said[-1].startswith("listen: ")
    page = (tmp_path / "listen.html").read_text()
    assert all(f"clip-inpainted-seed-{seed}.wav" in page for seed in (1, 2)) and "given/clip.wav" in page


def test_given_clips_of_one_name_are_both_kept(generator, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    clips = [original.read(given(tmp_path / folder)) for folder in ("a", "b")]
    list(files.write(tmp_path, TITLES, generator, edit(generator, clips[0]), clips, tool="interpolate"))
    assert len(list((tmp_path / "samples" / "given").glob("*.wav"))) == 2


def test_without_a_clip_files_are_of_24_bits_and_may_differ_in_what_is_said(generator, tmp_path):
    made = edit(generator, original.read(given(tmp_path)))
    list(files.write(tmp_path / "out", TITLES, generator, made, tool="loop", details=[{"bars": 1}, {"bars": 2}]))
    assert io.probe(tmp_path / "out" / "clip-inpainted-seed-1.wav").subtype == "PCM_24"
    records = [json.loads((tmp_path / "out" / f"clip-inpainted-seed-{seed}.json").read_text()) for seed in (1, 2)]
    assert [record["bars"] for record in records] == [1, 2] and records[0]["given"] == []
    assert not (tmp_path / "out" / "samples").exists()
