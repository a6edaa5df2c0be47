import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.networks import convolution
from musicdiff.networks.blocks import DownBlock, make_parts

SETTINGS = {"groups": 2, "eps": 1e-5, "head_width": 4, "zero_init": False, "padding": "circular", "dtype": jnp.float64}


def test_remat_and_route_change_neither_result_nor_gradient(x64, monkeypatch, randomised):
    monkeypatch.setattr(convolution, "matmul_is_faster", lambda *_: True)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 6, 4)))
    embedding = jnp.asarray(np.random.default_rng(1).standard_normal((2, 5)))

    def block(conv_route, remat):
        return DownBlock(8, 1, make_parts(**SETTINGS, conv_route=conv_route, remat=remat), True, (0, 1))

    def value_and_grad(block):
        def loss(params, x):
            y, outputs = block.apply({"params": params}, x, embedding)
            return jnp.sin(y).sum() + jnp.cos(outputs[0]).sum()

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(params, x)

    params = randomised(block("xla", False), x, embedding, dtype=jnp.float64)
    plain = value_and_grad(block("xla", False))
    for conv_route, remat in (("auto", False), ("xla", True)):
        other = value_and_grad(block(conv_route, remat))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), other, plain)  # softmax is float32
