"""The contract of every file of data/sources/: `build(argument)` makes a TrackSource of tracks that can be read at any rate and width."""

import contextlib

import numpy as np
import pytest
import soundfile

from musicdiff import plugins
from musicdiff.data import Track, TrackSource, open_source
from musicdiff.errors import MusicdiffError

NAMES = plugins.names("data.sources")
every_source = pytest.mark.parametrize("name", NAMES)


@contextlib.contextmanager
def of_builtin(tmp_path):
    yield "builtin:2"


@contextlib.contextmanager
def of_drums(tmp_path):
    yield "drums:2"


@contextlib.contextmanager
def of_folder(tmp_path):
    for i, channels in enumerate((1, 2)):
        audio = np.random.default_rng(i).normal(0, 0.1, (12_000, channels))
        soundfile.write(tmp_path / f"{i}.wav", audio, 16_000)
    yield f"folder:{tmp_path}"


@contextlib.contextmanager
def of_tfds(tmp_path):
    pytest.importorskip("tensorflow")
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=2, policy=tfds.testing.MockPolicy.USE_CODE):
        yield "tfds:gtzan:train"


EXAMPLES = {"builtin": of_builtin, "drums": of_drums, "folder": of_folder, "tfds": of_tfds}


@pytest.fixture
def text(request, tmp_path):
    """The source of two tracks that `config.data.source` would name."""
    with EXAMPLES[request.param](tmp_path) as text:
        yield text


def test_every_source_is_tried():
    assert set(EXAMPLES) == set(NAMES)


@pytest.mark.parametrize("text", NAMES, indirect=True)
def test_tracks_are_described_and_read(text):
    source = open_source(text)
    assert isinstance(source, TrackSource) and len(source.tracks) == 2 and not source.unread_labels
    assert len({track.name for track in source.tracks}) == 2
    for track in source.tracks:
        assert isinstance(track, Track)
        assert all(
            isinstance(label, str) for label in (track.name, track.caption, track.style, track.key, track.licence)
        )
        assert isinstance(track.tempo, float) and list(track.bar_times) == sorted(track.bar_times)
    track = source.tracks[1]
    audio, rate = track.read()
    assert audio.dtype == np.float32 and audio.ndim == 2 and 0 < np.abs(audio).max() <= 1.5
    for channels in (1, 2):
        other, other_rate = track.read(sample_rate=8000, channels=channels)
        assert other_rate == 8000 and other.dtype == np.float32 and other.shape[1] == channels
        assert abs(len(other) / 8000 - len(audio) / rate) < 1e-3


@pytest.mark.parametrize("text", NAMES, indirect=True)
def test_a_source_is_the_same_every_time(text):
    first, again = open_source(text), open_source(text)
    for hashed in ("fingerprint", "label_fingerprint"):
        assert getattr(first, hashed) == getattr(again, hashed) and isinstance(getattr(first, hashed), str)
    assert [track.name for track in first.tracks] == [track.name for track in again.tracks]
    audio, repeated = (source.tracks[0].read(sample_rate=8000, channels=1)[0] for source in (first, again))
    np.testing.assert_array_equal(audio, repeated)


@every_source
def test_a_bad_argument_is_named(name):
    with pytest.raises(MusicdiffError, match=name) as caught:
        open_source(f"{name}:/no such thing")
    assert caught.value.exit_code in (2, 3) and "\n" not in str(caught.value)
