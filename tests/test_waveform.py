"""The whole job on samples of sound: trained, resumed, sampled, and heard as it is."""

import json

import micro
import numpy as np
import pytest
import soundfile

from musicdiff import facts, generation
from musicdiff.errors import UsageError
from musicdiff.evaluation.clips import held_out
from musicdiff.training import command
from musicdiff.training.writer import read_metrics

CLOCK = ("num_steps=4", "log_every=1", "checkpoint_every=2", "sample_every=0", "milestones=()")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Four steps of a micro model of one-shots, told their style, with what they leave to hear."""
    folder = tmp_path_factory.mktemp("waveform")
    command.train(
        "waveform:tiny", folder / "run", micro.overrides("waveform", *CLOCK, f"data.cache_dir={folder}/cache")
    )
    return folder / "run"


@pytest.fixture(scope="module")
def generator(run):
    return generation.load(run)


def losses(folder):
    return [record["train/loss"] for record in read_metrics(folder) if "train/loss" in record]


def test_two_and_two_are_four(run, tmp_path):
    with micro.without_sound():
        for steps in (2, 4):
            changes = (*CLOCK, f"num_steps={steps}", f"data.cache_dir={run.parent}/cache")
            command.train("waveform:tiny", tmp_path / "run", micro.overrides("waveform", *changes))
    assert "resumed at step 2" in (tmp_path / "run" / "log.txt").read_text()
    assert losses(tmp_path / "run") == losses(run) and len(losses(run)) == 4
    file = "milestones/step_000004.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (run / file).read_bytes()


def test_real_clips_beside_the_generated_are_those_of_the_data(run):
    """No vocoder lies between: a held-out one-shot is left to hear sample by sample, in 24 bits."""
    paths = sorted((run / "samples" / "real").glob("*.wav"))
    (batch, *_) = held_out(run, generation.load(run).config, generation.load(run).model, limit=1, batch_size=1)
    audio, rate = soundfile.read(paths[0], always_2d=True)
    assert (rate, audio.shape) == (8000, (4096, 1))
    np.testing.assert_array_equal(audio, batch["x_0"][0])
    assert facts.read(run)["conditions"] == {"style": 1.0}
    made = [json.loads(path.read_text()) for path in (run / "samples" / "step_000004").glob("*.json")]
    assert made and all(clip["conditions"]["style"] for clip in made)


def test_a_clip_has_the_length_of_the_model_to_the_sample(generator):
    clips = generation.generate(generator, seeds=[3, 4], told={"style": "clap"})
    assert clips.audio.shape == (2, 4096, 1) and clips.log_mel.shape == (2, 64, 16, 1)
    assert np.isfinite(clips.audio).all() and np.abs(clips.audio).max() <= 1
    assert np.std(clips.audio[0] - clips.audio[1]) > 1e-3


def test_any_length_is_exact_to_the_sample_and_a_clip_the_same_alone_and_in_a_batch(generator):
    asked = {"told": {"style": "clap"}, "seconds": 0.333}
    together = generation.generate(generator, seeds=[3, 4, 5], batch_size=3, **asked)
    alone = generation.generate(generator, seeds=[4], batch_size=1, **asked)
    assert together.audio.shape == (3, 2664, 1)
    np.testing.assert_allclose(alone.audio[0], together.audio[1], atol=1e-4)


def test_what_it_was_not_told_is_refused(generator):
    with pytest.raises(UsageError, match="not trained with the condition 'tempo'; it was with style"):
        generation.generate(generator, seeds=[1], told={"tempo": 120})
    with pytest.raises(UsageError, match="style has no 'polka'; there are: bongo"):
        generation.generate(generator, seeds=[1], told={"style": "polka"})


def test_the_bound_is_that_of_its_samples(run, call):
    code, out, _ = call("bound", "--workdir", run, "--clips", 2, "--evaluations", 2, "--json")
    assert code == 0 and np.isfinite(json.loads(out)["bits_per_dimension"]["total"])
