import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicdiff.networks import convolution
from musicdiff.networks.blocks import DownBlock, make_parts


@pytest.mark.parametrize("options", [{"remat": True}, {"conv_route": "auto"}], ids=["remat", "matmul"])
def test_memory_and_route_change_neither_result_nor_gradient(x64, monkeypatch, randomised, options):
    monkeypatch.setattr(convolution, "matmul_is_faster", lambda *_: True)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 6, 4)))
    embedding = jnp.asarray(np.random.default_rng(1).standard_normal((2, 5)))

    def block(**options):
        settings = dict(groups=2, eps=1e-5, head_width=4, zero_init=False, padding="circular", dtype=jnp.float64)
        return DownBlock(8, 1, make_parts(**settings, **{"conv_route": "xla", "remat": False} | options), True, (0, 1))

    def value_and_grad(block):
        def loss(params, x):
            y, outputs = block.apply({"params": params}, x, embedding)
            return jnp.sin(y).sum() + jnp.cos(outputs[0]).sum()

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(params, x)

    params = randomised(block(), x, embedding, dtype=jnp.float64)
    plain, other = value_and_grad(block()), value_and_grad(block(**options))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), other, plain)  # softmax is float32
