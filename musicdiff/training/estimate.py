"""What a computation costs, read off its jaxpr before anything is compiled: floating-point operations and peak memory."""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import jax
from jax.extend import core


class Cost(NamedTuple):
    """flops: of convolutions and matrix products, a multiply-add as two; peak_bytes: of the values alive at once, arguments included."""

    flops: float
    peak_bytes: float


def cost(function: Callable, *args) -> Cost:
    """The cost of function(*args); args may be jax.ShapeDtypeStruct. An upper bound on memory: a compiler fuses, it does not add."""
    closed = jax.make_jaxpr(function)(*args)
    return Cost(_flops(closed.jaxpr), _peak_bytes(closed.jaxpr))


def _inner(eqn) -> list:
    """The jaxprs within an equation (scan, cond, pjit, custom_vjp, remat ...)."""
    found = []
    for value in eqn.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                found.append(item.jaxpr)
            elif isinstance(item, core.Jaxpr):
                found.append(item)
    return found


def _flops(jaxpr) -> float:
    total = 0.0
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        if name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            lhs = eqn.invars[0].aval.shape
            total += 2.0 * prod(eqn.outvars[0].aval.shape) * prod(lhs[i] for i in contracted)
        elif name == "conv_general_dilated":
            kernel, numbers = eqn.invars[1].aval.shape, eqn.params["dimension_numbers"]
            taps = prod(kernel) / kernel[numbers.rhs_spec[0]]
            # A transposed convolution multiplies by inserted zeros, which no implementation computes.
            total += 2.0 * prod(eqn.outvars[0].aval.shape) * taps / prod(eqn.params["lhs_dilation"])
        else:
            inner = [_flops(j) for j in _inner(eqn)]
            if name == "scan":
                total += eqn.params["length"] * sum(inner)
            elif name == "cond":
                total += max(inner)
            else:
                total += sum(inner)
    return total


def _size(var) -> float:
    aval = var.aval
    return prod(aval.shape) * aval.dtype.itemsize if hasattr(aval, "shape") and hasattr(aval.dtype, "itemsize") else 0.0


def _peak_bytes(jaxpr) -> float:
    last_use = {}
    for position, eqn in enumerate(jaxpr.eqns):
        for var in eqn.invars:
            if isinstance(var, core.Var):
                last_use[var] = position
    for var in jaxpr.outvars:
        if isinstance(var, core.Var):
            last_use[var] = len(jaxpr.eqns)
    alive = sum(_size(var) for var in (*jaxpr.invars, *jaxpr.constvars))
    held = set(jaxpr.invars) | set(jaxpr.constvars)
    peak = alive
    for position, eqn in enumerate(jaxpr.eqns):
        outputs = sum(_size(var) for var in eqn.outvars if var in last_use)
        within = max(
            (_peak_bytes(j) - sum(_size(v) for v in (*j.invars, *j.constvars)) for j in _inner(eqn)), default=0.0
        )
        peak = max(peak, alive + max(outputs, within))
        alive += outputs
        for var in {v for v in eqn.invars if isinstance(v, core.Var)}:
            if last_use[var] == position and var not in held:
                alive -= _size(var)
    return peak
