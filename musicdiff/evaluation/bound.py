"""The bound of a trained model on held-out clips: L_0, the steps L_1 ... L_{T-1} by level of noise, L_T, and their sum."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from musicdiff import generation, parallel, randomness
from musicdiff.data.progress import track_progress
from musicdiff.diffusion import bound, guidance
from musicdiff.errors import UsageError
from musicdiff.evaluation import clips
from musicdiff.generation import Generator
from musicdiff.training.step import LOG_SNR_EDGES
from musicdiff.typing import Model

DISCRETISED, DENSITY = "discretised 8-bit", "density"


@dataclass(frozen=True)
class Term:
    """A term, or the sum of several, as a mean over clips.

    name: 'L_0', 'L_1 .. L_T-1', 'L_T' or 'total'
    log_snr: the levels that it covers, lowest and highest
    terms, evaluations: how many there are, and how often the network was asked for them, in all clips
    bits: a dimension
    error: standard error of that, over clips; None for a single clip
    """

    name: str
    log_snr: tuple[float, float]
    terms: int
    evaluations: int
    bits: float
    error: float | None


@dataclass(frozen=True)
class Bound:
    """L_0 + ... + L_T of a model in bits a dimension.

    kind: of L_0: 'discretised 8-bit' bounds -log2 of the probability of the clips' 8-bit pictures, 'density' -log2 of a density of x_0
    shape: of a clip; num_levels: T; x_0_range: what predictions were clipped to
    terms: L_0, the steps by bucket of log-SNR from data to noise, L_T; total: their sum
    """

    name: str
    step: int
    kind: str
    shape: tuple[int, ...]
    x_0_range: tuple[float, float] | None
    num_levels: int
    clips: int
    seed: int
    terms: tuple[Term, ...]
    total: Term


def measure_workdir(
    workdir: Any,
    *,
    milestone: str = "latest",
    num_clips: int = 128,
    num_levels: int | None = None,
    evaluations: int = 16,
    batch_size: int = 16,
    seed: int = 0,
) -> Bound:
    """`measure` of the weights of a workdir on its held-out clips.

    Raises what generation.load raises, DataError where the data are not those of the run, UsageError for numbers out of range.
    """
    for name, number in {"num_clips": num_clips, "evaluations": evaluations, "batch_size": batch_size}.items():
        if number < 1:
            raise UsageError(f"{name} must be 1 or more, not {number}")
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed must be from 0 to 4294967295, not {seed}")
    generator = generation.load(workdir, milestone=milestone)
    levels = levels_of(generator.model, num_levels)
    batches = clips.held_out(workdir, generator.config, generator.model, limit=num_clips, batch_size=batch_size)
    return measure(generator, batches, levels, evaluations=evaluations, seed=seed)


def levels_of(model: Model, num_levels: int | None = None) -> np.ndarray:
    """The levels [T] of a model's bound: of its own schedule; of 8-bit pictures not beyond noise as wide as a bin.

    Less noise would only tell where in its bin x_0 lies: bits that no 8-bit picture needs.
    """
    x_0_range = model.domain.x_0_range
    highest = math.inf if x_0_range is None else -2.0 * math.log(bound.bin_width(x_0_range))
    return bound.levels(model.schedule, num_levels, highest)


def measure(
    generator: Generator,
    batches: Sequence[Mapping[str, np.ndarray]],
    levels: np.ndarray,
    *,
    evaluations: int,
    seed: int,
) -> Bound:
    """The bound by 1 + evaluations calls of the network for each clip: one for L_0, the others at steps drawn for that clip.

    A clip's draws come from (seed, its index), whatever its batch; the estimate is unbiased, and its error is that over clips.
    """
    model = generator.model
    levels = levels.astype(np.float32).astype(np.float64)  # as the network is told them
    proposal = bound.proposal(levels)
    program = parallel.Batched(_program(model, seed))
    ends = (np.float32(levels[0]), np.float32(levels[-1]))
    first, steps, errors, last = [], [], [], []
    for batch in track_progress(batches, len(batches), "batches of clips", unit="batch"):
        keys = randomness.example_keys(randomness.root_key(seed, "bound_steps"), batch["index"])
        drawn = bound.draw_steps(keys, proposal, evaluations)
        rows = {name: batch[name] for name in ("x_0", "index", "cond") if name in batch}
        rows["log_snr"] = levels[1:][drawn].astype(np.float32)
        results = program(generator.params, generator.frozen, *ends, rows)
        real = batch["weight"] > 0
        for parts, part in zip((first, steps, errors, last), (results[0], drawn, results[1], results[2])):
            parts.append(np.asarray(part[real]))
    first, steps, errors, last = (np.concatenate(parts) for parts in (first, steps, errors, last))
    shares = evaluations * proposal[steps]
    costs = bound.step_weights(levels)[steps] * errors / shares  # [clips, evaluations], float64

    x_0_range = model.domain.x_0_range
    terms = (
        _term("L_0", levels[:1], 1, len(first), first),
        *_by_level(levels[1:], steps, costs),
        _term("L_T", levels[-1:], 1, 0, last),
    )
    total = _term("total", levels, len(levels) + 1, costs.size + len(first), first + costs.sum(1) + last)
    return Bound(
        name=generator.name,
        step=generator.step,
        kind=DENSITY if x_0_range is None else DISCRETISED,
        shape=model.domain.shape,
        x_0_range=x_0_range,
        num_levels=len(levels),
        clips=len(first),
        seed=seed,
        terms=terms,
        total=total,
    )


def render(found: Bound) -> str:
    """The table for people."""
    size = "x".join(map(str, found.shape))
    lines = [
        f"{found.name} at step {found.step}: {found.clips} held-out clips of {size}, T = {found.num_levels} levels",
        f"kind: {found.kind}, {_explain(found)}",
        "",
        f"{'term':<12}  {'log-SNR':<15}  {'terms':>5}  {'evaluations':>11}  {'bits a dimension':>20}",
    ]
    for term in (*found.terms, found.total):
        low, high = term.log_snr
        covered = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        error = "" if term.error is None else f" ± {term.error:.4f}"
        bits = f"{term.bits:.4f}{error}" if term.evaluations or term.name == "L_T" else "never drawn"
        lines.append(f"{term.name:<12}  {covered:<15}  {term.terms:>5}  {term.evaluations:>11}  {bits:>20}")
    return "\n".join(lines)


def _program(model: Model, seed: int):
    """(params, frozen, first level, last level, rows) -> L_0 [B], mean (x_0 - x_0_hat)^2 [B, S] at log_snr [B, S], L_T [B]."""
    x_0_range = model.domain.x_0_range

    def run(params, frozen, first, last, rows):
        keys = randomness.example_keys(randomness.root_key(seed, "bound_noise"), rows["index"])
        first_keys, step_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
        x_0 = model.reconstruct(params, frozen, rows["x_0"])  # in the model's own coordinates
        x_0 = x_0 if x_0_range is None else bound.quantise(x_0, x_0_range)
        denoise_fn = guidance.clip(
            guidance.conditional(model.denoise_fn(params, frozen), rows.get("cond", {})), x_0_range
        )
        x_0_hat = bound.denoised(denoise_fn, x_0, first, first_keys)
        decoded = (
            bound.density(x_0, x_0_hat, first)
            if x_0_range is None
            else bound.discretised(x_0, x_0_hat, first, x_0_range)
        )
        return decoded, bound.errors(denoise_fn, x_0, rows["log_snr"], step_keys), bound.prior(x_0, last)

    return run


def _by_level(levels: np.ndarray, steps: np.ndarray, costs: np.ndarray) -> list[Term]:
    """The steps from levels [T - 1] in the buckets that training counts its losses in, from data to noise."""
    bounds = [-math.inf, *LOG_SNR_EDGES, math.inf]
    buckets = np.searchsorted(LOG_SNR_EDGES, levels)  # [T - 1]
    found = []
    for bucket in sorted(set(buckets.tolist()), reverse=True):
        inside, drawn = buckets == bucket, buckets[steps] == bucket
        edges = np.clip([bounds[bucket], bounds[bucket + 1]], levels[-1], levels[0])
        each = np.where(drawn, costs, 0.0).sum(1)
        found.append(_term("L_1 .. L_T-1", edges, int(inside.sum()), int(drawn.sum()), each))
    return found


def _term(name: str, levels: np.ndarray, terms: int, evaluations: int, each: np.ndarray) -> Term:
    """A term from its value in each clip [clips]."""
    each = np.asarray(each, np.float64)
    error = float(np.std(each, ddof=1) / math.sqrt(len(each))) if len(each) > 1 else None
    covered = (float(levels.min()), float(levels.max()))
    return Term(name, covered, terms, evaluations, float(each.mean()), error)


def _explain(found: Bound) -> str:
    if found.x_0_range is None:
        return "of the normalised latents as real numbers: it may be negative, and compares models of the same latents only"
    low, high = found.x_0_range
    return f"of the clips in 8 bits, 256 values from {low:g} to {high:g}; predictions are clipped to that range"
