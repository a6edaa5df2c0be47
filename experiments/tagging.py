"""How often the taggers are right on built-in songs, and the fit of the numbers they judge by.

    python experiments/tagging.py measure [--songs 168] [--vocoded]   # tempo and key; also through 128 mels and Griffin-Lim
    python experiments/tagging.py tags [--songs 42]                   # what musicnn says of each style
    python experiments/tagging.py fit [--songs 336]                   # prints the constants of musicdiff/tagging/tempo.py and key.py

Songs are judged whole and in clips of 5.94 s, as the tiny models make them. `measure` and `tags` take the songs from 0 on, `fit` those from 1400 on.
"""

import argparse
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from musicdiff.data import songs
from musicdiff.tagging import key, tags, tempo
from musicdiff.tagging.estimate import RATE, Estimate, softmax

FITTED = 1400  # the first song of `fit`
CLIP = 512 * 256  # samples: 5.94 s
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)
# Albrecht & Shanahan, The use of large corpora to create a new type of key-finding algorithm, Music Perception 31 (2013).
PUBLISHED = (
    (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
)


class Piece(NamedTuple):
    """A song or a clip of one: what it is, and what the estimators judge it by."""

    style: str
    bpm: float
    key: int
    whole: bool
    seconds: float
    rhythm: np.ndarray  # tempo.features
    classes: np.ndarray  # key.pitch_classes


def listen(index: int, vocoded: bool = False) -> list[Piece]:
    """A song, and the clips it can be cut into; or only the first of its clips in the middle, through mels and back."""
    plan = songs.plan_song(index)
    audio = songs.render(songs.compose(plan), RATE, 1)[:, 0]
    clips = [audio[start : start + CLIP] for start in range(0, len(audio) - CLIP + 1, CLIP)]
    heard = [_vocode(clips[len(clips) // 2])] if vocoded else [audio, *clips]
    number = plan.root + 12 * (plan.mode == "minor")
    return [
        Piece(
            plan.style.name,
            plan.tempo,
            number,
            piece is audio,
            len(piece) / RATE,
            tempo.features(tempo.envelopes(piece)).astype(np.float32),
            key.pitch_classes(piece),
        )
        for piece in heard
    ]


def _vocode(audio: np.ndarray) -> np.ndarray:
    import jax

    from musicdiff.audio.mel import MelSpec, log_mel
    from musicdiff.vocoders import griffin_lim

    vocoder = griffin_lim.build(MelSpec())
    mel = log_mel(audio[None, :, None], MelSpec())
    return np.asarray(vocoder.to_audio(vocoder.load(), mel, jax.random.split(jax.random.key(0), 1)))[0, :, 0]


def measure(pieces: list[Piece]) -> None:
    """Two tables: what is right at all, and what is right among what is said with a confidence."""
    for whole in (True, False):
        chosen = [piece for piece in pieces if piece.whole is whole]
        if not chosen:
            continue
        print(f"\n{len(chosen)} {'songs' if whole else 'clips'}")
        bpm = np.array([piece.bpm for piece in chosen])
        heard = [tempo.from_features(piece.rhythm) for piece in chosen]
        ratio = np.array([estimate.value for estimate in heard]) / bpm
        within = np.abs(ratio - 1) < tempo.TOLERANCE
        octave = np.abs(ratio[:, None] / [1 / 3, 1 / 2, 1, 2, 3] - 1).min(axis=1) < tempo.TOLERANCE
        _table("tempo", heard, {"within 4 %": within, "or an octave off": octave})
        print(f"median error where within 4 %: {np.median(np.abs(ratio - 1)[within]):.2%}")
        _by_style("tempo within 4 %", chosen, within)

        named = [key.from_pitch_classes(piece.classes, piece.seconds) for piece in chosen]
        numbers = [int(key.scores(piece.classes).argmax()) for piece in chosen]
        exact = np.array([number == piece.key for number, piece in zip(numbers, chosen)])
        weighted = np.array([relation(number, piece.key) for number, piece in zip(numbers, chosen)])
        _table("key", named, {"exact": exact, "MIREX score": weighted})
        _by_style("key exact", chosen, exact)
        guesses = [published(piece.classes) for piece in chosen]
        right = np.mean([guess == piece.key for guess, piece in zip(guesses, chosen)])
        score = np.mean([relation(guess, piece.key) for guess, piece in zip(guesses, chosen)])
        print(f"published profiles instead: exact {right:.3f}, MIREX score {score:.3f}")


def _table(what: str, estimates: list[Estimate], right: dict[str, np.ndarray]) -> None:
    confidence = np.array([estimate.confidence for estimate in estimates])
    print(f"| {what}: confidence at least | said | {' | '.join(right)} |\n|{'---|' * (2 + len(right))}")
    for threshold in THRESHOLDS:
        said = confidence >= threshold
        cells = [f"{values[said].mean():.3f}" if said.any() else "" for values in right.values()]
        print(f"| {threshold} | {said.mean():.2f} | {' | '.join(cells)} |")


def _by_style(what: str, pieces: list[Piece], right: np.ndarray) -> None:
    styles = defaultdict(list)
    for piece, hit in zip(pieces, right):
        styles[piece.style].append(hit)
    print(f"{what}:", ", ".join(f"{style} {np.mean(hits):.2f}" for style, hits in sorted(styles.items())))


def relation(guess: int, truth: int) -> float:
    """MIREX's score of a key: 1 exact, 0.5 a fifth off, 0.3 the relative, 0.2 the parallel key."""
    same_mode, up = guess // 12 == truth // 12, (guess - truth) % 12
    if same_mode:
        return {0: 1.0, 5: 0.5, 7: 0.5}.get(up, 0.0)
    return {0: 0.2, (9 if truth < 12 else 3): 0.3}.get(up, 0.0)


def published(classes: np.ndarray) -> int:
    """The key whose published profile correlates best."""
    return int(np.argmax([np.corrcoef(classes, np.roll(p, tonic))[0, 1] for p in PUBLISHED for tonic in range(12)]))


def tag_styles(num: int) -> None:
    """The tags that musicnn finds likeliest, by style: the mean probability over its songs."""
    for checkpoint in tags.TAGS:
        tagger = tags.load(checkpoint)
        sums, counts = defaultdict(Counter), Counter()
        for index in range(num):
            plan = songs.plan_song(index)
            audio = songs.render(songs.compose(plan), tags.RATE, 1)
            sums[plan.style.name].update(tags.listen(tagger, audio, tags.RATE))
            counts[plan.style.name] += 1
        for style, total in sorted(sums.items()):
            best = ", ".join(f"{tag} {p / counts[style]:.2f}" for tag, p in total.most_common(6))
            print(f"| {checkpoint} | {style} | {best} |")


def fit(pieces: list[Piece]) -> None:
    """Maximum likelihood of the truth, songs and clips weighing alike, with a little decay."""
    weight = np.where([piece.whole for piece in pieces], 1 / sum(piece.whole for piece in pieces), 0)
    weight = np.where(weight, weight, 1 / sum(not piece.whole for piece in pieces)) / 2
    near = [np.abs(tempo.CANDIDATES / piece.bpm - 1) < tempo.TOLERANCE / 2 for piece in pieces]
    rhythm = _logit(np.stack([piece.rhythm for piece in pieces]), np.stack(near), weight, decay=1e-4)
    print("tempo.WEIGHTS =", np.round(rhythm, 2).tolist())
    minor = np.repeat([0.0, 1.0], 12)
    turned = [np.stack([np.roll(piece.classes, -tonic) for tonic in range(12)]) for piece in pieces]
    heard = [np.column_stack([np.kron(np.eye(2), both), minor]) for both in turned]
    truth = [np.arange(24) == piece.key for piece in pieces]
    print(
        "key.PROFILES, key.MINOR =", np.round(_logit(np.stack(heard), np.stack(truth), weight, decay=1e-4), 2).tolist()
    )


def _logit(features: np.ndarray, right: np.ndarray, weight: np.ndarray, decay: float) -> np.ndarray:
    """argmin_w decay |w|^2 - sum_n weight_n log sum_(k right) softmax(features_n w)_k."""
    from scipy.optimize import minimize

    def loss(w):
        p = np.apply_along_axis(softmax, 1, features @ w)
        share = p * right
        total = share.sum(axis=1, keepdims=True) + 1e-12
        slope = np.einsum("n,nk,nkf->f", weight, p - share / total, features, optimize=True)
        return decay * w @ w - weight @ np.log(total[:, 0]), 2 * decay * w + slope

    return minimize(loss, np.zeros(features.shape[-1]), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["measure", "tags", "fit"])
    parser.add_argument("--songs", type=int, help="default: 168 to measure, 42 to tag, 336 to fit")
    parser.add_argument("--vocoded", action="store_true")
    options = parser.parse_args()
    num = options.songs or {"measure": 168, "tags": 42, "fit": 336}[options.command]
    if options.command == "tags":
        tag_styles(num)
    elif options.vocoded:
        measure([piece for index in range(num) for piece in listen(index, vocoded=True)])
    else:
        start = FITTED if options.command == "fit" else 0
        with ProcessPoolExecutor(2) as pool:
            pieces = [piece for heard in pool.map(listen, range(start, start + num), chunksize=4) for piece in heard]
        (fit if options.command == "fit" else measure)(pieces)


if __name__ == "__main__":
    main()
