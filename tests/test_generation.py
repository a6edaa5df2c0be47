"""From a workdir to audio: a clip depends on its seed alone, lasts as long as asked, and nothing damaged is sampled from."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from musicdiff import generation, milestones, plugins
from musicdiff.diffusion import schedules
from musicdiff.diffusion.grids import GRIDS
from musicdiff.errors import DataError, UsageError
from musicdiff.generation import Guidance, settings
from musicdiff.typing import Domain

SEEDS = (7, 0, 2**32 - 1)


@pytest.fixture(scope="module")
def generator(trained):
    return generation.load(trained)


@pytest.fixture(scope="module")
def clips(generator):
    return generation.generate(generator, seeds=SEEDS)


def test_a_generator_is_what_the_run_left(trained, generator):
    milestone, params = milestones.read(trained)
    assert generator.step == milestone.step == 6
    assert generator.name == trained.name
    assert generator.roughness == json.loads((trained / "facts.json").read_text())["roughness"] > 0
    np.testing.assert_array_equal(generator.params["conv_in"]["kernel"], params["conv_in"]["kernel"])
    np.testing.assert_array_equal(generation.load(trained, milestone="3").step, 3)


def test_clips_have_the_shape_of_the_model(clips):
    assert clips.audio.shape == (3, 4096, 1) and clips.audio.dtype == np.float32
    assert clips.log_mel.shape == (3, 64, 16, 1) and np.abs(clips.log_mel).max() <= 1
    assert clips.sample_rate == 8000 and clips.seeds == SEEDS
    assert np.isfinite(clips.audio).all() and np.abs(clips.audio).max() > 1e-3
    assert clips.settings == {"name": "ddim", "num_steps": 3, "grid": "trailing"}
    assert clips.real_time_factor == pytest.approx(clips.compute_seconds / (3 * 0.512))
    assert clips.evaluations == 3 and clips.notes == () and clips.guidance is None


def test_seeds_are_different_clips(clips):
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(clips.log_mel[a] - clips.log_mel[b]).mean() > 1e-3


def test_the_same_seeds_are_the_same_bits(trained, clips):
    again = generation.generate(generation.load(trained), seeds=SEEDS)
    np.testing.assert_array_equal(again.audio, clips.audio)


def test_a_clip_does_not_know_its_neighbours(generator, clips):
    """Alone, in another order, and beside others."""
    alone = generation.generate(generator, seeds=SEEDS, batch_size=1)
    np.testing.assert_allclose(alone.log_mel, clips.log_mel, atol=1e-4)
    np.testing.assert_allclose(alone.audio, clips.audio, atol=1e-4)
    turned = generation.generate(generator, seeds=(5, *SEEDS[:2]))
    np.testing.assert_array_equal(turned.audio[1:], clips.audio[:2])


def test_a_short_last_batch_is_cut_off(generator, clips):
    """Four clips in batches of three: the second batch is filled up, and compiles nothing."""
    four = generation.generate(generator, seeds=(*SEEDS, 7), batch_size=3)
    assert len(four.audio) == 4 and four.compile_seconds < 0.5
    np.testing.assert_array_equal(four.audio[:3], clips.audio)
    np.testing.assert_array_equal(four.audio[3], clips.audio[0])


@pytest.mark.parametrize(("seconds", "samples", "frames"), [(0.3, 2400, 40), (0.0001, 1, 4)])
def test_seconds_are_exact_to_the_sample(generator, seconds, samples, frames):
    clips = generation.generate(generator, seeds=[1], seconds=seconds)
    assert clips.audio.shape == (1, samples, 1) and clips.log_mel.shape[1] == frames


@pytest.mark.parametrize(
    ("seconds", "samples", "frames"),
    [(None, 4096, 32), (0.512, 4096, 32), (0.5121, 4097, 34), (1 / 8000, 1, 2), (1.0, 8000, 64), (60.0, 480_000, 3750)],
)
def test_frames_are_the_next_multiple(seconds, samples, frames):
    domain = Domain((32, 8, 2), 8000, 1, 128, 2, None)
    assert settings.length(domain, seconds) == (samples, frames)


def test_other_samplers_and_steps(generator, clips):
    for changes in ({"name": "heun"}, {"name": "ddpm", "num_steps": 2}, {"grid": "linspace"}):
        other = generation.generate(generator, seeds=SEEDS[:1], sampler=changes)
        assert {**other.settings, **changes} == other.settings
        assert np.abs(other.log_mel[0] - clips.log_mel[0]).mean() > 1e-4, changes


def test_options_are_arguments_of_one_program(generator, clips):
    deterministic = generation.generate(generator, seeds=SEEDS, sampler={"eta": 0.0})
    np.testing.assert_allclose(deterministic.audio, clips.audio, atol=1e-5)
    ancestral = generation.generate(generator, seeds=SEEDS, sampler={"eta": 1.0})
    assert ancestral.compile_seconds < 0.5 and ancestral.settings["eta"] == 1.0
    assert np.abs(ancestral.log_mel - clips.log_mel).mean() > 1e-3


def test_another_samplers_options_go_with_its_name():
    default = {"name": "ddim", "num_steps": 50, "grid": "leading", "eta": 0.5}
    merged = generation.merged_sampler
    assert merged(default, {}) == default
    assert merged(default, {"num_steps": 5, "eta": 1.0}) == {**default, "num_steps": 5, "eta": 1.0}
    assert merged(default, {"name": "heun"}) == {"name": "heun", "num_steps": 50, "grid": "leading"}
    assert merged(default, {"name": "ddim"}) == default


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sampler": {"name": "ddin"}}, ["ddin", *plugins.names("samplers")]),
        ({"sampler": {"grid": "even"}}, ["even", *GRIDS]),
        ({"sampler": {"num_steps": 0}}, ["num_steps", "at least 1"]),
        ({"sampler": {"num_steps": -3}}, ["num_steps", "at least 1"]),
        ({"sampler": {"etta": 1.0}}, ["etta", "eta"]),
        ({"sampler": {"eta": 1.5}}, ["eta", "0", "1"]),
        ({"sampler": {"name": "heun", "eta": 1.0}}, ["eta"]),
        ({"seconds": 0.0}, ["0.0 s", "0.51 s"]),
        ({"seconds": -1.0}, ["-1.0 s"]),
        ({"seconds": 1e-9}, ["1e-09 s"]),
        ({"seconds": float("nan")}, ["nan"]),
        ({"seconds": float("inf")}, ["inf"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [-1]}, ["seeds", "4294967295"]),
        ({"seeds": [2**32]}, ["seeds"]),
        ({"batch_size": -1}, ["batch"]),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(generator, changes, words):
    with pytest.raises(UsageError) as caught:
        generation.generate(generator, **{"seeds": [0], **changes})
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message, message


def test_provenance_says_how_a_clip_was_made(generator, clips):
    record = generation.provenance(generator, clips, 0)
    assert record["seed"] == 7 and record["step"] == 6 and record["model"] == "latent"
    assert record["sampler"] == clips.settings and len(record["config"]) == 12
    assert record["evaluations"] == 3 and record["guidance"] is None and record["milestone"] == "6"
    assert json.loads(json.dumps(record)) == record


@pytest.fixture(scope="module")
def guided(trained):
    """The last weights, with those of step 3 as the weaker model."""
    return generation.load(trained, autoguide="3")


def generate_guided(guided, *numbers):
    return generation.generate(guided, seeds=SEEDS, guidance=Guidance(*numbers))


def test_scale_1_is_the_model_and_0_the_weaker_one(trained, generator, guided, clips):
    assert guided.weaker_milestone == "3" and guided.step == 6
    expected = milestones.read(trained, "3")[1]
    jax.tree.map(np.testing.assert_array_equal, guided.weaker, expected)
    weaker = generation.generate(dataclasses.replace(generator, params=guided.weaker), seeds=SEEDS)
    for scale, expected in ((1.0, clips), (0.0, weaker)):
        found = generate_guided(guided, scale)
        np.testing.assert_allclose(found.log_mel, expected.log_mel, atol=1e-4)
    assert np.abs(weaker.log_mel - clips.log_mel).mean() > 1e-3


def test_guidance_goes_on_where_the_model_left_the_weaker_one(guided, clips):
    nearer, further = (generate_guided(guided, scale).log_mel - clips.log_mel for scale in (2.0, 4.0))
    assert 2 * np.abs(nearer).mean() < np.abs(further).mean()
    rescaled = generate_guided(guided, 4.0, None, 1.0).log_mel
    assert np.abs(rescaled - clips.log_mel - further).mean() > 1e-4


def test_all_numbers_of_guidance_are_one_program(guided):
    """One for all scales everywhere, and one for all scales and intervals."""
    for first, *others in (
        ((2.0,), (3.0,), (1.5, None, 0.5)),
        ((2.0, (-3.0, 3.0)), (3.0, (-8.0, 1.0)), (1.5, (0.0, 1.0), 0.5)),
    ):
        generate_guided(guided, *first)
        for numbers in others:
            assert generate_guided(guided, *numbers).compile_seconds < 0.1


def test_an_interval_without_levels_is_the_plain_model(guided, clips):
    found = generate_guided(guided, 4.0, (100.0, 101.0))
    np.testing.assert_allclose(found.log_mel, clips.log_mel, atol=1e-4)
    assert found.evaluations == clips.evaluations == 3
    whole = generate_guided(guided, 4.0), generate_guided(guided, 4.0, (-100.0, 100.0))
    np.testing.assert_allclose(whole[1].log_mel, whole[0].log_mel, atol=1e-4)
    assert [found.evaluations for found in whole] == [6, 6]


def test_evaluations_are_those_that_run(guided):
    """Against callbacks in the network of the real program: of three levels, -20 and two others, the interval leaves out the first."""
    count = 0

    def tick():
        nonlocal count
        count += 1

    def denoise_fn(*args):
        f = guided.model.denoise_fn(*args)

        def counted(*args):
            jax.debug.callback(tick)
            return f(*args)

        return counted

    model = dataclasses.replace(guided.model, denoise_fn=denoise_fn)
    counted = dataclasses.replace(guided, model=model)
    clips = generation.generate(counted, seeds=[0], guidance=Guidance(2.0, (-5.0, 5.0)))
    jax.effects_barrier()
    assert clips.evaluations == 3 + 2 == count / jax.local_device_count()


@pytest.mark.parametrize(("name", "evaluations"), [("ddim", 20), ("ddpm", 20), ("heun", 39)])
def test_samplers_are_counted_as_they_evaluate(name, evaluations):
    grid = tuple(np.float32([*np.linspace(-10, 10, 20), np.inf]))
    assert generation.count_evaluations(name, (), grid, None) == evaluations
    assert generation.count_evaluations(name, (), grid, Guidance(1.0)) == 2 * evaluations


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((-0.5,), ["scale", "-0.5"]),
        ((float("nan"),), ["scale", "nan"]),
        ((float("inf"),), ["scale", "inf"]),
        ((2.0, (3.0, -3.0)), ["interval", "lower one first", "3,-3"]),
        ((2.0, (1.0, 1.0)), ["interval", "1,1"]),
        ((2.0, (float("-inf"), 0.0)), ["interval", "-inf,0"]),
        ((2.0, (float("nan"), 0.0)), ["interval", "nan,0"]),
        ((2.0, None, 1.1), ["rescale", "1.1"]),
        ((2.0, None, -0.1), ["rescale", "-0.1"]),
    ],
    ids=str,
)
def test_guidance_out_of_range_is_named(numbers, words):
    with pytest.raises(UsageError) as caught:
        Guidance(*numbers)
    assert all(word in str(caught.value) for word in words)


def test_guidance_without_a_weaker_model_is_refused(generator):
    with pytest.raises(UsageError, match=r"no conditions: guidance needs a weaker model.*--autoguide"):
        generation.generate(generator, seeds=[0], guidance=Guidance(2.0))


def test_a_weaker_model_without_guidance_is_refused(guided):
    with pytest.raises(UsageError, match="weaker model needs a scale"):
        generation.generate(guided, seeds=[0])


@pytest.mark.parametrize(("milestone", "autoguide"), [("6", "6"), ("latest", "6"), ("3", "6"), ("3", "latest")])
def test_the_weaker_model_is_earlier(trained, milestone, autoguide):
    with pytest.raises(UsageError, match=r"needs an earlier milestone than \d of .*, not 6"):
        generation.load(trained, milestone=milestone, autoguide=autoguide)


def test_provenance_says_how_it_was_guided(guided):
    clips = generate_guided(guided, 2.0, (-3.0, 3.0))
    record = generation.provenance(guided, clips, 0)
    assert record["guidance"] == {"scale": 2.0, "interval": [-3.0, 3.0], "rescale": 0.0, "autoguide": "3"}
    assert record["evaluations"] == clips.evaluations and record["milestone"] == "6"
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("flow_map", "sampler", "said"), [(False, "pingpong", 1), (True, "pingpong", 0), (False, "ddim", 0)]
)
def test_a_sampler_of_flow_maps_is_remarked_on(flow_map, sampler, said):
    model = SimpleNamespace(flow_map=flow_map, schedule=schedules.build("cosine"))
    notes = generation.notes_on(model, {"name": sampler, "grid": "trailing", "num_steps": 4})
    assert len(notes) == said and all("'pingpong'" in note and "\n" not in note for note in notes)


@pytest.mark.parametrize(
    ("grid", "schedule", "said"),
    [
        ("trailing", "cosine", []),
        ("auto", "cosine", []),
        ("leading", "linear_beta", ["'leading' begins at log_snr -2.47"]),
        ("auto", "linear_beta", ["'auto' begins at log_snr -2.47"]),
        ("leading", "cosine", ["'leading' begins at log_snr 0"]),
    ],
)
def test_a_grid_that_begins_beside_the_noise_is_remarked_on(grid, schedule, said):
    model = SimpleNamespace(flow_map=False, schedule=schedules.build(schedule))
    notes = generation.notes_on(model, {"name": "ddim", "grid": grid, "num_steps": 2})
    said = [
        f"note: clips begin as pure noise, but grid {text}, where data show; 'trailing' begins at the schedule's end"
        for text in said
    ]
    assert list(notes) == said


def test_a_rescale_of_a_flow_map_is_refused():
    """Its x_0 is a jump's end, not an estimate of data. A scale and an interval are allowed, and so is a rescale of other models."""
    flow_map, plain = SimpleNamespace(flow_map=True), SimpleNamespace(flow_map=False)
    for model, guidance in (
        (flow_map, None),
        (flow_map, Guidance(2.0, (-3.0, 3.0))),
        (plain, Guidance(2.0, None, 0.5)),
    ):
        generation.check_guidance(model, guidance)
    with pytest.raises(UsageError) as caught:
        generation.check_guidance(flow_map, Guidance(2.0, None, 0.5))
    expected = (
        "rescale=0.5 is for models that estimate data; this one, a flow map, predicts where a jump ends: leave it at 0"
    )
    assert str(caught.value) == expected


def test_generate_refuses_to_rescale_a_flow_map(guided):
    flow_map = dataclasses.replace(guided, model=dataclasses.replace(guided.model, flow_map=True))
    with pytest.raises(UsageError, match=r"rescale=0\.5 is for models that estimate data"):
        generation.generate(flow_map, seeds=[0], guidance=Guidance(2.0, None, 0.5))


def test_clips_say_which_grid_auto_was(generator, clips):
    """The configuration asks for 'auto', which is 'trailing' on its schedule."""
    assert generator.config["sampler"]["grid"] == "auto" and clips.settings["grid"] == "trailing"


def test_a_copy_elsewhere_generates_the_same(trained_copy, clips):
    generator = generation.load(trained_copy)
    assert generator.name == "copy"
    np.testing.assert_array_equal(generation.generate(generator, seeds=SEEDS).audio, clips.audio)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_is_no_workdir_is_named(tmp_path, exists):
    folder = tmp_path if exists else tmp_path / "none"
    with pytest.raises(DataError, match=rf"{folder} is not a workdir \(no config\.json\)"):
        generation.load(folder)


@pytest.mark.parametrize("milestone", ["7", "newest", ""])
def test_an_unknown_milestone_lists_those_there_are(trained, milestone):
    with pytest.raises(UsageError, match=rf"no milestone '{milestone}' .*there are: latest, best, 3, 6"):
        generation.load(trained, milestone=milestone)


def test_an_autoencoder_does_not_generate(trained):
    with pytest.raises(UsageError, match=r"holds an autoencoder.*--config\.vae\.path="):
        generation.load(trained / "autoencoder")


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_damaged_weights_are_not_sampled(trained_copy):
    flip_a_byte(trained_copy / "milestones" / "step_000006.safetensors")
    with pytest.raises(DataError, match=r"step_000006\.safetensors is damaged.*--milestone"):
        generation.load(trained_copy)
    assert generation.load(trained_copy, milestone="3").step == 3


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_autoencoder_is_noticed(trained_copy, damage):
    path = trained_copy / "vae" / "vae.safetensors"
    match damage:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(path.read_bytes()[:-100])
        case "flipped":
            flip_a_byte(path)
    with pytest.raises(DataError, match=r"vae\.safetensors"):
        generation.load(trained_copy)


def test_a_damaged_configuration_is_noticed(trained_copy):
    path = trained_copy / "config.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match=r"config\.json"):
        generation.load(trained_copy)


def test_weights_that_are_not_there_yet(trained_copy):
    shutil.rmtree(trained_copy / "milestones")
    with pytest.raises(DataError, match="no weights"):
        generation.load(trained_copy)
