"""Kinds of network: what one sees of x_t, and what it says of x_0 and eps. Every kind is linear in them.

A new kind is one function that returns a Kind, named in KINDS; its keyword arguments are its options.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from musicdiff import choice
from musicdiff.errors import UsageError
from musicdiff.typing import Array


class View(NamedTuple):
    """A kind at one level: the network sees `seen` x_t, and its output is of_x_0 x_0 + of_eps eps.

    determinant: alpha of_eps - sigma of_x_0, by which x_0 and eps come back from x_t and the output: an output wrong
        by 1 is wrong by sigma / determinant in x_0. 0 where x_t and the output say the same
    """

    of_x_0: Array | float
    of_eps: Array | float
    determinant: Array | float
    seen: Array | float = 1.0


Kind = Callable[[Array, Array], View]  # of alpha and sigma


def eps() -> Kind:
    """eps (arXiv 2006.11239): it says nothing of x_0 where alpha is small."""
    return lambda alpha, sigma: View(0.0, 1.0, alpha)


def x_0() -> Kind:
    """x_0: it says nothing of eps where sigma is small."""
    return lambda alpha, sigma: View(1.0, 0.0, -sigma)


def v() -> Kind:
    """v = alpha eps - sigma x_0 (arXiv 2202.00512)."""
    return lambda alpha, sigma: View(-sigma, alpha, 1.0)


def flow() -> Kind:
    """u = eps - x_0 at x_rf = (1 - t) x_0 + t eps = x_t / (alpha + sigma), t = sigma / (alpha + sigma) (2209.03003)."""
    return lambda alpha, sigma: View(-1.0, 1.0, alpha + sigma, 1.0 / (alpha + sigma))


def edm(sigma_data: float = 0.5) -> Kind:
    """F of x_0 = c_skip x_ve + c_out F(c_in x_ve), x_ve = x_t / alpha = x_0 + sigma_ve eps (arXiv 2206.00364, table 1).

    Here, with n^2 = sigma^2 + sigma_data^2 alpha^2: c_in x_ve = x_t / n, c_out = sigma_data sigma / n, and
    F = sigma / (sigma_data n) x_0 - sigma_data alpha / n eps. With sigma_data 1, n is 1 and F is -v.

    Args:
        sigma_data: the standard deviation of the data, above 0
    """
    if not sigma_data > 0.0:
        raise UsageError(f"sigma_data, a standard deviation, must be above 0, not {sigma_data}")

    def view(alpha: Array, sigma: Array) -> View:
        n = jnp.sqrt(sigma**2 + (sigma_data * alpha) ** 2)
        return View(sigma / (sigma_data * n), -sigma_data * alpha / n, -n / sigma_data, 1.0 / n)

    return view


KINDS: dict[str, Callable[..., Kind]] = choice.by_name(eps, x_0, v, flow, edm)


def build(name: str, **options: Any) -> Kind:
    """The kind called `name`. Raises UsageError on an unknown name or option, with the list of what exists."""
    return choice.call(f"prediction {name!r}", KINDS[choice.check("prediction", name, KINDS)], options)
