"""Both routes are one function, and that function is the sum in its docstring."""

import jax
import numpy as np
import pytest
from jax import numpy as jnp

from musicdiff.networks import convolution
from musicdiff.networks.convolution import convolve, matmul_is_faster

CASES = [(3, 1, (1, 1)), (3, 2, (1, 1)), (3, 2, (0, 1)), (4, 2, (1, 1)), (4, 1, (1, 2)), (1, 1, (0, 0))]


def draw(size, frames=6, bins=4):
    rng = np.random.default_rng(size)
    return jnp.asarray(rng.standard_normal((2, frames, bins, 3))), jnp.asarray(rng.standard_normal((size, size, 3, 5)))


def by_hand(x, kernel, stride, pad, padding):
    x, kernel = np.asarray(x), np.asarray(kernel)
    x = np.pad(x, ((0, 0), pad, (0, 0), (0, 0)), mode="wrap" if padding == "circular" else "constant")
    x = np.pad(x, ((0, 0), (0, 0), pad, (0, 0)))
    size = len(kernel)
    frames, bins = ((n - size) // stride + 1 for n in x.shape[1:3])
    y = np.zeros((len(x), frames, bins, kernel.shape[-1]))
    for t in range(frames):
        for f in range(bins):
            window = x[:, stride * t : stride * t + size, stride * f : stride * f + size]
            y[:, t, f] = np.einsum("bijc,ijco->bo", window, kernel)
    return y


@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize(("size", "stride", "pad"), CASES)
def test_both_routes_are_the_sum(x64, monkeypatch, size, stride, pad, padding):
    x, kernel = draw(size)
    expected = by_hand(x, kernel, stride, pad, padding)
    np.testing.assert_allclose(convolve(x, kernel, stride, pad, padding, "xla"), expected, atol=1e-12)
    monkeypatch.setattr(convolution, "matmul_is_faster", lambda *_: True)
    np.testing.assert_allclose(convolve(x, kernel, stride, pad, padding, "auto"), expected, atol=1e-12)


@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize(("stride", "pad"), [(1, (1, 1)), (2, (0, 1))])
def test_both_routes_have_the_same_derivatives(x64, monkeypatch, stride, pad, padding):
    monkeypatch.setattr(convolution, "matmul_is_faster", lambda *_: True)
    x, kernel = draw(3)
    dx, dkernel = draw(4, 6, 4)[0], jnp.cos(kernel)

    def derivatives(route):
        def f(x, kernel):
            return convolve(x, kernel, stride, pad, padding, route)

        y, tangent = jax.jvp(f, (x, kernel), (dx, dkernel))
        return tangent, *jax.vjp(f, x, kernel)[1](jnp.sin(y))

    for ours, xlas in zip(jax.jit(derivatives, static_argnums=0)("auto"), derivatives("xla")):
        np.testing.assert_allclose(ours, xlas, atol=1e-12)


def test_the_matrix_product_keeps_no_patches_for_the_backward_pass():
    x, kernel = (jnp.zeros(shape, jnp.float32) for shape in ((1, 10, 10, 8), (3, 3, 8, 8)))
    kept = jax.vjp(lambda x, k: convolution.convolve_by_matmul(x, k, 1), x, kernel)[1]
    assert sum(leaf.size for leaf in jax.tree.leaves(kept)) <= x.size + kernel.size


def test_the_route_is_chosen_by_width_size_and_device(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert matmul_is_faster(1, 16, 16, (3, 3, 256, 256))  # the lower levels of the full-size U-Net
    assert matmul_is_faster(8, 2, 2, (3, 3, 16, 16))  # a picture smaller than the kernel's window
    assert not matmul_is_faster(1, 64, 64, (3, 3, 128, 128))
    assert not matmul_is_faster(8, 128, 8, (3, 3, 64, 64))  # the tiny networks
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not matmul_is_faster(1, 16, 16, (3, 3, 256, 256))
