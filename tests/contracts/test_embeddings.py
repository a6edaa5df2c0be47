"""The contract of every file of evaluation/embeddings/: evaluation.embedding.Embedding, for each of its variants."""

import functools

import jax
import numpy as np
import pytest
import torch_files

from musicdiff import plugins, weights
from musicdiff.evaluation import embedding
from musicdiff.evaluation.embeddings import clap, vggish
from musicdiff.networks.htsat import Htsat
from musicdiff.networks.musicnn import Musicnn
from musicdiff.networks.vggish import Vggish

PLUGINS = plugins.names(embedding.FOLDER)
NAMES = [
    f"{name}:{variant}" if variant else name
    for name in PLUGINS
    for variant in plugins.load(embedding.FOLDER, name).VARIANTS or ("",)
]
every_embedding = pytest.mark.parametrize("name", NAMES)
# In place of the published networks: other widths, the same layers, the same inputs.
VGGISH = Vggish(((2,), (3,), (4, 4), (5, 5)), hidden=12, width=7)
HTSAT = Htsat(8, (1, 1), (2, 4), projected=6)


def write_musicnn(path, seed):
    weights.write_tree(path, torch_files.draw(Musicnn(), (1, 187, 96), seed))


def write_vggish(path, seed):
    torch_files.save(path, torch_files.vggish(torch_files.draw(VGGISH, (1, 96, 64), seed)))


def write_clap(path, seed):
    torch_files.save(path, torch_files.clap(torch_files.draw(HTSAT, (1, 1001, 64), seed)))


WEIGHTS = {"musicnn": write_musicnn, "vggish": write_vggish, "clap": write_clap}


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vggish, "NETWORK", VGGISH)
        patch.setattr(clap, "NETWORKS", dict.fromkeys(clap.NETWORKS, HTSAT))
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """built(name, seed): the embedding, with random weights from a file in the published layout."""
    folder = tmp_path_factory.mktemp("weights")

    @functools.cache
    def built(name, seed=0):
        plugin = name.partition(":")[0]
        if plugin not in WEIGHTS:
            return embedding.load(name)
        path = folder / f"{plugin}-{seed}"
        if not path.exists():
            WEIGHTS[plugin](path, seed)
        return embedding.load(name, path)

    return built


def noise(num_samples):
    return np.random.default_rng(0).uniform(-0.5, 0.5, num_samples).astype(np.float32)


def check(windows, shape):
    assert windows.x.dtype == windows.padding.dtype == np.float32
    assert windows.x.shape[1:] == shape
    assert windows.padding.shape == (len(windows.x),)
    assert np.isfinite(windows.x).all()
    assert ((windows.padding >= 0) & (windows.padding < 1)).all()
    return windows


def test_there_are_embeddings():
    assert {"musicnn", "melstats", "vggish", "clap"} <= set(PLUGINS)


@every_embedding
def test_it_says_what_it_is(built, name):
    found = built(name)
    assert found.name.partition(":")[0] == name.partition(":")[0]
    assert found.protocol and "\n" not in found.protocol
    assert found.sample_rate >= found.hop / 10 and min(found.sample_rate, found.window, found.hop, found.width) > 0
    assert len(found.weights) == (64 if found.params else 0)


@pytest.mark.parametrize("name", PLUGINS)
def test_one_network_and_protocol_has_one_name(built, name):
    """However it is asked for: scores and caches are known by it."""
    asked = [each for each in NAMES if each.partition(":")[0] == name]
    hashes = [built(each).sha256 for each in asked]
    assert len(set(hashes)) == len(asked)
    assert built(name).sha256 == hashes[0]
    assert [built(built(each).name).sha256 for each in asked] == hashes


@every_embedding
def test_windows_of_a_long_clip(built, name):
    """One a hop as long as they are whole, or one a hop until the clip ends; the first is the same as if the clip ended with it."""
    found = built(name)
    audio = noise(found.window + 2 * found.hop + found.hop // 2)
    shape = found.cut(audio[: found.window]).x.shape[1:]
    windows = check(found.cut(audio), shape)
    whole = windows.padding == 0
    assert whole.sum() == 3 and whole[:3].all()
    assert np.array_equal(found.cut(audio[found.hop :]).x[1], windows.x[2])


@every_embedding
def test_an_exact_window_has_no_padding(built, name):
    found = built(name)
    windows = found.cut(noise(found.window))
    assert windows.padding[0] == 0 and (windows.padding[1:] > 0).all()


@every_embedding
def test_a_sample_short_there_is_padding_or_no_window(built, name):
    found = built(name)
    windows = found.cut(noise(found.window - 1))
    check(windows, found.cut(noise(found.window)).x.shape[1:])
    assert not len(windows.x) or 0 < windows.padding[0] < 0.01


@every_embedding
def test_a_short_clip_is_told_as_padding(built, name):
    """0.3 s: a window that is mostly none of it, or none."""
    found = built(name)
    num_samples = round(0.3 * found.sample_rate)
    windows = check(found.cut(noise(num_samples)), found.cut(noise(found.window)).x.shape[1:])
    np.testing.assert_allclose(windows.padding, 1 - num_samples / found.window, atol=0.01)
    assert len(windows.x) <= 1


@every_embedding
def test_of_nothing_there_is_no_window(built, name):
    check(built(name).cut(noise(0)), built(name).cut(noise(built(name).window)).x.shape[1:])
    assert not len(built(name).cut(noise(0)).x)


@every_embedding
def test_vectors(built, name):
    """float32 [n, D], finite, of silence too; each the same whichever batch it is in; another clip has others."""
    found = built(name)
    sounds = (noise(found.window), np.zeros(found.window, np.float32), 0.1 * np.sin(np.arange(found.window) / 9))
    x = np.concatenate([found.cut(np.float32(audio)).x[:1] for audio in sounds])
    vectors = found.embed(x)
    assert vectors.shape == (3, found.width) and vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    scale = np.abs(vectors).max()
    assert all(np.abs(vectors[i] - vectors[j]).max() > 1e-3 * scale for i, j in ((0, 1), (0, 2), (1, 2)))
    turned = found.embed(np.concatenate([x[::-1]] * 3))
    np.testing.assert_allclose(turned, np.concatenate([vectors[::-1]] * 3), atol=1e-5 * scale)


@every_embedding
def test_apply_is_pure_and_weights_are_arguments(built, name):
    """Shapes alone are enough to trace it, and what was compiled with some weights takes others."""
    found = built(name)
    x = found.cut(noise(found.window)).x[:1]
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), found.params)
    assert jax.eval_shape(found.apply, shapes, jax.ShapeDtypeStruct(x.shape, x.dtype)).shape == (1, found.width)
    if found.params:
        other, apply = built(name, 1), jax.jit(found.apply)
        assert found.apply is other.apply and found.sha256 != other.sha256
        ours, theirs = np.asarray(apply(found.params, x)), np.asarray(apply(other.params, x))
        assert not np.allclose(ours, theirs, atol=1e-3 * np.abs(ours).max())


@every_embedding
def test_audio_is_left_as_it_is(built, name):
    audio = noise(built(name).window)
    built(name).cut(audio)
    np.testing.assert_array_equal(audio, noise(built(name).window))
