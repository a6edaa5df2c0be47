"""What tells a network its conditions: where one is absent its value changes nothing, to the last bit, and an example is told for itself."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import micro
import numpy as np
import pytest

from musicdiff.networks import conditioned
from musicdiff.networks.byte_encoder import ByteEncoder
from musicdiff.networks.conditioned import ClassEmbedder, Encoded, NumberEmbedder, PooledEmbedder, TokenEmbedder

WIDTH, SIZE, LENGTH = 6, 4, 9
RNG = np.random.default_rng(0)
PRESENT = np.array([True, False, True, False])
MASK = np.arange(LENGTH) < np.int32([LENGTH, 3, 1, 0])[:, None]
TOKENS = (RNG.normal(size=(SIZE, LENGTH, 3)).astype(np.float32), MASK)
BYTES = (RNG.integers(0, 257, (SIZE, LENGTH)).astype(np.int32), MASK)
NUMBERS = np.float32([-1.0, 0.3, 1.0, 0.0])
CLASSES = np.int32([0, 4, 2, 1])
ENCODER = ByteEncoder(width=4, layers=1, heads=2, buckets=16)
# {name: (embedder, value, another value)}
CASES = {
    "number": (NumberEmbedder(WIDTH), NUMBERS, NUMBERS[::-1]),
    "class": (ClassEmbedder(WIDTH, 5), CLASSES, CLASSES[::-1]),
    "tokens": (TokenEmbedder(WIDTH), TOKENS, (TOKENS[0][::-1], MASK[::-1])),
    "pooled": (PooledEmbedder(WIDTH), TOKENS, (TOKENS[0][::-1], MASK[::-1])),
    "bytes": (Encoded(ENCODER, TokenEmbedder(WIDTH)), BYTES, (BYTES[0][::-1], MASK[::-1])),
    "pooled bytes": (Encoded(ENCODER, PooledEmbedder(WIDTH)), BYTES, (BYTES[0][::-1], MASK[::-1])),
}
every_embedder = pytest.mark.parametrize("name", CASES)


def embedding(name):
    """embed(value, present) with random parameters."""
    module, value, _ = CASES[name]
    params = micro.randomise(lambda key: module.init(key, value, PRESENT))
    return jax.jit(lambda value, present: module.apply(params, value, present))


def rows(tree, chosen):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], tree)


@every_embedder
def test_of_an_absent_one_the_value_changes_nothing(name):
    embed, (_, value, other) = embedding(name), CASES[name]
    mixed = jax.tree.map(lambda a, b: np.where(PRESENT.reshape(-1, *[1] * (a.ndim - 1)), a, b), value, other)
    told, same = embed(value, PRESENT), embed(mixed, PRESENT)
    jax.tree.map(np.testing.assert_array_equal, rows(told, ~PRESENT), rows(same, ~PRESENT))
    nulls = rows(told, ~PRESENT)
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[0], leaf[1]), nulls)
    changed = jax.tree.map(np.array_equal, rows(told, PRESENT), rows(embed(other, PRESENT), PRESENT))
    assert not all(jax.tree.leaves(changed))


@every_embedder
def test_an_example_is_told_alone_as_in_a_batch(name):
    embed, (_, value, _) = embedding(name), CASES[name]
    together = embed(value, PRESENT)
    for row in range(SIZE):
        alone = embed(rows(value, [row]), PRESENT[[row]])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone, rows(together, [row]))


@every_embedder
def test_it_gives_a_vector_and_tokens_to_attend_to_if_any(name):
    told = embedding(name)(CASES[name][1], PRESENT)
    assert told.vector.shape == (SIZE, WIDTH)
    if told.tokens is None:
        assert told.mask is None
    else:
        assert told.mask.shape == told.tokens.shape[:2] == (SIZE, LENGTH)
        np.testing.assert_array_equal(told.mask.sum(1), [LENGTH, 1, 1, 1])  # the null is one token, and no row is empty
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(told))


@every_embedder
def test_absent_values_and_nulls_have_their_own_gradients(name):
    """The null learns where the condition is absent, the rest where it is present; neither is ever NaN."""
    module, value, _ = CASES[name]
    params = micro.randomise(lambda key: module.init(key, value, PRESENT))

    def total(params, present):
        told = module.apply(params, value, present)
        tokens = 0.0 if told.tokens is None else told.tokens * told.mask[..., None]
        return jnp.sum(told.vector**2) + jnp.sum(tokens**2)

    gradients = jax.jit(jax.grad(total))
    for present in (True, False):
        found = gradients(params, np.full(SIZE, present))
        for path, leaf in jax.tree_util.tree_leaves_with_path(found):
            is_null = "null" in jax.tree_util.keystr(path)
            assert np.isfinite(leaf).all()
            # A text of no tokens, the last row, says nothing even where it is present.
            is_learnt = is_null != present or (is_null and name not in ("number", "class"))
            assert np.any(leaf) == is_learnt or "key" in jax.tree_util.keystr(path), jax.tree_util.keystr(path)


class Told(nn.Module):
    """A network that returns what it is told."""

    @nn.compact
    def __call__(self, x, c_noise, embedding=None, tokens=None, mask=None):
        self.param("scale", nn.initializers.ones, ())
        told = {"embedding": embedding, "tokens": tokens, "mask": mask}
        return {name: value for name, value in told.items() if value is not None}


def tell(*names):
    embedders = {name: CASES[name][0] for name in names}
    cond = {name: {"value": CASES[name][1], "present": PRESENT} for name in names}
    x, c_noise = np.zeros((SIZE, 2)), np.zeros(SIZE)
    params = conditioned.init(Told(), embedders, jax.random.key(0), x, c_noise, cond)
    assert set(params) == {"network", "embedders"} and set(params["embedders"]) == set(names)
    told = conditioned.embed(embedders, params["embedders"], cond)
    alone = {name: conditioned.embed({name: embedders[name]}, params["embedders"], cond) for name in names}
    return Told().apply({"params": params["network"]}, x, c_noise, **told), alone


def test_vectors_are_added_and_tokens_stand_side_by_side():
    told, alone = tell("number", "class", "pooled", "tokens")
    np.testing.assert_allclose(told["embedding"], sum(each["embedding"] for each in alone.values()), atol=1e-6)
    np.testing.assert_array_equal(told["tokens"], alone["tokens"]["tokens"])
    assert told["tokens"].shape == (SIZE, LENGTH, 3)


def test_a_network_is_told_only_what_there_is():
    assert set(tell("number")[0]) == {"embedding"}
    assert set(tell("bytes")[0]) == {"embedding", "tokens", "mask"}


def test_two_texts_are_one_sequence():
    embedders = {"a": TokenEmbedder(WIDTH), "b": TokenEmbedder(WIDTH)}
    cond = {name: {"value": TOKENS, "present": PRESENT ^ (name == "b")} for name in embedders}
    pooled = {"dense": {"kernel": np.ones((3, WIDTH)), "bias": np.zeros(WIDTH)}, "null": np.zeros(WIDTH)}
    params = {name: {"null": np.full(3, i, np.float32), "pooled": pooled} for i, name in enumerate(embedders)}
    told = conditioned.embed(embedders, params, cond)
    assert told["tokens"].shape == (SIZE, 2 * LENGTH, 3)
    np.testing.assert_array_equal(told["mask"].sum(1), [LENGTH + 1, 1 + 3, 1 + 1, 1 + 1])
    np.testing.assert_array_equal(told["tokens"][1, 0], np.zeros(3))
    np.testing.assert_array_equal(told["tokens"][0, LENGTH], np.ones(3))


def test_neighbouring_numbers_are_told_apart():
    """One beat a minute at 120, on a scale from 30 to 300, is no less than 1 % of what the whole range is."""
    module = NumberEmbedder(64)
    step = 2 * np.log(121 / 120) / np.log(10)
    values = np.float32([0.0, step, 1.0])
    vectors, _ = module.init_with_output(jax.random.key(0), values, np.ones(3, bool))
    near, far = (np.linalg.norm(vectors.vector[0] - vectors.vector[i]) for i in (1, 2))
    assert near > 0.01 * far
