import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture
def x64():
    """Float64 within the test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def randomised():
    """A network's parameters, every one of them random: zeros and ones would hide a mistake."""

    def init(network, *inputs, dtype=jnp.float32, **options):
        shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs, **options))["params"]
        rng = np.random.default_rng(0)

        def draw(leaf):
            centre, spread = (0.5, 0.3) if leaf.ndim == 1 else (0.0, leaf.size**-0.5 * leaf.shape[-1] ** 0.5)
            return jnp.asarray(centre + spread * rng.standard_normal(leaf.shape), dtype)

        return jax.tree.map(draw, shapes)

    return init
