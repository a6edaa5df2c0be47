"""From a workdir to audio: load(workdir) -> Generator; generate(generator, ...) -> Clips.

Sampler, decoder and vocoder are one compiled program.
"""

import functools
import math
import operator
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from musicdiff import (
    conditioning,
    facts,
    milestones,
    models,
    parallel,
    prompts,
    randomness,
    samplers,
    text_encoders,
    weights,
)
from musicdiff import config as configuration
from musicdiff.diffusion import grids, guidance
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import DataError, UsageError
from musicdiff.representations import VAE_FILE
from musicdiff.typing import Model, Params, Prediction

LONGEST = 3600.0  # seconds of one clip, which is sampled as a whole
NEARLY_NOISE = -4.0  # log_snr: above, more than a seventh of x_t is data, and it is wrong to begin there with noise


@dataclass(frozen=True, eq=False)
class Generator:
    """A trained model, ready to sample.

    name: of its workdir; step: updates its weights have seen
    roughness: mean |difference of the log-mel in time| of real held-out clips, or None; noise-like output is told by it
    milestone: the weights' name, '400' or '400-0.07'; None during training
    weaker: weights of the same model that learned less, to be guided away from, and their milestone's name
    """

    model: Model
    params: Params
    frozen: Params
    config: Mapping[str, Any]
    name: str
    step: int
    roughness: float | None = None
    milestone: str | None = None
    weaker: Params | None = None
    weaker_milestone: str | None = None


@dataclass(frozen=True)
class Clips:
    """B clips: audio float32 [B, N, C], log_mel [B, T, F, C], the seed of each, the sampler's settings, and the seconds that it took.

    evaluations: of networks, for each clip; told: {condition: value} for each clip; negative: what guidance led away from, nothing if empty;
    notes: lines about what will hardly be wanted
    """

    audio: np.ndarray
    log_mel: np.ndarray
    sample_rate: int
    seeds: tuple[int, ...]
    compile_seconds: float
    compute_seconds: float
    settings: dict[str, Any]
    evaluations: int
    told: tuple[dict[str, Any], ...]
    negative: dict[str, Any]
    guidance: Guidance | None = None
    notes: tuple[str, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Compute seconds per second of audio, compilation apart."""
        return self.compute_seconds / (self.audio.shape[0] * self.audio.shape[1] / self.sample_rate)


def load(workdir: Any, *, milestone: str = "latest", autoguide: str | None = None) -> Generator:
    """The generator of a workdir. milestone: 'latest', 'best' by held-out loss, or another name; autoguide: an earlier one, as weaker model.

    Raises DataError when it is no workdir, its weights are missing or damaged, or its text encoder is gone or another, UsageError for an
    unknown milestone, for a weaker model that is later than the model, or for an autoencoder.
    """
    workdir = epath.Path(workdir)
    config = configuration.read(workdir)
    model = models.build(config)
    if model.denoise_fn is None:
        raise UsageError(
            f"{workdir} holds an autoencoder, which does not generate; train a latent model with --config.vae.path={workdir}"
        )
    known = facts.read(workdir)
    text_encoders.check_same(model.conditions, config, known, workdir)
    chosen, params = milestones.read(workdir, milestone)
    earlier, weaker = milestones.read(workdir, autoguide) if autoguide else (None, None)
    if earlier and (earlier.name == chosen.name or earlier.step > chosen.step):
        raise UsageError(f"autoguidance needs an earlier milestone than {chosen.name} of {workdir}, not {earlier.name}")
    vae = workdir / VAE_FILE
    if vae.exists() and weights.sha256(vae) != known.get("vae_sha256"):
        raise DataError(f"{vae} is damaged: its sha256 is not the one recorded; take it from a copy of the run")
    return Generator(
        model,
        parallel.local(params),
        parallel.local(model.load_frozen(workdir)),
        config,
        workdir.name,
        chosen.step,
        known.get("roughness"),
        chosen.name,
        None if weaker is None else parallel.local(weaker),
        None if earlier is None else earlier.name,
    )


def generate(generator: Generator, **asked: Any) -> Clips:
    """All clips of `stream` at once; takes what it takes, and raises what it raises."""
    batches = list(stream(generator, **asked))
    return replace(
        batches[0],
        audio=np.concatenate([batch.audio for batch in batches]),
        log_mel=np.concatenate([batch.log_mel for batch in batches]),
        seeds=tuple(seed for batch in batches for seed in batch.seeds),
        told=tuple(row for batch in batches for row in batch.told),
        compile_seconds=sum(batch.compile_seconds for batch in batches),
        compute_seconds=sum(batch.compute_seconds for batch in batches),
    )


def stream(
    generator: Generator,
    *,
    seeds: Sequence[int],
    told: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    negative: Mapping[str, Any] | None = None,
    guidance: Guidance | None = None,
    seconds: float | None = None,
    sampler: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    padding: str = "zeros",
) -> Iterator[Clips]:
    """One clip a seed, in batches as they are computed; a clip depends on its own seed and on what it is told, not on its neighbours.

    Everything is checked before the first batch.

    told: {condition: value}, such as {'text': 'calm piano', 'tempo': 94}, for all clips, or one such mapping a seed; what is '' or None is not told
    negative: the same, what guidance leads all clips away from; nothing by default
    guidance: towards what is told (arXiv 2207.12598), or away from the generator's weaker model (arXiv 2406.02507). By default that of the
        configuration where something is told, and else none
    seconds: of audio, exact to the sample; by default the model's own length. Other lengths are sampled at the next multiple that the model takes
    sampler: changes to config.sampler: name, num_steps, grid, and the sampler's own options
    batch_size: clips computed at once
    Raises UsageError for unknown samplers, grids, options and conditions, for a duration, seed or value out of range, for guidance away
    from nothing, and for a weaker model without guidance.
    """
    model = generator.model
    if not seeds or any(not 0 <= seed < 2**32 for seed in seeds):
        raise UsageError("seeds are whole numbers from 0 to 4294967295, one for each clip")
    told = [told or {}] * len(seeds) if told is None or isinstance(told, Mapping) else list(told)
    if len(told) != len(seeds):
        raise UsageError(f"{len(seeds)} seeds and {len(told)} things to tell: one for each seed, or one for all")
    settings = merged_sampler(generator.config["sampler"], sampler or {})
    settings["grid"] = grids.resolve(settings["grid"], model.schedule)  # clips say what it was
    samples, frames = _length(model.domain, seconds)
    grid, options = grid_and_options(model, settings)
    rows = jax.tree.map(
        np.asarray, {"seeds": np.asarray(seeds, np.uint32), "cond": conditioning.tell(model.conditions, told)}
    )
    without = conditioning.tell(model.conditions, [negative or {}])  # one row, for all clips
    told, negative, weaker = [prompts.known(row) for row in told], prompts.known(negative or {}), generator.weaker
    guidance = prompts.choose_guidance(guidance, generator.config, model, told, negative, weaker is not None)
    check_guidance(model, guidance)
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
    batch_size = min(batch_size, len(seeds))
    program = _program(model, settings["name"], frames, padding)
    guide = None  # what is absent, None, is no argument of the program: a variant of it without that part
    if guidance and guidance.scale != 1.0:  # at 1 the second evaluation would be multiplied by zero
        numbers = {name: None if value is None else np.float32(value) for name, value in asdict(guidance).items()}
        guide = {"weaker": weaker, "numbers": numbers}
    acting = guide and Guidance(0.0, guidance.interval)  # whatever the scale, the evaluations are the same
    evaluations = count_evaluations(settings["name"], tuple(options.items()), tuple(grid), acting)
    notes = (*notes_on(model, settings), *prompts.notes_on(model.conditions, told))
    for start in range(0, len(seeds), batch_size):
        kept = min(batch_size, len(seeds) - start)
        filled = np.resize(np.arange(start, start + kept), batch_size)  # a short last batch too: one compilation
        batch = jax.tree.map(operator.itemgetter(filled), rows)
        if guide and weaker is None:
            batch["without"] = jax.tree.map(lambda x: np.repeat(x, batch_size, axis=0), without)
        arguments = (generator.params, generator.frozen, grid, options, guide, batch)
        compile_seconds = program.compile(*arguments)
        clock = time.perf_counter()
        log_mel, audio = program(*arguments)
        yield Clips(
            audio[:kept, :samples],
            log_mel[:kept],
            model.domain.sample_rate,
            tuple(seeds[start : start + kept]),
            compile_seconds,
            time.perf_counter() - clock,
            settings,
            evaluations,
            tuple(told[start : start + kept]),
            negative,
            guidance,
            notes,
        )


def provenance(generator: Generator, clips: Clips, i: int) -> dict[str, Any]:
    """What the file of the i-th clip says of itself."""
    guide = clips.guidance and asdict(clips.guidance) | {"autoguide": generator.weaker_milestone}
    if guide and guide["interval"]:
        guide["interval"] = list(guide["interval"])
    return {
        **prompts.record(clips.told[i]),
        "negative": prompts.record(clips.negative),
        "model": generator.config["model"]["name"],
        "config": configuration.fingerprint(generator.config),
        "step": generator.step,
        "milestone": generator.milestone,
        "sampler": clips.settings,
        "evaluations": clips.evaluations,
        "guidance": guide,
        "seed": clips.seeds[i],
    }


def merged_sampler(default: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """config.sampler with changes; another sampler's own options are dropped with its name."""
    if changes.get("name", default["name"]) == default["name"]:
        return {**default, **changes}
    return {"num_steps": default["num_steps"], "grid": default["grid"], **changes}


def _length(domain, seconds):
    """Audio samples and frames along T for a duration in seconds."""
    if seconds is None:
        return domain.shape[0] * domain.samples_per_frame, domain.shape[0]
    if seconds > LONGEST:
        raise UsageError(f"a duration of {seconds:g} s does not fit into one clip: {LONGEST:g} s at most")
    samples = round(seconds * domain.sample_rate) if math.isfinite(seconds) else 0
    if samples < 1:
        raise UsageError(
            f"a duration of {seconds} s is less than one sample; this model makes {domain.seconds:.2f} s by default"
        )
    unit = domain.multiple * domain.samples_per_frame
    return samples, -(-samples // unit) * domain.multiple


def grid_and_options(model: Model, settings: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, np.float32]]:
    """The levels [N + 1] and the sampler's numeric options, checked before anything is compiled."""
    options = {key: value for key, value in settings.items() if key not in ("name", "num_steps", "grid")}
    samplers.build(settings["name"], **options)
    grid = grids.build(settings["grid"], model.schedule, settings["num_steps"])
    return grid, {key: np.float32(value) for key, value in options.items()}


def check_guidance(model: Model, guidance: Guidance | None) -> None:
    """Raises UsageError for a rescale of a flow map: what is rescaled is an estimate of data, and its x_0, on a jump to noise, is none."""
    if guidance and guidance.rescale and model.flow_map:
        raise UsageError(
            f"rescale={guidance.rescale:g} is for models that estimate data; this one, a flow map, predicts where a jump ends: leave it at 0"
        )


def notes_on(model: Model, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What to say of sampler settings that work with this model, but hardly as their user hopes."""
    grid, options = grid_and_options(model, settings)
    sampler, start, notes = settings["name"], grid[0], []
    if samplers.build(sampler, **options).flow_maps and not model.flow_map:
        notes.append(
            f"note: sampler {sampler!r} is for flow maps, such as objective mean_flow trains; of this model, which is none, it makes blurred clips"
        )
    if start > NEARLY_NOISE:
        notes.append(
            f"note: clips begin as pure noise, but grid {settings['grid']!r} begins at log_snr {start:.3g}, where data show; "
            "'trailing' begins at the schedule's end"
        )
    return tuple(notes)


@functools.lru_cache(maxsize=64)
def count_evaluations(
    sampler: str, options: tuple[tuple[str, float], ...], grid: tuple[float, ...], guide: Guidance | None
) -> int:
    """Evaluations of networks in one sampling: the same compiled loop over a single number, by denoisers that only count."""
    count = 0

    def tick(examples):
        nonlocal count
        count += int(examples)

    def counting(x_t, log_snr, cond, to=None):
        jax.debug.callback(tick, len(x_t))  # 2 where the model and what it is led away from are one call
        return Prediction(x_t, x_t)

    plain = guidance.conditional(counting, {})
    denoise_fn = guidance.away_from(counting, None, {}, {}, **asdict(guide)) if guide else plain

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def run(grid):
        built, keys = samplers.build(sampler, **dict(options)), jax.random.split(jax.random.key(0), 1)
        return samplers.sample(denoise_fn, jnp.zeros((1, 1)), keys, sampler=built, grid=grid)

    run(np.asarray(grid)).block_until_ready()
    jax.effects_barrier()
    return count


@functools.lru_cache(maxsize=16)
def _program(model: Model, sampler: str, frames: int, padding: str):
    """(params, frozen, grid, options, guide, {'seeds': [B], 'cond', 'without'}) -> (log_mel [B, T, F, C], audio [B, N, C]), over all devices."""
    domain = model.domain
    shape = (frames, *domain.shape[1:])

    def run(params, frozen, grid, options, guide, rows):
        seeds, cond = rows["seeds"], rows["cond"]
        x_T = jax.vmap(lambda key: jax.random.normal(key, shape))(randomness.seed_keys(seeds, "x_T"))
        f = model.denoise_fn(params, frozen, padding)
        denoise_fn = guidance.conditional(f, cond)
        if guide:
            weaker = None if guide["weaker"] is None else model.denoise_fn(guide["weaker"], frozen, padding)
            denoise_fn = guidance.away_from(f, weaker, cond, rows.get("without"), **guide["numbers"])
        if not model.flow_map:  # whose x_0, on the way to a level that is not data, is no estimate of data
            denoise_fn = guidance.clip(denoise_fn, domain.x_0_range)
        built = samplers.build(sampler, **options)
        x_0 = samplers.sample(denoise_fn, x_T, randomness.seed_keys(seeds, "steps"), sampler=built, grid=grid)
        # What both compute, a decoder, is computed once: the compiler sees that it is the same.
        log_mel = model.to_mel(frozen, x_0, padding).astype(jnp.float32)
        return log_mel, model.to_audio(frozen, x_0, randomness.seed_keys(seeds, "vocoder"), padding)

    return parallel.Batched(run)
