"""Keys depend on what they are for: never on the batch, the number of devices or JAX's default generator."""

import jax
import jax.numpy as jnp
import numpy as np

from musicdiff import randomness


def bits(keys):
    return np.asarray(jax.random.key_data(keys))


def test_the_keys_are_these():
    """A change here would change every sample and every resumed run."""
    assert bits(randomness.root_key(0, "init")).tolist() == [3020537540, 2946840664]
    assert bits(randomness.example_keys(randomness.root_key(0, "loss"), jnp.array([0, 7]))).tolist() == [
        [234090702, 506535946],
        [1645036640, 2798095109],
    ]


def test_purposes_and_seeds_are_apart():
    keys = [bits(randomness.root_key(seed, purpose)) for seed in (0, 1) for purpose in ("init", "loss", "x_T", "steps")]
    assert len({tuple(key) for key in keys}) == 8


def test_an_example_has_its_key_in_any_batch():
    key = randomness.root_key(3, "loss")
    together = bits(randomness.example_keys(key, jnp.arange(100, 108)))
    for row, index in enumerate(range(100, 108)):
        np.testing.assert_array_equal(together[row], bits(randomness.example_keys(key, jnp.array([index])))[0])
    assert len({tuple(row) for row in together}) == 8


def test_a_clip_has_the_key_of_its_seed():
    seeds = np.array([5, 0, 2**32 - 1], np.uint32)
    together = bits(randomness.seed_keys(seeds, "x_T"))
    for row, seed in zip(together, seeds):
        np.testing.assert_array_equal(row, bits(randomness.root_key(int(seed), "x_T")))


def test_keys_are_threefry_whatever_the_default():
    expected = bits(randomness.root_key(0, "init"))
    with jax.default_prng_impl("rbg"):
        key = randomness.root_key(0, "init")
    np.testing.assert_array_equal(bits(key), expected)
    assert key.dtype == jax.random.key(0, impl="threefry2x32").dtype


def test_keys_within_a_compiled_program_are_the_same():
    seeds = np.arange(4, dtype=np.uint32)
    compiled = jax.jit(lambda seeds: randomness.seed_keys(seeds, "x_T"))(seeds)
    np.testing.assert_array_equal(bits(compiled), bits(randomness.seed_keys(seeds, "x_T")))
