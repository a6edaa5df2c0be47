"""Tags by musicnn's published weights (arXiv 1909.06654): what a piece sounds like, in the words of people who listened to others."""

from typing import Any, NamedTuple

import jax
import numpy as np

from musicdiff import pretrained, weights
from musicdiff.networks.musicnn import Musicnn
from musicdiff.tagging.estimate import mono

WEIGHTS = "musicnn"
RATE, N_FFT, HOP, NUM_MELS = 16_000, 512, 256, 96
FRAMES = 187  # of a window: 3 seconds
BATCH = 8  # windows computed at once; the last batch is filled, so that there is one compiled program
# The outputs, in order: the 50 tags most used of MagnaTagATune and of the Last.fm tags of the Million Song Dataset.
TAGS = {
    "MTT_musicnn": (
        "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,ambient,beat,violin,vocal,synth,female,indian,opera,male,singing,"
        "vocals,no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,pop,soft,sitar,solo,man,classic,choir,voice,new age,dance,"
        "male voice,female vocal,beats,harp,cello,no voice,weird,country,metal,female voice,choral"
    ),
    "MSD_musicnn": (
        "rock,pop,alternative,indie,electronic,female vocalists,dance,00s,alternative rock,jazz,beautiful,metal,chillout,male vocalists,"
        "classic rock,soul,indie rock,mellow,electronica,80s,folk,90s,chill,instrumental,punk,oldies,blues,hard rock,ambient,acoustic,"
        "experimental,female vocalist,guitar,hip-hop,70s,party,country,easy listening,sexy,catchy,funk,electro,heavy metal,progressive rock,"
        "60s,rnb,indie pop,sad,house,happy"
    ),
}


class Tagger(NamedTuple):
    """One of the two checkpoints, and the sha256 of its file."""

    checkpoint: str
    params: Any
    sha256: str


def load(checkpoint: str = "MTT_musicnn") -> Tagger:
    """Raises DataError with the command to get the weights where they are missing."""
    path = pretrained.find(WEIGHTS) / f"{checkpoint}.safetensors"
    return Tagger(checkpoint, jax.device_put(weights.read_tree(path)), weights.sha256(path))


def listen(tagger: Tagger, audio: np.ndarray, rate: int) -> dict[str, float]:
    """{tag: its probability, the mean over windows of 3 seconds without overlap}; audio is [N] or [N, C]."""
    windows = cut(log_mel(mono(audio, rate, RATE)))
    filled = np.pad(windows, ((0, -len(windows) % BATCH), (0, 0), (0, 0)))
    heard = [_probabilities(tagger.params, filled[i : i + BATCH]) for i in range(0, len(filled), BATCH)]
    mean = np.concatenate(heard)[: len(windows)].mean(axis=0)
    return {tag: float(p) for tag, p in zip(names(tagger.checkpoint), mean)}


def names(checkpoint: str) -> list[str]:
    """The tags of a checkpoint, in the order of its outputs."""
    return TAGS[checkpoint].split(",")


def log_mel(audio: np.ndarray) -> np.ndarray:
    """log10(1 + 10000 mel power), the power in half precision as in musicnn's training: float32 [N] at RATE -> [T, 96].

    T = 1 + N // HOP: frames are centred, and the signal is mirrored at its ends, as was the default of the librosa that musicnn asks for.
    """
    import librosa

    power = librosa.feature.melspectrogram(
        y=audio, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=NUM_MELS, pad_mode="reflect"
    ).T
    power = power.clip(max=np.finfo(np.float16).max).astype(np.float16).astype(np.float32)
    return np.log10(1 + 10_000 * power)


def cut(mel: np.ndarray) -> np.ndarray:
    """[T, 96] -> windows [B, 187, 96]; a piece shorter than one is repeated, and of the rest a last window is left out."""
    if len(mel) < FRAMES:
        mel = np.tile(mel, (-(-FRAMES // len(mel)), 1))
    count = len(mel) // FRAMES
    return mel[: count * FRAMES].reshape(count, FRAMES, -1)


@jax.jit
def _probabilities(params: Any, windows: jax.Array) -> jax.Array:
    logits, _ = Musicnn().apply({"params": params}, windows)
    return jax.nn.sigmoid(logits)
