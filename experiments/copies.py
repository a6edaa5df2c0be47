"""How many planted copies of training tracks `evaluation.copies` finds among built-in songs, and what it flags that is none.

    python experiments/copies.py OUT [--songs 48] [--copies 24]

Half of the songs are trained on, half held out, eight clips of 6 s each. Prints the table, also OUT/copies.md, and draws OUT/copies.png.
"""

import argparse
import pathlib
import time

import jax
import numpy as np

from musicdiff import data
from musicdiff.audio import mel
from musicdiff.audio.mel import MelSpec
from musicdiff.evaluation import copies
from musicdiff.vocoders import griffin_lim

RATE = 22_050
SPEC = MelSpec()
CLIP = 512 * SPEC.hop
CLIPS = 8  # of a held-out song


def noisy(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise, 30 dB below the clip."""
    return clip + rng.standard_normal(clip.shape) * np.sqrt(np.mean(clip**2)) * 10**-1.5


def codec(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    vocoder = griffin_lim.build(SPEC)
    keys = jax.random.split(jax.random.key(int(rng.integers(2**31))), 1)
    return np.asarray(vocoder.to_audio(vocoder.load(), mel.log_mel(clip[None], SPEC), keys))[0]


def shifted(semitones: float):
    import librosa

    return lambda clip, rng: librosa.effects.pitch_shift(clip[:, 0], sr=RATE, n_steps=semitones)[:, None]


def stretched(factor: float):
    import librosa

    return lambda clip, rng: librosa.effects.time_stretch(clip[:, 0], rate=factor)[:, None]


KINDS = {
    "verbatim": lambda clip, rng: clip,
    "re-levelled, -40 to +6 dB": lambda clip, rng: clip * 10 ** (rng.uniform(-40, 6) / 20),
    "cropped to 3 to 5 s": lambda clip, rng: clip[int(rng.uniform(0, RATE)) :][: int(rng.uniform(3, 5) * RATE)],
    "noise at 30 dB": noisy,
    "through the codec": codec,
    "faster by 2 %": stretched(1.02),
    "faster by 10 %": stretched(1.1),
    "a semitone up": shifted(1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--songs", type=int, default=48)
    parser.add_argument("--copies", type=int, default=24, help="of each kind")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    tracks = [
        (track.name, track.read(sample_rate=RATE, channels=1)[0])
        for track in data.open_source(f"builtin:{options.songs}").tracks
    ]
    training, held = tracks[: options.songs // 2], tracks[options.songs // 2 :]
    held_out = [
        (f"{name} {start}", audio[start : start + CLIP])
        for name, audio in held
        for start in np.linspace(0, len(audio) - CLIP, CLIPS).astype(int)
    ]
    planted, origin = [], {}
    for kind, change in KINDS.items():
        for i in range(options.copies):
            name, audio = training[int(rng.integers(len(training)))]
            start = int(rng.integers(len(audio) - CLIP))
            planted.append((f"{kind}/{i}", change(audio[start : start + CLIP], rng).astype(np.float32)))
            origin[planted[-1][0]] = name
    began = time.monotonic()
    found = copies.measure(planted, training, held_out, RATE)
    seconds = time.monotonic() - began
    lines = ["| planted | found | of the right track | similarity: lowest, median |", "|---|---|---|---|"]
    for kind in KINDS:
        of_kind = [match for match in found.generated if match.clip.startswith(f"{kind}/")]
        values = [match.similarity for match in of_kind]
        flagged = np.mean([match.flagged for match in of_kind])
        right = np.mean([match.flagged and match.track == origin[match.clip] for match in of_kind])
        lines.append(f"| {kind} | {flagged:.0%} | {right:.0%} | {min(values):.4f}, {np.median(values):.4f} |")
    hours, (first, second) = sum(len(audio) for _, audio in training) / RATE / 3600, found.held_out
    low, high = found.interval
    lines += [
        "",
        f"Threshold {found.threshold:.4f}, of {len(first)} clips ({found.expected:.1%} expected above it); of {len(second)} others "
        f"{found.false:.1%} are flagged (95 %: {low:.1%} to {high:.1%}); median of all {np.median([*first, *second]):.4f}.",
        f"{len(planted) + len(held_out)} clips against {hours:.2f} h in {seconds:.0f} s.",
    ]
    (options.out / "copies.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    copies.save_picture(options.out / "copies.png", found)


if __name__ == "__main__":
    main()
