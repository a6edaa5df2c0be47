"""The encoder of bytes: what lies outside the mask is read by nobody, and no text at all is no NaN."""

import jax
import micro
import numpy as np
import pytest

from musicdiff.networks.byte_encoder import BEGIN, ByteEncoder

ENCODER = ByteEncoder(width=8, layers=2, heads=2)
IDS = np.random.default_rng(0).integers(0, 257, (3, 7)).astype(np.int32)
MASK = np.arange(7) < np.int32([7, 4, 0])[:, None]


@pytest.fixture(scope="module")
def encode():
    params = micro.randomise(lambda key: ENCODER.init(key, IDS, MASK))
    return jax.jit(lambda ids, mask: ENCODER.apply(params, ids, mask))


def test_a_token_for_each_byte(encode):
    tokens = encode(IDS, MASK)
    assert tokens.shape == (3, 7, 8) and np.isfinite(tokens).all()
    np.testing.assert_allclose(encode(IDS[1:2], MASK[1:2]), tokens[1:2], atol=1e-6)


def test_what_is_outside_the_mask_is_read_by_nobody(encode):
    other = np.where(MASK, IDS, 0)
    np.testing.assert_array_equal(encode(other, MASK)[MASK], encode(IDS, MASK)[MASK])


@pytest.mark.parametrize("place", [0, 1, 3])
def test_each_byte_and_its_place_are_read(encode, place):
    changed = IDS.copy()
    changed[1, place] = (changed[1, place] + 1) % BEGIN
    tokens, after = encode(IDS, MASK), encode(changed, MASK)
    assert not np.isclose(tokens[1, :4], after[1, :4], atol=1e-4).all(-1).any()  # each of them reads all of the others
    np.testing.assert_array_equal(tokens[0], after[0])
    swapped = encode(IDS[:, [1, 0, 2, 3, 4, 5, 6]], MASK)
    assert not np.allclose(swapped[1, 2:4], tokens[1, 2:4], atol=1e-4)


def test_the_default_has_the_size_that_the_docs_tell():
    shapes = jax.eval_shape(ByteEncoder(512, 4, 8).init, jax.random.key(0), np.zeros((1, 128), np.int32), MASK[:1, :1])
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 257 * 512 + 128 * 512 + 4 * 3_152_384 + 2 * 512
