from itertools import islice

import jax
import numpy as np
import pytest

from musicdiff.data import batches, build_latents, build_tracks, held_out, records
from musicdiff.data.clips import Clips
from musicdiff.errors import DataError, UsageError

SHAPE = {"feature": "mel", "frames": 64, "batch_size": 6}


def labels_of(split):
    """What batches are told of their tracks: nested, and of every type."""

    def describe(tracks):
        words = {name: split.labels[name][tracks] for name in ("name", "style")}
        return {"labels": words, "tempo": split.labels["tempo"][tracks], "pair": (tracks, tracks > 1)}

    return describe


def take(count, split, **options):
    return list(islice(batches(split, **{**SHAPE, "seed": 3, "loader": "numpy", **options}), count))


def assert_same(some, others):
    for a, b in zip(some, others, strict=True):
        (leaves, structure), (other_leaves, other_structure) = jax.tree.flatten(a), jax.tree.flatten(b)
        assert structure == other_structure
        for x, y in zip(leaves, other_leaves):
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def test_loaders_are_byte_equal(tracks):
    split = tracks.split("train")
    described = {"describe": labels_of(split)}
    numpy_ones = take(12, split, **described)
    assert_same(numpy_ones, take(12, split, **described, loader="tf"))
    assert_same(numpy_ones[7:], take(5, split, **described, loader="tf", start_step=7))
    assert_same(numpy_ones[7:], take(5, split, **described, start_step=7))


@pytest.mark.parametrize("loader", ["numpy", "tf"])
def test_batches_do_not_depend_on_the_blocks_of_the_files(source, tracks, spec, tmp_path, monkeypatch, loader):
    monkeypatch.setitem(records.FEATURES, "mel", records.FEATURES["mel"]._replace(block=50))
    in_blocks = build_tracks(source, spec, tmp_path, progress=False)
    assert_same(take(12, in_blocks.split("train"), loader=loader), take(12, tracks.split("train")))


def test_loaders_are_byte_equal_on_latents(tracks, tmp_path):
    latents = build_latents(tracks, lambda mel: mel[::2] / 3, "third", tmp_path, progress=False)
    split, options = latents.split("train"), {"feature": "latent", "frames": 40}
    assert_same(take(6, split, **options), take(6, split, **options, loader="tf"))


@pytest.mark.parametrize("loader", ["numpy", "tf"])
def test_rows_of_processes_make_the_global_batch(tracks, loader):
    split = tracks.split("train")
    options = {"loader": loader, "describe": labels_of(split)}
    parts = [take(4, split, rows=rows, **options) for rows in ((0, 1), (1, 4), (4, 6))]
    joined = [jax.tree.map(lambda *pieces: np.concatenate(pieces), *step) for step in zip(*parts)]
    assert_same(joined, take(4, split, describe=labels_of(split)))


@pytest.mark.parametrize("loader", ["numpy", "tf"])
def test_far_steps_are_reached_at_once(tracks, loader):
    split = tracks.split("train")
    far = take(1, split, start_step=10**9, loader=loader)[0]  # replaying would take years
    expected = Clips(split.frames, 64).batch(3, 10**9, 6)
    np.testing.assert_array_equal(far["index"], expected.index)


def test_clips_are_cut_from_their_tracks(tracks):
    split = tracks.split("train")
    whole = split[range(len(split))]
    clips = Clips(split.frames, 64)
    seen = set()
    for step, batch in enumerate(take(30, split, describe=labels_of(split))):
        plan = clips.batch(3, step, 6)
        assert batch["x_0"].dtype == np.float32 and batch["index"].dtype == np.int32
        np.testing.assert_array_equal(batch["weight"], np.ones(6, np.float32))
        for i, (record, start) in enumerate(zip(plan.track, plan.start)):
            clip = whole[record]["mel"][start : start + 64].astype(np.float32)
            np.testing.assert_array_equal(batch["x_0"][i, : len(clip)], clip)
            assert (batch["x_0"][i, len(clip) :] == -1).all()
            assert {name: words[i] for name, words in batch["labels"].items()} == {
                name: whole[record][name] for name in ("name", "style")
            }
            np.testing.assert_equal(batch["tempo"][i], np.float32(whole[record]["tempo"]))
            seen.add(len(clip) < 64)
    assert seen == {True, False}  # short tracks were among them


def test_an_epoch_covers_each_example_once(tracks):
    split = tracks.split("train")
    count = len(Clips(split.frames, 64))
    one_epoch = np.concatenate([batch["index"] for batch in take(-(-count // 6), split)])[:count]
    assert sorted(one_epoch) == list(range(count))


def test_short_latents_are_filled_with_the_latent_of_silence(tracks, tmp_path):
    latents = build_latents(tracks, lambda mel: mel * 2 + 5, "affine", tmp_path, progress=False)
    split = latents.split("train")
    shortest = int(np.argmin(split.frames))
    for batch in take(20, split, feature="latent", frames=100, describe=lambda tracks: {"track": tracks}):
        for clip, track in zip(batch["x_0"], batch["track"]):
            if track == shortest:
                assert (clip[split.frames[shortest] :] == 3).all()
                return
    raise AssertionError("the shortest track was not drawn")


def test_held_out_clips_are_fixed_and_padded_with_weight_0(tracks):
    split = tracks.split("test")
    count = len(Clips(split.frames, 16))
    options = {"feature": "mel", "frames": 16, "batch_size": 4, "describe": labels_of(split)}
    made = list(held_out(split, **options))
    assert_same(made, held_out(split, **options))
    assert len(made) == -(-count // 4) and all(batch["x_0"].shape == (4, 16, 8, 1) for batch in made)
    weights = np.concatenate([batch["weight"] for batch in made])
    assert weights.sum() == count and (np.sort(weights)[::-1] == weights).all()
    assert np.concatenate([batch["index"] for batch in made])[weights > 0].tolist() == list(range(count))
    few = list(held_out(split, **{**options, "limit": 3}))
    assert len(few) == 1 and few[0]["weight"].tolist() == [1, 1, 1, 0]


def test_no_held_out_track(make_source, spec, tmp_path):
    alone = build_tracks(make_source(1), spec, tmp_path, progress=False)
    assert list(held_out(alone.split("test"), **SHAPE)) == []
    with pytest.raises(DataError, match="no tracks"):
        batches(alone.split("test"), **SHAPE, seed=0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"feature": "latent"}, "'mel', not 'latent'"),
        ({"loader": "torch"}, "no loader 'torch'; there are: tf, numpy"),
        ({"rows": (3, 7)}, "within the batch of 6"),
        ({"rows": (2, 2)}, "within the batch of 6"),
    ],
)
def test_unusable_arguments(tracks, options, named):
    with pytest.raises(UsageError, match=named):
        batches(tracks.split("train"), **{**SHAPE, "seed": 0, **options})


def test_no_such_split(tracks):
    with pytest.raises(UsageError, match="train, test"):
        tracks.split("valid")
