import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.diffusion import constraints, process

X_0, EPS, X_S = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 6, 2)), jnp.float32)
KEYS = jax.random.split(jax.random.key(1), 4)
MASK = jnp.arange(6)[:, None] < 3


def test_inpaint_leaves_the_masked_region_to_the_sampler():
    edited = constraints.inpaint(X_0, MASK, EPS)(X_S, 0.5, KEYS)
    np.testing.assert_array_equal(edited[:, :3], X_S[:, :3])
    np.testing.assert_array_equal(edited[:, 3:], process.diffuse(X_0, EPS, 0.5)[:, 3:])


def test_inpaint_ends_with_exactly_what_is_known():
    edited = constraints.inpaint(X_0, MASK)(X_S, jnp.inf, KEYS)
    np.testing.assert_array_equal(edited[:, 3:], X_0[:, 3:])


def test_inpaint_draws_fresh_noise_from_the_keys_of_the_step():
    constraint = constraints.inpaint(X_0, MASK)
    edited = constraint(X_S, -2.0, KEYS)
    np.testing.assert_array_equal(edited[1], constraints.inpaint(X_0[1:2], MASK)(X_S[1:2], -2.0, KEYS[1:2])[0])
    other = constraint(X_S, -2.0, jax.random.split(jax.random.key(2), 4))
    assert not np.allclose(edited[:, 3:], other[:, 3:])


def test_sdedit_holds_each_example_at_the_input_up_to_its_own_start():
    constraint = constraints.sdedit(X_0, EPS, jnp.array([jnp.inf, 1.0, -1.0, -jnp.inf]))
    at = {level: constraint(X_S, level, KEYS) for level in (-1.0, 1.0, 5.0, jnp.inf)}
    held = {
        level: [bool(jnp.array_equal(x, s)) for x, s in zip(process.diffuse(X_0, EPS, level), at[level])]
        for level in at
    }
    free = {level: [bool(jnp.array_equal(x, s)) for x, s in zip(X_S, at[level])] for level in at}
    assert held[-1.0] == [True, True, True, False] and free[-1.0] == [False, False, False, True]
    assert held[1.0] == [True, True, False, False]
    assert held[5.0] == held[jnp.inf] == [True, False, False, False]
    np.testing.assert_array_equal(at[jnp.inf][0], X_0[0])
