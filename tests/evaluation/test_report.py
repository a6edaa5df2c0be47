"""The report of a folder and of a workdir: what is in it, what could not be had and why, and that it is written."""

import io
import json

import loudness
import numpy as np
import pytest
from matplotlib.image import imread

from musicdiff import generation
from musicdiff.audio import io as files
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import divergence, fad, kad, listening, nulls, prdc, report, rows
from musicdiff.evaluation import reference as references
from musicdiff.tagging import tags

EMBEDDING = loudness.make()


def real_clips(count):
    """Of other names than generated ones: tags of musicnn's are not compared."""
    return ((name.replace("clip", "real"), audio) for name, audio in loudness.clips(count, 0))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Generated clips, some of them unlike the others or broken, and real ones."""
    home = tmp_path_factory.mktemp("clips")
    generated = loudness.write(home / "generated", loudness.clips(24, 1))
    files.write(generated / "loud.wav", np.full((4096, 1), 0.9, np.float32), 8000, subtype="FLOAT")
    files.write(generated / "silent.wav", np.zeros((4096, 1), np.float32), 8000, subtype="FLOAT")
    (generated / "broken.wav").write_bytes(b"RIFF")
    return generated, loudness.write(home / "real", real_clips(48))


@pytest.fixture(scope="module")
def found(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return report.measure(folders[0], str(folders[1]), EMBEDDING, out=out, cache_dir=out / "vectors", seed=3)


def test_a_folder_has_its_scores(found, folders):
    heard, real = (listening.folder(EMBEDDING, folder, cache_dir=folder.parent / "vectors") for folder in folders)
    against = references.load(EMBEDDING, str(folders[1]), cache_dir=folders[0].parent / "vectors")
    assert found.subject == "generated" and found.score.label == "generated"
    assert found.score.fad == fad.measure(heard.embedded, against.moments, seed=3)
    assert found.kad == kad.measure(heard.embedded, real.embedded)
    assert found.prdc == prdc.measure(heard.embedded, real.embedded)
    assert [row.label for row in found.nulls][:4] == [nulls.MEAN, nulls.SILENCE, nulls.NOISE, nulls.HALVES]
    assert found.made_by == {} and set(found.missing) == {"KL of musicnn's tags"}


def test_outliers_come_first(found):
    assert next(iter(found.influences)) == "loud.wav"
    assert len(found.influences) == 26
    assert list(found.influences.values()) == sorted(found.influences.values(), reverse=True)
    assert sum(found.influences.values()) == pytest.approx(0, abs=1e-12)


def test_an_influence_is_about_what_the_score_would_lose(found, folders):
    heard = listening.folder(EMBEDDING, folders[0], cache_dir=folders[0].parent / "vectors")
    against = references.load(EMBEDDING, str(folders[1]), cache_dir=folders[0].parent / "vectors")
    without = rows.part(heard, np.flatnonzero(np.array(heard.embedded.names) != "clip 003.wav"))
    lower = found.score.fad.raw - fad.measure(without.embedded, against.moments).raw
    assert found.influences["clip 003.wav"] == pytest.approx(lower, rel=0.2)


def test_unusable_clips_have_their_reason(found):
    ((name, reason),) = found.unusable
    assert name == "broken.wav" and reason
    assert found.score.unusable == 1


def test_levels_are_of_clips_that_are_not_silent(found):
    low, mean, high = found.levels.rms_db
    assert high == pytest.approx(20 * np.log10(0.9), abs=1e-4) and low < mean < high
    assert low > -40
    assert found.levels.findings["silent"] == 1 and found.levels.findings["DC"] == 1


def test_against_statistics_what_needs_windows_is_missing(folders, tmp_path):
    against = references.load(EMBEDDING, str(folders[1]), cache_dir=tmp_path)
    references.save(tmp_path / "real.npz", EMBEDDING, against.heard)
    found = report.measure(folders[0], str(tmp_path / "real.npz"), EMBEDDING, out=tmp_path, cache_dir=tmp_path)
    assert found.kad is found.prdc is found.tags is None
    assert set(found.missing) == {"KAD", "precision, recall, density, coverage", "KL of musicnn's tags"}
    assert all("give a folder" in reason for reason in found.missing.values())
    text = report.render(found)
    assert f"- {nulls.HALVES}: none, because" in text and "- KAD: none, because" in text


def test_tags_are_compared_by_name(folders, monkeypatch, tmp_path):
    """Each clip with the reference's of its name; the reference's tags are p."""
    monkeypatch.setattr(tags, "load", lambda: "tagger")
    monkeypatch.setattr(tags, "listen", lambda tagger, audio, rate: {"loud": float(np.abs(audio).mean())})
    names = [f"clip {i:03d}.wav" for i in range(24)]
    real = loudness.write(tmp_path, loudness.clips(30, 2))
    found = report.compare_tags(folders[0], [*names, "loud.wav"], real, [*names[::-1], "clip 028.wav"])
    q, p = (
        np.array([[float(np.abs(files.read(folder / name)[0]).mean())] for name in names])
        for folder in (folders[0], real)
    )
    assert found.value == pytest.approx(divergence.kl_tags(p, q).mean(), rel=1e-6)
    assert found.value != pytest.approx(divergence.kl_tags(q, p).mean(), rel=1e-3)
    with pytest.raises(DataError, match="no clips of the two folders are named alike"):
        report.compare_tags(folders[0], ["loud.wav"], real, names)


def test_it_is_written(found, tmp_path):
    paths = report.write(tmp_path / "new", found)
    assert [path.name for path in paths] == ["report.md", "report.json", "report.png"]
    read = json.loads(paths[1].read_text())
    assert read["score"]["metric"] == "loudness-FAD" and read["score"]["fad"]["raw"] == found.score.fad.raw
    assert read["score"]["key"]["protocol"] == EMBEDDING.protocol
    assert len(read["nulls"]) == 7 and read["nulls"][-1]["reason"]
    assert read["influences"]["loud.wav"] > 0 and read["unusable"][0][0] == "broken.wav"
    assert imread(io.BytesIO(paths[2].read_bytes())).shape[0] > 400
    text = paths[0].read_text()
    value = found.score.fad
    assert f"**loudness-FAD {value.value:.4g} ± {value.error:.2g}**" in text
    assert "\n- FAD" not in text and "loud.wav" in text and "broken.wav" in text and nulls.NO_MODEL in text
    assert f"- protocol: {EMBEDDING.protocol}" in text and "- 8000 Hz, 1 channel\n" in text
    again = report.write(tmp_path / "again", found)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


@pytest.fixture(scope="module")
def of_workdir(trained, folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("workdir")
    asked = {"sampler": {"num_steps": 2}}
    options = {"num_clips": 6, "seed": 5, "batch_size": 4, "asked": asked, "cache_dir": out / "vectors"}
    return out, report.measure(trained, str(folders[1]), EMBEDDING, out=out, milestone="3", **options)


def test_a_workdir_generates_by_its_seeds(trained, of_workdir):
    out, found = of_workdir
    generator = generation.load(trained, milestone="3")
    clips = generation.generate(generator, seeds=list(range(5, 11)), sampler={"num_steps": 2}, batch_size=4)
    for seed, audio in zip(clips.seeds, clips.audio):
        kept, rate = files.read(out / "clips" / f"seed-{seed:06d}.wav")
        assert rate == 8000 and np.array_equal(kept, audio)
    assert found.score.key.clips == 6 and "step 3" in found.subject
    assert found.made_by["seed"] == "5 to 10" and found.made_by["step"] == 3
    assert found.made_by["sampler"]["num_steps"] == 2
    assert (out / "clips" / "listen.html").exists()


def test_a_workdir_has_all_nulls(of_workdir):
    _, found = of_workdir
    assert all(row.fad for row in found.nulls)
    text = report.render(found)
    for label in (nulls.TRAINING, nulls.HELD_OUT, nulls.CODEC):
        assert f"that of {label}." in text
    assert {"reference", "generating", "embedding", "nulls", "other scores"} <= found.seconds.keys()


def test_clips_of_another_report_are_not_scored_with(trained, of_workdir, folders):
    out, _ = of_workdir
    with pytest.raises(UsageError, match="is not empty"):
        report.measure(trained, str(folders[1]), EMBEDDING, out=out, num_clips=2, cache_dir=out / "vectors")
