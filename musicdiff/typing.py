"""The contracts between the rooms, and the legend of shapes.

Shapes: B batch, T time (axis 1 always: mel frames, latent frames or samples), F mel bins or latent rows, C channels, L tokens, D width,
N samples or steps. Mels and latents are [B, T, F, C], waveforms [B, T, C] (stereo = channels), file audio [N, C].

Coordinates: everything between networks and samplers is variance preserving, x_t = alpha x_0 + sigma eps with alpha^2 + sigma^2 = 1, and a
level of noise is its log_snr = log(alpha^2 / sigma^2): +inf is data (alpha = 1, sigma = 0 exactly), every other level is finite.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from jax import Array

Params = Any  # a pytree of arrays
Keys = Array  # PRNG keys [B], threefry
# {name: {'value': array or (tokens [B, L, D], mask [B, L]), 'present': bool [B]}}
Cond = Mapping[str, Mapping[str, Any]]
Metrics = Mapping[str, Array]  # {name: [B]}


@dataclass(frozen=True)
class Domain:
    """What a model generates, without its batch axis; the only thing that constraints, durations and sidecars know about a model.

    shape: (T, F, C) or (T, C) of one training clip
    sample_rate: Hz of the audio behind it
    channels: audio channels
    samples_per_frame: audio samples for each step along T
    multiple: T may be any positive multiple of this
    x_0_range: the interval that data live in, or None
    """

    shape: tuple[int, ...]
    sample_rate: int
    channels: int
    samples_per_frame: int
    multiple: int
    x_0_range: tuple[float, float] | None

    @property
    def seconds(self) -> float:
        """Duration of one clip of `shape`, in seconds."""
        return self.shape[0] * self.samples_per_frame / self.sample_rate


class Prediction(NamedTuple):
    """What a denoiser says of x_t: x_t = alpha x_0 + sigma eps holds between the two, each of the shape of x_t."""

    x_0: Array
    eps: Array


class DenoiseFn(Protocol):
    """The one currency between models and samplers."""

    def __call__(self, x_t: Array, log_snr: Array, to: Array | None = None) -> Prediction:
        """x_t [B, ...] at the level log_snr (scalar or [B]); `to`, the level wanted next, is read by flow maps only."""


class Schedule(NamedTuple):
    """Levels along a time t in [0, 1], 0 = data: two functions inverse to each other.

    num_levels: number of discrete levels t = i / (num_levels - 1) of a table; None for a continuous schedule
    """

    log_snr: Callable[[Array], Array]
    t_of: Callable[[Array], Array]
    num_levels: int | None = None


# (network input [B, ...], c_noise [B, ...]) -> output [B, ...]; parameters are bound
Network = Callable[[Array, Array], Array]


class Objective(NamedTuple):
    """What a model trains by and samples from; all functions are pure.

    schedule: the training levels
    loss(network, x_0, keys [B], null) -> (losses [B], metrics {name: [B]}): level and noise of an example from its key alone; `null` is the
        network that is told nothing, None where there are no conditions
    loss_at(network, x_0, eps, log_snr [B]) -> the error at given levels with given noise, for losses level by level; of a flow map at r = t
    denoise(network, x_t, log_snr, to=None) -> Prediction: a DenoiseFn once the network is bound
    flow_map: whether `denoise` reads `to`: a step then goes to that level at once, however far it is
    c_noise_shape: what the network is told of its level, behind the batch axis: () one number, (2,) a pair
    """

    schedule: Schedule
    loss: Callable[..., tuple[Array, Metrics]]
    loss_at: Callable[..., tuple[Array, Metrics]]
    denoise: Callable[..., Prediction]
    flow_map: bool = False
    c_noise_shape: tuple[int, ...] = ()


class Sampler(NamedTuple):
    """A pair of pure functions. A step to log_snr_s = +inf returns the prediction of x_0.

    init(x_T) -> carry
    step(denoise_fn, x_t, carry, log_snr_t, log_snr_s, keys) -> (x_s, carry)
    flow_maps: whether it is made for flow maps: of a plain denoiser's x_0, the mean of all data that x_t may come from, it makes blur
    """

    init: Callable[[Array], Any]
    step: Callable[..., tuple[Array, Any]]
    flow_maps: bool = False


class Constraint(Protocol):
    """An edit of the state, applied to x_T and after every step."""

    def __call__(self, x_s: Array, log_snr_s: Array, keys: Keys) -> Array: ...


class Known(NamedTuple):
    """Audio that is there already, for a vocoder to make what goes on from it.

    audio: [B, N, C] at the model's rate; what it holds where it is free counts for nothing
    free: bool [B, N], True where there is none
    """

    audio: Array
    free: Array


class Vocoder(NamedTuple):
    """Log-mel -> audio.

    load() -> frozen: the vocoder's arrays, an argument of every compiled function that uses them
    to_audio(frozen, log_mel [B, T, F, C], keys, padding='zeros', known=None, samples=None) -> audio [B, T * hop, C]; padding 'circular' wraps in
        time. known: a `Known`, which phases are to fit to; samples: with 'circular', N of a circle that frames are laid on at round(t N / T)
    """

    load: Callable[[], Params]
    to_audio: Callable[..., Array]


@dataclass(frozen=True, eq=False)  # hashed by identity: compiled programs are kept by model
class Model:
    """A representation, a network and a noise process: what every room above floor 2 knows of a model. All functions are pure.

    domain: what it generates
    feature: the field of a track that a batch's 'x_0' is cut from: 'mel', 'latent' or 'audio'
    clip_frames: length of that cut, in frames of the feature: samples, of audio
    init(key) -> params
    init_frozen(key) -> frozen of the right structure with random weights, for shapes and probes
    load_frozen(workdir) -> frozen as a run uses it. Raises DataError for missing weights
    loss(params, frozen, batch, keys [B], step) -> (losses [B], metrics {name: [B]}); batch {'x_0': [B, clip_frames, ...] as tracks hold it,
        'cond' where there are conditions, ...}
    denoise_fn(params, frozen, padding='zeros') -> f(x_t, log_snr, cond, to=None) -> Prediction; None for an autoencoder
    encode(frozen, audio [B, N, C], padding='zeros') -> x_0
    reconstruct(params, frozen, batch['x_0']) -> x_0: what the representation alone keeps of a clip
    to_mel(frozen, x_0, padding='zeros') -> log_mel [B, T, F, C]
    to_audio(frozen, x_0, keys [B], padding='zeros', known=None, samples=None) -> audio [B, N, C], as of a Vocoder
    held_until: {top-level name of params: first step at which those parameters may move}
    schedule: the levels that it was trained on, for a sampler's grid; None for an autoencoder
    flow_map: whether denoise_fn reads `to`
    conditions: what it can be told, by name; batches have 'cond' where there are any
    """

    domain: Domain
    feature: str
    clip_frames: int
    init: Callable[[Array], Params]
    init_frozen: Callable[[Array], Params]
    load_frozen: Callable[[Any], Params]
    loss: Callable[..., tuple[Array, Metrics]]
    denoise_fn: Callable[..., Callable[..., Prediction]] | None
    encode: Callable[..., Array]
    reconstruct: Callable[..., Array]
    to_mel: Callable[..., Array]
    to_audio: Callable[..., Array]
    held_until: Mapping[str, int] = field(default_factory=dict)
    schedule: Schedule | None = None
    flow_map: bool = False
    conditions: Mapping[str, "Condition"] = field(default_factory=dict)


class Condition(NamedTuple):
    """One thing that a model can be told, such as a caption or a tempo.

    refuse(value) -> why a value of a track or of a user cannot be said, as the end of a sentence; None where it can
    read(values [n], None where nothing is known) -> arrays [n, ...] for batches, zeros where None; values are those that it does not refuse
    embedder(width) -> a flax module: (value [B, ...], present [B]) -> networks.conditioned.Embedding, a vector of that width or tokens
    fingerprint: of all that shapes what a frozen encoder gives, by which a cache of it is known; '' where reading costs nothing
    remark(value) -> what of a value is left out, as the end of a sentence such as 'is cut: ...'; None where nothing is
    """

    refuse: Callable[[Any], str | None]
    read: Callable[[Sequence[Any]], Any]
    embedder: Callable[[int], Any]
    fingerprint: str = ""
    remark: Callable[[Any], str | None] = lambda value: None


class Source(Protocol):
    """Random access to examples by integer id: all that the loaders know of a data set.

    fingerprint: a hash of the content and of everything that shaped it
    """

    fingerprint: str

    def __len__(self) -> int: ...

    def __getitem__(self, ids: Sequence[int]) -> Sequence[Mapping[str, np.ndarray]]: ...
