"""The model of audio itself: what x_0 is, what it can be told, and a run from one-shots to files, stopped and resumed."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import micro
import numpy as np
import pytest
import soundfile
from processes import finish, start

from musicdiff import conditioning, conversion, generation, models
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import UsageError
from musicdiff.evaluation import bound, plot
from musicdiff.training import phases
from musicdiff.training.writer import read_metrics

STYLE = "conditions={'style': {'name': 'label', 'dropout': 0.1, 'classes': (), 'capacity': 20}}"
TOLD_STYLE = STYLE.replace("()", "('kick', 'snare')")
TOLD_TEXT = "conditions={'text': {'name': 'bytes', 'dropout': 0.0, 'length': 8, 'width': 8, 'layers': 1, 'heads': 2}}"
STEREO = "mel.channels=2"


def build(*changes):
    return models.build(micro.make_config("waveform", *changes))


def refusal(*changes):
    with pytest.raises(UsageError) as caught:
        build(*changes)
    return str(caught.value)


def test_x_0_is_the_audio():
    model = build(STEREO)
    assert (model.domain.shape, model.domain.samples_per_frame, model.feature) == ((4096, 2), 1, "audio")
    assert model.clip_frames == 4096 and model.domain.seconds == 0.512
    audio = np.random.default_rng(0).normal(0, 0.5, (2, 4096, 2)).astype(np.float32)
    inside = np.clip(audio, -1, 1)
    np.testing.assert_array_equal(model.encode({}, audio), inside)
    np.testing.assert_array_equal(model.to_audio({}, audio, None), inside)
    spec = MelSpec(**micro.make_config("waveform", STEREO)["mel"])
    for padding in ("zeros", "circular"):
        drawn = mel.log_mel(inside, spec, padding)
        np.testing.assert_allclose(model.to_mel({}, audio, padding=padding), drawn, atol=1e-6)
        assert drawn.shape == (2, 64, 16, 2)  # mid and side


@pytest.mark.parametrize(("factors", "hop", "unit"), [((2, 4), 64, 64), ((4, 3), 64, 192), ((2, 4), 60, 120)])
def test_a_clip_is_whole_steps_of_the_network_and_whole_frames(factors, hop, unit):
    sizes = (f"network.factors={factors}", f"mel.hop={hop}")
    assert build(*sizes, f"model.samples={2 * unit}").domain.multiple == unit
    message = (
        "config.model.samples={} is not a multiple of {}, as the network and config.mel.hop ask; the nearest is {}"
    )
    for samples, nearest in ((3 * unit + 1, 3 * unit), (1, unit), (0, unit)):
        assert refusal(*sizes, f"model.samples={samples}") == message.format(samples, unit, nearest)


def test_mels_of_audio_keep_its_level():
    assert refusal("mel.level=clip") == "config.mel.level='clip' loses the loudness of audio; set it to 'absolute'"


@pytest.mark.parametrize(
    ("changes", "rows"),
    [((TOLD_STYLE,), ({"style": "kick"}, {"style": "snare"}, {})), ((TOLD_TEXT, "network.num_heads=2"), ({"text": "a"}, {"text": "b"}, {}))],
    ids=["a vector", "tokens"],
)  # fmt: skip
def test_it_hears_what_it_is_told(changes, rows):
    model = build(*changes)
    params = micro.randomise(model.init)
    x_t = np.repeat(np.random.default_rng(0).normal(size=(1, *model.domain.shape)), len(rows), axis=0)
    run = micro.jit(lambda params, x, cond: model.denoise_fn(params, {})(x, jnp.float32(0.3), cond).x_0)
    heard = run(params, np.float32(x_t), conditioning.tell(model.conditions, rows))
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert not np.allclose(heard[one], heard[other], atol=1e-4), (rows[one], rows[other])


@pytest.fixture(scope="module")
def changes(cache_dir):
    """A micro run in stereo that is told styles."""
    return STEREO, STYLE, "milestones=()", f"data.cache_dir={cache_dir}"


@pytest.fixture(scope="module")
def whole(changes, tmp_path_factory):
    """Six steps without interruption, with all that they leave to hear."""
    folder = tmp_path_factory.mktemp("waveform") / "run"
    phases.run(micro.make_config("waveform", *changes), folder)
    return folder


def losses(folder):
    """[(step, name, value)] of what was recorded."""
    return [(row["step"], name, row[name]) for row in read_metrics(folder) for name in sorted(row) if "loss" in name]


def test_three_and_three_are_six(whole, changes, tmp_path):
    folder, file = shutil.copytree(whole, tmp_path / "run"), "milestones/step_000006.safetensors"
    shutil.rmtree(folder / "checkpoints" / "6")
    with micro.without_sound():
        phases.run(micro.make_config("waveform", *changes), folder)
    assert "resumed at step 3" in (folder / "log.txt").read_text()
    assert (folder / file).read_bytes() == (whole / file).read_bytes()
    assert losses(folder) == losses(whole)
    assert {(6, "train/loss"), (6, "test/loss")} <= {loss[:2] for loss in losses(whole)}


@pytest.mark.slow
def test_two_devices_train_as_one(whole, changes, tmp_path):
    overrides = micro.overrides("waveform", *changes, "num_steps=3")
    arguments = ["--config=waveform:tiny", f"--workdir={tmp_path / 'run'}", *overrides]
    assert "2 x CPU" in finish(start("train.py", "SIGTERM", 0, *arguments, JAX_NUM_CPU_DEVICES="2"), seconds=300)
    two, one = losses(tmp_path / "run"), [loss for loss in losses(whole) if loss[0] <= 3]
    assert [loss[:2] for loss in two] == [loss[:2] for loss in one] and {loss[0] for loss in one} == {2, 3}
    np.testing.assert_allclose([loss[2] for loss in two], [loss[2] for loss in one], rtol=1e-5)


def test_what_it_leaves_to_hear(whole):
    """Real clips are the audio itself, as it is stored, at its own rate."""
    for folder, title in (("real", "real 1, through representation: "), ("step_000006", "seed 0, step 6: ")):
        found = [json.loads(path.read_text()) for path in (whole / "samples" / folder).glob("*.json")]
        assert any(clip["name"].startswith(title) for clip in found)
        path = next((whole / "samples" / folder).glob("*.wav"))
        assert soundfile.info(path).samplerate == 8000 and soundfile.info(path).frames == 4096
    assert (whole / "samples" / "step_000006" / "grid.png").exists()
    card = (whole / "MODEL_CARD.md").read_text()
    assert "0.51 s, as [4096 x 2]" in card.replace("\\", "") and "vocoder" not in card


def test_a_clip_does_not_know_its_neighbours(whole):
    generator = generation.load(whole)
    clips = generation.generate(generator, seeds=[3, 4], told={"style": "kick"})
    assert clips.audio.shape == (2, 4096, 2) and clips.log_mel.shape == (2, 64, 16, 2)
    assert np.abs(clips.audio).max() <= 1
    np.testing.assert_allclose(mel.log_mel(clips.audio, MelSpec(**generator.config["mel"])), clips.log_mel, atol=1e-4)
    alone = generation.generate(generator, seeds=[4], told={"style": "kick"})
    np.testing.assert_allclose(alone.audio[0], clips.audio[1], atol=1e-4)


def test_a_file_is_as_long_as_asked_for_to_the_sample(call, whole, tmp_path):
    told = ("--style", "kick", "--num", 1, "--seconds", 901 / 8000, "--rate", 8000)
    code, output, _ = call("sample", "--workdir", whole, *told, "--out", tmp_path)
    assert code == 0 and "1 clips of 0.11 s at 8000 Hz" in output
    (path,) = tmp_path.glob("*.wav")
    assert soundfile.info(path).frames == 901 and soundfile.info(path).channels == 2
    assert "kick" in path.name


def test_it_is_no_pipeline_of_theirs(whole, tmp_path):
    with pytest.raises(UsageError, match=r"is a waveform model, .*a_unet\.to_torch"):
        list(conversion.convert(whole, tmp_path / "theirs", "diffusers"))
    assert not (tmp_path / "theirs").exists()


def test_its_losses_are_bounded_and_drawn(whole):
    found = bound.measure_workdir(whole, num_clips=1, num_levels=10, evaluations=2, batch_size=1)
    assert found.shape == (4096, 2) and np.isfinite(found.total.bits)
    assert "4096x2" in bound.render(found) and json.dumps(dataclasses.asdict(found))
    assert plot.save_plot(whole).exists()
