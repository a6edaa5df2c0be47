"""AdamW with warm-up, cosine decay and clipping by global norm."""

from collections.abc import Mapping

import jax.numpy as jnp
import optax


def learning_rate_schedule(learning_rate: float, warmup_steps: int, decay_steps: int) -> optax.Schedule:
    """Linear from 0 over `warmup_steps`, then half a cosine to 0 at `decay_steps`, which is later, 0 after."""
    return optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup_steps, decay_steps)


def build(
    *,
    learning_rate: float,
    warmup_steps: int,
    decay_steps: int,
    b1: float,
    b2: float,
    weight_decay: float,
    clip_norm: float,
    held_until: Mapping[str, int],
) -> optax.GradientTransformation:
    """AdamW (arXiv 1711.05101), clipped to a global gradient norm of `clip_norm`.

    held_until: {top-level name of params: step}: those parameters are optimised apart, with moments and norm of their own, and do not move before
        that step; without the hold, weight decay alone would shrink a discriminator long before its loss begins.
    """
    rate = learning_rate_schedule(learning_rate, warmup_steps, decay_steps)

    def adamw():
        return optax.chain(
            optax.clip_by_global_norm(clip_norm), optax.adamw(rate, b1=b1, b2=b2, weight_decay=weight_decay)
        )

    if not held_until:
        return adamw()

    def held(start):
        return optax.chain(adamw(), optax.scale_by_schedule(lambda step: jnp.where(step >= start, 1.0, 0.0)))

    transforms = {"free": adamw(), **{name: held(start) for name, start in held_until.items()}}
    return optax.multi_transform(
        transforms, lambda params: {name: name if name in held_until else "free" for name in params}
    )
