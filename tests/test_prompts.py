"""Clips that are told something: guidance is the formula, a clip depends on its seed and on what it is told, and every prompt has a file."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest
from click.testing import CliRunner

from musicdiff import (
    cli,
    conditioning,
    config,
    export,
    facts,
    generation,
    milestones,
    models,
    prompts,
    randomness,
    samplers,
)
from musicdiff.artifacts.clips import file_names
from musicdiff.diffusion import grids
from musicdiff.errors import DataError, UsageError
from musicdiff.generation import Guidance

SEEDS = (7, 0, 5)
LOFI, TECHNO = {"style": "lofi", "tempo": 94, "key": "A minor"}, {"text": "fast techno", "style": "techno"}
ROWS = (LOFI, TECHNO, {"text": "calm piano"})


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Of a micro mel model with four conditions, its parameters random."""
    folder = tmp_path_factory.mktemp("runs") / "told"
    folder.mkdir()
    settings = micro.make_config("mel")
    settings["network"] |= {"num_heads": 2, "num_res_blocks": 1}
    settings["conditions"] = {
        "text": {"name": "bytes", "dropout": 0.1, "length": 16, "width": 16, "layers": 1, "heads": 2},
        "style": {"name": "label", "dropout": 0.1, "classes": ("lofi", "techno"), "capacity": 4},
        "tempo": {"name": "numeric", "dropout": 0.1, "low": 30.0, "high": 300.0, "unit": "bpm"},
        "key": {"name": "key", "dropout": 0.1},
    }
    settings["guidance"] = {"scale": 3.0, "rescale": 0.0}
    (folder / "config.json").write_text(config.to_json(settings))
    params = micro.randomise(models.build(settings).init)
    milestones.write(folder, 1, params, keep=True, held_out_loss=None)
    milestones.write(folder, 2, jax.tree.map(lambda x: 1.1 * x, params), keep=True, held_out_loss=None)
    facts.add(folder, roughness=0.1)
    return folder


@pytest.fixture(scope="module")
def generator(workdir):
    return generation.load(workdir)


def mels(generator, told=ROWS, seeds=SEEDS, **options):
    return generation.generate(generator, seeds=seeds, told=told, **options).log_mel


@pytest.fixture(scope="module")
def plain(generator):
    """What the conditional model makes of ROWS, by its own network and the sampler alone."""
    model = generator.model
    cond = conditioning.tell(model.conditions, ROWS)
    grid = grids.build("trailing", model.schedule, 3)

    @jax.jit
    def run(params, seeds):
        x_T = jax.vmap(lambda key: jax.random.normal(key, model.domain.shape))(randomness.seed_keys(seeds, "x_T"))
        f = model.denoise_fn(params, generator.frozen)

        def denoise_fn(x_t, log_snr, to=None):
            prediction = f(x_t, log_snr, cond, to)
            x_0 = jnp.clip(prediction.x_0, -1, 1)
            alpha, sigma = jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))
            return prediction._replace(x_0=x_0, eps=(x_t - alpha * x_0) / sigma)

        return samplers.sample(
            denoise_fn, x_T, randomness.seed_keys(seeds, "steps"), sampler=samplers.build("ddim"), grid=grid
        )

    return np.clip(run(generator.params, jnp.array(SEEDS, jnp.uint32)), -1, 1)


def test_scale_1_is_the_conditional_model(generator, plain):
    """Without a second evaluation at 1, and with one right beside it."""
    clips = generation.generate(generator, seeds=SEEDS, told=ROWS, guidance=Guidance(1.0))
    np.testing.assert_allclose(clips.log_mel, plain, atol=1e-5)
    assert clips.evaluations == 3
    beside = generation.generate(
        generator, seeds=SEEDS, told=ROWS, guidance=Guidance(float(np.nextafter(np.float32(1), 2)))
    )
    np.testing.assert_allclose(beside.log_mel, plain, atol=1e-5)
    assert beside.evaluations == 6


def test_a_mix_of_one_is_that_one_and_of_two_lies_between(generator, plain):
    """Rows of either kind stand in one batch; with guidance too a mix of one is that one."""
    halves = ((0.5, LOFI), (0.5, TECHNO))
    made = mels(generator, told=[LOFI, halves, ((1.0, TECHNO),)], seeds=(7, 7, 0), guidance=Guidance(1.0))
    np.testing.assert_allclose(made[[0, 2]], plain[:2], atol=1e-5)
    assert np.abs(made[1] - plain[0]).mean() > 1e-4
    guided = (mels(generator, told=told, seeds=(7, 7))[0] for told in ([LOFI, halves], [LOFI, LOFI]))
    np.testing.assert_allclose(*guided, atol=1e-4)


def test_a_mix_says_what_it_is(generator):
    mix = ((0.25, {"style": "lofi"}), (0.75, {"text": "calm piano", "style": ""}))
    clips = generation.generate(generator, seeds=[0], told=[mix], guidance=Guidance(1.0))
    assert clips.evaluations == 6 and clips.told == (((0.25, {"style": "lofi"}), (0.75, {"text": "calm piano"})),)
    parts = generation.provenance(generator, clips, 0)["mix"]
    assert parts[1] == {"weight": 0.75, "prompt": "calm piano", "conditions": {}}
    assert "0.75 of calm piano" in export.describe(generator, clips, 0)


def test_scale_0_is_the_unconditional_model(generator, plain):
    nothing = mels(generator, told=None)
    np.testing.assert_allclose(mels(generator, guidance=Guidance(0.0)), nothing, atol=1e-5)
    assert np.abs(nothing - plain).mean() > 1e-3


def test_a_negative_condition_takes_the_place_of_nothing(generator):
    """At scale 0 it is all that is left."""
    found = mels(generator, negative=TECHNO, guidance=Guidance(0.0))
    np.testing.assert_allclose(found, mels(generator, TECHNO, guidance=Guidance(1.0)), atol=1e-5)
    guided, without = mels(generator, negative=TECHNO), mels(generator)
    assert np.abs(guided - without)[[0, 2]].mean() > 1e-3
    np.testing.assert_array_equal(mels(generator, negative={"text": " "}), without)


def test_guidance_is_the_configurations_where_something_is_told(generator):
    clips = generation.generate(generator, seeds=SEEDS, told=LOFI)
    assert clips.guidance == Guidance(3.0) and clips.evaluations == 6 and clips.notes == ()
    np.testing.assert_array_equal(clips.log_mel, mels(generator, LOFI, guidance=Guidance(3.0)))
    assert np.abs(clips.log_mel - mels(generator, LOFI, guidance=Guidance(1.0))).mean() > 1e-3


@pytest.mark.parametrize("told", [None, {}, {"text": ""}, {"text": " \t", "style": None, "tempo": float("nan")}])
def test_told_nothing_is_said(generator, told):
    clips = generation.generate(generator, seeds=SEEDS, told=told)
    assert clips.guidance is None and clips.evaluations == 3 and clips.told == ({}, {}, {})
    (note,) = clips.notes
    assert note.startswith("note: told nothing") and note.endswith("can be told key, style, tempo, text")


def test_how_many_are_told_nothing_is_said(generator):
    clips = generation.generate(generator, seeds=SEEDS, told=[LOFI, {}, {"text": ""}])
    assert clips.notes[0].startswith("note: 2 of 3 clips are told nothing")
    nothing = mels(generator, told=None)
    np.testing.assert_allclose(clips.log_mel[1:], nothing[1:], atol=1e-4)  # guidance has nowhere to lead them


def test_a_text_that_is_cut_is_said(generator):
    told = [{"text": "piano " * 10}, {"text": "15 letters long"}, {"text": "é" * 8}]
    (note,) = generation.generate(generator, seeds=SEEDS, told=told).notes
    assert (
        note
        == "note: text 'piano piano piano piano '... is cut: its last 44 of 59 bytes are not read; 2 of 3 clips are told such a text"
    )


@pytest.mark.parametrize("text", ["qwzxj vvk", "静かなピアノ", "🎹" * 400, "x" * 100_000, "a\0b\nc"])
def test_any_text_can_be_told(generator, text):
    (found,) = mels(generator, {"text": text}, seeds=[3], guidance=Guidance(1.0))
    assert np.isfinite(found).all()


def test_a_clip_depends_on_its_seed_and_on_what_it_is_told(generator):
    """To the last bit the same again; alone, in another order and in a short batch as in this one."""
    clips = mels(generator)
    np.testing.assert_array_equal(mels(generator), clips)
    np.testing.assert_allclose(mels(generator, batch_size=1), clips, atol=1e-4)
    five = mels(generator, (*ROWS, *ROWS[:2]), (*SEEDS, *SEEDS[:2]), batch_size=3)
    np.testing.assert_array_equal(five[:3], clips)
    np.testing.assert_allclose(five[3:], clips[:2], atol=1e-4)
    np.testing.assert_allclose(mels(generator, ROWS[::-1], SEEDS[::-1]), clips[::-1], atol=1e-4)
    same_seed = mels(generator, seeds=(7, 7, 7))
    np.testing.assert_allclose(same_seed[0], clips[0], atol=1e-4)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(same_seed[a] - same_seed[b]).mean() > 1e-3


def test_one_compilation_serves_all_prompts_and_scales(generator):
    mels(generator)
    for told, scale in ((LOFI, 2.0), ([{"text": "x"}, {}, LOFI], 5.0), (TECHNO, 0.5)):
        clips = generation.generate(generator, seeds=SEEDS, told=told, guidance=Guidance(scale))
        assert clips.compile_seconds < 0.1


def test_evaluations_are_those_that_run(generator):
    """By callbacks in the network of the real program, with the rows of each call: of three levels the interval -5,5 has two."""
    rows = []

    def denoise_fn(*args):
        f = generator.model.denoise_fn(*args)

        def counted(x_t, *args):
            jax.debug.callback(lambda: rows.append(len(x_t)))
            return f(x_t, *args)

        return counted

    model = dataclasses.replace(generator.model, denoise_fn=denoise_fn)
    counted = dataclasses.replace(generator, model=model)
    for guidance, evaluations in (
        (Guidance(1.0), 3),
        (Guidance(2.0, (-30.0, 30.0)), 6),
        (Guidance(2.0, (-5.0, 5.0)), 5),
        (Guidance(2.0, (9.0, 10.0)), 3),
    ):
        clips = generation.generate(counted, seeds=[0], told=LOFI, guidance=guidance)
        jax.effects_barrier()
        assert clips.evaluations == sum(rows) / jax.local_device_count() == evaluations
        assert len(rows) / jax.local_device_count() == 3  # a condition and its absence are one call
        rows.clear()


def test_outside_its_interval_guidance_leaves_the_conditional_model(generator, plain):
    np.testing.assert_allclose(mels(generator, guidance=Guidance(4.0, (9.0, 10.0))), plain, atol=1e-5)


def test_a_weaker_model_is_told_the_same(workdir, generator):
    guided = generation.load(workdir, autoguide="1")
    weaker = dataclasses.replace(generator, params=guided.weaker)
    found = mels(guided, guidance=Guidance(0.0))
    np.testing.assert_allclose(found, mels(weaker, guidance=Guidance(1.0)), atol=1e-5)
    clips = generation.generate(guided, seeds=SEEDS, told=ROWS, guidance=Guidance(2.0))
    assert clips.evaluations == 6
    with pytest.raises(UsageError, match="--negative does not go with --autoguide"):
        mels(guided, negative=LOFI, guidance=Guidance(2.0))


def test_batches_are_computed_as_they_are_asked_for(generator):
    """A thousand prompts are in memory as prompts alone."""
    told = [{"text": f"prompt {i}"} for i in range(1000)]
    stream = generation.stream(generator, seeds=range(1000), told=told, batch_size=3, guidance=Guidance(1.0))
    first, second = next(stream), next(stream)
    assert first.seeds == (0, 1, 2) and second.told == tuple(told[3:6]) and second.compile_seconds < 0.1
    np.testing.assert_array_equal(second.log_mel, mels(generator, told[3:6], (3, 4, 5), guidance=Guidance(1.0)))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"told": {"length": 30.0}}, ["'length'", "key, style, tempo, text"]),
        ({"told": LOFI, "negative": {"mood": "sad"}}, ["'mood'", "key, style, tempo, text"]),
        ({"told": {"style": "lofty"}}, ["style", "'lofty'", "lofi"]),
        ({"told": {"key": "H minor"}}, ["key", "H minor"]),
        ({"told": {"tempo": 1000}}, ["tempo", "30", "300"]),
        ({"told": {"text": 3}}, ["text", "3"]),
        ({"told": [LOFI, TECHNO]}, ["1 seeds", "2 things"]),
        ({"guidance": Guidance(2.0)}, ["told nothing", "--prompt", "--guidance"]),
        ({"told": {"text": " "}, "guidance": Guidance(2.0)}, ["told nothing"]),
        ({"told": LOFI, "negative": TECHNO, "guidance": Guidance(1.0)}, ["negative", "--guidance 3"]),
    ],
    ids=str,
)
def test_what_cannot_be_told_is_named(generator, asked, words):
    with pytest.raises(UsageError) as caught:
        generation.generate(generator, seeds=[0], **asked)
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message, message


def test_a_guided_jump_of_a_flow_map_is_linear_in_the_scale(generator):
    """x_0 = z - t u: to guide u is to guide x_0."""
    settings = config.from_json(config.to_json(generator.config))
    settings["process"] = {"objective": "mean_flow"}
    model = models.build(settings)
    flow = dataclasses.replace(generator, model=model, params=micro.randomise(model.init), config=settings)
    seen = []

    def to_mel(frozen, x_0, padding="zeros"):
        jax.debug.callback(lambda x: seen.append(np.array(x)), x_0)
        return generator.model.to_mel(frozen, x_0, padding)

    flow = dataclasses.replace(flow, model=dataclasses.replace(model, to_mel=to_mel))
    for scale in (0.0, 2.0, 6.0):
        mels(flow, LOFI, [3], guidance=Guidance(scale), sampler={"num_steps": 1})
    jax.effects_barrier()
    null, near, far = (seen[i * len(seen) // 3] for i in range(3))
    assert np.abs(near - null).mean() > 1e-3
    np.testing.assert_allclose(far, null + 3.0 * (near - null), atol=1e-4)


def test_provenance_says_what_was_told(generator):
    clips = generation.generate(
        generator, seeds=SEEDS, told=[*ROWS[:2], {"tempo": np.float32(60)}], negative={"text": "drums"}
    )
    records = [generation.provenance(generator, clips, i) for i in range(3)]
    assert json.loads(json.dumps(records)) == records
    assert [record["seed"] for record in records] == list(SEEDS)
    assert [record["prompt"] for record in records] == [None, "fast techno", None]
    assert [record["conditions"] for record in records] == [LOFI, {"style": "techno"}, {"tempo": 60.0}]
    assert records[0]["negative"] == {"prompt": "drums", "conditions": {}} and records[0]["evaluations"] == 6
    assert records[0]["guidance"] == {"scale": 3.0, "interval": None, "rescale": 0.0, "autoguide": None}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"text": "calm piano"}, "calm piano"),
        ({"style": "lofi", "tempo": 94.0, "key": "A minor", "text": "rain"}, "rain lofi 94 bpm A minor 1"),
        ({"key": "C# minor", "tempo": 92.5, "length": 30}, "92.5 bpm C sharp minor of 30 s 1"),
        ({"text": "静かなピアノ"}, "静かなピアノ"),
        ({"text": "80s, loud!"}, "80s loud 1"),
    ],
    ids=str,
)
def test_a_title_begins_with_what_is_told(told, words):
    assert re.sub(" [0-9a-f]{8}$", " 1", prompts.say(told)) == words


TEXTS = (
    *(
        "jazz",
        "Jazz",
        "jazz!",
        "jazz?",
        " jazz",
        "",
        "!",
        "?",
        "a" * 99,
        "a" * 98,
        "音" * 99,
        "音" * 98,
        "../jazz",
        "a\0b",
        "\udce9",
    ),
    *("straße", "strasse", "STRASSE", "\ufb01n", "fin", "e\u0301", "é", "a  b", "a b", "a-b", "a_b"),
    *("lofi", "94 bpm", "lofi 94 bpm", "C minor", "C sharp minor", "of 30 s", "94", "techno 94 bpm A minor"),
)
TELLINGS = (
    *({"text": text} for text in TEXTS),
    *({"style": text} for text in TEXTS),
    *({"key": f"{note} {mode}"} for note in ("C", "C♯", "D", "E♭", "E", "F", "F#", "G", "A♭", "A", "B♭", "B") for mode in ("major", "minor")),
    *({"tempo": 94}, {"length": 94}, {"tempo": 94.00001}, {"tempo": 94, "text": "lofi"}, {"tempo": 94, "style": "lofi"}),
    *({"text": "lofi", "style": "techno"}, {"text": "techno", "style": "lofi"}, {"text": "lofi techno"}),
)  # fmt: skip


def test_clips_that_are_told_different_things_have_different_files():
    """On file systems without case too, and where somebody writes the name of another clip as a prompt."""
    said = [prompts.say(told) for told in TELLINGS]
    said += [prompts.say({"text": words}) for words in said if {"text": words} not in TELLINGS]
    files = {file_names([words])[0].casefold() for words in said}
    assert len(files) == len(said)
    assert all(len(words.encode()) <= 49 for words in said) and not set("/\\\0!?#♯♭") & set("".join(said))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"key": "C# minor"}, {"key": "D♭m"}),
        ({"key": "Bb"}, {"key": "A sharp major"}),
        ({"tempo": 94}, {"tempo": np.float32(94)}),
        ({"style": "lofi", "tempo": 60}, {"tempo": 60.0, "style": "lofi"}),
    ],
    ids=str,
)
def test_the_same_in_other_spellings_is_called_the_same(one, other):
    assert prompts.say(one) == prompts.say(other)


def test_all_keys_are_called_by_a_name_of_theirs():
    said = [
        prompts.say({"key": spelled}).rpartition(" ")[0]
        for spelled in (f"{c}{m}" for c in "CDEFGAB" for m in ("", "m", "b", "bm", "#", "#m"))
    ]
    assert len(set(said)) == 24
    assert all(prompts.say({"key": name}).rpartition(" ")[0] == name for name in said)


def sample(workdir, out, *arguments):
    """`musicdiff sample`: its lines; raises what it raises."""
    arguments = ("sample", "--workdir", workdir, "--out", out, *arguments)
    done = CliRunner().invoke(cli.cli, [str(word) for word in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def records(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def test_everything_that_is_told_combines(workdir, tmp_path):
    lines = sample(
        *(workdir, tmp_path, "--num", 3, "--seed", 3, "--prompt", "calm piano", "--style", "lofi", "--bpm", 94),
        *("--key", "C# minor", "--negative", "drums", "--guidance", 2, "--interval", "-5,5", "--rescale", 0.5),
    )
    assert not any(line.startswith("note") for line in lines)
    first, *others = records(tmp_path)
    assert [record["seed"] for record in (first, *others)] == [3, 4, 5]
    assert first["prompt"] == "calm piano" and first["negative"] == {"prompt": "drums", "conditions": {}}
    assert first["conditions"] == {"style": "lofi", "tempo": 94.0, "key": "C# minor"}
    assert first["guidance"] == {"scale": 2.0, "interval": [-5.0, 5.0], "rescale": 0.5, "autoguide": None}
    said = prompts.say({"text": "calm piano", "style": "lofi", "tempo": 94.0, "key": "C# minor"})
    assert said.startswith("calm piano lofi 94 bpm C sharp minor ")
    name = f"{said} told step 2 ddim 3 trailing guidance 2 not drums within -5 to +5 rescale 0.5 0.512 s seed 3"
    assert first["name"] == name
    stems = sorted(path.stem for path in tmp_path.glob("*.wav"))
    assert all(stem.startswith(said.replace(" ", "-")) for stem in stems)
    assert [stem[-6:] for stem in stems] == [
        "seed-3",
        "seed-4",
        "seed-5",
    ]  # though the middle of so long a title is left out
    page = (tmp_path / "listen.html").read_text()
    assert "<p>calm piano</p>" in page and "<p>style lofi, tempo 94.0, key C# minor</p>" in page
    assert "<p>away from drums</p>" in page


def test_a_file_of_prompts_is_a_clip_a_line(workdir, tmp_path):
    """Equal lines too, in batches that do not divide them; empty lines are none."""
    texts = ["jazz", "", "jazz!", "jazz", "  静かなピアノ ", "/etc/" * 50]
    (tmp_path / "prompts.txt").write_text("\n".join(texts), encoding="utf-8")
    lines = sample(workdir, tmp_path / "out", "--prompts", tmp_path / "prompts.txt", "--batch-size", 3, "--bpm", 94)
    found = sorted(records(tmp_path / "out"), key=lambda record: record["seed"])
    assert [record["prompt"] for record in found] == [text.strip() for text in texts if text]
    assert [record["seed"] for record in found] == list(range(5))
    assert all(record["conditions"] == {"tempo": 94.0} and record["guidance"]["scale"] == 3.0 for record in found)
    assert len(list((tmp_path / "out").glob("*.wav"))) == 5 and any(line.startswith("5 clips of") for line in lines)
    assert [line for line in lines if line.startswith("note")] == [
        "note: text '静かなピアノ'... is cut: its last 3 of 18 bytes are not read; 2 of 5 clips are told such a text"
    ]


def test_one_seed_is_for_all_prompts(workdir, tmp_path):
    """Also where their words are the same but for signs, and stand in different batches."""
    (tmp_path / "prompts.txt").write_text("jazz\njazz!\njazz?\n")
    sample(workdir, tmp_path / "out", "--prompts", tmp_path / "prompts.txt", "--seeds", 7, "--batch-size", 1)
    found = records(tmp_path / "out")
    assert {record["seed"] for record in found} == {7}
    assert {record["prompt"] for record in found} == {"jazz", "jazz!", "jazz?"}


def test_without_a_prompt_it_says_what_it_did(workdir, tmp_path):
    for i, arguments in enumerate([(), ("--prompt", "")]):
        lines = sample(workdir, tmp_path / str(i), "--num", 1, *arguments)
        assert sum(line.startswith("note: told nothing") for line in lines) == 1
        (record,) = records(tmp_path / str(i))
        assert record["prompt"] is None and record["conditions"] == {} and record["guidance"] is None


def test_a_thousand_lines_are_a_thousand_titles(generator, tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"line {i % 300} of many, which is long enough to be cut somewhere\n" for i in range(1000)))
    told = [{"text": text} for text in prompts.read_file(path)]
    audio, mel = np.zeros((1000, 8, 1)), np.zeros((1000, 1, 1, 1))
    settings = {"name": "ddim", "num_steps": 50, "grid": "trailing"}
    clips = generation.Clips(
        audio, mel, 8000, tuple(range(1000)), 0.0, 1.0, settings, 50, tuple(told), {}, mel, Guidance(3.0)
    )
    titles = [export.describe(generator, clips, i) for i in range(1000)]
    assert len({name for title in titles for name in file_names([title])}) == 1000


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_of_prompts_is_read(tmp_path, newline, mark):
    path = tmp_path / "prompts.txt"
    path.write_bytes((mark + newline.join(["a b", "", "  ", " é\u2028音 ", "last"])).encode())
    assert prompts.read_file(path) == ["a b", "é\u2028音", "last"]


@pytest.mark.parametrize(("content", "words"), [(b"", "no prompts"), (b"\n \n", "no prompts"), (b"caf\xe9\n", "UTF-8")])
def test_a_file_without_prompts_is_named(tmp_path, content, words):
    path = tmp_path / "prompts.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path} .*{words}"):
        prompts.read_file(path)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--prompts", "none.txt"], FileNotFoundError, "none.txt"),
        (["--prompts", "none.txt", "--prompt", "x"], UsageError, "--prompt and --num do not go with it"),
        (["--prompts", "none.txt", "--num", "2"], UsageError, "--prompt and --num do not go with it"),
        (["--prompts", "two.txt", "--seeds", "1,2,3"], UsageError, "3 seeds and 2 things to tell"),
        (["--bpm", "nan"], UsageError, "--bpm must be a number above 0"),
        (["--bpm", "-3"], UsageError, "--bpm must be a number above 0"),
        (["--bpm", "1000"], UsageError, "tempo must be a number from 30 to 300 bpm"),
        (["--style", "polka"], UsageError, "there are: lofi, techno"),
        (["--key", "H"], UsageError, "key must be"),
        (["--length", "30"], UsageError, "not trained with the condition 'length'"),
        (["--guidance", "2"], UsageError, "told nothing"),
        (["--negative", "x", "--guidance", "1"], UsageError, "negative"),
        (["--prompt", "x", "--guidance", "-1"], UsageError, "scale"),
        (["--prompt", "x", "--negative", "y", "--autoguide", "1", "--guidance", "2"], UsageError, "--autoguide"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_sampled_is_refused(workdir, tmp_path, monkeypatch, arguments, error, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.txt").write_text("a\nb\n")
    with pytest.raises(error, match=words):
        sample(workdir, tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_model_without_conditions_cannot_be_told(trained, tmp_path):
    with pytest.raises(UsageError, match="not trained with the condition 'text'"):
        sample(trained, tmp_path / "out", "--prompt", "calm piano")
    sample(trained, tmp_path / "out", "--num", 1, "--prompt", "")
    assert [record["prompt"] for record in records(tmp_path / "out")] == [None]
