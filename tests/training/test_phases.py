"""What a run says of its data, and with which data it goes on."""

from types import SimpleNamespace

import pytest
from etils import epath

from musicdiff import facts
from musicdiff.errors import UsageError
from musicdiff.training import phases

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
