"""A run from its configuration to a trained model, in phases: data, autoencoder (of a latent model), training. Each is done once and found again."""

import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from etils import epath

from musicdiff import averages, choice, data, facts, generation, milestones, models, parallel, text_encoders
from musicdiff import config as configuration
from musicdiff.audio.mel import MelSpec
from musicdiff.checkpoints import Checkpoints
from musicdiff.data.clips import Clips
from musicdiff.diffusion.guidance import Guidance
from musicdiff.errors import UsageError
from musicdiff.training import conditions, forecast, latents, loop, workdir
from musicdiff.training.run import Run
from musicdiff.training.settings import check_keys, check_settings
from musicdiff.training.writer import Writer
from musicdiff.typing import Model

HELD_OUT_CLIPS = 128
EXAMPLES = 16  # held-out clips, spread over the tracks, that are listened to and measured
AUTOENCODER = "autoencoder"  # folder in a workdir of the autoencoder's own run
# Sections of a latent run that its autoencoder has not, or has of its own.
OF_DIFFUSION = ("model", "vae", "process", "conditions", "sampler", "guidance")


def run(config: Mapping[str, Any], folder: Any) -> epath.Path:
    """Trains what `config` describes in the workdir `folder`, made or resumed; returns the workdir, also when asked to stop on the way.

    Raises UsageError or DataError before anything is written when the configuration or its data cannot work.
    """
    parallel.initialize()
    folder = epath.Path(folder)
    stages = plan(config, folder)
    source = data.open_source(config["data"]["source"])
    filled = parallel.main_first(lambda: conditions.fill_classes(config, folder, source), "classes")
    if filled != config:
        config, stages = filled, plan(filled, folder)
    for model, part, home in stages:
        check_encoders(model, part, home)
    spec, settings = MelSpec(**config["mel"]), config["data"]

    parallel.barrier("planned")  # what the others plan by, config.json too, is not written while they read it
    parallel.main_first(lambda: workdir.open_workdir(folder, config), "workdir")
    print(f"{folder}: {config['model']['name']} model on {parallel.device_description()}", flush=True)
    feature = stages[-1][0].feature  # an autoencoder trained on the way begins with what the run does: mels
    forecast.announce_data(feature, spec, len(stages) + 1)
    forecast.announce(stages, first_phase=2)
    tracks = parallel.main_first(
        lambda: data.build(source, feature, spec, settings["cache_dir"], strict=settings["strict"]), "tracks"
    )
    print(describe_data(tracks), flush=True)

    for number, (model, part, home) in enumerate(stages, start=2):
        if home != folder:
            parallel.main_first(lambda home=home, part=part: workdir.open_workdir(home, part), "part")
        cached = tracks
        if model.feature == "latent":
            print("encoding the tracks as latents", flush=True)
            path = part["vae"]["path"]
            cached = latents.encode_tracks(part, folder, epath.Path(path) if path else folder / AUTOENCODER, tracks)
        record_data(home, tracks, model)
        if not train(model, part, home, cached, f"phase {number} of {len(stages) + 1}"):
            break
    return folder


def plan(config: Mapping[str, Any], folder: epath.Path) -> list[tuple[Model, Mapping[str, Any], epath.Path]]:
    """What is to be trained, in order: model, configuration, workdir. All that can be refused without data is refused here."""
    # The run itself comes first: what an autoencoder shares with it is then called as the user calls it.
    check_settings(config, parallel.device_count())
    stages = [(config, folder, "config")]
    if config["model"]["name"] == "latent" and not latents.is_ready(folder):
        autoencoder = autoencoder_config(config)
        if config["vae"]["path"]:
            # Nothing is trained by the section, but a key that nothing would read is a mistake there too.
            check_keys(autoencoder, "config.vae")
            models.build(autoencoder, "config.vae")
            latents.find_autoencoder(config)
        else:
            check_settings(autoencoder, parallel.device_count(), "config.vae")
            stages.append((autoencoder, folder / AUTOENCODER, "config.vae"))
    checked = []
    for part, home, where in stages:
        model = models.build(part, where)
        forecast.step_cost(model, 1)  # traces network, loss and vocoder: sizes that do not fit show here
        loop.make_optimizer(model, part["optim"])
        if model.denoise_fn is not None:
            generation.grid_and_options(model, part["sampler"])
            generation.check_guidance(model, choice.call(f"{where}.guidance", Guidance, part["guidance"]))
        if MelSpec(**part["mel"]).level != "absolute":
            raise UsageError(
                "config.mel.level='clip' is for imported models, to be sampled; train with level='absolute'"
            )
        checked.append((model, part, home))
    return checked[::-1]


def check_encoders(model: Model, config: Mapping[str, Any], folder: epath.Path) -> None:
    """Raises DataError for a frozen text encoder whose weights are missing or damaged, or are others than the run in `folder` began with."""
    text_encoders.check_same(model.conditions, config, facts.read(folder), folder)
    for condition in model.conditions.values():
        if condition.fingerprint:
            condition.read(["a"])  # loads it, which is to be done anyway: samples on the way are told texts


def autoencoder_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the autoencoder of a latent run: its own section, and from the run what that does not say."""
    shared = {key: value for key, value in config.items() if key not in OF_DIFFUSION}
    return shared | {key: value for key, value in config["vae"].items() if key != "path"}


def record_data(folder: epath.Path, cached: data.Tracks, model: Model) -> None:
    """Puts what is known of the data among the run's facts, and says where labels that the model is told have changed since.

    Raises UsageError when a run that resumes would go on with other audio.
    """
    known = facts.read(folder)
    there = known.get("fingerprint", cached.fingerprint)
    if there != cached.fingerprint:
        raise UsageError(
            f"the audio has changed since {folder} began ({there}, now {cached.fingerprint}): restore it, or name another --workdir"
        )
    if model.conditions and known.get("labels", cached.label_fingerprint) != cached.label_fingerprint:
        print(f"labels of the tracks have changed since {folder} began; it goes on with those of now", flush=True)
    count = sum(len(cached.split(name)) for name in ("train", "test"))
    facts.add(
        folder,
        hours=round(cached.hours, 4),
        tracks=count,
        licences=list(cached.licences),
        fingerprint=cached.fingerprint,
        labels=cached.label_fingerprint,
    )


def describe_data(cached: data.Tracks) -> str:
    """What there is to train on, and what was left out."""
    usable = {name: len(cached.split(name)) for name in ("train", "test")}
    lines = [f"{cached.hours:.2f} hours: {usable['train']} tracks to train on, {usable['test']} held out"]
    if not usable["test"]:
        lines.append("a single track: held-out losses are of the training data")
    if cached.skipped:
        first = cached.skipped[0]
        listed = cached.path / "report.json"
        lines.append(
            f"{len(cached.skipped)} tracks left out, the first {first['name']}, {first['reason']}; all are listed in {listed}"
        )
    if cached.unread_labels:
        first = cached.unread_labels[0]
        lines.append(
            f"labels ignored in {len(cached.unread_labels)} files, the first {first['name']}, {first['reason']}; "
            f"`musicdiff data doctor {shlex.quote(cached.index['source'])}` lists them"
        )
    return "\n".join(lines)


def train(model: Model, config: Mapping[str, Any], folder: epath.Path, cached: data.Tracks, phase: str) -> bool:
    """Trains one model on its cached tracks, unless it is trained already; returns whether it is now, or was asked to stop before."""
    checkpoints = Checkpoints(folder / "checkpoints", keep=config["keep_checkpoints"])
    resume_step = checkpoints.latest_valid_step() or 0
    if parallel.is_main():
        milestones.drop_after(folder, resume_step)
        averages.drop_after(folder, resume_step)
    with Writer(folder, resume_step=resume_step, primary=parallel.is_main()) as writer:
        if resume_step >= config["num_steps"]:
            writer.log(f"{phase}: {folder} is trained already, {resume_step} steps")
            return True
        micro_batch = parallel.from_main(choose_micro_batch(model, config, folder, writer))
        facts.add(
            folder,
            micro_batch=micro_batch,
            parameters=forecast.num_parameters(model),
            encoders=text_encoders.fingerprints(model.conditions),
        )
        writer.log(
            f"{phase}: {config['model']['name']}, steps {resume_step} to {config['num_steps']}, micro-batch {micro_batch}"
        )
        if resume_step == 0:
            writer.log(forecast.parameter_table(model))
        split, held_out_split = cached.split("train"), cached.held_out_split()
        told, held_out_told = (
            parallel.main_first(
                lambda part=part: conditions.of_tracks(model.conditions, part, config["data"]["cache_dir"]),
                "conditions",
            )
            for part in (split, held_out_split)
        )
        if model.conditions:
            writer.log(conditions.report(told, held_out_told))
            facts.add(folder, conditions={name: round(column.share, 4) for name, column in told.columns.items()})
        shape = {"feature": model.feature, "frames": model.clip_frames}
        batches = partial(
            data.batches,
            split,
            **shape,
            batch_size=config["batch_size"],
            seed=config["seed"],
            loader=config["data"]["loader"],
            rows=parallel.rows(config["batch_size"]),
            describe=told.describe,
        )
        held_out_size = micro_batch * parallel.local_device_count()
        held_out = list(
            data.held_out(
                held_out_split, **shape, batch_size=held_out_size, limit=HELD_OUT_CLIPS, describe=held_out_told.describe
            )
        )
        clips, index = (
            np.concatenate([batch[name][batch["weight"] > 0] for batch in held_out]) for name in ("x_0", "index")
        )
        chosen = np.linspace(0, len(clips) - 1, min(EXAMPLES, len(clips))).astype(int)
        tracks = Clips(held_out_split.frames, model.clip_frames).tracks(index[chosen])
        made = Run(
            workdir=folder,
            config=config,
            model=model,
            frozen=model.load_frozen(folder),
            batches=lambda start_step: batches(start_step=start_step),
            held_out=held_out,
            examples=clips[chosen],
            told=[held_out_told.values(track) for track in tracks],
            micro_batch=micro_batch,
            commands=commands(folder, model),
        )
        finished = loop.train(made, writer, checkpoints)
    parallel.barrier("trained")
    return finished


def choose_micro_batch(model: Model, config: Mapping[str, Any], folder: epath.Path, writer: Writer) -> int:
    """config.optim.micro_batch; or what this run has used so far, as long as it divides a device's share; or what fits the memory."""
    if config["optim"]["micro_batch"]:
        return config["optim"]["micro_batch"]
    recorded = facts.read(folder).get("micro_batch")
    if recorded and parallel.rows_per_device(config["batch_size"]) % recorded == 0:
        return recorded
    chosen = forecast.choose_micro_batch(model, config)
    if recorded:
        writer.log(
            f"micro-batch {chosen} instead of {recorded}: other devices share the batch now; sums differ by rounding"
        )
    return chosen


def commands(folder: Any, model: Model) -> dict[str, str]:
    """What to do next with a trained model."""
    folder = shlex.quote(str(folder))
    if model.denoise_fn is None:
        return {
            "train a latent model on it": f"python run_train.py --config=configs/latent.py --config.vae.path={folder}"
        }
    prompt = ' --prompt "calm piano"' if "text" in model.conditions else ""
    return {
        "generate clips": f"musicdiff sample --workdir {folder}{prompt} --num 4 --out clips",
        "as long as you like, other steps and seed": f"musicdiff sample --workdir {folder} --seconds 12 --steps 100 --seed 7 --out clips",
    }


def summary(folder: epath.Path) -> str:
    """The last lines of a run: where to listen, and the commands to use its model."""
    config = configuration.read(folder)
    lines = [f"listen: {folder / 'listen.html'}"]
    lines += [f"{purpose}:\n    {command}" for purpose, command in commands(folder, models.build(config)).items()]
    return "\n".join(lines)
