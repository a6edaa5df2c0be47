import jax
import jax.numpy as jnp
import numpy as np

from musicdiff.networks.discriminator import PatchDiscriminator

SMALL = PatchDiscriminator(channels=(8, 16, 16), groups=4)


def test_a_logit_for_each_patch_shifts_with_a_circular_picture(x64, randomised):
    network = SMALL.clone(padding="circular", dtype=jnp.float64)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 16, 8, 1)))
    params = randomised(network, x, dtype=jnp.float64)
    apply = jax.jit(lambda x: network.apply({"params": params}, x))
    logits = apply(x)
    assert logits.shape == (2, 4, 2, 1)
    shifted = apply(jnp.roll(x, network.multiple[0], axis=1))
    np.testing.assert_allclose(shifted, jnp.roll(logits, 1, axis=1), atol=1e-12)
    np.testing.assert_allclose(apply(x.at[0].set(5.0))[1], logits[1], atol=1e-12)  # an example does not know its batch


def test_default_patches_are_70_places_wide():
    network = PatchDiscriminator()
    x = jnp.zeros((1, 128, 128, 1))
    params = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
    size, stride = 1, 1
    for i in range(4):
        size += (params[f"conv_{i}"]["kernel"].shape[0] - 1) * stride
        stride *= 2 if i < 3 else 1
    size += (params["conv_out"]["kernel"].shape[0] - 1) * stride
    assert size == 70
    assert network.multiple == (stride, stride)
