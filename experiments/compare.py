"""A trained model beside its data, for a docs page: mels of held-out and of generated clips as one PNG, loss curves, a few short OGGs, a table.

    python experiments/compare.py WORKDIR OUT [--num 64] [--seed 100]

Real clips go through the model's representation and vocoder, so that what differs is the model. Run it where the training ran: the data are found
by the workdir's own configuration. The table compares level, spectral centroid and roughness of real and generated clips.
"""

import argparse
import shutil

import jax
import numpy as np
from etils import epath

from musicdiff import config as configuration
from musicdiff import data, generation, randomness
from musicdiff.audio import io, picture, quality
from musicdiff.audio.mel import MelSpec, band_centres, power_of
from musicdiff.data.clips import Clips

DRAWN = 8  # clips of each kind in the picture
HEARD = 4  # of these in one file, with silence between


def held_out_audio(config: dict, spec: MelSpec, samples: int, num: int) -> np.ndarray:
    """`num` held-out clips, cut as in training out of all tracks, silent after a track's end: [B, N, C]."""
    source = data.open_source(config["data"]["source"])
    split = data.build_tracks(source, spec, config["data"]["cache_dir"]).split("test")
    tracks = {track.name: track for track in source.tracks}
    chosen = Clips(split.frames, samples // spec.hop).centred(num)
    clips = np.zeros((len(chosen.track), samples, spec.channels), np.float32)
    for clip, name, start in zip(clips, split.labels["name"][chosen.track], chosen.start):
        audio, _ = tracks[name].read(sample_rate=spec.sample_rate, channels=spec.channels)
        cut = audio[start * spec.hop :][:samples]
        clip[: len(cut)] = cut
    return clips


def describe(mels: np.ndarray, audio: np.ndarray, spec: MelSpec) -> dict[str, np.ndarray]:
    """Measures of each clip: level in dB RMS, spectral centroid of the mel power in Hz, roughness of the mel in time."""
    power = np.asarray(power_of(mels, spec)).sum(axis=(1, 3))  # [B, F]
    centroid = (power * band_centres(spec)).sum(1) / np.maximum(power.sum(1), 1e-12)
    level = 10 * np.log10(np.maximum((audio**2).mean(axis=(1, 2)), 1e-12))
    return {"level, dB RMS": level, "centroid, Hz": centroid, "roughness": np.asarray(quality.roughness(mels))}


def write_audio(path: epath.Path, audio: np.ndarray, rate: int) -> None:
    """The first clips one after another, half a second apart."""
    gap = np.zeros((rate // 2, audio.shape[-1]), np.float32)
    io.write(path, np.concatenate([part for clip in audio[:HEARD] for part in (clip, gap)]), rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir")
    parser.add_argument("out")
    parser.add_argument("--num", type=int, default=64)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    generator = generation.load(options.workdir)
    config, model = generator.config, generator.model
    spec, out = MelSpec(**config["mel"]), epath.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    clips = generation.generate(generator, seeds=range(options.seed, options.seed + options.num))
    x_0 = jax.jit(model.encode)(generator.frozen, held_out_audio(config, spec, clips.audio.shape[1], options.num))
    keys = randomness.seed_keys(np.arange(len(x_0), dtype=np.uint32), "vocoder")
    real = np.asarray(jax.jit(model.to_audio)(generator.frozen, x_0, keys))
    mels = np.asarray(jax.jit(model.to_mel)(generator.frozen, x_0))

    # The real ones come ordered by track: spread over all of them.
    shown = np.linspace(0, len(mels) - 1, min(DRAWN, len(mels))).astype(int)
    titles = [f"real {i + 1}" for i in range(len(shown))] + [f"generated, seed {seed}" for seed in clips.seeds[:DRAWN]]
    picture.save_mels(out / "mels.png", np.concatenate([mels[shown], clips.log_mel[:DRAWN]]), spec, titles=titles)
    write_audio(out / "real.ogg", real[shown], clips.sample_rate)
    write_audio(out / "generated.ogg", clips.audio, clips.sample_rate)
    curves = epath.Path(options.workdir) / "curves.png"
    if curves.exists():
        shutil.copyfile(curves, out / "curves.png")

    print(
        f"{configuration.fingerprint(config)}, step {generator.step}, {options.num} clips each, mean (standard deviation)\n"
    )
    print("| | real | generated |\n|---|---|---|")
    measured = describe(mels, real, spec), describe(clips.log_mel, clips.audio, spec)
    for name in measured[0]:
        print(f"| {name} | " + " | ".join(f"{m[name].mean():.3g} ({m[name].std():.2g})" for m in measured) + " |")


if __name__ == "__main__":
    main()
