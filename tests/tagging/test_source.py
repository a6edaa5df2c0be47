"""From sources to sidecars, with estimators that say what the test wants; one test hears for itself."""

import json
import math

import numpy as np
import pytest

from musicdiff import cli, data
from musicdiff.audio import io
from musicdiff.data import songs
from musicdiff.errors import DataError, UsageError
from musicdiff.tagging import key, source, tags, tempo
from musicdiff.tagging.estimate import Estimate

TAGGER = tags.Tagger("MTT_musicnn", {}, "0123456789abcdef")


@pytest.fixture
def heard(monkeypatch):
    """What the estimators say; to be changed by the test. There are no weights unless it sets `tagger`."""
    said = {"tempo": Estimate(119.7, 0.9), "key": Estimate("A minor", 0.9), "tags": {"piano": 0.5, "slow": 0.1}}

    def load():
        if "tagger" not in said:
            raise DataError("musicnn is not there: fetch it by `musicdiff weights get musicnn`")
        return TAGGER

    monkeypatch.setattr(tempo, "estimate", lambda audio, rate: said["tempo"])
    monkeypatch.setattr(key, "estimate", lambda audio, rate: said["key"])
    monkeypatch.setattr(tags, "load", load)
    monkeypatch.setattr(tags, "listen", lambda tagger, audio, rate: said["tags"])
    return said


@pytest.fixture
def folder(tmp_path):
    """a.wav in a folder of a style, b.wav without."""
    noise = np.random.default_rng(0).normal(0, 0.1, (4000, 1))
    for name in ("bossa_nova/a.wav", "b.wav"):
        (tmp_path / "music" / name).parent.mkdir(parents=True, exist_ok=True)
        io.write(tmp_path / "music" / name, noise, 8000)
    return tmp_path / "music"


def run(folder, **options):
    return source.tag(f"folder:{folder}", progress=False, **options)


def sidecar(path):
    return json.loads(path.read_text())


def track(folder, name="b.wav"):
    opened = data.open_source(f"folder:{folder}")
    assert not opened.unread_labels
    return next(track for track in opened.tracks if track.name == name)


def test_what_is_heard_is_written_and_read_back(folder, heard):
    heard["tagger"] = True
    report = run(folder)
    assert (report.tracks, report.written, report.unused, report.no_tags) == (2, 2, [], "")
    assert report.filled == {"tempo": 2, "key": 2, "tags": 2, "caption": 2}
    content = sidecar(folder / "b.json")
    assert content["tempo"] == 120 and content["key"] == "A minor" and content["tags"] == ["piano"]
    assert content["tagged"]["tempo"]["confidence"] == 0.9
    assert content["tagged"]["tempo"]["source"].startswith("beat tracker of musicdiff ")
    assert content["tagged"]["tags"] == {
        "value": ["piano"], "confidence": {"piano": 0.5}, "source": "musicnn MTT_musicnn sha256 0123456789ab",
    }  # fmt: skip
    read = track(folder)
    assert (read.caption, read.tempo, read.key) == ("piano, 120 bpm, A minor", 120.0, "A minor")
    assert track(folder, "bossa_nova/a.wav").caption == "bossa nova, piano, 120 bpm, A minor"


def test_below_its_confidence_a_field_stays_empty(folder, heard):
    heard |= {"tempo": Estimate(120.0, 0.59), "key": Estimate(None, 0.0)}
    report = run(folder)
    assert report.written == 0 and not list(folder.rglob("*.json"))
    run(folder, least=source.LEAST | {"tempo": 0.5})
    assert sidecar(folder / "b.json").keys() == {"tempo", "tagged"}


def test_without_weights_there_are_tempo_and_key(folder, heard):
    report = run(folder)
    assert "musicdiff weights get musicnn" in report.no_tags
    content = sidecar(folder / "b.json")
    assert content.keys() == {"tempo", "key", "tagged"}
    assert track(folder).caption == "120 bpm, A minor"  # put together by data.labels, and follows what people change


def test_tags_outlive_a_run_without_weights(folder, heard):
    heard["tagger"] = True
    run(folder)
    before = sidecar(folder / "b.json")
    del heard["tagger"]
    assert run(folder).written == 0
    assert sidecar(folder / "b.json") == before


def test_a_persons_words_stay(folder, heard):
    heard["tagger"] = True
    (folder / "b.json").write_text('{"tempo": "60 bpm", "seed": 3, "key": ""}')
    (folder / "bossa_nova" / "a.txt").write_text("my own words")
    (folder / "metadata.csv").write_text("file,key\nbossa_nova/a.wav,F# major\n")
    run(folder)
    content = sidecar(folder / "b.json")
    assert content["tempo"] == "60 bpm" and content["seed"] == 3 and content["key"] == "A minor"
    assert content["caption"] == "piano, 60 bpm, A minor"
    content = sidecar(folder / "bossa_nova" / "a.json")
    assert content.keys() == {"tempo", "tags", "tagged"}
    read = track(folder, "bossa_nova/a.wav")
    assert (read.caption, read.key, read.tempo) == ("my own words", "F# major", 120.0)


def test_ours_is_made_anew_and_what_a_person_changed_is_not(folder, heard):
    heard["tagger"] = True
    run(folder)
    content = sidecar(folder / "b.json")
    (folder / "b.json").write_text(json.dumps(content | {"key": "C major"}))
    heard |= {"tempo": Estimate(90.0, 0.9), "key": Estimate("D minor", 0.9), "tags": {"flute": 0.5}}
    assert run(folder).written == 2
    content = sidecar(folder / "b.json")
    assert (content["tempo"], content["key"], content["tags"]) == (90, "C major", ["flute"])
    assert content["caption"] == "flute, 90 bpm, C major"
    assert content["tagged"].keys() == {"tempo", "tags", "caption"}
    assert run(folder).written == 0


def test_out_holds_what_the_source_knows_too(tmp_path, heard):
    heard["tagger"] = True
    report = source.tag("builtin:2", tmp_path / "out", progress=False)
    assert report.filled == {"tempo": 0, "key": 0, "tags": 2, "caption": 0}
    (song, _) = data.open_source("builtin:2").tracks
    content = sidecar(tmp_path / "out" / "builtin-000000.json")
    assert (content["caption"], content["tempo"], content["key"]) == (song.caption, song.tempo, song.key)
    assert content["tags"] == ["piano"] and content["tagged"].keys() == {"tags"}
    assert source.tag("builtin:2", tmp_path / "out", progress=False).written == 0


def test_a_source_without_a_folder_needs_one():
    with pytest.raises(UsageError, match="builtin has no folder for sidecars: give one by --out"):
        source.tag("builtin")


def test_what_cannot_be_used_is_told_and_not_fatal(folder, heard):
    (folder / "b.json").write_text("{mine")
    (folder / "broken.wav").write_bytes(b"no audio")
    report = run(folder)
    reasons = {track["name"]: track["reason"] for track in report.unused}
    assert reasons.keys() == {"b.wav", "broken.wav"}
    assert "b.json is not JSON, and is left as it is" in reasons["b.wav"]
    assert (folder / "b.json").read_text() == "{mine"
    assert "left out broken.wav: not readable as audio" in source.render(report)
    (folder / "bossa_nova" / "a.json").write_text("[]")
    with pytest.raises(DataError, match="none of its 3 tracks can be tagged"):
        run(folder)


@pytest.mark.parametrize(
    ("audio", "reason"),
    [(np.zeros((0, 1), np.float32), "holds no samples"), (np.full((9000, 1), np.nan, np.float32), "holds NaN or infinite samples")],
    ids=["empty", "nan"],
)  # fmt: skip
def test_audio_that_cannot_be_heard_is_told_and_not_fatal(tmp_path, monkeypatch, audio, reason):
    """Of sources that do not look at their samples, by the estimators themselves."""
    good = data.open_source("builtin:1").tracks[0]
    bad = data.Track("bad", lambda sample_rate, channels: (audio, sample_rate))
    monkeypatch.setattr(data, "open_source", lambda text: data.TrackSource("pair", (bad, good), ""))
    report = source.tag("tfds:pair", tmp_path, progress=False)
    assert report.unused == [{"name": "bad", "reason": reason}] and report.written == 1


def test_the_command(folder, heard, capsys, monkeypatch):
    arguments = ["musicdiff", "data", "tag", f"folder:{folder}", "--tempo-confidence", "0.95", "--json"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["filled"] == {"tempo": 0, "key": 2, "tags": 0, "caption": 0}
    monkeypatch.setattr("sys.argv", [*arguments[:4], "--key-confidence", "2"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2


def test_a_song_is_heard(tmp_path):
    """House: a kick on every beat."""
    plan = next(plan for plan in map(songs.plan_song, range(14)) if plan.style.name == "house")
    io.write(tmp_path / "song.wav", songs.render(songs.compose(plan), 22_050, 1), 22_050)
    run(tmp_path, least={"tempo": 0.0, "key": 0.0, "tags": 0.3})
    read = track(tmp_path, "song.wav")
    assert read.tempo == pytest.approx(plan.tempo, rel=0.01)
    assert read.key and not math.isnan(read.tempo)
