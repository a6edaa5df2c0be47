"""Judges of what a conditional model was told: small networks that hear style, rhythm, timbre, tempo and key in a log-mel.

    python experiments/judges.py OUT [--data builtin:1000] [--free 1000] [--cache_dir data_cache] [--num_mels 128] [--through WORKDIR ...]

They learn from the training split of `builtin`, and from songs of the same styles at any tempo of 58 to 178 ("free"): a judge that knew drum and bass
at 174 bpm alone would take any other tempo for another style. The held-out songs of both say how far each can be trusted; with --through, their clips
go through a model's own representation first. OUT gets judges-*.safetensors, and is asked for it before anything is trained.

Rhythm is heard without timbre: of the onsets in five bands, each brought to mean 0 and deviation 1, only correlations at fractions of a beat are
known, the beat being the one that the tempo judge heard. Timbre is the mean spectrum alone.
"""

import argparse
import functools
import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from etils import epath
from free_songs import build, free_songs, rendered_ahead

from musicdiff import config as configuration
from musicdiff import data, generation, weights
from musicdiff.audio.mel import MelSpec, band_centres, decibels_of
from musicdiff.conditioning import key as keys
from musicdiff.data import songs

STYLES = tuple(style.name for style in songs.list_styles())
CROPS = {"train": 8, "test": 4}  # clips of a song, evenly spread
BATCH = 64
STEPS = {"tempo": 1500, "rhythm": 1500, "timbre": 1500, "style": 900, "key": 900}
EDGES = (0, 150, 600, 2000, 5000, np.inf)  # Hz, of the bands whose onsets are heard
SILENT = -32.0  # dB of mel power: onsets below it are not heard
SHORTEST_LAG, LAG_OCTAVES, PER_OCTAVE = 0.093, 5.25, 36  # s; of the tempo judge
FRACTIONS = np.arange(2, 37) / 12  # of a beat; of the rhythm judge
TEMPI = 57.0 * 2 ** (np.arange(64) / PER_OCTAVE)  # answers of the tempo judge
PITCHES = 180.0 * 2 ** (np.arange(180) / 36)  # Hz, 36 an octave; of the key judge
LEAST_MELS = 96  # fewer bins do not tell semitones apart


@dataclass(frozen=True)
class Labels:
    """What is true of n clips: style and key by number, tempo in beats a minute; song: which clips are of one song."""

    style: np.ndarray
    tempo: np.ndarray
    key: np.ndarray
    song: np.ndarray


def clips_of(splits: Sequence[data.TrackSplit], frames: int, count: int) -> Iterator[tuple[np.ndarray, Labels]]:
    """(log-mels float32 [count, frames, F], labels) of each song in turn."""
    number = 0
    for split in splits:
        for i in range(len(split)):
            mel = split[[i]][0]["mel"][..., 0]
            starts = np.linspace(0, len(mel) - frames, count).astype(int)
            told = (
                STYLES.index(split.labels["style"][i]),
                split.labels["tempo"][i],
                keys.parse(split.labels["key"][i]),
            )
            labels = Labels(*(np.repeat(value, count) for value in (*told, number)))
            yield np.stack([mel[start : start + frames] for start in starts]).astype(np.float32), labels
            number += 1


def joined(labels: Sequence[Labels]) -> Labels:
    return Labels(*(np.concatenate(column) for column in zip(*(vars(one).values() for one in labels))))


def interpolated(x: jax.Array, places: jax.Array, axis: int) -> jax.Array:
    """x between the samples of an axis at `places`, which are the same for all, or [B, n] along axis 1."""
    low = jnp.floor(places).astype(int)
    share = places - low
    if np.ndim(places) == 2:
        low, share = low[..., None], share[..., None]
        take = functools.partial(jnp.take_along_axis, axis=axis)
    else:
        share = share.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
        take = functools.partial(jnp.take, axis=axis)
    return (1 - share) * take(x, low) + share * take(x, low + 1)


def onsets(log_mel: jax.Array, spec: MelSpec) -> jax.Array:
    """[B, T, F] -> [B, T, bands]: how far decibels rise, mean of a band, brought to mean 0 and deviation 1 within each clip."""
    centres = band_centres(spec)
    bands = np.stack([(centres >= low) & (centres < high) for low, high in itertools.pairwise(EDGES)], 1).astype(
        np.float32
    )
    decibels = jnp.maximum(decibels_of(log_mel, spec), SILENT)
    rise = jnp.maximum(jnp.diff(decibels, axis=1, prepend=decibels[:, :1]), 0) @ (bands / bands.sum(0))
    return (rise - rise.mean(1, keepdims=True)) / (rise.std(1, keepdims=True) + 0.3)


def correlations(onsets: jax.Array) -> jax.Array:
    """[B, T, bands] -> [B, T, bands^2]: the mean product of two bands, the second so many frames later."""
    num, bands = onsets.shape[1:]
    spectrum = jnp.fft.rfft(onsets, 2 * num, axis=1)
    first, second = np.divmod(np.arange(bands**2), bands)
    sums = jnp.fft.irfft(jnp.conj(spectrum[..., first]) * spectrum[..., second], axis=1)[:, :num]
    return sums / (num - jnp.arange(num))[:, None]


def partials(x: jax.Array) -> jax.Array:
    """[B, T, P] -> [B, P, 14]: how far a pitch is above those around it, near and wide: mean, maximum, RMS, and the mean of each quarter."""
    found = []
    for reach in (5, 17):
        padded = jnp.pad(x, ((0, 0), (0, 0), (reach + 1, reach)), mode="edge").cumsum(2)
        above = jnp.maximum(x - (padded[..., 2 * reach + 1 :] - padded[..., : -2 * reach - 1]) / (2 * reach + 1), 0)
        quarters = [part.mean(1) for part in jnp.array_split(above, 4, axis=1)]
        found += [above.mean(1), above.max(1), jnp.sqrt(jnp.square(above).mean(1)), *quarters]
    return jnp.stack(found, -1)


@functools.partial(jax.jit, static_argnames="spec")
def features(log_mel: jax.Array, spec: MelSpec) -> dict[str, jax.Array]:
    """[B, T, F] -> what each judge hears but for rhythm, and the onsets, of which `rhythm_of` makes that."""
    size, num, bins = log_mel.shape
    heard = onsets(log_mel, spec)
    lags = SHORTEST_LAG * 2 ** (np.arange(int(LAG_OCTAVES * PER_OCTAVE)) / PER_OCTAVE) * spec.sample_rate / spec.hop
    coarse = log_mel[:, : num // 16 * 16].reshape(size, num // 16, 16, bins)
    found = {
        "onsets": heard,
        "tempo": interpolated(correlations(heard), jnp.asarray(lags), 1),
        "timbre": log_mel.mean(1),
        "style": coarse.reshape(size, num // 16 * 4, 4, bins // 4, 4).mean((2, 4)),
    }
    if bins >= LEAST_MELS:
        places = jnp.asarray(np.interp(PITCHES, band_centres(spec), np.arange(bins)))
        found["key"] = partials(interpolated(coarse.mean(2), places, 2))
    return {name: value.astype(jnp.float16) for name, value in found.items()}


@functools.partial(jax.jit, static_argnames="spec")
def rhythm_of(onsets: jax.Array, tempo: jax.Array, spec: MelSpec) -> jax.Array:
    """Correlations of onsets at fractions of the beat: [B, fractions, bands^2]."""
    beat = 60 * spec.sample_rate / spec.hop / tempo[:, None]
    return interpolated(correlations(onsets.astype(jnp.float32)), FRACTIONS * beat, 1).astype(jnp.float16)


class Dense(nn.Module):
    """Two hidden layers, for tempo, rhythm and timbre."""

    num: int
    dropout: float = 0.3

    @nn.compact
    def __call__(self, x, train=False):
        x = x.reshape(len(x), -1)
        for width in (192, 96):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = nn.relu(nn.LayerNorm()(nn.Dense(width)(x)))
        return nn.Dense(self.num)(x)


class StyleNetwork(nn.Module):
    """A coarse log-mel [B, T / 4, F / 4] by three convolutions; then the mean and the greatest over time."""

    @nn.compact
    def __call__(self, x, train=False):
        x = x[..., None]
        for width, size, stride in ((32, 4, 4), (64, 3, 2), (96, 3, 2)):
            x = nn.relu(nn.GroupNorm(8)(nn.Conv(width, (size, size), (stride, stride))(x)))
        x = nn.relu(nn.Dense(128)(x.reshape(*x.shape[:2], -1)))
        x = jnp.concatenate([x.mean(1), x.max(1)], -1)
        return nn.Dense(len(STYLES))(nn.Dropout(0.3, deterministic=not train)(x))


class KeyNetwork(nn.Module):
    """[B, 180 pitches, 14] -> 24 keys; a transposed song is a turn of the 36 pitches of an octave, and of the answers."""

    @nn.compact
    def __call__(self, x, train=False):
        x = jnp.moveaxis(x.reshape(len(x), 5, 36, -1), 1, 2).reshape(len(x), 36, -1)
        x = nn.relu(nn.LayerNorm()(nn.Dense(64)(10 * x)))
        x = nn.Dropout(0.2, deterministic=not train)(x)
        x = nn.relu(nn.Conv(96, (36,), padding="CIRCULAR")(x))
        x = nn.Dense(2)(nn.Dropout(0.2, deterministic=not train)(x))[:, ::3]
        return jnp.moveaxis(x, 1, 2).reshape(len(x), keys.NUM_KEYS)


NETWORKS = {
    "tempo": Dense(len(TEMPI)),
    "rhythm": Dense(len(STYLES)),
    "timbre": Dense(len(STYLES), dropout=0.1),
    "style": StyleNetwork(),
    "key": KeyNetwork(),
}


def targets(labels: Labels) -> dict[str, np.ndarray]:
    """What the judges should answer: [n, answers]. A tempo may be missed by a little, any style by chance."""
    style = 0.95 * np.eye(len(STYLES))[labels.style] + 0.05 / len(STYLES)
    off = np.log2(labels.tempo[:, None] / TEMPI) * PER_OCTAVE
    tempo = np.exp(-0.5 * (off / 0.8) ** 2)
    tempo /= tempo.sum(1, keepdims=True)
    return {"style": style, "rhythm": style, "timbre": style, "tempo": tempo, "key": np.eye(keys.NUM_KEYS)[labels.key]}


def fit(name: str, x: np.ndarray, answers: np.ndarray) -> dict:
    """Parameters of a judge by AdamW on cross-entropy."""
    network, steps, start = NETWORKS[name], STEPS[name], time.perf_counter()
    optimizer = optax.adamw(optax.warmup_cosine_decay_schedule(0.0, 2e-3, 50, steps), weight_decay=0.05)

    def loss(params, x, answers, key):
        logits = network.apply({"params": params}, x.astype(jnp.float32), train=True, rngs={"dropout": key})
        return optax.softmax_cross_entropy(logits, answers).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(params, state, x, answers, key):
        gradient = jax.grad(loss)(params, x, answers, key)
        changes, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, changes), state

    key, rng = jax.random.key(0), np.random.default_rng(0)
    params = network.init(key, jnp.asarray(x[:1], jnp.float32))["params"]
    state = optimizer.init(params)
    for step in range(steps):
        rows = rng.integers(len(x), size=BATCH)
        params, state = update(params, state, x[rows], answers[rows].astype(np.float32), jax.random.fold_in(key, step))
    jax.block_until_ready(params)
    print(f"judge of {name}: {steps} steps, {len(x)} clips, {time.perf_counter() - start:.0f} s", flush=True)
    return jax.device_get(params)


@functools.partial(jax.jit, static_argnames="name")
def apply(params: Mapping, x: jax.Array, name: str) -> jax.Array:
    return NETWORKS[name].apply({"params": params}, x.astype(jnp.float32))


def in_batches(function, *arrays: np.ndarray) -> np.ndarray:
    """function(rows) of all rows, BATCH at a time; the last rows are repeated, so that it is compiled once."""
    results = []
    for first in range(0, len(arrays[0]), BATCH):
        rows = [array[first : first + BATCH] for array in arrays]
        missing = BATCH - len(rows[0])
        rows = [np.pad(row, ((0, missing), *((0, 0),) * (row.ndim - 1)), mode="edge") for row in rows]
        results.append(jax.tree.map(lambda leaf, kept=BATCH - missing: np.asarray(leaf)[:kept], function(*rows)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *results)


@dataclass(frozen=True)
class Judges:
    """Trained judges of log-mels of one spec; `key` is missing below LEAST_MELS bins."""

    spec: MelSpec
    params: Mapping[str, Mapping]

    def hear(self, log_mel: np.ndarray) -> dict[str, np.ndarray]:
        """[n, T, F] -> style, rhythm and timbre as numbers of STYLES, tempo in beats a minute, key as a number of 24: each [n]."""
        return self.judge(in_batches(lambda rows: features(rows, self.spec), np.asarray(log_mel, np.float32)))

    def judge(self, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`hear`, from features."""
        heard = {"tempo": self.tempo(found["tempo"])}
        rhythm = in_batches(lambda *rows: rhythm_of(*rows, self.spec), found["onsets"], heard["tempo"])
        for name, x in {**found, "rhythm": rhythm}.items():
            if name in self.params and name != "tempo":
                heard[name] = self._logits(name, x).argmax(1)
        return heard

    def tempo(self, x: np.ndarray) -> np.ndarray:
        """The likeliest tempo: the mean, in octaves, about the greatest answer."""
        logits = self._logits("tempo", x)
        near = np.abs(np.arange(len(TEMPI)) - logits.argmax(1)[:, None]) <= 2
        share = np.exp(logits - logits.max(1, keepdims=True)) * near
        return np.exp((share * np.log(TEMPI)).sum(1) / share.sum(1)).astype(np.float32)

    def _logits(self, name, x):
        return in_batches(lambda rows: apply(self.params[name], rows, name), x)


def all_features(splits, frames, count, spec) -> tuple[dict[str, np.ndarray], Labels]:
    found, labels = [], []
    for mels, told in clips_of(splits, frames, count):
        found.append(jax.device_get(features(mels, spec)))
        labels.append(told)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found), joined(labels)


def train(splits: Sequence[data.TrackSplit], frames: int, spec: MelSpec) -> Judges:
    """Judges that know these songs; rhythm is learned last, by the beat that the judge of tempo hears."""
    start = time.perf_counter()
    found, labels = all_features(splits, frames, CROPS["train"], spec)
    print(f"{len(labels.song)} clips heard in {time.perf_counter() - start:.0f} s", flush=True)
    answers = targets(labels)
    params = {name: fit(name, found[name], answers[name]) for name in NETWORKS if name in found}
    judges = Judges(spec, params)
    beats = judges.tempo(found["tempo"])
    rhythm = in_batches(lambda *rows: rhythm_of(*rows, spec), found["onsets"], beats)
    return replace(judges, params={**params, "rhythm": fit("rhythm", rhythm, answers["rhythm"])})


def load_or_train(out: epath.Path, splits: Sequence[data.TrackSplit], frames: int, spec: MelSpec) -> Judges:
    """`train`, kept in a file of OUT that is named by this code, the songs and the clips' length."""
    code = Path(__file__).read_bytes()
    content = f"{hashlib.sha256(code).hexdigest()} {[split.fingerprint for split in splits]} {frames} {asdict(spec)}"
    path = out / f"judges-{hashlib.sha256(content.encode()).hexdigest()[:12]}.safetensors"
    if path.exists():
        return Judges(spec, weights.read_tree(path))
    judges = train(splits, frames, spec)
    out.mkdir(parents=True, exist_ok=True)
    weights.write_tree(path, judges.params)
    return judges


def mirex(heard: np.ndarray, true: np.ndarray) -> np.ndarray:
    """1 for the key, .5 a fifth away, .3 its relative, .2 its parallel: the weights of MIREX's key detection."""
    away, same = (heard - true) % 12, heard // 12 == true // 12
    relative = ~same & (away == np.where(true < 12, 9, 3))
    return 1.0 * (heard == true) + 0.5 * (same & np.isin(away, (5, 7))) + 0.3 * relative + 0.2 * (~same & (away == 0))


def error_of(statistic, values: np.ndarray, group: np.ndarray, draws: int = 400) -> float:
    """Bootstrap standard error of statistic(values): whole groups (songs, seeds) are drawn, as clips of one are alike."""
    rng, members = np.random.default_rng(0), [np.flatnonzero(group == one) for one in np.unique(group)]
    drawn = [np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]) for _ in range(draws)]
    return float(np.std([statistic(values[rows]) for rows in drawn]))


def validate(judges: Judges, mels: np.ndarray, labels: Labels) -> dict[str, tuple[float, float]]:
    """(value, standard error) of each measure on clips whose labels are true."""
    found = in_batches(lambda rows: features(rows, judges.spec), mels)
    heard = judges.judge(found)
    rng = np.random.default_rng(0)
    disordered = judges.judge({**found, "onsets": rng.permuted(found["onsets"], axis=1)})["rhythm"]
    off = np.abs(np.log(heard["tempo"] / labels.tempo))
    results = {
        "style": heard["style"] == labels.style,
        "rhythm only": heard["rhythm"] == labels.style,
        "its onsets in random order": disordered == labels.style,
        "timbre only": heard["timbre"] == labels.style,
        "tempo within 4 %": off < 0.04,
        "or an octave off": np.abs(off[:, None] - np.log([1, 2])).min(1) < 0.04,
    }
    if "key" in heard:
        results |= {"key": heard["key"] == labels.key, "key, mirex": mirex(heard["key"], labels.key)}
    table = {name: (float(np.mean(values)), error_of(np.mean, values, labels.song)) for name, values in results.items()}
    table["tempo, median error"] = float(np.median(off)), error_of(np.median, off, labels.song)
    for number, style in enumerate(STYLES):
        mine = labels.style == number
        if mine.any():
            table[style] = float((heard["style"] == number)[mine].mean()), float("nan")
    return table


def held_out(tracks: data.Tracks, frames: int) -> tuple[np.ndarray, Labels]:
    """The clips of the held-out songs: [n, frames, F]."""
    mels, labels = zip(*clips_of([tracks.split("test")], frames, CROPS["test"]))
    return np.concatenate(mels), joined(labels)


def through(workdir: str, source: data.TrackSource, tracks: data.Tracks, frames: int, spec: MelSpec) -> np.ndarray:
    """The same clips by way of a model's x_0 and back: [n, frames, F]."""
    known = generation.load(workdir)
    model, chosen = known.model, set(tracks.split("test").labels["name"])
    keep = jax.jit(lambda frozen, audio: model.to_mel(frozen, model.encode(frozen, audio)))
    subset = replace(source, tracks=[track for track in source.tracks if track.name in chosen])
    clips = []
    with rendered_ahead(subset, spec) as ahead:
        read = {track.name: track.read for track in ahead.tracks}
        for name, num in zip(tracks.split("test").labels["name"], tracks.split("test").frames):
            audio, _ = read[name](sample_rate=spec.sample_rate, channels=spec.channels)
            starts = np.linspace(0, num - frames, CROPS["test"]).astype(int) * spec.hop
            cut = np.zeros((len(starts), frames * spec.hop, spec.channels), np.float32)
            for row, start in zip(cut, starts):
                part = audio[start:][: len(row)]
                row[: len(part)] = part
            clips.append(np.asarray(keep(known.frozen, cut))[..., 0])
    return np.concatenate(clips)


def trusted(out: epath.Path, text: str, free: int, cache_dir: str, frames: int, spec: MelSpec, workdirs: Sequence[str]):
    """(judges, markdown lines that say how far they can be trusted): on held-out songs, and on these through the models of `workdirs`."""
    start = time.perf_counter()
    sources = {text: data.open_source(text), "free tempos": free_songs(free)}
    built = {name: build(source, spec, cache_dir) for name, source in sources.items()}
    print(f"songs: {time.perf_counter() - start:.0f} s", flush=True)
    judges = load_or_train(out, [tracks.split("train") for tracks in built.values()], frames, spec)
    columns = {}
    for name, tracks in built.items():
        mels, labels = held_out(tracks, frames)
        columns[f"{name}, held out ({len(np.unique(labels.song))} songs, {len(mels)} clips)"] = validate(
            judges, mels, labels
        )
        for workdir in workdirs:
            if "vae" in configuration.read(epath.Path(workdir)):  # of others the representation is the mel
                kept = through(workdir, sources[name], tracks, frames, spec)
                columns[f"{name}, through {epath.Path(workdir).name}"] = validate(judges, kept, labels)
    lines = [f"| judge | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for measure in next(iter(columns.values())):
        cells = [column.get(measure, (np.nan, np.nan)) for column in columns.values()]
        shown = [f"{v:.3f}" if np.isnan(e) else f"{v:.3f} +- {e:.3f}" for v, e in cells]
        lines.append(f"| {'style: ' if measure in STYLES else ''}{measure} | {' | '.join(shown)} |")
    return judges, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--data", default="builtin:1000")
    parser.add_argument("--free", type=int, default=1000)
    parser.add_argument("--cache_dir", default="data_cache")
    parser.add_argument("--num_mels", type=int, default=128)
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--through", nargs="*", default=[], metavar="WORKDIR")
    options = parser.parse_args()
    spec, frames = MelSpec(num_mels=options.num_mels), options.frames
    if options.through:
        config = configuration.read(epath.Path(options.through[0]))
        spec, frames = MelSpec(**config["mel"]), config["model"]["frames"]
    out = epath.Path(options.out)
    _, lines = trusted(out, options.data, options.free, options.cache_dir, frames, spec, options.through)
    (out / "judges.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
