"""The score of planted vectors, whose cosines are known; prompts as they lie beside clips; and both halves of one file."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch_files
from tokenizers import ByteLevelBPETokenizer

from musicdiff.artifacts import clips
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import clap_score, clap_text, embedding, listening
from musicdiff.evaluation import key as keys
from musicdiff.evaluation.embedded import Embedded
from musicdiff.evaluation.embeddings import clap
from musicdiff.evaluation.listening import Heard
from musicdiff.networks.bert_encoder import BertEncoder
from musicdiff.networks.clap_text import ClapText
from musicdiff.networks.htsat import Htsat

EMBEDDING = SimpleNamespace(name="clap:music", protocol="p", weights="w", window=10, sample_rate=1)
WORDS = ("calm", "loud", "fast", "slow")


def texts(vectors, weights="w"):
    """An embedding of texts that knows some; those of more than four letters are too long for it."""
    return SimpleNamespace(
        weights=weights,
        tokenizer_sha256="t",
        embed=lambda asked: np.array([vectors[text] for text in asked], np.float32),
        is_cut=lambda text: len(text) > 4,
    )


def heard(x, clip=None, padding=0.0):
    x = np.asarray(x, np.float32)
    embedded = Embedded(
        clip := np.arange(len(x)) if clip is None else clip, x, tuple(f"{i}.wav" for i in range(clip.max() + 1))
    )
    return Heard(
        embedded, np.full(len(x), padding, np.float32), 2.0 * embedded.clips, (48000,), (1,), (("bad.wav", "why"),), "s"
    )


def measure(found, told, vectors, **options):
    prompts = {f"{i}.wav": prompt for i, prompt in enumerate(told) if prompt}
    unprompted = {name: "none" for name in found.embedded.names if name not in prompts}
    return clap_score.measure(EMBEDDING, texts(vectors), found, prompts, unprompted, **options)


AXES = dict(zip(WORDS, np.eye(4)))


def test_clips_that_are_their_prompts():
    found = measure(heard(np.eye(4)), WORDS, AXES)
    assert (found.score.value, found.score.error) == (1, 0)
    assert (found.null.value, found.gain.value) == (0, 1)
    assert found.cosines == {f"{i}.wav": 1.0 for i in range(4)}
    assert (found.key.clips, found.prompts, found.unusable) == (4, 4, {"bad.wav": "why"})


def test_windows_are_averaged_and_then_brought_to_the_sphere():
    """Two windows along two axes: their mean is shorter than 1, its direction is not."""
    x, clip = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.array([0, 0, 1])
    found = measure(heard(x, clip), ("calm", "slow"), AXES)
    assert list(found.cosines.values()) == pytest.approx([np.sqrt(0.5), 0])
    assert found.score.value == pytest.approx(np.sqrt(0.125))


def test_the_error_is_the_deviation_over_clips():
    x = np.random.default_rng(0).normal(size=(30, 4))
    vectors = {str(i): row for i, row in enumerate(np.random.default_rng(1).normal(size=(30, 4)))}
    vectors = {text: row / np.linalg.norm(row) for text, row in vectors.items()}
    found = measure(heard(x), vectors, vectors)
    cosines = [row @ vectors[str(i)] / np.linalg.norm(row) for i, row in enumerate(x)]
    np.testing.assert_allclose(list(found.cosines.values()), cosines, atol=1e-6)
    assert found.score.value == pytest.approx(np.mean(cosines), abs=1e-6)
    assert found.score.error == pytest.approx(np.std(cosines, ddof=1) / np.sqrt(30), abs=1e-6)
    assert found.gain.value == pytest.approx(found.score.value - found.null.value)
    assert found.score.interval[0] < found.score.value - 2 * found.score.error


def test_clips_of_one_prompt_are_alike():
    """Two prompts, each with 20 clips that agree: that is what two numbers tell, not 40."""
    values, prompts = np.repeat([0.2, 0.4], 20), np.repeat([0, 1], 20)
    assert clap_score.mean(values, prompts).error == pytest.approx(0.1)
    assert clap_score.mean(values, np.arange(40)).error == pytest.approx(np.std(values, ddof=1) / np.sqrt(40))


def test_the_interval_covers():
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 6, 25)
    groups, inside = np.repeat(np.arange(25), sizes), 0
    for _ in range(400):
        values = 0.3 + rng.normal(size=25).repeat(sizes) * 0.1 + rng.normal(size=len(groups)) * 0.05
        low, high = clap_score.mean(values, groups).interval
        inside += low <= 0.3 <= high
    assert 0.90 <= inside / 400 <= 0.98


@pytest.mark.parametrize("sizes", [[1, 1], [1] * 7, [3, 3], [3, 2, 1], [2, 5, 1, 4, 2], [1, 4, 3]])
def test_everyone_gets_anothers(sizes):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    drawn = [clap_score.derange(groups, seed) for seed in range(20)]
    for others in drawn:
        np.testing.assert_array_equal(np.sort(others), np.arange(len(groups)))
        assert (groups[others] != groups).all()
    np.testing.assert_array_equal(drawn[0], clap_score.derange(groups, 0))
    assert len(groups) == 2 or len({tuple(others) for others in drawn}) > 1


@pytest.mark.parametrize("told", [["calm"] * 4, ["calm"] * 3 + ["loud"]])
def test_without_other_prompts_there_is_no_null(told):
    found = measure(heard(np.eye(4)), told, AXES)
    assert found.null is None and found.gain is None
    assert found.score.value == pytest.approx(0.25)
    assert "more than half of the clips have one prompt" in clap_score.render(found)


def test_what_is_not_scored_is_counted():
    found = measure(heard(np.eye(4)), ("calm", None, "fast", ""), AXES | {"slower": np.eye(4)[0]})
    assert set(found.unprompted) == {"1.wav", "3.wav"}
    assert (found.key.clips, found.key.seconds, list(found.cosines)) == (2, 4.0, ["0.wav", "2.wav"])
    said = clap_score.render(found)
    for words in (
        "CLAP score by clap:music 1.0000",
        "without a prompt: 2",
        "unusable: 1",
        "bad.wav: why",
        "2 with 2 different",
    ):
        assert words in said
    assert json.loads(json.dumps(dataclasses.asdict(found)))["unprompted"] == {"1.wav": "none", "3.wav": "none"}


def test_long_prompts_are_named():
    found = measure(heard(np.eye(4)), (*WORDS[:3], "slower"), AXES | {"slower": np.eye(4)[3]})
    assert found.cut == ("3.wav",)


def test_what_cannot_be_scored():
    with pytest.raises(DataError, match="1 of 4 clips have a prompt, and 2 are needed"):
        measure(heard(np.eye(4)), ("calm",), AXES)
    with pytest.raises(DataError, match="100% of the windows are padded, 10% may be: clap:music listens to 10 s"):
        measure(heard(np.eye(4), padding=0.7), WORDS, AXES)
    assert measure(heard(np.eye(4), padding=0.7), WORDS, AXES, max_padded=1.0).padded == 1
    with pytest.raises(UsageError, match="halves of two files"):
        clap_score.measure(EMBEDDING, texts(AXES, "other"), heard(np.eye(4)), {}, {})


def test_scores_of_other_prompts_are_not_compared():
    a, b = (measure(heard(np.eye(4)), told, AXES) for told in (WORDS, WORDS[::-1]))
    keys.check_same(a.key, b.key)  # the same prompts, in another order
    other = measure(heard(np.eye(4)), ("calm", *WORDS[1:3], "fast"), AXES)
    with pytest.raises(UsageError, match=r"differ in reference prompts [0-9a-f]{12} and prompts"):
        keys.check_same(a.key, other.key)


def test_prompts_lie_beside_clips(tmp_path):
    records = [{"prompt": "calm", "conditions": {}}, {"prompt": None, "conditions": {"style": "lofi"}}]
    clips.save_clips(tmp_path, ["told", "untold"], np.zeros((2, 100, 1)), 8000, provenance=records)
    for name, content in (
        ("captioned.json", '{"caption": " a waltz\\n", "prompt": ""}'),
        ("texted.txt", "\ufeffloud drums\n"),
        ("damaged.json", "{"),
        ("listed.json", "[1]"),
        ("latin.txt", b"caf\xe9"),
        ("number.json", '{"prompt": 3}'),
    ):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
    names = ["told", "untold", "captioned", "texted", "damaged", "listed", "latin", "number", "alone"]
    prompts, unprompted = clap_score.read_prompts(tmp_path, [f"{name}.wav" for name in names])
    assert prompts == {"told.wav": "calm", "captioned.wav": "a waltz", "texted.wav": "loud drums"}
    assert prompts.keys() | unprompted.keys() == {f"{name}.wav" for name in names}
    assert unprompted["untold.wav"] == "no prompt in untold.json or untold.txt"
    assert unprompted["damaged.wav"].startswith("what lies beside it cannot be read")
    assert unprompted["latin.wav"].startswith("what lies beside it cannot be read")


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Both halves in one file, small ones, with a tokenizer beside it."""
    encoder = BertEncoder(262, 16, num_layers=1, num_heads=4, hidden=24, max_length=96, num_types=1, eps=1e-5, first=2)
    audio, text = Htsat(8, (1, 1), (2, 4), projected=6), ClapText(encoder, projected=6)
    monkeypatch.setattr(clap, "NETWORKS", dict.fromkeys(clap.NETWORKS, audio))
    monkeypatch.setattr(clap_text, "NETWORK", text)
    halves = torch_files.clap(torch_files.draw(audio, (1, 1001, 64)))
    halves |= torch_files.clap_text(torch_files.draw(text, (1, 2), dtype=np.int32))
    trainer = ByteLevelBPETokenizer()
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer.train_from_iterator(WORDS, 262, min_frequency=1, special_tokens=marks, show_progress=False)
    (tmp_path / "weights").mkdir()
    trainer.save_model(str(tmp_path / "weights"))
    return torch_files.save(tmp_path / "weights" / "it.pt", halves)


def test_a_folder_by_both_halves_of_a_file(published, tmp_path):
    rng = np.random.default_rng(0)
    audio = rng.uniform(-0.5, 0.5, (3, 80_000, 1))
    told = [{"prompt": "calm"}, {"prompt": "loud"}, {"prompt": None}]
    made = clips.save_clips(tmp_path / "made", ["a", "b", "c"], audio, 8000, provenance=told)
    found = clap_score.of_folder(tmp_path / "made", weights=published, cache_dir=tmp_path / "cache", progress=False)
    assert set(found.cosines) == {"a.wav", "b.wav"} and set(found.unprompted) == {made[2].audio.name}
    assert (found.key.embedding, found.key.rate, found.padded) == ("clap:music", (8000,), 0)
    assert "; RoBERTa's first 77 tokens by " in found.key.protocol and found.key.weights
    # two clips: each other's prompt is the only one
    words = ("calm", "loud")
    text = dict(zip(words, clap_text.load("music", published).embed(words)))
    sound = listening.folder(
        embedding.load("clap:music", published),
        tmp_path / "made",
        cache_dir=tmp_path / "cache",
        progress=False,
    ).embedded.x
    np.testing.assert_allclose(found.cosines["a.wav"], sound[0] @ text["calm"], atol=1e-6)
    assert found.null.value == pytest.approx((sound[0] @ text["loud"] + sound[1] @ text["calm"]) / 2, abs=1e-6)


def test_an_embedding_without_texts(tmp_path):
    with pytest.raises(UsageError, match="musicnn embeds no texts"):
        clap_score.of_folder(tmp_path, "musicnn")
