"""What a run refuses before it begins, what it says of its data, and with which data and text encoders it goes on."""

import pathlib
import shutil
from types import SimpleNamespace

import micro
import pytest
from etils import epath

from musicdiff import config as configuration
from musicdiff import facts, generation, parallel
from musicdiff.errors import DataError, UsageError
from musicdiff.training import loop, phases

TOLD, UNTOLD = SimpleNamespace(conditions={"text": None}), SimpleNamespace(conditions={})


def cached(fingerprint="audio", labels="labels", **more):
    return SimpleNamespace(
        fingerprint=fingerprint,
        label_fingerprint=labels,
        hours=1.25,
        licences={"CC0": 3},
        split=lambda name: range(2 if name == "train" else 1),
        **more,
    )


def test_edited_labels_are_told_and_taken(tmp_path, capsys):
    phases.record_data(epath.Path(tmp_path), cached(), TOLD)
    phases.record_data(epath.Path(tmp_path), cached(), TOLD)
    assert not capsys.readouterr().out
    phases.record_data(epath.Path(tmp_path), cached(labels="edited"), TOLD)
    assert (
        capsys.readouterr().out
        == f"labels of the tracks have changed since {tmp_path} began; it goes on with those of now\n"
    )
    phases.record_data(epath.Path(tmp_path), cached(labels="edited"), TOLD)
    assert not capsys.readouterr().out
    assert facts.read(tmp_path)["labels"] == "edited" and facts.read(tmp_path)["tracks"] == 3


def test_a_model_that_is_told_nothing_does_not_mind(tmp_path, capsys):
    phases.record_data(epath.Path(tmp_path), cached(), UNTOLD)
    phases.record_data(epath.Path(tmp_path), cached(labels="edited"), UNTOLD)
    assert not capsys.readouterr().out


def test_other_audio_is_refused(tmp_path):
    phases.record_data(epath.Path(tmp_path), cached(), TOLD)
    with pytest.raises(
        UsageError, match=r"the audio has changed since .* began \(audio, now other\): restore it, or name"
    ):
        phases.record_data(epath.Path(tmp_path), cached(fingerprint="other"), TOLD)
    assert facts.read(tmp_path)["fingerprint"] == "audio"


def test_what_was_left_out_is_said_with_where_to_look(tmp_path):
    faults = [{"name": "a.wav", "reason": "truncated"}]
    found = cached(skipped=faults, unread_labels=faults * 2, path=tmp_path, index={"source": "folder:my music"})
    assert phases.describe_data(found).splitlines() == [
        "1.25 hours: 2 tracks to train on, 1 held out",
        f"1 tracks left out, the first a.wav, truncated; all are listed in {tmp_path / 'report.json'}",
        "labels ignored in 2 files, the first a.wav, truncated; `musicdiff data doctor 'folder:my music'` lists them",
    ]


PUBLISHED = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers"


def encoder_in(folder, kind="t5"):
    return pathlib.Path(shutil.copytree(PUBLISHED / kind, folder))


def told_by(encoder, cache_dir, *changes):
    """A micro configuration whose captions are read by the T5 of a folder."""
    config = micro.make_config("text", "data.source=builtin:6", f"data.cache_dir={cache_dir}", *changes)
    return config | {"conditions": {"text": {"name": "t5", "dropout": 0.1, "path": str(encoder), "length": 8}}}


@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_an_encoder_that_cannot_be_loaded_is_refused_before_anything_is_written(tmp_path, content):
    encoder = encoder_in(tmp_path / "t5")
    (encoder / "model.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors is truncated or no safetensors file"):
        phases.run(told_by(encoder, tmp_path / "cache"), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["t5"]


def test_a_run_goes_on_with_the_text_encoder_it_began_with(tmp_path, cache_dir, monkeypatch):
    """Wherever that lies; with another, of the same sizes, neither training nor sampling goes on."""
    monkeypatch.setattr(loop, "train", lambda *run: True)
    run, encoder = tmp_path / "run", encoder_in(tmp_path / "t5")
    phases.run(told_by(encoder, cache_dir), run)
    assert list(facts.read(run)["encoders"]) == ["text"]

    moved = encoder.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"t5 is no folder; .*in its workdir's config.json"):
        generation.load(run)
    phases.run(told_by(moved, cache_dir), run)
    assert configuration.read(run)["conditions"]["text"]["path"] == str(moved)

    other = encoder_in(tmp_path / "other")
    (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text() + " ")
    before = (run / "config.json").read_bytes()
    said = f"condition 'text': {other} is another text encoder than {run} began with; restore it, or name"
    with pytest.raises(DataError, match=said):
        phases.run(told_by(other, cache_dir), run)
    assert (run / "config.json").read_bytes() == before
    (run / "config.json").write_text(configuration.to_json(told_by(other, cache_dir)))
    with pytest.raises(DataError, match=said):
        generation.load(run)


def test_processes_wait_for_each_other_before_anything_is_written(tmp_path, cache_dir, monkeypatch):
    """Others read the workdir's config.json to plan by: the main process must not be writing it then."""

    def barrier(name):
        raise TimeoutError(f"{name}, {(tmp_path / 'run').exists()}")

    monkeypatch.setattr(parallel, "barrier", barrier)
    with pytest.raises(TimeoutError, match="planned, False"):
        phases.run(told_by(PUBLISHED / "t5", cache_dir), tmp_path / "run")


def test_a_rescale_of_a_flow_map_is_refused_at_the_start(tmp_path):
    config = micro.make_config("text", "process={'objective': 'mean_flow'}", "guidance.rescale=0.5")
    config |= {"sampler": {"name": "pingpong", "num_steps": 3, "grid": "auto"}}
    with pytest.raises(UsageError, match=r"rescale=0\.5 is for models that estimate data; this one, a flow map"):
        phases.plan(config, tmp_path)
