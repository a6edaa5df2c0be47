"""A run with conditions, from the labels of its tracks to what it leaves to hear; stopped and resumed, it is the same run, bit for bit."""

import json

import micro
import numpy as np
import pytest

from musicdiff import config as configuration
from musicdiff import facts, generation, prompts
from musicdiff.data.songs import list_styles
from musicdiff.errors import UsageError
from musicdiff.training import phases
from musicdiff.training.writer import read_metrics

STEPS = 4
CLOCK = (
    "data.source=builtin:6",
    "num_steps=4",
    "log_every=1",
    "checkpoint_every=2",
    "sample_every=0",
    "milestones=()",
    "conditions.style.classes=()",
)


def config_of(cache_dir, *changes):
    return micro.make_config("text", *CLOCK, f"data.cache_dir={cache_dir}", *changes)


@pytest.fixture(scope="module")
def whole(cache_dir, tmp_path_factory):
    """Four steps without interruption, with what is left to hear at the end; the sampler itself is not compiled for it."""

    def generate(generator, *, seeds, told):
        noise = np.random.default_rng(0).normal(0, 0.1, (len(seeds), 64, 64)).astype(np.float32)
        return generation.Clips(
            audio=noise.reshape(len(seeds), -1, 1),
            log_mel=noise[:, :, :16, None],
            x_0=noise[:, :, :16, None],
            sample_rate=8000,
            seeds=tuple(seeds),
            compile_seconds=1.0,
            compute_seconds=1.0,
            settings={},
            evaluations=1,
            told=tuple(told),
            negative={},
        )

    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "generate", generate)
        phases.run(config_of(cache_dir), folder)
    return folder


def losses(folder):
    records = [{k: v for k, v in record.items() if "loss" in k or k == "step"} for record in read_metrics(folder)]
    return [record for record in records if len(record) > 1]


def test_two_and_two_are_four(whole, cache_dir, tmp_path):
    """The classes of the data, which config.json has since the first start, are no change of the configuration."""
    with micro.without_sound():
        phases.run(config_of(cache_dir, "num_steps=2"), tmp_path / "run")
        phases.run(config_of(cache_dir), tmp_path / "run")
    assert "resumed at step 2" in (tmp_path / "run" / "log.txt").read_text()
    assert losses(tmp_path / "run") == losses(whole)
    file = f"milestones/step_{STEPS:06d}.safetensors"
    assert (tmp_path / "run" / file).read_bytes() == (whole / file).read_bytes()


def test_config_json_has_the_classes_of_the_data(whole):
    classes = configuration.read(whole)["conditions"]["style"]["classes"]
    assert (
        len(classes) == 6
        and set(classes) <= {style.name for style in list_styles()}
        and list(classes) == sorted(classes)
    )


def test_more_classes_than_there_is_room_for_are_refused_before_anything_is_written(cache_dir, tmp_path):
    with pytest.raises(UsageError, match="6 classes, and room for capacity=5"):
        phases.run(config_of(cache_dir, "conditions.style.capacity=5"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_clips_on_the_way_are_told_what_the_real_ones_beside_them_tell(whole):
    real, made = (
        [json.loads(path.read_text()) for path in sorted((whole / "samples" / folder).glob("*.json"))]
        for folder in ("real", f"step_{STEPS:06d}")
    )
    assert len(real) == len(made) == 4
    for beside, clip in zip(real, made):
        assert clip["prompt"] == beside["prompt"] and clip["conditions"] == beside["conditions"]
        assert clip["prompt"].startswith(f"{clip['conditions']['style']}, {clip['conditions']['tempo']:g} bpm")
        said = prompts.say({"text": clip["prompt"], **clip["conditions"]})
        assert all(name.partition(": ")[2] == said for name in (clip["name"], beside["name"]))
    page = (whole / "listen.html").read_text()
    assert made[0]["prompt"] in page


def test_the_card_lists_what_it_can_be_told(whole):
    shares = facts.read(whole)["conditions"]
    assert shares == dict.fromkeys(configuration.read(whole)["conditions"], 1.0)
    card = (whole / "MODEL_CARD.md").read_text()
    assert f"| can be told | {', '.join(shares)} |" in card
    assert all(f"| tracks that tell {name} | 100.0% |" in card for name in shares)
    assert np.all([f"{name}: told by 6 of 6 tracks" in (whole / "log.txt").read_text() for name in shares])
