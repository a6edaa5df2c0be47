"""Configurations of a few thousand parameters: what `latent:tiny` and its like are, small enough to compile in seconds."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import pytest

from musicdiff import conditioning
from musicdiff import config as configuration
from musicdiff.training import samples
from musicdiff.typing import Cond, Model

# As on a command line, so that tests in this process and in others train the same.
_SHARED = (
    "data.source=builtin:3",
    "data.loader=numpy",
    "mel.sample_rate=8000",
    "mel.n_fft=256",
    "mel.hop=64",
    "mel.num_mels=16",
)
_VOCODER = "vocoder.num_iterations=2"
_DIFFUSION = (
    "network.channels=(8, 16)",
    "network.attention_levels=(1,)",
    "network.head_width=8",
    "network.groups=4",
    "network.zero_init=False",  # or no gradient would get past the last layer
    "optim.warmup_steps=2",
    "optim.decay_steps=20",
    "sampler.num_steps=3",
)
_UNET = (*_DIFFUSION, "model.frames=64")  # 0.512 s
_UNET_1D = (
    *_DIFFUSION,
    "data.source=drums:12",
    "conditions={}",
    "guidance.scale=1.0",
    "model.samples=4096",  # 0.512 s
    "network.factors=(2, 4)",
    "network.items=(1, 1)",
    "network.attention_heads=2",
    "network.width=16",
)
_CONDITIONS = (
    "network.num_heads=2",
    "conditions.text.length=24",
    "conditions.text.width=8",
    "conditions.text.layers=1",
    "conditions.text.heads=2",
    "conditions.text.buckets=32",
    "conditions.style.capacity=6",
)
_AUTOENCODER = (
    "model.frames=32",
    "network.latent_channels=2",
    "network.channels=(8,)",
    "network.groups=4",
    "optim.warmup_steps=2",
    "optim.decay_steps=20",
)
_CLOCK = ("num_steps=6", "batch_size=4", "log_every=2", "sample_every=6", "checkpoint_every=3", "milestones=(3,)")
_SETTINGS = {
    "mel": (*_SHARED, _VOCODER, *_UNET, "network.patch=1", *_CLOCK),
    "text": (*_SHARED, _VOCODER, *_UNET, *_CONDITIONS, "network.patch=1", *_CLOCK),
    "latent": (
        *_SHARED,
        _VOCODER,
        *_UNET,
        *_CLOCK,
        *(f"vae.{text}" for text in (*_AUTOENCODER, *_CLOCK, "milestones=()")),
    ),
    "vae": (*_SHARED, _VOCODER, *_AUTOENCODER, *_CLOCK),
    "waveform": (*_SHARED, *_UNET_1D, *_CLOCK),
}


def overrides(name: str, *changes: str) -> list[str]:
    """The arguments that make configs/<name>.py:tiny micro, with these changes: 'optim.learning_rate=1'."""
    settings = {text.partition("=")[0]: text for text in (*_SETTINGS[name], *changes)}
    return [f"--config.{text}" for text in settings.values()]


def make_config(name: str, *changes: str) -> dict[str, Any]:
    """The micro configuration of configs/<name>.py:tiny: 64 frames of 64 samples at 8 kHz, 16 mel bins, or those samples."""
    return configuration.load(f"{name}:tiny", overrides(name, *changes)).config


CLASSES = "conditions.style.classes=('ambient', 'bossa nova', 'waltz')"  # without, those of the data, once a run begins
# What clips are told, in turn: everything, part of it, nothing.
TOLD = (
    {"text": "calm piano", "style": "waltz", "tempo": 94, "key": "A minor"},
    {"text": "fast drums", "tempo": 174},
    {},
)


def make_cond(model: Model, rows: Sequence[int]) -> Cond:
    """What the examples of these rows of an endless list are told."""
    return conditioning.tell(model.conditions, [TOLD[row % len(TOLD)] for row in rows])


@contextlib.contextmanager
def without_sound() -> Iterator[None]:
    """Runs within draw and vocode nothing, which takes most of a micro run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "save_real", lambda run: 0.1)
        patch.setattr(samples, "leave", lambda run, step, params, writer: None)
        yield


def randomise(init: Callable, seed: int = 0) -> Any:
    """Parameters of the structure of init(key), every one random, drawn without compiling: zeros and ones would hide a mistake."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        centre, spread = (0.5, 0.3) if leaf.ndim < 2 else (0.0, (leaf.shape[-1] / leaf.size) ** 0.5)
        return np.float32(centre + spread * rng.standard_normal(leaf.shape))

    return jax.tree.map(draw, jax.eval_shape(init, jax.random.key(0)))


# The same results from code that is optimised less: most of a test's time is the compiler's.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def softened(model: Model, mel: dict[str, Any], lost_db: float) -> Model:
    """A model that renders mels softer, as autoencoders do. mel: its configuration's."""
    lost = 2 * lost_db / mel["db_range"]

    def to_mel(frozen, x_0, padding="zeros"):
        return model.to_mel(frozen, x_0, padding) - lost

    def to_audio(frozen, x_0, *others):
        return model.to_audio(frozen, x_0 - lost, *others)

    domain = dataclasses.replace(model.domain, x_0_range=None)
    return dataclasses.replace(model, domain=domain, to_mel=to_mel, to_audio=to_audio)
