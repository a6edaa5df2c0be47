import numpy as np
import pytest

from musicdiff.data import build_tracks, records


@pytest.fixture
def in_blocks(source, spec, tmp_path, monkeypatch):
    """The tracks of the fixture `tracks`, which fit into a block each, in blocks of 60 frames."""
    monkeypatch.setitem(records.FEATURES, "mel", records.FEATURES["mel"]._replace(block=60))
    return build_tracks(source, spec, tmp_path, progress=False)


def test_whole_tracks_do_not_depend_on_blocks(tracks, in_blocks):
    for name in records.SPLITS:
        split, expected = in_blocks.split(name), tracks.split(name)
        np.testing.assert_array_equal(split.frames, expected.frames)
        for a, b in zip(split[range(len(split))], expected[range(len(expected))], strict=True):
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 60), (59, 61), (60, 120), (1, 200), (119, 120), (0, 10**6)])
def test_frames_are_found_in_their_blocks(tracks, in_blocks, start, stop):
    split, expected = in_blocks.split("train"), tracks.split("train")
    for track in range(len(split)):
        if start < split.frames[track]:
            whole = expected[[track]][0]["mel"]
            np.testing.assert_array_equal(split.records.array(track, start, stop), whole[start:stop])


def test_a_clip_reads_the_blocks_it_touches(in_blocks):
    split = in_blocks.split("train")
    longest = int(np.argmax(split.frames))
    read = [len(split.records.serialized(longest, *span)) for span in ((0, 60), (59, 61), (30, 150), (60, 61))]
    assert read == [1, 2, 3, 1]


def test_any_tfds_reader_reads_the_files(tracks):
    import tensorflow_datasets as tfds

    split = tracks.split("train")
    source = tfds.builder_from_directory(str(tracks.path)).as_data_source("train")
    assert [example["name"].decode() for example in source] == split.labels["name"].tolist()
    np.testing.assert_array_equal(source[0]["mel"], split[[0]][0]["mel"])


def test_many_writes(source, tracks, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORDS_A_WRITE", 3)
    monkeypatch.setattr(records, "RECORDS_A_SHARD", 4)
    split = build_tracks(source, spec, tmp_path, progress=False).split("train")
    assert len(list(split._path.glob("*train.array_record*"))) == -(-len(split) // 4)
    for a, b in zip(split[range(len(split))], tracks.split("train")[range(len(split))], strict=True):
        np.testing.assert_array_equal(a["mel"], b["mel"])
