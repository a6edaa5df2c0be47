"""The audit of an embedding on real music, and whether it tells one kind of music from another.

    apt-get download wesnoth-1.16-music singularity-music
    mkdir music; for package in wesnoth singularity; do dpkg -x $package*.deb music/$package; done
    python experiments/audit_real_music.py OUT music/wesnoth music/singularity [--clips 60] [--embedding musicnn]

Clips of 10 s, as many of each track of each folder. Prints both tables, also OUT/audit_NAME.md. The second is of tracks: halves of one folder, no
track in both, against as many tracks of each folder; the same number of clips in all of them, so that scores are alike in bias.
"""

import argparse
import itertools
import pathlib
import time

import numpy as np

from musicdiff.evaluation import audit, embedding, fad, listening, moments, rows
from musicdiff.evaluation.listening import Heard

DIVISIONS = 10


def divide(heard: Heard, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The clips of a random half of the tracks, and the others."""
    track = np.array([name.rpartition(" ")[0] for name in heard.embedded.names])
    half = np.random.default_rng(seed).permutation(np.unique(track))[: len(np.unique(track)) // 2]
    return np.flatnonzero(np.isin(track, half)), np.flatnonzero(~np.isin(track, half))


def between(folders: dict[str, Heard]) -> list[str]:
    """Scores of halves by track against each other, of one folder and of two: mean and deviation over divisions."""
    scores: dict[str, list[float]] = {}
    for seed in range(DIVISIONS):
        halves = {name: divide(heard, seed) for name, heard in folders.items()}
        count = min(len(clips) for pair in halves.values() for clips in pair)
        rng = np.random.default_rng(seed)
        sets = {
            (name, side): rows.part(folders[name], rng.permutation(clips)[:count]).embedded
            for name, pair in halves.items()
            for side, clips in enumerate(pair)
        }
        for a, b in itertools.combinations_with_replacement(folders, 2):
            score = fad.measure(sets[a, 0], moments.of(sets[b, 1].x), seed=seed)
            scores.setdefault(f"half of {a} against half of {b}", []).append(score.raw)
    lines = [f"| raw, {DIVISIONS} divisions by track | mean | deviation | lowest, highest |", "|---|---|---|---|"]
    for name, found in scores.items():
        cells = f"{np.mean(found):.4g} | {np.std(found, ddof=1):.2g} | {min(found):.4g}, {max(found):.4g}"
        lines.append(f"| {name} | {cells} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("folders", nargs=2, help="two kinds of music")
    parser.add_argument("--clips", type=int, default=60, help="of each folder")
    parser.add_argument("--embedding", default="musicnn")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    heard_by, began = embedding.load(options.embedding), time.monotonic()
    rate, clips, missing = heard_by.sample_rate, {}, []
    for folder in options.folders:
        name = pathlib.Path(folder).name
        clips[name], unreadable = audit.excerpts(folder, rate, count=options.clips)
        missing += [f"- left out {name}/{track}: {reason}" for track, reason in unreadable]
    mixed = [(f"{name}/{clip}", audio) for name, each in clips.items() for clip, audio in each]
    found = audit.run(heard_by, mixed, rate)
    lines = [
        audit.render(found),
        "",
        *between({name: listening.arrays(heard_by, each, rate) for name, each in clips.items()}),
    ]
    lines += ["", *missing, f"{time.monotonic() - began:.0f} s."]
    (options.out / f"audit_{options.embedding.replace(':', '_')}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
