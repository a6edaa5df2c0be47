"""Griffin-Lim here and in librosa, one run: mel error, level and time, by mel size. Prints the table of docs/vocoders.md.

    python experiments/benchmarks/vocoder.py FILE...        FILE: music of any rate; the middle 512 frames of each

Both get the same mels, of [-1, 1], and the same number of iterations, with librosa's defaults otherwise. The mel error is the
mean |difference| of log-mels in dB, between the mel given and the mel of what comes back. Compilation and librosa's first
call are not timed, and the shortest of three times counts.
"""

import sys
import time

import jax
import librosa
import numpy as np

from musicdiff.audio.io import read
from musicdiff.audio.mel import MelSpec, decibels_of, log_mel, power_of
from musicdiff.errors import DataError
from musicdiff.vocoders import griffin_lim

FRAMES = 512
NUM_MELS = (32, 64, 128, 256)
NUM_ITERATIONS = 32
LOWEST = 40.0  # Hz: a mel hardly sees what is lower, and nobody hears a recording's drift
RUNS = 3


def cut(path: str, spec: MelSpec) -> np.ndarray:
    """The middle FRAMES of a file, mono: [N, 1], zeros after the end of a shorter one."""
    audio, _ = read(path, sample_rate=spec.sample_rate, channels=1)
    num_samples = FRAMES * spec.hop
    start = max(0, (len(audio) - num_samples) // 2)
    clip = audio[start : start + num_samples]
    return np.pad(clip, ((0, num_samples - len(clip)), (0, 0)))


def librosas(log_mels: np.ndarray, spec: MelSpec) -> np.ndarray:
    powers = np.asarray(power_of(log_mels, spec))
    clips = [
        librosa.feature.inverse.mel_to_audio(
            power[..., 0].T, sr=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop, n_iter=NUM_ITERATIONS
        )
        for power in powers
    ]
    return np.stack([np.pad(clip, (0, FRAMES * spec.hop - len(clip))) for clip in clips])[..., None]


def timed(function, *arguments):
    """The result, and the shortest of RUNS times after a first, untimed call."""
    result = np.asarray(function(*arguments))
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        np.asarray(function(*arguments))
        times.append(time.perf_counter() - start)
    return result, min(times)


def level(audio: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Power above LOWEST Hz, dB, of each clip."""
    spectrum = np.abs(np.fft.rfft(audio[..., 0])) ** 2
    return 10 * np.log10(spectrum[:, np.fft.rfftfreq(audio.shape[1], 1 / spec.sample_rate) >= LOWEST].sum(1))


def main(paths: list[str]) -> None:
    print(f"{len(paths)} clips of {MelSpec().seconds(FRAMES):.2f} s, {NUM_ITERATIONS} iterations, {jax.devices()[0]}")
    print("| mel | vocoder | mel error, dB | worst clip | level change, dB | worst clip | ms per second of audio |")
    print("|---|---|---|---|---|---|---|")
    for num_mels in NUM_MELS:
        spec = MelSpec(num_mels=num_mels)
        audio = np.stack([cut(path, spec) for path in paths])
        mel = log_mel(audio, spec)
        keys = jax.random.split(jax.random.key(0), len(paths))
        vocoder = griffin_lim.build(spec, num_iterations=NUM_ITERATIONS)
        inversion = griffin_lim.build(spec, num_iterations=1)
        runs = {
            "ours": timed(vocoder.to_audio, vocoder.load(), mel, keys),
            "ours, 1 iteration": timed(inversion.to_audio, inversion.load(), mel, keys),
            "librosa": timed(librosas, np.asarray(mel), spec),
        }
        for name, (back, seconds) in runs.items():
            error = np.abs(decibels_of(log_mel(back, spec), spec) - decibels_of(mel, spec)).mean((1, 2, 3))
            change = level(back, spec) - level(audio, spec)
            speed = 1000 * seconds / (len(paths) * spec.seconds(FRAMES))
            worst = change[np.argmax(np.abs(change))]
            row = f"{FRAMES}x{num_mels} | {name} | {error.mean():.2f} | {error.max():.2f} | {change.mean():+.2f} | {worst:+.2f}"
            print(f"| {row} | {speed:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1:])
    except DataError as error:
        sys.exit(str(error))
