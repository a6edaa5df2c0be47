"""From seeds to clips: generate, and stream in batches."""

import operator
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import jax
import numpy as np

from musicdiff import conditioning, prompts
from musicdiff.diffusion import grids
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import UsageError
from musicdiff.generation import program, settings
from musicdiff.generation.clips import Clips
from musicdiff.generation.edit import Edit
from musicdiff.generation.evaluations import count_evaluations
from musicdiff.generation.generator import Generator
from musicdiff.typing import Cond, Model


def generate(generator: Generator, **asked: Any) -> Clips:
    """All clips of `stream` at once; takes what it takes, and raises what it raises."""
    batches = list(stream(generator, **asked))
    return replace(
        batches[0],
        audio=np.concatenate([batch.audio for batch in batches]),
        log_mel=np.concatenate([batch.log_mel for batch in batches]),
        x_0=np.concatenate([batch.x_0 for batch in batches]),
        seeds=tuple(seed for batch in batches for seed in batch.seeds),
        told=tuple(row for batch in batches for row in batch.told),
        compile_seconds=sum(batch.compile_seconds for batch in batches),
        compute_seconds=sum(batch.compute_seconds for batch in batches),
    )


def stream(
    generator: Generator,
    *,
    seeds: Sequence[int],
    told: Mapping[str, Any] | Sequence[Mapping[str, Any] | prompts.Mix] | None = None,
    negative: Mapping[str, Any] | None = None,
    guidance: Guidance | None = None,
    seconds: float | None = None,
    frames: int | None = None,
    samples: int | None = None,
    sampler: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    padding: str = "zeros",
    edit: Edit | None = None,
) -> Iterator[Clips]:
    """One clip a seed, in batches as they are computed; a clip depends on its own seed and on what it is told, not on its neighbours.

    Everything is checked before the first batch.

    told: {condition: value}, such as {'text': 'calm piano', 'tempo': 94}, for all clips, or one such mapping a seed; what is '' or None is not
        told. A row may be a mix, ((0.7, {...}), (0.3, {...})): the weighted sum of what the model predicts told each, one evaluation apiece
    negative: the same, what guidance leads all clips away from; nothing by default
    guidance: towards what is told (arXiv 2207.12598), or away from the generator's weaker model (arXiv 2406.02507). By default that of the
        configuration where something is told, and else none
    seconds: of audio, exact to the sample; by default the model's own length. Other lengths are sampled at the next multiple that the model takes
    frames, samples: instead of seconds, T itself, and the samples that a vocoder lays them on, for padding='circular'
    sampler: changes to config.sampler: name, num_steps, grid, and the sampler's own options
    batch_size: clips computed at once
    padding: 'circular' makes the end run into the beginning
    edit: what a creative tool changes about it
    Raises UsageError for unknown samplers, grids, options and conditions, for a duration, seed or value out of range, for guidance away
    from nothing, and for a weaker model without guidance.
    """
    model, edit = generator.model, edit or Edit()
    checked = settings.check_seeds(seeds)
    told = [told or {}] * len(seeds) if told is None or isinstance(told, Mapping) else list(told)
    if len(told) != len(seeds):
        raise UsageError(f"{len(seeds)} seeds and {len(told)} things to tell: one for each seed, or one for all")
    if samples is not None and padding != "circular":
        raise UsageError("samples other than a hop for each frame need padding='circular'")
    chosen = settings.merged_sampler(generator.config["sampler"], sampler or {})
    chosen["grid"] = grids.resolve(chosen["grid"], model.schedule)  # clips say what it was
    num_samples, frames = settings.length(model.domain, seconds, frames, samples)
    grid, options = settings.grid_and_options(model, chosen)
    grid = grid if edit.grid is None else edit.grid
    parts = max(len(prompts.mix_of(row)) for row in told)
    mixed = parts > 1
    cond, without = _tell(model, told, parts), _tell(model, [negative or {}], parts)  # one negative row, for all clips
    if mixed:
        without["weights"] = np.eye(1, parts, dtype=np.float32)
    rows = jax.tree.map(np.asarray, {"seeds": checked, "cond": cond, **edit.rows(len(seeds))})
    told, negative, weaker = [prompts.known(row) for row in told], prompts.known(negative or {}), generator.weaker
    guidance = prompts.choose_guidance(guidance, generator.config, model, told, negative, weaker is not None)
    settings.check_guidance(model, guidance)
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
    batch_size = min(batch_size, len(seeds))
    static = {
        "samples": samples,
        "mixed": mixed,
        "constrain": edit.constrain,
        "renoise": edit.renoise,
        "window": edit.windows,
    }
    compiled = program.build(model, chosen["name"], frames, padding, **static)
    guide = None  # what is absent, None, is no argument of the program: a variant of it without that part
    if guidance and guidance.scale != 1.0:  # at 1 the second evaluation would be multiplied by zero
        numbers = {name: None if value is None else np.float32(value) for name, value in asdict(guidance).items()}
        guide = {"weaker": weaker, "numbers": numbers}
    acting = guide and Guidance(0.0, guidance.interval)  # whatever the scale, the evaluations are the same
    evaluations = parts * count_evaluations(chosen["name"], tuple(options.items()), tuple(grid), acting, edit.renoise)
    from_noise = edit.grid is None and edit.x_T is None
    notes = (*settings.notes_on(model, chosen, from_noise), *prompts.notes_on(model.conditions, told))
    for start in range(0, len(seeds), batch_size):
        kept = min(batch_size, len(seeds) - start)
        filled = np.resize(np.arange(start, start + kept), batch_size)  # a short last batch too: one compilation
        batch = jax.tree.map(operator.itemgetter(filled), rows)
        if guide and weaker is None:
            batch["without"] = jax.tree.map(lambda x: np.repeat(x, batch_size, axis=0), without)
        arguments = (generator.params, generator.frozen, grid, options, guide, batch)
        compile_seconds = compiled.compile(*arguments)
        clock = time.perf_counter()
        x_0, log_mel, audio = compiled(*arguments)
        yield Clips(
            audio=audio[:kept, :num_samples],
            log_mel=log_mel[:kept],
            x_0=x_0[:kept],
            sample_rate=model.domain.sample_rate,
            seeds=tuple(seeds[start : start + kept]),
            compile_seconds=compile_seconds,
            compute_seconds=time.perf_counter() - clock,
            settings=chosen,
            evaluations=evaluations,
            told=tuple(told[start : start + kept]),
            negative=negative,
            guidance=guidance,
            notes=notes,
        )


def _tell(model: Model, told: Sequence[Mapping[str, Any] | prompts.Mix], parts: int) -> Cond:
    """What clips are told, as arrays [B, ...]; in parts, more than one, as a mix [B, K, ...] of `guidance.mixed`."""
    mixes = [prompts.mix_of(row) for row in told]
    filled = [(*mix, *[(0.0, mix[0][1])] * (parts - len(mix))) for mix in mixes]  # of no weight: rows are of one length
    cond = conditioning.tell(model.conditions, [alone for mix in filled for _, alone in mix])
    if parts == 1:
        return cond
    split = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(len(told), parts, *np.shape(leaf)[1:]), cond)
    return {"cond": split, "weights": np.array([[weight for weight, _ in mix] for mix in filled], np.float32)}
