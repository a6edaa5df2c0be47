"""Generated clips as files: at the rate and width asked for, each saying in tag and sidecar how it was made."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from musicdiff import export, generation
from musicdiff.audio import io
from musicdiff.errors import UsageError

SEEDS = (7, 0, 2**32 - 1)  # as in test_generation: nothing more is compiled


def stem(seed):
    return f"latent-step-6-ddim-3-trailing-0.512-s-seed-{seed}"


@pytest.fixture(scope="module")
def generated(trained):
    generator = generation.load(trained)
    return generator, generation.generate(generator, seeds=SEEDS)


@pytest.fixture(scope="module")
def written(generated, tmp_path_factory):
    """The folder, and the lines that were said."""
    folder = tmp_path_factory.mktemp("clips") / "out"
    return folder, list(export.write_clips(folder, *generated))


def test_a_clip_is_named_by_what_it_is(written):
    names = [stem(seed) for seed in SEEDS]
    expected = [f"{name}{suffix}" for name in names for suffix in (".wav", ".json", ".png")] + ["listen.html"]
    assert sorted(path.name for path in written[0].iterdir()) == sorted(expected)


def test_files_are_24_bit_at_44100_hz(written):
    for path in written[0].glob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype, info.channels) == (44_100, "PCM_24", 1)
        assert info.frames == round(4096 * 44_100 / 8000)


def test_files_hold_the_clips(written, generated):
    for clip, seed in zip(generated[1].audio, SEEDS):
        audio, _ = soundfile.read(written[0] / f"{stem(seed)}.wav", always_2d=True)
        expected = io.resample(clip, 8000, 44_100)
        gain = min(1.0, 1 / np.abs(expected).max())
        np.testing.assert_allclose(audio, gain * expected, atol=2**-23)


def test_tag_and_sidecar_say_how_it_was_made(written, generated):
    generator, clips = generated
    for i, seed in enumerate(SEEDS):
        path = written[0] / f"{stem(seed)}.wav"
        sidecar = json.loads(path.with_suffix(".json").read_text())
        with soundfile.SoundFile(path) as file:
            assert json.loads(file.comment) == sidecar
        assert {**sidecar, **generation.provenance(generator, clips, i)} == sidecar


def test_what_there_is_to_say(written):
    folder, lines = written
    for seed, line in zip(SEEDS, lines):
        assert line.startswith(str(folder / f"{stem(seed)}.wav"))
    assert "3 clips of 0.51 s at 44100 Hz, PCM_24; their content reaches 4 kHz" in lines[3]
    assert "3 evaluations" in lines[4] and "s for each second of audio" in lines[4]
    assert lines[-1] == f"listen: {folder / 'listen.html'}"


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((2.0,), "guidance 2 from 3"),
        ((1.5, (-3.0, 2.5)), "guidance 1.5 from 3 within -3 to +2.5"),
        ((2.0, None, 0.7), "guidance 2 from 3 rescale 0.7"),
        ((2.0000001,), "guidance 2.0000001 from 3"),
    ],
)
def test_guidance_is_part_of_the_title(generated, numbers, words):
    generator, clips = generated
    generator = dataclasses.replace(generator, milestone="6-0.07", weaker_milestone="3")
    clips = dataclasses.replace(clips, guidance=generation.Guidance(*numbers))
    assert export.describe(generator, clips, 0) == f"latent step 6-0.07 ddim 3 trailing {words} 0.512 s seed 7"


def test_a_sample_more_is_another_file(generated):
    """10 s at 8000 Hz to four digits are 80 lengths."""
    generator, clips = generated
    titles = {
        export.describe(generator, dataclasses.replace(clips, audio=np.zeros((1, samples, 1), np.float32)), 0)
        for samples in range(79_900, 80_100)
    }
    assert len(titles) == 200 and any(" 10 s " in title for title in titles)


def test_notes_are_said(generated, tmp_path):
    clips = dataclasses.replace(generated[1], notes=("note: mind the step",))
    assert "note: mind the step" in list(export.write_clips(tmp_path, generated[0], clips))


@pytest.mark.parametrize(("reference", "noisy"), [(1e-3, True), (1e3, False), (None, False)])
def test_what_was_found_is_said(generated, tmp_path, reference, noisy):
    """Clips far rougher in time than real music are called noise-like, in their line and in their sidecar."""
    generator, clips = generated
    lines = list(export.write_clips(tmp_path, dataclasses.replace(generator, roughness=reference), clips))
    for seed, line in zip(SEEDS, lines):
        sidecar = json.loads((tmp_path / f"{stem(seed)}.json").read_text())
        assert line == "  ".join([str(tmp_path / f"{stem(seed)}.wav"), *sidecar.get("findings", [])])
        assert ("noise-like" in line) == noisy


def test_the_same_clips_are_the_same_files(written, generated, tmp_path):
    list(export.write_clips(tmp_path, *generated))
    for path in written[0].glob("*.wav"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("container", "subtype", "rate"), [("wav", "PCM_16", 8_000), ("wav", "FLOAT", 48_000), ("flac", "PCM_16", 22_050)]
)
def test_other_formats(generated, tmp_path, container, subtype, rate):
    lines = list(export.write_clips(tmp_path, *generated, rate=rate, subtype=subtype, container=container))
    files = list(tmp_path.glob(f"*.{container}"))
    assert len(files) == 3
    for path in files:
        info = soundfile.info(path)
        assert (info.samplerate, info.subtype, info.format) == (rate, subtype, container.upper())
        assert info.frames == round(4096 * rate / 8000)
    assert f"at {rate} Hz, {subtype}" in lines[3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 7_999}, ["8000", "192000", "7999"]),
        ({"rate": 192_001}, ["192001"]),
        ({"subtype": "PCM_20"}, ["PCM_20", "PCM_24"]),
        ({"subtype": "FLOAT", "container": "flac"}, ["flac", "FLOAT", "PCM_24"]),
        ({"container": "mp3"}, ["mp3"]),
    ],
    ids=str,
)
def test_what_cannot_be_written_leaves_nothing(generated, tmp_path, options, words):
    with pytest.raises(UsageError) as caught:
        list(export.write_clips(tmp_path / "out", *generated, **options))
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
