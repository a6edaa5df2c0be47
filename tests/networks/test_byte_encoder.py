"""The encoder of bytes: what lies outside the mask is read by nobody, and no text at all is no NaN."""

import jax
import micro
import numpy as np
import pytest

from musicdiff.networks.byte_encoder import BEGIN, LONGEST, ByteEncoder, hashes

ENCODER = ByteEncoder(width=8, layers=2, heads=2, buckets=16)
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
    tables = (257 + 7 * 4096) * 512
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == tables + 128 * 512 + 4 * 3_152_384 + 2 * 512


def test_a_gram_has_the_same_number_wherever_it_stands_and_another_than_others():
    text = np.frombuffer(b"calm piano, slow piano, slow plano", np.uint8).astype(np.int32)
    first, second, other = 9, 21, 33  # where 'piano', 'piano' and 'plano' end
    for length, numbers in enumerate(hashes(text[None]), start=2):
        numbers = np.asarray(numbers[0])
        assert (numbers[first] == numbers[second]) == (length <= len(" piano")), length
        assert (numbers[second] == numbers[other]) == (length <= len("ano")), length
        whole = [text[max(0, end - length + 1) : end + 1].tobytes() for end in range(length - 1, len(text))]
        assert len(set(numbers[length - 1 :])) == len(set(whole))  # no two grams of these share one of 2^32 numbers
    assert length == LONGEST


def test_grams_fill_their_table_evenly():
    """Of all grams of two bytes: 65,536 in 4,096 rows, 16 in each, give or take as chance would have it."""
    pairs = np.stack(np.meshgrid(np.arange(256), np.arange(256)), -1).reshape(-1, 2).astype(np.int32)
    counts = np.bincount(np.asarray(hashes(pairs)[0])[:, 1] % 4096, minlength=4096)
    assert counts.std() < 1.2 * counts.mean() ** 0.5


def test_of_one_text_the_words_alone_tell_another(encode):
    """Grams that reach before the text's beginning are none: what stands first depends on nothing else."""
    params = micro.randomise(lambda key: ByteEncoder(8, 0, 2, 16).init(key, IDS, MASK))
    embed = jax.jit(lambda ids: ByteEncoder(8, 0, 2, 16).apply(params, ids, MASK))
    changed = IDS.copy()
    changed[:, 3] = (changed[:, 3] + 1) % BEGIN
    before, after = np.asarray(embed(IDS)), np.asarray(embed(changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert not np.isclose(before[:, 3:], after[:, 3:], atol=1e-5).all(-1).any()
