"""MeanFlow (arXiv 2505.13447): the average velocity from one level to another, learnt from scratch: one evaluation goes all the way.

In rectified-flow coordinates z_t = (1 - t) x_0 + t eps the velocity is v = eps - x_0, and u(z_t, r, t) its average along the
probability flow from t down to r, so that z_r = z_t - (t - r) u.
"""

import math

import jax
import jax.numpy as jnp

from musicdiff.diffusion import draws, losses, process, schedules
from musicdiff.errors import UsageError
from musicdiff.typing import Array, Keys, Metrics, Network, Objective, Prediction

# The network is told this times t and t - r. The derivative in t is part of the target: with the thousand of other
# objectives it would be that of the fastest sinusoid of the embedding, and nothing else.
TOLD_SCALE = 10.0
FLOOR = 1e-3  # added to the squared error, a mean over the clip, by which the adaptive weight divides


def build(
    *, mean: float = -0.4, std: float = 1.0, jumps: float = 0.25, power: float = 1.0, guidance: float = 1.0
) -> Objective:
    """|u - stop_gradient(v - (t - r) du/dt)|^2, du/dt = v grad_z u + d_t u by one forward-mode derivative.

    Its levels are those of the schedule rectified_flow. The network has c_noise [B, 2], of t and of t - r.

    Args:
        mean, std: t and r are the larger and the smaller of two draws of logit_normal
        jumps: share of the examples with r < t; at the others the target is v itself, as in rectified flow
        power: of the adaptive weight (|error|^2 + 1e-3)^-power on the squared error; 0 leaves it plain
        guidance: scale of the classifier-free guidance that is learnt along: v becomes v + (scale - 1) (v - u_null)
            with u_null = u(z_t, t, t) of the network without its condition
    Raises:
        UsageError: a number out of range
    """
    for name, value in {"jumps": jumps, "power": power}.items():
        if not 0.0 <= value <= 1.0:
            raise UsageError(f"objective 'mean_flow': {name} must be within 0 and 1, not {value}")
    if not 0.0 <= guidance < math.inf:
        raise UsageError(f"objective 'mean_flow': guidance must be 0 or more, not {guidance}")
    draw_t = draws.build("logit_normal", mean=mean, std=std)
    schedule = schedules.build("rectified_flow")

    def draw_times(key: Array) -> tuple[Array, Array]:
        """t and r <= t of one example."""
        first, second, third = jax.random.split(key, 3)
        a, b = draw_t(first), draw_t(second)
        t = jnp.maximum(a, b)
        return t, jnp.where(jax.random.uniform(third) < jumps, jnp.minimum(a, b), t)

    def velocity(network: Network, z: Array, t: Array, r: Array) -> Array:
        c_noise = TOLD_SCALE * jnp.stack([t, t - r], axis=-1)
        return network(z, jnp.broadcast_to(c_noise, (*z.shape[:1], 2))).astype(z.dtype)

    def loss(network: Network, x_0: Array, keys: Keys, null: Network | None = None) -> tuple[Array, Metrics]:
        time_keys, noise_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        t, r = (times.astype(x_0.dtype) for times in jax.vmap(draw_times)(time_keys))
        eps = process.draw_noise(noise_keys, x_0)
        z, v = _mix(x_0, eps, t), eps - x_0
        if guidance != 1.0:
            if null is None:
                raise UsageError(
                    "objective 'mean_flow': guidance needs a condition, and this model has none: set guidance to 1"
                )
            v = jax.lax.stop_gradient(v + (guidance - 1.0) * (v - velocity(null, z, t, t)))
        u, du = jax.jvp(lambda z, t: velocity(network, z, t, r), (z, t), (v, jnp.ones_like(t)))
        target = jax.lax.stop_gradient(v - process.align(t - r, z) * du)
        mse = losses.squared_error(u, target)
        weighted = jax.lax.stop_gradient((mse + FLOOR) ** -power) * mse
        # The weighted error's gradient with the plain error's value: at power 1 the weighted one is 1 whatever the network does.
        value = weighted + jax.lax.stop_gradient(mse - weighted)
        return value, {"log_snr": -2.0 * (jnp.log(t) - jnp.log1p(-t)), "mse": mse}

    def loss_at(network: Network, x_0: Array, eps: Array, log_snr: Array) -> tuple[Array, Metrics]:
        t = _time(log_snr)
        mse = losses.squared_error(velocity(network, _mix(x_0, eps, t), t, t), eps - x_0)
        return mse, {"log_snr": log_snr, "mse": mse}

    def denoise(network: Network, x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        alpha, sigma = process.alpha_sigma(process.align(log_snr, x_t))
        z, t = x_t / (alpha + sigma), _time(log_snr)
        u = velocity(network, z, t, t if to is None else jnp.minimum(_time(to), t))
        return Prediction(x_0=z - process.align(t, z) * u, eps=z + process.align(1.0 - t, z) * u)

    return Objective(schedule, loss, loss_at, denoise, flow_map=True, c_noise_shape=(2,))


def _time(log_snr: Array) -> Array:
    """t = sigma / (alpha + sigma), 0 at data."""
    return jax.nn.sigmoid(-0.5 * log_snr)


def _mix(x_0: Array, eps: Array, t: Array) -> Array:
    """z_t = (1 - t) x_0 + t eps."""
    t = process.align(t, x_0)
    return (1.0 - t) * x_0 + t * eps
