import math

import numpy as np
import pytest
from etils import epath

from musicdiff.data import build_tracks, open_source
from musicdiff.errors import DataError, UsageError

tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("tensorflow")


@pytest.fixture
def mocked():
    with tfds.testing.mock_data(num_examples=5, policy=tfds.testing.MockPolicy.USE_CODE):
        yield


GENRES = {"blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"}
FAMILIES = {"bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth lead", "vocal"}
GROOVES = {
    "afrobeat",
    "afrocuban",
    "blues",
    "country",
    "dance",
    "funk",
    "gospel",
    "highlife",
    "hiphop",
    "jazz",
    "latin",
}
GROOVES |= {"middleeastern", "neworleans", "pop", "punk", "reggae", "rock", "soul"}


@pytest.mark.parametrize(
    ("name", "rate", "styles"),
    [
        ("gtzan:train", 22050, GENRES),
        ("nsynth/gansynth_subset:train", 16000, FAMILIES),
        ("groove/2bar-16000hz", 16000, GROOVES),
        ("groove/full-16000hz", 16000, GROOVES),
    ],
)
def test_sets_of_audio(mocked, name, rate, styles):
    source = open_source(f"tfds:{name}")
    assert len(source.tracks) == 5 == len({track.name for track in source.tracks})
    for track in source.tracks:
        assert track.style in styles
        assert track.licence == ""  # tfds knows none of these
        assert math.isnan(track.tempo) == (not name.startswith("groove"))
        assert track.caption == (track.style if math.isnan(track.tempo) else f"{track.style}, {track.tempo:g} bpm")
    audio, own_rate = source.tracks[2].read()
    assert own_rate == rate and audio.dtype == np.float32 and audio.shape[1] == 1 and len(audio)
    resampled, other_rate = source.tracks[2].read(sample_rate=8000, channels=2)
    assert other_rate == 8000 and resampled.shape == (round(len(audio) * 8000 / rate), 2)
    assert source.fingerprint == open_source(f"tfds:{name}").fingerprint


def test_a_set_is_built(mocked, spec, tmp_path):
    cache = build_tracks(open_source("tfds:nsynth/gansynth_subset:train"), spec, tmp_path, progress=False)
    assert sum(len(cache.split(name)) for name in ("train", "test")) == 5
    assert (cache.split("train").frames == 4 * 8000 / 64).all()


def test_sets_that_cannot_be_used(mocked):
    with pytest.raises(DataError, match=r"tfds:groove: holds no audio.*full-16000hz"):
        open_source("tfds:groove")
    with pytest.raises(DataError, match=r"tfds:nothing_like_it: tfds knows no such data set"):
        open_source("tfds:nothing_like_it")
    with pytest.raises(DataError, match=r"tfds:gtzan/x"):
        open_source("tfds:gtzan/x")
    with pytest.raises(UsageError, match=r"tfds:NAME"):
        open_source("tfds:")


@pytest.fixture
def clicks(tmp_path, monkeypatch):
    """A data set of our own, prepared on disk in the format asked for."""
    pytest.importorskip("importlib_resources")  # tfds prepares nothing without it, and does not declare it

    class MusicdiffClicks(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "audio": tfds.features.Audio(sample_rate=16000, dtype=np.int16, shape=(None, 2)),
                "genre": tfds.features.ClassLabel(names=["lo_fi", "house"]),
                "text": tfds.features.Text(),
            }
            features = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=features, license="CC BY 4.0,\n  by nobody")

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(3), "test": self._generate_examples(2)}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {"audio": np.full((1000, 2), 1000 * (i + 1), np.int16), "genre": i % 2, "text": f"clicks {i}"}

    monkeypatch.setattr(tfds.core.utils.file_utils, "_REGISTERED_DATA_DIRS", {epath.Path(tmp_path)})
    yield lambda kind: MusicdiffClicks(data_dir=tmp_path).download_and_prepare(file_format=kind)
    tfds.core.registered._DATASET_REGISTRY.pop("musicdiff_clicks")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tfds's writer
def test_a_set_on_disk(clicks):
    clicks("array_record")
    source = open_source("tfds:musicdiff_clicks")
    assert len(source.tracks) == 5
    for track in source.tracks:
        i = int(track.caption.split()[1])
        assert track.style == ["lo fi", "house"][i % 2] and track.licence == "CC BY 4.0, by nobody"
        audio, rate = track.read()
        assert rate == 16000
        np.testing.assert_array_equal(audio, np.full((1000, 2), 1000 * (i + 1) / 2**15, np.float32))
    assert len(open_source("tfds:musicdiff_clicks:test").tracks) == 2
    assert len(open_source("tfds:musicdiff_clicks:train[:1]").tracks) == 1
    with pytest.raises(DataError, match=r"no split 'dev'; there are: train, test"):
        open_source("tfds:musicdiff_clicks:dev")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_set_without_random_access(clicks):
    clicks("tfrecord")
    with pytest.raises(DataError, match=r"holds tfrecord files.*convert_format"):
        open_source("tfds:musicdiff_clicks")
