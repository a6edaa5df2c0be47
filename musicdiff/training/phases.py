"""A run from its configuration to a trained model, in phases: data, autoencoder (of a latent model), training. Each is done once and found again."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from etils import epath

from musicdiff import config as configuration
from musicdiff import data, generation, milestones, models, parallel, weights
from musicdiff.audio.mel import MelSpec
from musicdiff.checkpoints import Checkpoints
from musicdiff.errors import DataError, UsageError
from musicdiff.models import latent
from musicdiff.training import forecast, loop, workdir
from musicdiff.training.run import Run
from musicdiff.training.settings import check_settings
from musicdiff.training.writer import Writer
from musicdiff.typing import Model

SHARED = (
    "seed",
    "dtype",
    "data",
    "mel",
    "vocoder",
    "parallel",
)  # what an autoencoder trained on the way has from its latent run
HELD_OUT_CLIPS = 128
MARGIN = 32  # mel frames that a window of the encoder gives up on either side
AUTOENCODER = "autoencoder"  # folder in a workdir of the autoencoder's own run


def run(config: Mapping[str, Any], folder: Any) -> epath.Path:
    """Trains what `config` describes in the workdir `folder`, made or resumed; returns the workdir.

    Raises UsageError or DataError before anything is written when the configuration or its data cannot work.
    """
    parallel.initialize()
    check_settings(config, parallel.device_count())
    model = models.build(config)
    stages = [(model, config, epath.Path(folder))]
    if trains_autoencoder(config):
        inner = autoencoder_config(config)
        stages.insert(0, (models.build(inner), inner, epath.Path(folder) / AUTOENCODER))
        check_settings(inner, parallel.device_count())
    elif config["model"]["name"] == "latent" and not (epath.Path(folder) / latent.VAE_FILE).exists():
        find_autoencoder(config)
    for part, part_config, _ in stages:
        forecast.num_parameters(part)  # traces the network: sizes that do not fit are found before anything is written
        if part.denoise_fn is not None:
            generation.grid_and_options(part_config["process"], part_config["sampler"])
    source = data.open_source(config["data"]["source"])

    folder = parallel.main_first(lambda: workdir.open_workdir(folder, config), "workdir")
    print(f"{folder}: {config['model']['name']} model on {parallel.device_description()}", flush=True)
    forecast.announce_data(MelSpec(**config["mel"]), len(stages) + 1)
    forecast.announce(stages, first_phase=2)
    cached = parallel.main_first(
        lambda: data.build_tracks(
            source, MelSpec(**config["mel"]), config["data"]["cache_dir"], strict=config["data"]["strict"]
        ),
        "tracks",
    )
    print(describe_data(cached), flush=True)

    for stage, (part, part_config, part_folder) in enumerate(stages):
        if part.feature == "latent":
            cached = encode_tracks(config, folder, cached)
        if part_folder != folder:
            parallel.main_first(lambda: workdir.open_workdir(part_folder, part_config), "part")  # noqa: B023 - called at once
        record_data(part_folder, cached)
        train(part, part_config, part_folder, cached, f"phase {stage + 2} of {len(stages) + 1}")
    return folder


def trains_autoencoder(config: Mapping[str, Any]) -> bool:
    """Whether a run has to train an autoencoder of its own first."""
    return config["model"]["name"] == "latent" and not config["vae"]["path"]


def autoencoder_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the autoencoder of a latent run: its own section, and what the two share."""
    return {
        **{key: config[key] for key in SHARED},
        **{key: value for key, value in config["vae"].items() if key != "path"},
    }


def find_autoencoder(config: Mapping[str, Any]) -> epath.Path:
    """The workdir of the autoencoder that config.vae.path names. Raises DataError or UsageError when it is none, or does not fit."""
    path = epath.Path(config["vae"]["path"])
    if not (path / "config.json").exists():
        raise DataError(
            f"config.vae.path={path} is not a workdir; train an autoencoder with --config=configs/vae.py, or leave the path empty"
        )
    there = configuration.from_json((path / "config.json").read_text())
    if there["model"]["name"] != "vae":
        raise UsageError(f"config.vae.path={path} holds a {there['model']['name']} model, not an autoencoder")
    for key, mine in (("network", config["vae"]["network"]), ("mel", config["mel"])):
        if differing := configuration.differences(there[key], mine):
            listed = ", ".join(f"{key}.{name}: {a!r} there, {b!r} here" for name, (a, b) in differing.items())
            raise UsageError(f"the autoencoder in {path} does not fit this configuration ({listed})")
    return path


def record_data(folder: epath.Path, cached: data.Tracks) -> None:
    """Puts what is known of the data among the run's facts."""
    count = sum(len(cached.split(name)) for name in ("train", "test"))
    facts = {"hours": round(cached.hours, 4), "tracks": count, "licences": list(cached.licences)}
    workdir.add_facts(folder, **facts, fingerprint=cached.fingerprint)


def describe_data(cached: data.Tracks) -> str:
    """What there is to train on, and what was left out."""
    usable = {name: len(cached.split(name)) for name in ("train", "test")}
    lines = [f"{cached.hours:.2f} hours: {usable['train']} tracks to train on, {usable['test']} held out"]
    if cached.skipped:
        first = cached.skipped[0]
        listed = cached.path / "report.json"
        lines.append(f"{len(cached.skipped)} tracks left out, the first {first['name']}, {first['reason']}; all are listed in {listed}")
    return "\n".join(lines)


def encode_tracks(config: Mapping[str, Any], folder: epath.Path, cached: data.Tracks) -> data.Tracks:
    """The latents of all tracks; the autoencoder and the latents' mean and deviation go into the workdir, once."""
    path = folder / latent.VAE_FILE
    if path.exists():
        params = weights.read_tree(path)["autoencoder"]
    else:
        home = find_autoencoder(config) if config["vae"]["path"] else folder / AUTOENCODER
        params = milestones.read(home)[1]["autoencoder"]
    spec, window = MelSpec(**config["mel"]), max(config["model"]["frames"], 4 * MARGIN)  # wider than its margins
    encode = latent.track_encoder(
        config["vae"]["network"], params, channels=spec.channels, window=window, margin=MARGIN
    )
    print("encoding the tracks as latents", flush=True)
    encoder = f"{weights.fingerprint(params)}-{window}-{MARGIN}"
    encoded = parallel.main_first(
        lambda: data.build_latents(cached, encode, encoder, config["data"]["cache_dir"]), "latents"
    )
    if not path.exists() and parallel.is_main():
        mean, std = latent_statistics(encoded)
        path.parent.mkdir(parents=True, exist_ok=True)
        weights.write_tree(path, {"autoencoder": params, "latent_mean": mean, "latent_std": std})
        workdir.add_facts(folder, vae_sha256=weights.sha256(path), latent_mean=mean.tolist(), latent_std=std.tolist())
        print(f"latents have a standard deviation of {', '.join(f'{s:.3g}' for s in std)} by channel", flush=True)
    parallel.barrier("autoencoder")
    return encoded


def latent_statistics(encoded: data.Tracks) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each latent channel over the tracks to train on: float32 [Z] each, one record in memory at a time."""
    split = encoded.split("train")
    count, total, squares = 0, 0.0, 0.0
    for record in range(len(split)):
        z = split[[record]][0]["latent"].astype(np.float64).reshape(-1, len(split.silence[0]))
        count, total, squares = count + len(z), total + z.sum(0), squares + (z**2).sum(0)
    mean = total / count
    return mean.astype(np.float32), np.sqrt(squares / count - mean**2).astype(np.float32)


def train(model: Model, config: Mapping[str, Any], folder: epath.Path, cached: data.Tracks, phase: str) -> None:
    """Trains one model on its cached tracks, unless it is trained already."""
    checkpoints = Checkpoints(folder / "checkpoints", keep=config["keep_checkpoints"])
    resume_step = checkpoints.latest_valid_step() or 0
    if parallel.is_main():
        milestones.drop_after(folder, resume_step)
    with Writer(folder, resume_step=resume_step, primary=parallel.is_main()) as writer:
        if resume_step >= config["num_steps"]:
            writer.log(f"{phase}: {folder} is trained already, {resume_step} steps")
            return
        facts = workdir.read_facts(folder)
        micro_batch = facts.get("micro_batch") or forecast.choose_micro_batch(model, config)
        workdir.add_facts(
            folder, micro_batch=micro_batch, parameters=forecast.num_parameters(model), resumed_at=resume_step
        )
        writer.log(
            f"{phase}: {config['model']['name']}, steps {resume_step} to {config['num_steps']}, micro-batch {micro_batch}"
        )
        if resume_step == 0:
            writer.log(forecast.parameter_table(model))
        train_split, test_split = cached.split("train"), cached.split("test")
        shape = {"feature": model.feature, "frames": model.clip_frames, "batch_size": config["batch_size"]}
        batches = partial(
            data.batches,
            train_split,
            **shape,
            seed=config["seed"],
            loader=config["data"]["loader"],
            rows=parallel.rows(config["batch_size"]),
        )
        held_out = list(data.held_out(test_split if len(test_split) else train_split, **shape, limit=HELD_OUT_CLIPS))
        frozen = model.load_frozen(folder)
        mels = np.concatenate([batch["x_0"][batch["weight"] > 0] for batch in held_out])[:8]
        if model.feature == "latent":
            mels = np.asarray(jax.jit(model.to_mel)(frozen, (mels - frozen["latent_mean"]) / frozen["latent_std"]))
        made = Run(
            workdir=folder,
            config=config,
            model=model,
            frozen=frozen,
            batches=lambda start_step: batches(start_step=start_step),
            held_out=held_out,
            mels=mels,
            micro_batch=micro_batch,
            commands=commands(folder, model),
        )
        loop.train(made, writer, checkpoints)


def commands(folder: epath.Path, model: Model) -> dict[str, str]:
    """What to do next with a trained model."""
    if model.denoise_fn is None:
        return {
            "train a latent model on it": f"python run_train.py --config=configs/latent.py --config.vae.path={folder}"
        }
    return {
        "generate clips": f"musicdiff sample --workdir {folder} --num 4 --out clips",
        "as long as you like, other steps and seed": f"musicdiff sample --workdir {folder} --seconds 12 --steps 100 --seed 7 --out clips",
    }


def summary(folder: epath.Path) -> str:
    """The last lines of a run: where to listen, and the commands to use its model."""
    config = configuration.from_json((folder / "config.json").read_text())
    lines = [f"listen: {folder / 'listen.html'}"]
    lines += [f"{purpose}:\n    {command}" for purpose, command in commands(folder, models.build(config)).items()]
    return "\n".join(lines)
