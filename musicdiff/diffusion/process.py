"""x_t = alpha x_0 + sigma eps, alpha^2 = sigmoid(log_snr), sigma^2 = sigmoid(-log_snr): one process, every view of it.

A level is a scalar or [B], broadcast on the leading axis. log_snr = +inf is data: alpha = 1 and sigma = 0 exactly, and
no view is NaN there.
"""

import jax
import jax.numpy as jnp

from musicdiff.typing import Array, Keys, Prediction

KINDS = ("eps", "v", "x_0")


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


def target(kind: str, x_0: Array, eps: Array, log_snr: Array) -> Array:
    """What a network of this kind is trained to output: eps, x_0 or v = alpha eps - sigma x_0 (arXiv 2202.00512)."""
    alpha, sigma = alpha_sigma(align(log_snr, x_0))
    return {"eps": eps, "x_0": x_0, "v": alpha * eps - sigma * x_0}[kind]


def prediction(kind: str, output: Array, x_t: Array, log_snr: Array) -> Prediction:
    """x_0 and eps from a network's output of one kind: `target(kind, *prediction, log_snr)` is the output again."""
    alpha, sigma = alpha_sigma(align(log_snr, x_t))
    match kind:
        case "eps":
            return Prediction(x_0=(x_t - sigma * output) / alpha, eps=output)
        case "v":
            return Prediction(x_0=alpha * x_t - sigma * output, eps=sigma * x_t + alpha * output)
        case "x_0":
            noisy = sigma > 0.0  # at data x_t is x_0 itself and says nothing of eps: 0 there instead of 0 / 0
            eps = (x_t - alpha * output) / jnp.where(noisy, sigma, 1.0)
            return Prediction(x_0=jnp.where(noisy, output, x_t), eps=jnp.where(noisy, eps, 0.0))
    raise ValueError(kind)


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
