"""x_t = alpha x_0 + sigma eps, alpha^2 = sigmoid(log_snr), sigma^2 = sigmoid(-log_snr): one process, every view of it.

A level is a scalar or [B], broadcast on the leading axis. log_snr = +inf is data: alpha = 1 and sigma = 0 exactly, and
no view is NaN there.
"""

import jax
import jax.numpy as jnp

from musicdiff.diffusion.kinds import Kind
from musicdiff.typing import Array, Keys, Prediction

# As far as a network's embedding tells levels apart: beyond, alpha or sigma is below 5e-5.
TOLD_RANGE = 20.0


def alpha_sigma(log_snr: Array) -> tuple[Array, Array]:
    """alpha = sqrt(sigmoid(log_snr)), sigma = sqrt(sigmoid(-log_snr)): sigma as 1 - alpha^2 cancels near data."""
    return jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))


def align(log_snr: Array, x: Array) -> Array:
    """A level, scalar or [B], with the axes of x [B, ...] behind it."""
    return jnp.reshape(log_snr, jnp.shape(log_snr) + (1,) * (x.ndim - jnp.ndim(log_snr)))


def draw_noise(keys: Keys, like: Array) -> Array:
    """eps ~ N(0, I) of the shape and dtype of `like` [B, ...]: each example from its own key, whatever its batch."""
    return jax.vmap(lambda key: jax.random.normal(key, like.shape[1:], like.dtype))(keys)


def diffuse(x_0: Array, eps: Array, log_snr: Array) -> Array:
    """x_t = alpha x_0 + sigma eps."""
    alpha, sigma = alpha_sigma(align(log_snr, x_0))
    return alpha * x_0 + sigma * eps


def target(kind: Kind, x_0: Array, eps: Array, log_snr: Array) -> Array:
    """What a network of this kind is trained to output."""
    view = kind(*alpha_sigma(align(log_snr, x_0)))
    return view.of_x_0 * x_0 + view.of_eps * eps


def network_input(kind: Kind, x_t: Array, log_snr: Array) -> Array:
    """x_t as a network of this kind sees it: in its own coordinates."""
    return kind(*alpha_sigma(align(log_snr, x_t))).seen * x_t


def c_noise(log_snr: Array) -> Array:
    """500 - 25 log_snr, clipped to [0, 1000], 0 = data: what a network is told, in the range of DDPM's index.

    EDM's log(sigma_ve) / 4 = -log_snr / 8 (arXiv 2206.00364) is the same but for a scale, made for one embedding.
    """
    return 500.0 - 500.0 / TOLD_RANGE * jnp.clip(log_snr, -TOLD_RANGE, TOLD_RANGE)


def prediction(kind: Kind, output: Array, x_t: Array, log_snr: Array) -> Prediction:
    """x_0 and eps from a network's output: `target(kind, *prediction, log_snr)` is the output again.

    Cramer's rule on x_t = alpha x_0 + sigma eps and output = of_x_0 x_0 + of_eps eps. Where the two say the same, as
    x_0 at data does, x_t is x_0, and eps, of which nothing is said, is 0.
    """
    alpha, sigma = alpha_sigma(align(log_snr, x_t))
    view = kind(alpha, sigma)
    solvable = jnp.not_equal(view.determinant, 0.0)
    divisor = jnp.where(solvable, view.determinant, 1.0)
    x_0 = jnp.where(solvable, (view.of_eps * x_t - sigma * output) / divisor, x_t)
    return Prediction(x_0, jnp.where(solvable, (alpha * output - view.of_x_0 * x_t) / divisor, 0.0))


def x_0_error(kind: Kind, log_snr: Array) -> Array:
    """|x_0 error|^2 / |output error|^2 at one x_t: what carries a weight over from x_0 to an output of this kind."""
    alpha, sigma = alpha_sigma(log_snr)
    return jnp.square(sigma / kind(alpha, sigma).determinant)


def replace_x_0(prediction: Prediction, x_0: Array, log_snr: Array) -> Prediction:
    """Another x_0 of the same x_t: eps' = eps - alpha / sigma (x_0' - x_0), so that alpha x_0' + sigma eps' is x_t.

    Where x_0 stays as it was, so does eps, to the last bit. At data (+inf), where no eps can make up for it, eps stays.
    """
    log_snr = align(log_snr, x_0)
    ratio = jnp.where(log_snr < jnp.inf, jnp.exp(0.5 * log_snr), 0.0)  # alpha / sigma
    return Prediction(x_0, prediction.eps - ratio * (x_0 - prediction.x_0))


def variance_between(log_snr_t: Array, log_snr_s: Array) -> Array:
    """Var(x_t | x_s) = 1 - alpha_t^2 / alpha_s^2 = -expm1(log_sigmoid(l_t) - log_sigmoid(l_s)), t noisier than s.

    Logarithms, for near data both alphas round to 1 in float32, and their ratio would leave no digit of the variance.
    """
    return -jnp.expm1(jax.nn.log_sigmoid(log_snr_t) - jax.nn.log_sigmoid(log_snr_s))


def posterior(x_0: Array, x_t: Array, log_snr_t: Array, log_snr_s: Array) -> tuple[Array, Array]:
    """q(x_s | x_t, x_0), t noisier than s (arXiv 2006.11239, eq. 7, and 2107.00630): mean [B, ...], variance.

    mean = alpha_s / alpha_t r x_t + alpha_s (1 - r) x_0, variance = sigma_s^2 (1 - r), r = SNR_t / SNR_s.
    1 - r by expm1, for neighbouring levels cancel; at s = +inf it is exactly 1, the mean x_0 and the variance 0.
    """
    level_t, level_s = align(log_snr_t, x_t), align(log_snr_s, x_t)
    alpha_t, _ = alpha_sigma(level_t)
    alpha_s, sigma_s = alpha_sigma(level_s)
    r, one_less_r = jnp.exp(level_t - level_s), -jnp.expm1(level_t - level_s)
    return alpha_s / alpha_t * r * x_t + alpha_s * one_less_r * x_0, sigma_s**2 * one_less_r
