"""Workdirs from folders of the PyTorch library diffusers, and back: weights, mel numbers, noise process. Training state does not travel."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from etils import epath

from musicdiff import config as configuration
from musicdiff import facts, milestones, models, weights
from musicdiff.errors import DataError, UsageError
from musicdiff.interop import diffusers
from musicdiff.networks.autoencoder import Autoencoder
from musicdiff.networks.unet_2d import UNet2D
from musicdiff.representations import VAE_FILE

OURS = "musicdiff.json"  # beside their files: mel numbers and frames, which their folder has no place for
PREDICTIONS = {"eps": "epsilon", "v": "v_prediction", "x_0": "sample"}  # ours: theirs


def convert(source: Any, target: Any, kind: str) -> Iterator[str]:
    """Converts the folder `source` into the new folder `target`; yields what there is to say, line by line.

    kind: of the target: 'musicdiff', from an AudioDiffusionPipeline, a UNet2DModel or an AutoencoderKL; or 'diffusers', from a workdir
    Raises UsageError when the target is there already or something has no counterpart, DataError when the source cannot be read.
    """
    source, target = epath.Path(source), epath.Path(target)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is there already; name a new folder")
    if not source.exists():
        raise DataError(f"{source} does not exist")
    return _import(source, target) if kind == "musicdiff" else _export(source, target)


def _import(source: epath.Path, target: epath.Path) -> Iterator[str]:
    if (source / "model_index.json").exists():
        pipeline = diffusers.read_pipeline(source)
        if (source / OURS).exists():
            own = diffusers.read_json(source / OURS)
            pipeline = pipeline._replace(mel=own["mel"], num_frames=own["frames"])
        unet, autoencoder = pipeline.unet, pipeline.autoencoder
    else:
        network = diffusers.read_network(source)
        unet, autoencoder = (network, None) if network.kind == "unet_2d" else (None, network)
        pipeline = diffusers.Pipeline(unet, autoencoder, None, None, None, {})
    if unet and "num_heads" in unet.kwargs:
        raise UsageError(
            f"{source}: its U-Net attends to text, and no encoder is with it; interop.diffusers.read_network reads the U-Net alone"
        )
    config = _config(unet, autoencoder, pipeline)
    models.build(config)  # refuses what does not fit together before anything is written
    target.mkdir(parents=True, exist_ok=True)
    params = unet.params if unet else {"autoencoder": autoencoder.params}
    milestones.write(target, 0, params, keep=True, held_out_loss=None)
    if unet and autoencoder:
        width, scale = autoencoder.kwargs["latent_channels"], np.float32(1 / pipeline.latent_scale)
        stats = {"latent_mean": np.zeros(width, np.float32), "latent_std": np.full(width, scale)}
        (target / VAE_FILE).parent.mkdir(parents=True, exist_ok=True)
        weights.write_tree(target / VAE_FILE, {"autoencoder": autoencoder.params, **stats})
        facts.add(target, vae_sha256=weights.sha256(target / VAE_FILE))
    (target / "config.json").write_text(configuration.to_json(config))
    yield f"{target}: a {config['model']['name']} model of {sum(x.size for x in _leaves(params)):,} parameters"
    yield (
        f"musicdiff sample --workdir {target} --out clips"
        if unet
        else f"--config.vae.path={target} trains a latent model on it"
    )


def _config(unet, autoencoder, pipeline: diffusers.Pipeline) -> dict[str, Any]:
    """The configuration that such networks would have been trained by, as far as their folder tells; the rest is the base's."""
    name = "latent" if unet and autoencoder else "mel" if unet else "vae"
    config = configuration.load(name).config
    if unet:
        own = ("in_channels", "out_channels")
        config["network"] = {key: value for key, value in unet.kwargs.items() if key not in own}
        config["process"], config["sampler"]["num_steps"] = _process(pipeline.scheduler), 50
    if autoencoder:
        network = {key: value for key, value in autoencoder.kwargs.items() if key != "in_channels"}
        config["vae" if unet else "network"] = config["vae"] | {"network": network} if unet else network
    channels = (autoencoder or unet).kwargs["in_channels"]
    config["mel"] = (pipeline.mel or config["mel"]) | {"channels": channels}
    config["model"]["frames"] = pipeline.num_frames or config["model"]["frames"]
    return config


def _process(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    shape = scheduler.get("beta_schedule", "linear")
    if shape != "linear":
        raise UsageError(f"their scheduler's beta_schedule={shape!r} has no counterpart here, only 'linear'")
    theirs = scheduler.get("prediction_type", "epsilon")
    ours = [name for name, other in PREDICTIONS.items() if other == theirs]
    if not ours:
        raise UsageError(
            f"their scheduler's prediction_type={theirs!r} is unknown; there are: {', '.join(PREDICTIONS.values())}"
        )
    options = {"num_levels": "num_train_timesteps", "beta_min": "beta_start", "beta_max": "beta_end"}
    given = {name: scheduler[key] for name, key in options.items() if key in scheduler}
    return {
        "schedule": "linear_beta",
        "schedule_options": given,
        "prediction": ours[0],
        "weight": "simple",
        "told": "index",
    }


def _export(source: epath.Path, target: epath.Path) -> Iterator[str]:
    config = configuration.read(source)
    name, spec = config["model"]["name"], config["mel"]
    if name == "waveform":
        raise UsageError(
            f"{source} is a waveform model, for which their pipelines have no place; interop.a_unet.to_torch gives its U-Net to PyTorch"
        )
    if told := config.get("conditions"):
        raise UsageError(
            f"{source} is told {', '.join(sorted(told))}, for which their pipelines have no place; "
            "interop.diffusers.write_network writes the U-Net alone"
        )
    _, params = milestones.read(source)
    if name == "vae":
        autoencoder = Autoencoder(in_channels=spec["channels"], **config["network"])
        diffusers.write_network(target, autoencoder, params["autoencoder"], scaling_factor=1.0)
        yield f"{target}: an AutoencoderKL"
        return
    # Theirs clips at 1, which latents exceed.
    scheduler = _scheduler(config["process"]) | {"clip_sample": name != "latent"}
    channels, parts = (
        spec["channels"],
        {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDIMScheduler"]},
    )
    size = [spec["num_mels"], config["model"]["frames"]]
    if name == "latent":
        autoencoder = Autoencoder(in_channels=channels, **config["vae"]["network"])
        kept = weights.read_tree(source / VAE_FILE)
        folded = fold_statistics(kept["autoencoder"], kept["latent_mean"], kept["latent_std"])
        channels = autoencoder.latent_channels
        size = [side // factor for side, factor in zip(size, reversed(autoencoder.multiple))]
        diffusers.write_network(target / "vqvae", autoencoder, folded, scaling_factor=1.0)
        parts["vqvae"] = ["diffusers", "AutoencoderKL"]
    unet = UNet2D(in_channels=channels, out_channels=channels, **config["network"])
    diffusers.write_network(target / "unet", unet, params, sample_size=size)
    (target / "scheduler").mkdir(parents=True, exist_ok=True)
    (target / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2))
    (target / OURS).write_text(json.dumps({"mel": spec, "frames": config["model"]["frames"]}, indent=2))
    (target / "model_index.json").write_text(json.dumps({"_class_name": "AudioDiffusionPipeline", **parts}, indent=2))
    yield f"{target}: {', '.join(parts)} for diffusers; pictures hold mel bins as rows"
    if spec.get("level", "absolute") == "absolute":
        yield "its pictures keep the level; the library's own mel class would normalise each clip, so it is left out"


def fold_statistics(params: Mapping, mean: np.ndarray, std: np.ndarray) -> dict:
    """An autoencoder whose latents are (z - mean) / std: exact, by its two 1 x 1 convolutions next to the latent.

    With them folded in, a scaling factor of 1 says all that the latents' statistics [Z] say.
    """
    width = len(mean)
    encoder, decoder = params["encoder"], params["decoder"]
    moments, latent = params["moments"], params["latent"]
    scale = np.concatenate([1 / std, np.ones(width)]).astype(np.float32)
    shift = np.concatenate([-mean / std, -2 * np.log(std)]).astype(np.float32)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "moments": {"kernel": moments["kernel"] * scale, "bias": moments["bias"] * scale + shift},
        "latent": {"kernel": latent["kernel"] * std[:, None], "bias": latent["bias"] + mean @ latent["kernel"][0, 0]},
    }


def _scheduler(process: Mapping[str, Any]) -> dict[str, Any]:
    if process.get("schedule") != "linear_beta" or process.get("told") != "index":
        raise UsageError(
            "their schedulers tell the index of a table: only schedule='linear_beta' with told='index' can be written"
        )
    options = {"num_levels": 1000, "beta_min": 1e-4, "beta_max": 2e-2} | dict(process.get("schedule_options") or {})
    if options.get("shift", 1.0) != 1.0 or process["prediction"] not in PREDICTIONS:
        raise UsageError(
            f"their schedulers know no shift of a schedule, and predictions {', '.join(PREDICTIONS)} only: this model cannot be written"
        )
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": options["num_levels"],
        "beta_start": options["beta_min"],
        "beta_end": options["beta_max"],
        "beta_schedule": "linear",
        "prediction_type": PREDICTIONS[process["prediction"]],
        "set_alpha_to_one": True,
        "steps_offset": 0,
    }


def _leaves(tree: Any) -> Iterator[np.ndarray]:
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, Mapping) else (value,)
