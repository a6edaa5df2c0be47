"""Where in a loop the bar begins: how well onsets and changes of sound lie on each phase of a bar of known length.

A conditional logit over the phases of a bar, as tagging/tempo.py is one over tempi. What a phase is judged by: the onsets, in three bands of
frequency, on its downbeat, its other beats, every second of them, its half beats and its quarters; and how much the sound of a beat differs from that
of the beat before it, on the downbeat and on the others. The weights are fitted to built-in songs by experiments/downbeats.py.
"""

from typing import NamedTuple

import numpy as np

from musicdiff.tagging.estimate import RATE, mono, softmax
from musicdiff.tagging.tempo import BANDS, HOP

PHASES = 48  # of a beat: 10 ms at 120 bpm
NEAR = 3  # phases that count as the same
N_FFT = 2048
CONTEXT = 1.0  # seconds of the circle before its beginning and after its end, for frames and filters
DEPTH = 60.0  # dB below the loudest: what is softer is no change
STEADY = 0.3  # dB: twice as much as the mean bar of noise changes; music changes by 0.5 to 1.5
WEIGHTS = np.array(
    [
        0.46, 0.23, -0.61, 0.78, -0.81,
        -0.08, -0.77, 0.96, 0.04, 0.28,
        0.13, 0.0, 0.48, -0.32, 0.02,
        1.91, -0.09,
    ]  # onsets by band, from the lowest: downbeat, other beats, every second, halves, quarters; then the change: downbeat, other beats
)  # fmt: skip


class Downbeat(NamedTuple):
    """share: of a bar that lies before its downbeat, 0 .. 1; beat: how sure it is that a beat lies there, 0 .. 1; bar: that it is the first."""

    share: float
    beat: float
    bar: float


def find(audio: np.ndarray, rate: int, *, bars: int, beats_per_bar: int) -> Downbeat:
    """The downbeat of a loop [N, C] of so many whole bars. Of silence, and of a steady sound, nothing is sure."""
    return from_features(features(audio, rate, bars=bars, beats_per_bar=beats_per_bar), WEIGHTS)


def from_features(heard: np.ndarray, weights: np.ndarray) -> Downbeat:
    """[phases of a bar, features] of `features`."""
    p = softmax(heard @ weights)
    best = int(p.argmax())
    around = (best + np.arange(-NEAR, NEAR + 1)) % len(p)
    beats = p.reshape(-1, PHASES).sum(axis=0)
    bar = p[around].sum()
    centre = best + np.arange(-NEAR, NEAR + 1) @ p[around] / bar
    return Downbeat(float(centre / len(p) % 1 % 1), float(beats[np.unique(around % PHASES)].sum()), float(bar))


def features(audio: np.ndarray, rate: int, *, bars: int, beats_per_bar: int) -> np.ndarray:
    """What each phase of a bar is judged by: [phases of a bar, features], the mean over the loop's bars."""
    onsets, change = _listen(audio, rate, bars * beats_per_bar)
    bar = beats_per_bar * PHASES
    folded = np.stack([row.reshape(bars, bar).mean(axis=0) for row in (*onsets, change)])
    folded -= folded.mean(axis=1, keepdims=True)
    folded /= folded.std(axis=1, keepdims=True) + STEADY
    beats = range(beats_per_bar)

    def on(row, *places):
        """The mean over places, in beats behind each phase; of none, 0."""
        return np.mean([np.roll(row, -round(place * PHASES)) for place in places] or [np.zeros(bar)], axis=0)

    heard = []
    for row in folded[:-1]:
        quarters = [beat + quarter for beat in beats for quarter in (0.25, 0.75)]
        heard += [row, on(row, *beats[1:]), on(row, *beats[1::2]), on(row, *(beat + 0.5 for beat in beats))]
        heard += [on(row, *quarters)]
    heard += [folded[-1], on(folded[-1], *beats[1:])]
    return np.stack(heard, axis=1)


def _listen(audio: np.ndarray, rate: int, beats: int) -> tuple[np.ndarray, np.ndarray]:
    """Onsets [bands, beats * PHASES], and the change from the beat before to the beat after [beats * PHASES], around the circle."""
    import librosa

    margin = round(CONTEXT * rate)
    around = np.take(audio, np.arange(-margin, len(audio) + margin), axis=0, mode="wrap")
    power = librosa.feature.melspectrogram(y=mono(around, rate), sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS[-1])
    decibels = librosa.power_to_db(power)
    onsets = librosa.onset.onset_strength_multi(S=decibels, sr=RATE, channels=BANDS)
    size = beats * PHASES
    places = (margin / rate + np.arange(size) / size * len(audio) / rate) * RATE / HOP
    frames = np.arange(power.shape[1])
    onsets = np.stack([np.interp(places, frames, row) for row in onsets])
    audible = np.maximum(decibels, decibels.max() - DEPTH)
    levels = np.stack([np.interp(places, frames, row) for row in audible])  # [mels, size]
    total = np.concatenate([np.zeros((len(levels), 1)), np.tile(levels, 3).cumsum(axis=1)], axis=1)
    here = size + np.arange(size)
    after, before = total[:, here + PHASES] - total[:, here], total[:, here] - total[:, here - PHASES]
    return onsets, np.abs(after - before).mean(axis=0) / PHASES
