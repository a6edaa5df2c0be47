import numpy as np

from musicdiff.data.clips import Clips

LENGTHS = np.array([100, 5, 33, 10, 19, 20])
FRAMES = 10


def test_counts():
    assert len(Clips(LENGTHS, FRAMES)) == 10 + 1 + 3 + 1 + 1 + 2
    assert len(Clips(np.array([], np.int64), FRAMES)) == 0


def test_an_epoch_covers_each_example_once():
    clips = Clips(LENGTHS, FRAMES)
    for epoch in range(3):
        drawn = clips.batch(seed=1, step=epoch, batch_size=len(clips))
        assert sorted(drawn.index) == list(range(len(clips)))
        assert np.bincount(drawn.track).tolist() == [10, 1, 3, 1, 1, 2]


def test_batches_run_across_epochs_and_do_not_depend_on_their_size():
    clips = Clips(LENGTHS, FRAMES)
    small = [clips.batch(seed=3, step=step, batch_size=4) for step in range(9)]
    large = clips.batch(seed=3, step=0, batch_size=36)
    for column, parts in zip(large, zip(*small)):
        np.testing.assert_array_equal(column, np.concatenate(parts))


def test_clips_lie_within_their_tracks_and_reach_every_place():
    clips = Clips(LENGTHS, FRAMES)
    draws = [clips.batch(seed=0, step=step, batch_size=len(clips)) for step in range(400)]
    record = np.concatenate([draw.track for draw in draws])
    start = np.concatenate([draw.start for draw in draws])
    for track, length in enumerate(LENGTHS):
        assert set(start[record == track]) == set(range(max(1, length - FRAMES + 1)))


def test_an_example_keeps_its_stratum():
    clips = Clips(np.array([1000]), FRAMES)
    starts = np.empty((50, 100), np.int64)
    for epoch in range(50):
        draw = clips.batch(seed=0, step=epoch, batch_size=100)
        starts[epoch, draw.index] = draw.start
    assert (np.diff(np.sort(starts.max(axis=0))) > 0).all()
    assert (starts.max(axis=0)[:-1] < starts.min(axis=0)[1:]).all()  # strata do not overlap
    assert (starts.max(axis=0) > starts.min(axis=0)).all()  # crops move from epoch to epoch


def test_seeds_and_epochs_differ():
    clips = Clips(np.array([10_000]), FRAMES)
    first, other_seed, other_epoch = (clips.batch(seed, step, 1000) for seed, step in ((0, 0), (1, 0), (0, 1)))
    assert np.mean(first.index == other_seed.index) < 0.01
    assert np.mean(first.index == other_epoch.index) < 0.01


def test_centred_clips():
    clips = Clips(np.array([100, 5]), FRAMES)
    every = clips.centred()
    assert every.index.tolist() == list(range(11))
    assert every.start.tolist() == [4, 13, 22, 31, 40, 49, 58, 67, 76, 86, 0]
    assert clips.centred(3).index.tolist() == [0, 3, 7]
    assert len(clips.centred(99).index) == 11
    assert len(Clips(np.array([], np.int64), FRAMES).centred(3).index) == 0
