"""A folder as an embedding hears it: every clip once, in order, whatever lies beside it; and what cannot be heard, with its reason."""

import dataclasses
import hashlib
import json

import jax.numpy as jnp
import loudness
import numpy as np
import pytest

from musicdiff.audio import io
from musicdiff.errors import DataError, UsageError
from musicdiff.evaluation import embedding as embeddings
from musicdiff.evaluation import listening
from musicdiff.evaluation.embedding import Windows

RATE, WINDOW = loudness.RATE, loudness.WINDOW
EMBEDDING = loudness.make()


def whole_only(embedding):
    """The same embedding, of whole windows alone: short clips have none."""

    def cut(audio):
        count = len(audio) // WINDOW
        x = audio[: count * WINDOW].astype(np.float32).reshape(count, WINDOW)
        return Windows(x, np.zeros(count, np.float32))

    return dataclasses.replace(embedding, cut=cut, protocol="whole windows")


def counted(embedding):
    """(the same embedding, the lengths of the audio that it cuts)."""
    lengths = []

    def cut(audio):
        lengths.append(len(audio))
        return embedding.cut(audio)

    return dataclasses.replace(embedding, cut=cut), lengths


def sine(samples, rate=RATE, channels=1):
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(samples) / rate)
    return np.repeat(tone[:, None], channels, axis=1).astype(np.float32)


@pytest.fixture
def clips(tmp_path):
    """Clips of 1 to 5 windows, the last half filled, in a folder within a folder."""
    rng = np.random.default_rng(0)
    lengths = [WINDOW * (1 + i % 5) - WINDOW // 2 for i in range(23)]
    sounds = [
        (f"{i:02d}.wav", rng.uniform(-0.5, 0.5, (length, 1)).astype(np.float32)) for i, length in enumerate(lengths)
    ]
    loudness.write(tmp_path / "clips", sounds[:10])
    loudness.write(tmp_path / "clips" / "x" / "y", sounds[10:])
    return tmp_path / "clips"


@pytest.fixture
def hear(tmp_path):
    def hear(path, embedding=EMBEDDING):
        return listening.folder(embedding, path, cache_dir=tmp_path / "cache", progress=False)

    return hear


def assert_same(a, b, *, but=()):
    for field in dataclasses.fields(a):
        if field.name == "embedded":
            np.testing.assert_array_equal(a.embedded.x, b.embedded.x)
            np.testing.assert_array_equal(a.embedded.clip, b.embedded.clip)
            assert a.embedded.names == b.embedded.names or "names" in but
        elif field.name not in but:
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_clips_are_heard_whole_in_order_and_by_themselves(hear, clips):
    heard = hear(clips)
    names = [f"{i:02d}.wav" for i in range(10)] + [f"x/y/{i:02d}.wav" for i in range(10, 23)]
    assert heard.embedded.names == tuple(names)
    assert len(heard.embedded.x) % embeddings.BATCH  # the last batch is filled, and nothing of that is heard
    for number, name in enumerate(names):
        audio, _ = io.read(clips / name)
        alone = EMBEDDING.cut(audio[:, 0])
        own = heard.embedded.clip == number
        np.testing.assert_array_equal(heard.embedded.x[own], EMBEDDING.embed(alone.x))
        np.testing.assert_array_equal(heard.padding[own], alone.padding)
    assert heard.padded == 23 / len(heard.embedded.x)
    assert heard.seconds == pytest.approx(sum(io.probe(clips / name).seconds for name in names), rel=1e-12)
    assert (heard.rates, heard.channels, heard.unusable) == ((RATE,), (1,), ())


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_batches_change_nothing(hear, clips, tmp_path, monkeypatch, batch):
    heard = hear(clips)
    for module in (embeddings, listening):
        monkeypatch.setattr(module, "BATCH", batch)
    again = listening.folder(loudness.make(), clips, cache_dir=tmp_path / "other", progress=False)
    np.testing.assert_allclose(again.embedded.x, heard.embedded.x, rtol=1e-6)
    assert_same(dataclasses.replace(again, embedded=heard.embedded), heard)


def test_short_clips_fill_batches_together(clips, tmp_path):
    embedding, sizes = loudness.make(), []
    embed = embedding.embed
    object.__setattr__(embedding, "embed", lambda x: sizes.append(len(x)) or embed(x))
    heard = listening.folder(embedding, clips, cache_dir=tmp_path / "cache", progress=False)
    assert sizes[:-1] == [embeddings.BATCH] * (len(heard.embedded.x) // embeddings.BATCH)


def test_few_windows_are_held_at_once(tmp_path):
    """A set of any size: what was cut, and waits, is no more than a batch, and a clip being cut."""
    embedding, held, most = loudness.make(), 0, 0
    embed = embedding.embed

    def embed_and_let_go(x):
        nonlocal held
        held -= len(x)
        return embed(x)

    def sounds():
        nonlocal held, most
        for i in range(100):
            held += 3
            most = max(most, held)
            yield f"{i:03d}", sine(3 * WINDOW)

    object.__setattr__(embedding, "embed", embed_and_let_go)
    assert listening.arrays(embedding, sounds(), RATE).embedded.clips == 100
    assert most <= embeddings.BATCH + 3


def test_a_clip_that_was_heard_is_not_decoded_again(hear, clips, tmp_path, monkeypatch):
    embedding, lengths = counted(EMBEDDING)
    first = hear(clips, embedding)
    assert len(lengths) == 23
    clips.rename(tmp_path / "moved")  # known by its bytes, not by its name
    (tmp_path / "moved" / "03.wav").rename(tmp_path / "moved" / "zz.wav")
    io.write(tmp_path / "moved" / "new.wav", sine(3000), RATE)
    again = hear(tmp_path / "moved", embedding)
    assert lengths[23:] == [3000]
    assert set(again.embedded.names) - set(first.embedded.names) == {"zz.wav", "new.wav"}
    (tmp_path / "moved" / "new.wav").unlink()
    (tmp_path / "moved" / "zz.wav").rename(tmp_path / "moved" / "03.wav")
    monkeypatch.setattr(io, "read", None)
    assert_same(hear(tmp_path / "moved", embedding), first)


def test_damaged_caches_are_computed_anew(hear, clips, tmp_path):
    embedding, lengths = counted(EMBEDDING)
    first = hear(clips, embedding)
    kept = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert len(kept) == 23
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    kept[1].write_bytes(b"")
    content = bytearray(kept[2].read_bytes())
    content[len(content) // 2] ^= 1
    kept[2].write_bytes(bytes(content))
    assert_same(hear(clips, embedding), first)
    assert len(lengths) == 26


def test_another_embedding_shares_no_cache(hear, clips):
    embedding, lengths = counted(EMBEDDING)
    hear(clips, embedding)
    hear(clips, dataclasses.replace(embedding, weights="1" * 64))
    assert len(lengths) == 46


def test_mixed_rates_stereo_and_formats(hear, tmp_path):
    folder = loudness.write(tmp_path / "clips", [("mono.wav", sine(8000))])
    io.write(folder / "stereo.wav", sine(44100, 44100, 2), 44100, subtype="FLOAT")
    io.write(folder / "coded.ogg", sine(22050, 22050), 22050)
    io.write(folder / "opposed.flac", sine(8000) * [1, -1], RATE)
    heard = hear(folder)
    assert (heard.rates, heard.channels) == ((8000, 22050, 44100), (1, 2))
    assert heard.seconds == pytest.approx(4, rel=1e-12)
    by_name = {name: heard.embedded.x[heard.embedded.clip == i] for i, name in enumerate(heard.embedded.names)}
    assert {len(x) for x in by_name.values()} == {8}  # a second each, at the embedding's rate
    np.testing.assert_allclose(by_name["mono.wav"][1:7], 0.5 / np.sqrt(2), rtol=2e-3)
    np.testing.assert_allclose(by_name["stereo.wav"][1:7], by_name["mono.wav"][1:7], rtol=2e-3)
    np.testing.assert_allclose(by_name["coded.ogg"][1:7], by_name["mono.wav"][1:7], rtol=2e-2)
    assert not by_name["opposed.flac"].any()  # mono is the mean; silence is usable


def test_unusable_clips_are_told_and_the_rest_is_heard(hear, tmp_path):
    folder = loudness.write(tmp_path / "clips", [("good.wav", sine(5000)), ("short.wav", sine(100))])
    bad = sine(5000)
    bad[17] = np.nan
    folder_bytes = (folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(folder_bytes[: len(folder_bytes) // 2])
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("no music")
    import soundfile

    soundfile.write(folder / "nan.wav", bad, RATE, subtype="FLOAT")
    heard = hear(folder, whole_only(EMBEDDING))
    assert heard.embedded.names == ("good.wav",)
    reasons = dict(heard.unusable)
    assert list(reasons) == ["cut.wav", "empty.wav", "nan.wav", "short.wav", "text.mp3"]
    assert "truncated" in reasons["cut.wav"] and "0 bytes" in reasons["empty.wav"]
    assert "NaN or infinite" in reasons["nan.wav"] and "not readable" in reasons["text.mp3"]
    assert reasons["short.wav"] == "0.0125 s are too short for a window of loudness"
    assert heard.seconds == 5000 / RATE
    assert heard.sha256 == hashlib.sha256(hashlib.sha256(folder_bytes).hexdigest().encode()).hexdigest()
    assert_same(hear(folder, whole_only(EMBEDDING)), heard)  # by the cache, which knows that a clip is too short


def test_a_clip_whose_vectors_are_no_numbers_is_unusable_and_not_cached(tmp_path):
    embedding = dataclasses.replace(EMBEDDING, apply=lambda params, x: 1 / jnp.sum(x.reshape(len(x), 4, -1), axis=-1))
    sounds = [("a.wav", np.full((WINDOW, 1), 0.25, np.float32)), ("silent.wav", np.zeros((WINDOW, 1), np.float32))]
    folder = loudness.write(tmp_path / "clips", sounds)
    heard = listening.folder(embedding, folder, cache_dir=tmp_path / "cache", progress=False)
    assert heard.embedded.names == ("a.wav",)
    assert heard.unusable == (("silent.wav", "loudness makes NaN or infinity of it"),)
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 1


def test_other_files_are_passed_over_and_links_are_read(hear, clips, tmp_path):
    first = hear(clips)
    (clips / "00.json").write_text(json.dumps({"caption": "a"}))
    (clips / "00.txt").write_text("a caption")
    (clips / "report.png").write_bytes(b"no picture")
    (clips / "._00.wav").write_bytes(b"of another system")
    elsewhere = loudness.write(tmp_path / "elsewhere", [("far.wav", sine(2000))])
    (clips / "folder").symlink_to(elsewhere)
    assert_same(hear(clips), first)
    (clips / "link.wav").symlink_to(elsewhere / "far.wav")
    assert set(hear(clips).embedded.names) - set(first.embedded.names) == {"link.wav"}


def test_the_hash_of_a_set_is_of_its_sounds(hear, clips, tmp_path):
    first = hear(clips)
    (clips / "00.wav").rename(clips / "later.wav")
    assert hear(clips).sha256 == first.sha256
    (clips / "copy.wav").write_bytes((clips / "later.wav").read_bytes())
    twice = hear(clips)
    assert twice.sha256 != first.sha256 and twice.embedded.clips == 24


def test_one_clip_is_heard_and_is_no_set(hear, tmp_path):
    heard = hear(loudness.write(tmp_path / "one", [("a.wav", sine(5000))]))
    with pytest.raises(DataError, match="2 clips are needed at least, and here is 1"):
        heard.embedded.need(2)


def test_folders_that_hold_nothing(hear, tmp_path):
    with pytest.raises(DataError, match="none: no such folder"):
        hear(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no audio"):
        hear(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("no audio")
    with pytest.raises(DataError, match="empty: holds no audio"):
        hear(tmp_path / "empty")
    with pytest.raises(UsageError, match="needs a path"):
        hear("")
    for i in range(5):
        (tmp_path / "empty" / f"{i}.wav").touch()
    with pytest.raises(
        DataError, match=r"empty: none of 5 clips can be used: 0\.wav: an empty file .*; 2\.wav: an empty .*again$"
    ):
        hear(tmp_path / "empty")


def test_progress_is_told_on_stderr(clips, tmp_path, capsys):
    listening.folder(EMBEDDING, clips, cache_dir=tmp_path / "cache")
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"{clips}, heard by loudness: 23 of 23")


def test_arrays_are_heard_as_files_are(hear, clips):
    heard = hear(clips)
    sounds = [(name, io.read(clips / name)[0]) for name in reversed(heard.embedded.names)]
    assert_same(listening.arrays(EMBEDDING, sounds, RATE), heard, but=["sha256"])


def test_arrays_have_the_hash_of_samples_and_rate():
    sounds = [("a", sine(2000)), ("b", sine(3000, channels=2))]
    first = listening.arrays(EMBEDDING, sounds, RATE)
    assert listening.arrays(EMBEDDING, [("c", sounds[1][1]), ("d", sounds[0][1])], RATE).sha256 == first.sha256
    assert listening.arrays(EMBEDDING, sounds, 2 * RATE).sha256 != first.sha256
    quieter = [("a", sounds[0][1] * 0.5), sounds[1]]
    assert listening.arrays(EMBEDDING, quieter, RATE).sha256 != first.sha256
    assert first.channels == (1, 2)


def test_arrays_that_cannot_be_used():
    bad = sine(2000)
    bad[3] = np.inf
    heard = listening.arrays(EMBEDDING, [("bad", bad), ("good", sine(2000)), ("no", np.zeros((0, 1)))], RATE)
    assert heard.unusable == (("bad", "holds NaN or infinite samples"), ("no", "holds no samples"))
    with pytest.raises(DataError, match="arrays: none of 1 clips can be used: bad: holds NaN"):
        listening.arrays(EMBEDDING, [("bad", bad)], RATE)
    with pytest.raises(DataError, match=r"arrays: none of 0 clips can be used$"):
        listening.arrays(EMBEDDING, [], RATE)
