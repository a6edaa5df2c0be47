"""What a run leaves to hear and see on its way: generated clips, or an autoencoder's reconstructions, beside real ones."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from musicdiff import artifacts, facts, generation, parallel, prompts, randomness
from musicdiff.audio import picture, quality
from musicdiff.audio.mel import MelSpec
from musicdiff.config import fingerprint
from musicdiff.training import card, curves, workdir
from musicdiff.training.run import Run
from musicdiff.training.writer import Writer
from musicdiff.typing import Model, Params

NUM_CLIPS = 4


def leave(run: Run, step: int, params: Params, writer: Writer) -> None:
    """Clips, curves, the page that plays them and the card, as they stand after `step` updates."""
    known = facts.read(run.workdir)
    if run.model.denoise_fn is None:
        clips = save_reconstructions(run, step, params)
    else:
        generator = generation.Generator(
            run.model, params, run.frozen, run.config, run.workdir.name, step, known.get("roughness")
        )
        clips, factor = save_generated(run, generator)
        writer.scalars(step, {"sample/real_time_factor": factor})
    for clip in clips:
        if clip.findings:
            writer.log(f"{clip.audio.name}: {'; '.join(clip.findings)}")
    curves.save_curves(run.workdir)
    artifacts.rebuild_page(
        run.workdir, f"{run.workdir.name}: what it sounds like", commands=list(run.commands.values())
    )
    card.write_card(run.workdir, config=run.config, facts=card_facts(run, known))


def save_real(run: Run) -> float:
    """Writes held-out clips as representation and vocoder, where there is one, carry them: the best that a model can sound like.

    Returns the roughness of all examples, the scale that noise-like output is told by.
    """
    # An autoencoder is what is trained, its mel what it is compared with; other representations are frozen.
    x_0 = run.examples if run.model.denoise_fn is None else run.model.reconstruct(None, run.frozen, run.examples)
    heard = _heard(run)
    mels, audio = _render(run, x_0[heard])
    through = "representation and vocoder" if "vocoder" in run.frozen else "representation"
    titles = [f"real {i + 1}, through {through}" for i in range(len(mels))]
    made_by = {"config": fingerprint(run.config), "source": run.config["data"]["source"]}
    told = [run.told[i] for i in heard]
    provenance = [{**prompts.record(row), **made_by} for row in told]
    _save(run, "real", titles, audio, mels, provenance, told=told)
    to_mel = _compiled(run.model, "to_mel")  # one by one: the decoder of a full-size autoencoder takes gigabytes a clip
    return float(np.mean([np.asarray(quality.roughness(to_mel(run.frozen, x_0[i : i + 1]))) for i in range(len(x_0))]))


def save_reconstructions(run: Run, step: int, params: Params) -> list[artifacts.Clip]:
    """Writes what an autoencoder of these weights makes of held-out clips."""
    x_0 = run.examples[_heard(run)]
    mels, audio = _render(run, _compiled(run.model, "reconstruct")(params, run.frozen, x_0))
    titles = [f"reconstruction {i + 1}, step {step}" for i in range(len(mels))]
    provenance = [{"config": fingerprint(run.config), "step": step}] * len(mels)
    return _save(run, f"step_{step:06d}", titles, audio, mels, provenance)


def save_generated(run: Run, generator: generation.Generator) -> tuple[list[artifacts.Clip], float]:
    """Writes clips of fixed seeds, so that steps can be compared; returns them and the real-time factor.

    Each is told what one of the real clips beside it tells, as far as the model has conditions.
    """
    heard = _heard(run)
    told = [run.told[i] for i in np.resize(heard, NUM_CLIPS)]
    clips = generation.generate(generator, seeds=list(range(NUM_CLIPS)), told=told)
    titles = [f"seed {seed}, step {generator.step}" for seed in clips.seeds]
    provenance = [generation.provenance(generator, clips, i) for i in range(NUM_CLIPS)]
    folder, roughness = f"step_{generator.step:06d}", generator.roughness
    saved = _save(run, folder, titles, clips.audio, clips.log_mel, provenance, told=told, reference_roughness=roughness)
    return saved, clips.real_time_factor


def card_facts(run: Run, known: Mapping[str, Any]) -> card.Facts:
    """The facts of a run, as its card wants them."""
    versions = json.loads((run.workdir / workdir.VERSIONS).read_text())
    shown = {
        key: known[key]
        for key in ("parameters", "hours", "tracks", "licences", "conditions", "seconds")
        if key in known
    }
    return card.Facts(
        name=run.workdir.name,
        domain=run.model.domain,
        source=run.config["data"]["source"],
        device=parallel.device_description(),
        versions={name: version for name, version in versions.items() if version},
        commands=run.commands,
        **shown,
    )


def _heard(run: Run) -> np.ndarray:
    """Which of the examples are heard: a few, as far apart as they are."""
    return np.linspace(0, len(run.examples) - 1, min(NUM_CLIPS, len(run.examples))).astype(int)


def _render(run: Run, x_0: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mels and audio of clips."""
    keys = randomness.seed_keys(np.arange(len(x_0), dtype=np.uint32), "vocoder")
    audio = _compiled(run.model, "to_audio")(run.frozen, x_0, keys)
    return np.asarray(_compiled(run.model, "to_mel")(run.frozen, x_0)), np.asarray(audio)


@functools.lru_cache(maxsize=8)
def _compiled(model: Model, function: str) -> Callable:
    return jax.jit(getattr(model, function))


def _save(
    run: Run,
    folder: str,
    titles: Sequence[str],
    audio: np.ndarray,
    mels: np.ndarray,
    provenance: Sequence[Mapping[str, Any]],
    told: Sequence[Mapping[str, Any]] = (),
    reference_roughness: float | None = None,
) -> list[artifacts.Clip]:
    """Clips with their pictures, named by what they are and were told, and all pictures as one grid."""
    spec = MelSpec(**run.config["mel"])
    path = run.workdir / "samples" / folder
    clips = artifacts.save_clips(
        path,
        [f"{title}: {prompts.say(row)}" if row else title for title, row in zip(titles, told or [{}] * len(titles))],
        audio,
        spec.sample_rate,
        provenance=provenance,
        mels=mels,
        spec=spec,
        roughness=np.asarray(quality.roughness(mels)),
        reference_roughness=reference_roughness,
    )
    picture.save_mels(path / "grid.png", mels, spec, titles=titles)  # fonts lack the scripts of some prompts
    return clips
