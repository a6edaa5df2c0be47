"""Costs read off a jaxpr, against counts by hand."""

import jax
import jax.numpy as jnp
import pytest

from musicdiff import config as configuration
from musicdiff import models
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.training.estimate import cost


def shape(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


def convolve(x, kernel, stride=1, groups=1):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )


def test_a_matrix_product():
    assert cost(jnp.matmul, shape(5, 7), shape(7, 3)).flops == 2 * 5 * 7 * 3
    assert cost(jnp.matmul, shape(4, 5, 7), shape(4, 7, 3)).flops == 4 * 2 * 5 * 7 * 3


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution(stride):
    flops = cost(lambda x, kernel: convolve(x, kernel, stride), shape(2, 16, 32, 3), shape(3, 3, 3, 5)).flops
    assert flops == 2 * 2 * (16 // stride) * (32 // stride) * 5 * (3 * 3 * 3)


def test_a_grouped_convolution():
    flops = cost(lambda x, kernel: convolve(x, kernel, groups=2), shape(1, 8, 8, 4), shape(3, 3, 2, 6)).flops
    assert flops == 2 * 8 * 8 * 6 * (3 * 3 * 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_cost_twice_the_forward_pass(stride):
    """Also of a strided convolution, whose gradient by its input is one over inserted zeros that nothing computes."""

    def loss(x, kernel):
        return jnp.sum(convolve(x, kernel, stride))

    args = shape(2, 16, 32, 3), shape(3, 3, 3, 5)
    assert cost(jax.grad(loss, argnums=(0, 1)), *args).flops == 3 * cost(loss, *args).flops


def test_a_scan_counts_every_step():
    def function(x, w):
        return jax.lax.scan(lambda x, _: (x @ w, None), x, length=7)[0]

    assert cost(function, shape(2, 3), shape(3, 3)).flops == 7 * 2 * 2 * 3 * 3


def test_a_branch_counts_its_dearest_side():
    def function(flag, x, w):
        return jax.lax.cond(flag, lambda: x @ w @ w, lambda: x @ w)

    assert cost(function, shape(dtype=bool), shape(2, 3), shape(3, 3)).flops == 2 * 2 * 2 * 3 * 3


def test_what_is_within_counts():
    def function(x, w):
        return jax.checkpoint(jax.jit(jnp.matmul))(x, w)

    assert cost(function, shape(2, 3), shape(3, 4)).flops == 2 * 2 * 3 * 4


def test_memory_is_what_is_alive_at_once():
    """x: 4000 bytes all along; a, b and c of as many each, of which at most two live beside it."""

    def function(x):
        a = jnp.sin(x)
        b = jnp.cos(a)
        c = jnp.tan(b)
        return jnp.sum(c)

    assert cost(function, shape(1000)).peak_bytes == 3 * 4000


def test_memory_keeps_what_is_used_later():
    def function(x):
        a = jnp.sin(x)
        b = jnp.cos(a)
        c = jnp.tan(b)
        return a + c  # the result is the fourth beside x, a, c

    assert cost(function, shape(1000)).peak_bytes == 4 * 4000


def test_memory_counts_bytes_not_elements():
    assert cost(jnp.sin, shape(1000, dtype=jnp.bfloat16)).peak_bytes == 4000


def test_memory_within_a_scan_is_that_of_one_step():
    def step(x, _):
        return jnp.sin(jnp.outer(x, x)).sum(1), None

    short, long = (cost(lambda x, n=n: jax.lax.scan(step, x, length=n)[0], shape(100)).peak_bytes for n in (1, 50))
    assert short == long
    assert 2 * 4 * 100 * 100 <= short <= 3 * 4 * 100 * 100


def test_more_examples_need_more_memory_but_the_same_weights():
    def loss(w, x):
        return jnp.sum(jnp.tanh(x @ w) @ w)

    one, two, four = (cost(jax.grad(loss), shape(8, 8), shape(n, 8)) for n in (100, 200, 400))
    assert four.flops == 2 * two.flops == 4 * one.flops
    assert four.peak_bytes - two.peak_bytes == 2 * (two.peak_bytes - one.peak_bytes) > 0


def test_an_evaluation_of_the_full_unet():
    """31.0 GFLOP at 64 x 64, as measured elsewhere for the same network."""
    model = models.build(configuration.load("mel:64x64").config)
    params = jax.eval_shape(model.init, jax.random.key(0))
    evaluation = cost(
        lambda params, x: model.denoise_fn(params, {})(x, jnp.float32(0), {}), params, shape(1, 64, 64, 1)
    )
    assert evaluation.flops == pytest.approx(31.0e9, rel=0.01)
    assert evaluation.peak_bytes > 4 * 113_668_609


def test_the_full_autoencoder():
    """272 GFLOP to encode 256 x 256, 622 to decode."""
    autoencoder = Autoencoder()
    params = jax.eval_shape(lambda: autoencoder.init(jax.random.key(0), jnp.zeros((1, 256, 256, 1))))
    for method, size, gflop in (("encode", (1, 256, 256, 1), 272), ("decode", (1, 32, 32, 1), 622)):
        applied = cost(lambda params, x, m=method: autoencoder.apply(params, x, method=m), params, shape(*size))
        assert applied.flops == pytest.approx(gflop * 1e9, rel=0.01)
