"""Convolutions over time and frequency, and the one place that chooses how the device computes them."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

PADDINGS = ("zeros", "circular")
ROUTES = ("auto", "xla")


def convolve(x: Array, kernel: Array, stride: int, pad: tuple[int, int], padding: str, route: str) -> Array:
    """y[t, f] = sum_ij x[stride t + i - pad_0, stride f + j - pad_0] kernel[i, j].

    Args:
        x: [B, T, F, I]
        kernel: [K, K, I, O]
        pad: rows added before and after, the same on both axes
        padding: 'zeros', or 'circular', which continues time by its own other end (frequency always gets zeros)
        route: 'auto' takes the faster of two equal computations, 'xla' always XLA's own convolution

    Returns:
        [B, T', F', O]
    """
    size = kernel.shape[0]
    if size == 1:
        return x @ kernel[0, 0]
    time_pad = pad
    if padding == "circular":
        x = jnp.pad(x, ((0, 0), pad, (0, 0), (0, 0)), mode="wrap")
        time_pad = (0, 0)
    frames, bins = ((n + sum(p) - size) // stride + 1 for n, p in zip(x.shape[1:3], (time_pad, pad)))
    if route == "auto" and matmul_is_faster(x.shape[0], frames, bins, kernel.shape):
        return convolve_by_matmul(jnp.pad(x, ((0, 0), time_pad, pad, (0, 0))), kernel, stride)
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), (time_pad, pad), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def matmul_is_faster(batch: int, frames: int, bins: int, kernel_shape: tuple[int, ...]) -> bool:
    """Whether `convolve_by_matmul` beats XLA's convolution, for an output of [batch, frames, bins, O].

    The matrix product needs a copy of the picture, nine times enlarged, and XLA's convolution on CPU spends its time on the kernel instead:
    the product wins where the picture is small against the kernel, and by two orders of magnitude where it is smaller than the kernel's
    window. docs/networks.md has the measurements. On accelerators XLA's convolution stays.
    """
    size, _, _, channels = kernel_shape
    return jax.default_backend() == "cpu" and (batch * frames * bins <= channels or frames * bins < size**2)


# Recomputing the patches in the backward pass saves K^2 times the memory of x, and leaves the kernel's gradient as patches^T @ dy and x's
# as slices added up: both faster than XLA's. Unlike a custom_vjp it keeps forward-mode derivatives.
@partial(jax.checkpoint, static_argnums=2)
def convolve_by_matmul(x: Array, kernel: Array, stride: int) -> Array:
    """patches(x) @ kernel: the same convolution of an x that is padded already, as one matrix product."""
    size, _, _, channels = kernel.shape
    frames, bins = ((n - size) // stride + 1 for n in x.shape[1:3])
    patches = jnp.concatenate(
        [
            x[:, i : i + stride * frames : stride, j : j + stride * bins : stride]
            for i in range(size)
            for j in range(size)
        ],
        axis=-1,
    )  # [B, T', F', K K I]
    return patches @ kernel.reshape(-1, channels)
