"""The drums: a handful of pieces, each a small physical idea, and kits that tune them."""

import functools

import numpy as np

from musicdiff.data.songs import synth


def _decay(sound: np.ndarray, seconds: np.ndarray, tau: float) -> np.ndarray:
    return sound * np.exp(-seconds[: len(sound)] / tau)


def _sweep(t: np.ndarray, pitch: float, ratio: float, tau: float) -> np.ndarray:
    """A sine that falls from pitch * ratio to pitch, e times nearer each tau seconds."""
    return np.sin(2 * np.pi * pitch * (t + (ratio - 1) * tau * (1 - np.exp(-t / tau))))


def _clock(seconds: float, sample_rate: int) -> np.ndarray:
    return synth.clock(sample_rate)[0][: round(np.ceil(seconds * 50) / 50 * sample_rate)]


def kick(rng, sample_rate, v, pitch=50.0, ratio=4.5, tau=0.022, decay=0.13, click=0.25, drive=1.5, tune=1.0):
    """A falling sine and a beater."""
    t = _clock(6 * decay, sample_rate)
    body = np.tanh(drive * _decay(_sweep(t, tune * pitch, ratio, tau), t, decay)) / np.tanh(drive)
    beater = synth.shape_noise(rng, t[-1], sample_rate, synth.band(600, 3500))[: len(t)]
    body[: len(beater)] += click * v * _decay(beater, t, 0.006)
    return body


def snare(rng, sample_rate, v, pitch=185.0, decay=0.07, wires=0.8, bright=6500.0, tail=0.075, tune=1.0):
    """Two modes of the skin and the wires under it; soft strokes are duller."""
    t = _clock(6 * max(decay, tail), sample_rate)
    skin = 0.6 * _decay(_sweep(t, tune * pitch, 1.4, 0.012), t, decay) + 0.3 * _decay(
        _sweep(t, 1.78 * tune * pitch, 1.2, 0.01), t, 0.6 * decay
    )
    noise = synth.shape_noise(rng, t[-1], sample_rate, synth.band(900, bright * (0.45 + 0.55 * v)))[: len(t)]
    skin[: len(noise)] += wires * (_decay(noise, t, tail) + 0.6 * _decay(noise, t, 0.008))
    return skin


def clap(rng, sample_rate, v, centre=1300.0, tail=0.07):
    """Four hands a hundredth of a second apart, then the room."""
    t = _clock(6 * tail, sample_rate)
    noise = synth.shape_noise(rng, t[-1], sample_rate, synth.band(0.75 * centre, 2.2 * centre))[: len(t)]
    time = t[: len(noise)]
    hands = sum(np.exp(-(time - at) / 0.004) * (time >= at) for at in (0.0, 0.011, 0.021))
    return noise * (0.8 * hands + 1.1 * np.exp(-(time - 0.03) / tail) * (time >= 0.03))


def cymbal(rng, sample_rate, v, low=6500.0, decay=0.04, attack=0.0, metal=0.3, pitch=3300.0, tilt=0.0):
    """Hats, rides, crashes: bright noise over inharmonic modes."""
    t = _clock(6 * decay, sample_rate)
    noise = synth.shape_noise(rng, t[-1], sample_rate, synth.band(low, 15000 * (0.5 + 0.5 * v), tilt))[: len(t)]
    ratios = np.array((1.0, 1.34, 1.51, 1.83, 2.09, 2.61, 2.94))
    modes = np.ones((len(synth.KNOTS), len(ratios)))
    heard = ratios * pitch < 0.45 * sample_rate
    ring = synth.sum_partials(modes[:, heard], ratios[heard] * pitch, len(noise), sample_rate) / np.sqrt(len(ratios))
    sound = _decay(noise + metal * ring, t, decay)
    return sound * (1 - np.exp(-t[: len(sound)] / attack)) if attack else sound


def rim(rng, sample_rate, v, pitch=820.0, decay=0.012):
    """The stick on the rim: short high modes."""
    t = _clock(10 * decay, sample_rate)
    modes = sum(g * np.sin(2 * np.pi * pitch * r * t) for g, r in ((0.7, 1.0), (0.6, 2.07), (0.4, 3.9)))
    return _decay(modes, t, decay)


def tom(rng, sample_rate, v, pitch=110.0, decay=0.11, ratio=1.7, tune=1.0):
    """A skin whose pitch falls, with a soft stick; congas too."""
    t = _clock(6 * decay, sample_rate)
    skin = _decay(_sweep(t, tune * pitch, ratio, 0.03), t, decay) + 0.35 * _decay(
        _sweep(t, 1.6 * tune * pitch, ratio, 0.02), t, 0.4 * decay
    )
    stick = synth.shape_noise(rng, t[-1], sample_rate, synth.band(400, 3000))[: len(t)]
    skin[: len(stick)] += 0.3 * v * _decay(stick, t, 0.008)
    return skin


def cowbell(rng, sample_rate, v, pitch=555.0, decay=0.09):
    """Two odd-harmonic tones a fifth and a bit apart."""
    t = _clock(6 * decay, sample_rate)
    tones = sum(np.sin(2 * np.pi * pitch * r * n * t) / n for r in (1.0, 1.49) for n in (1, 3, 5))
    return 0.6 * tones * (0.5 * np.exp(-t / decay) + 0.5 * np.exp(-t / 0.015))


def vinyl(rng, sample_rate, v):
    """Half a second of the surface of an old record: hiss, and a few crackles."""
    t = _clock(0.7, sample_rate)
    sound = 0.12 * synth.shape_noise(rng, t[-1], sample_rate, synth.band(500, 7000))[: len(t)]
    for start, strength in zip(
        synth.generator(7, int(100 * v)).uniform(0.02, 0.6, 9), (2.0, 1.2, 1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.3)
    ):
        sound += strength * np.sin(2 * np.pi * 2600 * t) * np.exp(-np.abs(t[: len(sound)] - start) / 0.0004)
    return synth.fade(sound, sample_rate, 0.1, 0.1)


SKINS = {
    "kick": kick,
    "snare": snare,
    "low_tom": functools.partial(tom, pitch=85, decay=0.14),
    "mid_tom": functools.partial(tom, pitch=125),
    "high_tom": functools.partial(tom, pitch=175, decay=0.09),
    "conga": functools.partial(tom, pitch=290, decay=0.06, ratio=1.15),
    "bongo": functools.partial(tom, pitch=430, decay=0.04, ratio=1.1),
}
PIECES = SKINS | {
    "clap": clap,
    "rim": rim,
    "hat": functools.partial(cymbal, low=7500, decay=0.028),
    "open": functools.partial(cymbal, low=6800, decay=0.13),
    "ride": functools.partial(cymbal, low=5000, decay=0.35, metal=0.9, pitch=2900),
    "crash": functools.partial(cymbal, low=3200, decay=0.5, metal=0.25),
    "shaker": functools.partial(cymbal, low=6000, decay=0.03, attack=0.012, metal=0.0),
    "tambourine": functools.partial(cymbal, low=7000, decay=0.06, attack=0.003, metal=0.9, pitch=4600),
    "brush": functools.partial(cymbal, low=1800, decay=0.07, attack=0.02, metal=0.0, tilt=-0.5),
    "cowbell": cowbell,
    "vinyl": vinyl,
}

# A kit is what it changes.
KITS = {
    "acoustic": {"kick": {"pitch": 58, "ratio": 3, "decay": 0.09, "click": 0.4}, "snare": {"tail": 0.09}},
    "brushes": {
        "kick": {"pitch": 56, "ratio": 2.2, "decay": 0.08, "click": 0.08},
        "snare": {"wires": 0.5, "bright": 3500},
        "hat": {"low": 6500},
    },
    "club": {
        "kick": {"pitch": 49, "ratio": 6, "decay": 0.15},
        "clap": {"tail": 0.09},
        "hat": {"metal": 0.6, "decay": 0.03},
        "open": {"metal": 0.5},
    },
    "boom": {
        "kick": {"pitch": 43, "ratio": 5, "decay": 0.26, "drive": 2.2, "click": 0.5},
        "snare": {"pitch": 210, "tail": 0.1},
        "hat": {"low": 8500, "decay": 0.02},
    },
    "dembow": {
        "kick": {"pitch": 50, "ratio": 6, "decay": 0.15, "drive": 2.0, "click": 0.9},
        "snare": {"pitch": 290, "decay": 0.05, "wires": 0.5, "bright": 5000, "tail": 0.05},
    },
    "dusty": {
        "kick": {"pitch": 60, "ratio": 2.6, "decay": 0.085, "click": 0.12, "drive": 2.5},
        "snare": {"pitch": 170, "bright": 3600, "tail": 0.06},
        "hat": {"low": 4500, "tilt": -0.8},
        "open": {"low": 4500, "tilt": -0.8},
    },
    "tight": {
        "kick": {"pitch": 54, "ratio": 4, "decay": 0.08, "click": 0.4},
        "snare": {"pitch": 225, "decay": 0.05, "tail": 0.06, "bright": 8500},
    },
}

# Where a piece stands: (dB, pan, share that goes to the reverb).
PLACES = {
    "kick": (0, 0, 0.02),
    "snare": (-3, 0.05, 0.2),
    "clap": (-3, -0.05, 0.25),
    "rim": (-5, 0.15, 0.25),
    "hat": (-13, 0.3, 0.05),
    "open": (-14, 0.3, 0.08),
    "ride": (-16, -0.35, 0.1),
    "crash": (-12, -0.3, 0.3),
    "shaker": (-14, -0.4, 0.1),
    "tambourine": (-15, 0.45, 0.15),
    "brush": (-11, -0.15, 0.15),
    "low_tom": (-4, -0.45, 0.25),
    "mid_tom": (-5, 0.0, 0.25),
    "high_tom": (-6, 0.4, 0.25),
    "conga": (-8, 0.35, 0.25),
    "bongo": (-9, -0.4, 0.25),
    "cowbell": (-14, 0.3, 0.15),
    "vinyl": (-19, 0, 0),
}


def strike(
    kit: str, piece: str, velocity: float = 1.0, sample_rate: int = 44100, seed: int = 0, tune: float = 0.0
) -> np.ndarray:
    """One hit of one piece, float32 [n]: level and brightness go with `velocity` (0..1); `seed` draws its noise, `tune` moves skins by semitones."""
    changes = dict(KITS[kit].get(piece, {}))
    if piece in SKINS:
        changes["tune"] = 2 ** (tune / 12)
    rng = synth.generator(seed, sorted(PIECES).index(piece))
    sound = PIECES[piece](rng, sample_rate, velocity, **changes).astype(np.float32)
    return velocity * synth.fade(sound, sample_rate, 0.0005, 0.02)
