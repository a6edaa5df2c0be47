"""Along the sphere: the ends are the ends, and the length stays."""

import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.diffusion.interpolation import slerp

A, B = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 40, 3)), jnp.float32)


def test_the_ends_are_the_ends():
    np.testing.assert_allclose(slerp(A, B, jnp.zeros(5)), A, atol=1e-6)
    np.testing.assert_allclose(slerp(A, B, jnp.ones(5)), B, atol=1e-6)


def test_each_example_has_its_own_weight_and_angle():
    both = slerp(A, B, jnp.linspace(0, 1, 5))
    for i, weight in enumerate(np.linspace(0, 1, 5)):
        np.testing.assert_allclose(slerp(A[i : i + 1], B[i : i + 1], jnp.array([weight]))[0], both[i], atol=1e-6)


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_the_length_stays_and_the_angle_is_shared(weight):
    a, b = (x / jnp.linalg.norm(x.reshape(5, -1), axis=1)[:, None, None] for x in (A, B))
    found = slerp(a, b, jnp.full(5, weight))
    np.testing.assert_allclose(jnp.sum(found**2, (1, 2)), 1.0, atol=1e-5)
    whole, part = (jnp.arccos(jnp.sum(a * x, (1, 2))) for x in (b, found))
    np.testing.assert_allclose(part, weight * whole, atol=1e-4)
    line = (1 - weight) * a + weight * b
    assert (jnp.sum(line**2, (1, 2)) < 0.9).all()


@pytest.mark.parametrize("scale", [1.0, 1.0 + 1e-6])
def test_parallel_ends_are_a_line(scale):
    np.testing.assert_allclose(slerp(A, scale * A, jnp.full(5, 0.5)), 0.5 * (1 + scale) * A, atol=1e-5)
