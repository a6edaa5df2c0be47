"""From a workdir to audio: load(workdir) -> Generator; generate(generator, ...) -> Clips.

Sampler, decoder and vocoder are one compiled program.
"""

import functools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from musicdiff import config as configuration
from musicdiff import facts, milestones, models, parallel, randomness, samplers, weights
from musicdiff.diffusion import grids, guidance, schedules
from musicdiff.errors import DataError, UsageError
from musicdiff.representations import VAE_FILE
from musicdiff.typing import Model, Params


@dataclass(frozen=True, eq=False)
class Generator:
    """A trained model, ready to sample.

    name: of its workdir; step: updates its weights have seen
    roughness: mean |difference of the log-mel in time| of real held-out clips, or None; noise-like output is told by it
    """

    model: Model
    params: Params
    frozen: Params
    config: Mapping[str, Any]
    name: str
    step: int
    roughness: float | None = None


@dataclass(frozen=True)
class Clips:
    """B clips: audio float32 [B, N, C], log_mel [B, T, F, C], the seed of each, the sampler's settings, and the seconds that it took."""

    audio: np.ndarray
    log_mel: np.ndarray
    sample_rate: int
    seeds: tuple[int, ...]
    compile_seconds: float
    compute_seconds: float
    settings: dict[str, Any]

    @property
    def real_time_factor(self) -> float:
        """Compute seconds per second of audio, compilation apart."""
        return self.compute_seconds / (self.audio.shape[0] * self.audio.shape[1] / self.sample_rate)


def load(workdir: Any, *, milestone: str = "latest") -> Generator:
    """The generator of a workdir. milestone: 'latest', 'best' by held-out loss, or a number of steps.

    Raises DataError when it is no workdir or its weights are missing or damaged, UsageError for an unknown milestone or an autoencoder.
    """
    workdir = epath.Path(workdir)
    config = configuration.read(workdir)
    model = models.build(config)
    if model.denoise_fn is None:
        raise UsageError(
            f"{workdir} holds an autoencoder, which does not generate; train a latent model with --config.vae.path={workdir}"
        )
    chosen, params = milestones.read(workdir, milestone)
    known = facts.read(workdir)
    vae = workdir / VAE_FILE
    if vae.exists() and weights.sha256(vae) != known.get("vae_sha256"):
        raise DataError(f"{vae} is damaged: its sha256 is not the one recorded; take it from a copy of the run")
    params, frozen = parallel.local(params), parallel.local(model.load_frozen(workdir))
    return Generator(model, params, frozen, config, workdir.name, chosen.step, known.get("roughness"))


def generate(
    generator: Generator,
    *,
    seeds: Sequence[int],
    seconds: float | None = None,
    sampler: Mapping[str, Any] | None = None,
    batch_size: int = 8,
    padding: str = "zeros",
) -> Clips:
    """One clip a seed; a clip depends on its own seed alone, not on its neighbours.

    seconds: of audio, exact to the sample; by default the model's own length. Other lengths are sampled at the next multiple that the model takes
    sampler: changes to config.sampler: name, num_steps, grid, and the sampler's own options
    batch_size: clips computed at once
    Raises UsageError for unknown samplers, grids and options, and for a duration or seed out of range.
    """
    domain = generator.model.domain
    if not seeds or any(not 0 <= seed < 2**32 for seed in seeds):
        raise UsageError("seeds are whole numbers from 0 to 4294967295, one for each clip")
    settings = merged_sampler(generator.config["sampler"], sampler or {})
    samples, frames = _length(domain, seconds)
    grid, options = grid_and_options(generator.config["process"], settings)
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
    batch_size = min(batch_size, len(seeds))
    program = _program(generator.model, settings["name"], frames, padding)
    audio, log_mels, compile_seconds, compute_seconds = [], [], 0.0, 0.0
    for start in range(0, len(seeds), batch_size):
        chunk = np.resize(
            np.asarray(seeds[start : start + batch_size], np.uint32), batch_size
        )  # a short last chunk is filled: one compilation
        kept = min(batch_size, len(seeds) - start)
        arguments = (generator.params, generator.frozen, grid, options, chunk)
        compile_seconds += program.compile(*arguments)
        clock = time.perf_counter()
        log_mel, waveform = program(*arguments)
        compute_seconds += time.perf_counter() - clock
        audio.append(waveform[:kept, :samples])
        log_mels.append(log_mel[:kept])
    audio, log_mel = np.concatenate(audio), np.concatenate(log_mels)
    return Clips(audio, log_mel, domain.sample_rate, tuple(seeds), compile_seconds, compute_seconds, settings)


def provenance(generator: Generator, clips: Clips, seed: int) -> dict[str, Any]:
    """What a generated file says of itself."""
    return {
        "model": generator.config["model"]["name"],
        "config": configuration.fingerprint(generator.config),
        "step": generator.step,
        "sampler": clips.settings,
        "guidance": None,
        "seed": seed,
        "prompt": None,
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
    samples = round(seconds * domain.sample_rate) if math.isfinite(seconds) else 0
    if samples < 1:
        raise UsageError(
            f"a duration of {seconds} s is less than one sample; this model makes {domain.seconds:.2f} s by default"
        )
    unit = domain.multiple * domain.samples_per_frame
    return samples, -(-samples // unit) * domain.multiple


def grid_and_options(process, settings):
    """The levels [N + 1] and the sampler's numeric options, checked before anything is compiled."""
    options = {key: value for key, value in settings.items() if key not in ("name", "num_steps", "grid")}
    samplers.build(settings["name"], **options)
    schedule = schedules.build(process["schedule"], **(process.get("schedule_options") or {}))
    grid = grids.build(settings["grid"], schedule, settings["num_steps"])
    return grid, {key: np.float32(value) for key, value in options.items()}


@functools.lru_cache(maxsize=16)
def _program(model: Model, sampler: str, frames: int, padding: str):
    """(params, frozen, grid, options, seeds [B]) -> (log_mel [B, T, F, C], audio [B, N, C]), over all devices."""
    domain = model.domain
    shape = (frames, *domain.shape[1:])

    def run(params, frozen, grid, options, seeds):
        x_T = jax.vmap(lambda key: jax.random.normal(key, shape))(randomness.seed_keys(seeds, "x_T"))
        denoise_fn = guidance.conditional(model.denoise_fn(params, frozen, padding), {})
        denoise_fn = guidance.clip(denoise_fn, domain.x_0_range)
        built = samplers.build(sampler, **options)
        x_0 = samplers.sample(denoise_fn, x_T, randomness.seed_keys(seeds, "steps"), sampler=built, grid=grid)
        # What both compute, a decoder, is computed once: the compiler sees that it is the same.
        log_mel = model.to_mel(frozen, x_0, padding).astype(jnp.float32)
        return log_mel, model.to_audio(frozen, x_0, randomness.seed_keys(seeds, "vocoder"), padding)

    return parallel.Batched(run)
