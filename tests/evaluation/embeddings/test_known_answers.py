"""What published scores and smoke tests say of the published weights; skipped without them, for no registry has any (docs/weights.md)."""

import zipfile

import numpy as np
import pytest

from musicdiff import pretrained
from musicdiff.audio import io
from musicdiff.errors import DataError
from musicdiff.evaluation import embedding, frechet, listening, moments
from musicdiff.evaluation.reference import PUBLISHED
from musicdiff.pretrained import fadtk


def load(name):
    try:
        return embedding.load(name)
    except DataError as error:
        pytest.skip(str(error))


@pytest.mark.network
def test_vggish_of_a_sine():
    """3 s at 1 kHz: Google's smoke test, before the last ReLU."""
    found = load("vggish")
    sine = np.sin(2 * np.pi * 1000 * np.arange(3 * 44_100) / 44_100).astype(np.float32)[:, None]
    vectors = found.embed(found.cut(io.resample(sine, 44_100, found.sample_rate)[:, 0]).x)
    assert vectors.shape == (3, 128)
    assert vectors.mean() == pytest.approx(0.000657, rel=0.1)
    assert vectors.std() == pytest.approx(0.343, rel=0.1)


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("vggish", 5.12190021819319),
        ("clap:audio-fadtk", 0.463373894226911),
        ("clap:music-fadtk", 0.538692108488325),
    ],
)
def test_the_clips_in_fadtks_wheel_against_fma_pop(tmp_path, name, score):
    found = load(name)
    with zipfile.ZipFile(pretrained._download(fadtk.WHEEL, tmp_path)) as wheel:
        wheel.extractall(tmp_path)
    heard = listening.folder(found, tmp_path / "fadtk" / "test" / "samples", cache_dir=tmp_path, progress=False)
    assert heard.embedded.clips == 23
    statistics = moments.read(tmp_path / "fadtk" / "stats" / "fma_pop.npz", PUBLISHED[name])
    assert frechet.distance(moments.of(heard.embedded.x), statistics) == pytest.approx(score, rel=0.05)
