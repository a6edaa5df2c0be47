"""What docs/songs.md says of the built-in songs, measured: `taskset -c 0 python experiments/benchmarks/songs.py [speed|tempo|level|styles]`.

speed: seconds of music a second of processor time, on one core; tempo: how often librosa's beat tracker finds the stated tempo; level: LUFS by style;
styles: accuracy of nearest-centroid classifiers on held-out songs. pyloudnorm is needed for `level` only.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections import defaultdict

import numpy as np

from musicdiff.data import songs

FACTORS = (1 / 3, 1 / 2, 1, 2, 3)


def tempo_found(song, audio, sample_rate) -> tuple[bool, float]:
    """Whether the default beat tracker finds the tempo within 4 %, factors of 2 and 3 allowed; and what it finds."""
    import librosa

    found = float(np.squeeze(librosa.beat.beat_track(y=audio, sr=sample_rate)[0]))
    return any(abs(found / (song.tempo * factor) - 1) <= 0.04 for factor in FACTORS), found


def timbre(audio, sample_rate):
    """Mean and deviation of 64 log-mel bands: [128]."""
    import librosa

    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=audio, sr=sample_rate, n_mels=64), top_db=80)
    return np.concatenate([mel.mean(1), mel.std(1)])


def rhythm(audio, sample_rate, song):
    """When in the bar things begin, in three bands of frequency, each without its mean: [3 * 48]. The timbre is divided out."""
    import librosa

    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=audio, sr=sample_rate, n_mels=48, hop_length=256))
    onset = np.maximum(np.diff(mel, axis=1), 0).reshape(3, 16, -1).mean(1)
    position = np.arange(onset.shape[1]) * 256 / sample_rate / (song.style.meter * 60 / song.tempo) % 1
    cells = (position * 48).astype(int)
    shape = np.stack([[band[cells == cell].mean() for cell in range(48)] for band in onset])
    shape -= shape.mean(1, keepdims=True)
    return (shape / (np.linalg.norm(shape, axis=1, keepdims=True) + 1e-6)).ravel()


def centroid_accuracy(features, labels, count):
    """Share of the songs from `count` on that lie nearest to the centroid of their own style among those before."""
    features = np.array(features)
    scaled = (features - features[:count].mean(0)) / (features[:count].std(0) + 1e-6)
    labels = np.array(labels)
    names = np.unique(labels)
    centroids = np.stack([scaled[:count][labels[:count] == name].mean(0) for name in names])
    guesses = names[np.square(scaled[count:, None] - centroids).sum(-1).argmin(1)]
    for name in names:
        wrong = guesses[(labels[count:] == name) & (guesses != name)]
        if len(wrong):
            print(f"    {name} taken for {', '.join(wrong)}")
    return np.mean(guesses == labels[count:])


def speed(count=14):
    for sample_rate, channels in ((22050, 1), (44100, 2)):
        rates = []
        for index in range(count):
            start = time.process_time()
            audio = songs.render(songs.compose(songs.plan_song(index)), sample_rate, channels)
            rates.append(len(audio) / sample_rate / (time.process_time() - start))
        harmonic = len(rates) / sum(1 / rate for rate in rates)
        print(f"{sample_rate} Hz, {channels} channels: {harmonic:.0f} x real time, slowest song {min(rates):.0f} x")


def tempo(start=1400, count=100):
    """On songs that no pattern was adjusted on: that was done with songs below 250."""
    right = drums = 0
    for index in range(start, start + count):
        song = songs.plan_song(index)
        if song.style.grooves:
            ok, found = tempo_found(song, songs.render(songs.compose(song), 22050, 1)[:, 0], 22050)
            right, drums = right + ok, drums + 1
            if not ok:
                print(
                    f"    {song.style.name} {song.tempo}: found {found:.1f}, ratio {found / song.tempo:.2f} (song {index})"
                )
    print(f"tempo found in {right} of {drums} songs with drums")


def level(count=42):
    import pyloudnorm

    by_style = defaultdict(list)
    for index in range(count):
        song = songs.plan_song(index)
        audio = songs.render(songs.compose(song))
        by_style[song.style.name].append(pyloudnorm.Meter(44100).integrated_loudness(audio))
    for name, values in sorted(by_style.items(), key=lambda item: np.mean(item[1])):
        print(f"{name:14s} {np.mean(values):6.1f} LUFS ({min(values):.1f} .. {max(values):.1f})")


def styles(count=140, held_out=70):
    features, labels = defaultdict(list), []
    for index in range(count + held_out):
        song = songs.plan_song(index)
        audio = songs.render(songs.compose(song), 22050, 1)[:, 0]
        features["timbre"].append(timbre(audio, 22050))
        features["rhythm"].append(rhythm(audio, 22050, song))
        labels.append(song.style.name)
    for kind, values in features.items():
        print(
            f"{kind}: {centroid_accuracy(values, labels, count):.2f} of {held_out} held-out songs (chance {1 / len(set(labels)):.2f})"
        )


if __name__ == "__main__":
    measures = {"speed": speed, "tempo": tempo, "level": level, "styles": styles}
    for name in sys.argv[1:] or measures:
        measures[name]()
