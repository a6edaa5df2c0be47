"""From mels to latents: the autoencoder of a latent run, whole tracks encoded by it, and the statistics that normalise them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from musicdiff import config as configuration
from musicdiff import data, facts, milestones, parallel, weights
from musicdiff.audio.mel import MelSpec
from musicdiff.errors import UsageError
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.representations import VAE_FILE

MARGIN = 32  # mel frames that a window of the encoder gives up on either side
SMALLEST_STD = 1e-4  # of a latent channel: one that never moves is not blown up
OF_THE_COMPUTATION = ("remat", "conv_route", "dtype")  # fields of a network that its weights do not depend on


def is_ready(folder: epath.Path) -> bool:
    """Whether a latent workdir holds its autoencoder, whole."""
    path = folder / VAE_FILE
    return path.exists() and facts.read(folder).get("vae_sha256") == weights.sha256(path)


def find_autoencoder(config: Mapping[str, Any]) -> epath.Path:
    """The workdir of the autoencoder that config.vae.path names. Raises DataError or UsageError when it is none, or does not fit."""
    path = epath.Path(config["vae"]["path"])
    there = configuration.read(path)
    if there["model"]["name"] != "vae":
        raise UsageError(f"config.vae.path={path} holds a {there['model']['name']} model, not an autoencoder")
    for section, cls, mine in (("network", Autoencoder, config["vae"]["network"]), ("mel", MelSpec, config["mel"])):
        if differing := configuration.differences(_complete(cls, there[section]), _complete(cls, mine)):
            listed = ", ".join(f"{section}.{name}: {a!r} there, {b!r} here" for name, (a, b) in differing.items())
            raise UsageError(f"the autoencoder in {path} does not fit this configuration ({listed})")
    return path


def encode_tracks(config: Mapping[str, Any], folder: epath.Path, home: epath.Path, cached: data.Tracks) -> data.Tracks:
    """The latents of all tracks; the autoencoder of the workdir `home` and the latents' statistics go into `folder`, once."""
    path, ready = folder / VAE_FILE, is_ready(folder)
    params = weights.read_tree(path)["autoencoder"] if ready else milestones.read(home)[1]["autoencoder"]
    spec, window = MelSpec(**config["mel"]), max(config["model"]["frames"], 4 * MARGIN)  # wider than its margins
    encode = track_encoder(config["vae"]["network"], params, channels=spec.channels, window=window, margin=MARGIN)
    encoder = f"{weights.fingerprint(params)}-{window}-{MARGIN}"
    encoded = parallel.main_first(
        lambda: data.build_latents(cached, encode, encoder, config["data"]["cache_dir"]), "latents"
    )

    def keep() -> None:
        if ready or not parallel.is_main():
            return
        mean, std = statistics(encoded)
        path.parent.mkdir(parents=True, exist_ok=True)
        weights.write_tree(path, {"autoencoder": params, "latent_mean": mean, "latent_std": std})
        facts.add(folder, vae_sha256=weights.sha256(path), latent_mean=mean.tolist(), latent_std=std.tolist())
        print(f"latents have a standard deviation of {', '.join(f'{s:.3g}' for s in std)} by channel", flush=True)

    parallel.main_first(keep, "autoencoder")
    return encoded


def statistics(encoded: data.Tracks) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each latent channel over the tracks to train on: float32 [Z] each, one track in memory at a time."""
    split = encoded.split("train")
    count, total, squares = 0, 0.0, 0.0
    for track in range(len(split)):
        z = split[[track]][0]["latent"].astype(np.float64).reshape(-1, split.silence.shape[-1])
        count, total, squares = count + len(z), total + z.sum(0), squares + (z**2).sum(0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, SMALLEST_STD**2))
    return mean.astype(np.float32), std.astype(np.float32)


def track_encoder(
    network: Mapping[str, Any], params: Any, *, channels: int, window: int, margin: int
) -> Callable[[np.ndarray], np.ndarray]:
    """mel [T, F, C] of any length -> z [T / factor, F / factor, Z], in overlapping windows of one compiled shape.

    Each window gives up `margin` frames on either side to its neighbours, so that no latent sees a border that a crop of the track would not
    have; a track is padded with silence (-1), to a window at least.
    """
    autoencoder = Autoencoder(**network, in_channels=channels)
    factor, kept = autoencoder.multiple[0], window - 2 * margin
    encode = jax.jit(lambda params, x: autoencoder.apply({"params": params}, x, method="encode")[0])

    def encode_track(mel: np.ndarray) -> np.ndarray:
        length = max(len(mel), window)  # a track shorter than a clip is silence to the clip's end, not a short latent
        count = -(-length // kept)
        padded = np.pad(mel, ((margin, count * kept - len(mel) + margin), (0, 0), (0, 0)), constant_values=-1.0)
        pieces = []
        for start in range(0, count * kept, kept):
            z = np.asarray(encode(params, padded[None, start : start + window].astype(np.float32)))[0]
            pieces.append(z[margin // factor : (margin + kept) // factor])
        return np.concatenate(pieces)[: -(-length // factor)]

    return encode_track


def _complete(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of a dataclass that weights depend on, given or by default."""
    fields = {
        f.name: f.default for f in dataclasses.fields(cls) if f.name not in (*OF_THE_COMPUTATION, "parent", "name")
    }
    return {name: given.get(name, default) for name, default in fields.items() if name != "in_channels"}
