"""The generator of a workdir: a model with weights to sample with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etils import epath

from musicdiff import config as configuration
from musicdiff import facts, milestones, models, parallel, text_encoders, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.representations import VAE_FILE
from musicdiff.typing import Model, Params


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
