"""The pitched instruments: each a spectrum that changes in time, a few voices, and a way to begin and end."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import jv

from musicdiff.data.songs import synth


@dataclass(frozen=True)
class Instrument:
    """label: its name in captions
    spectrum(k [K], f [K] Hz, t [R, 1] seconds, velocity) -> amplitudes [R, K]; its scale does not matter
    attack, release: seconds
    voices: (cents, pan) of each of the detuned copies
    vibrato: cents; bend: cents by which a note starts above its pitch
    ratios: the partials' frequencies over the pitch, where they are not the harmonic series
    breath: (level, centre in Hz, seconds of decay) of the noise in it; level 0 is none
    """

    label: str
    spectrum: Callable[..., np.ndarray]
    attack: float = 0.003
    release: float = 0.08
    voices: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    vibrato: float = 0.0
    bend: float = 0.0
    ratios: tuple[float, ...] = ()
    breath: tuple[float, float, float] = (0.0, 0.0, 0.0)


def low_pass(f, cutoff, order=2, resonance=0.0):
    """Magnitude of a Butterworth low-pass, with a bump at the cutoff."""
    octaves = np.log2(f / cutoff)
    return 1 / np.sqrt(1 + (f / cutoff) ** (2 * order)) + resonance * np.exp(-((octaves / 0.25) ** 2))


def pluck(position, slope, decay, damping):
    """A string plucked at a share of its length: harmonics with a node there are missing, and high ones die first."""

    def spectrum(k, f, t, v):
        pace = (f[0] / 220) ** 0.4
        strike = np.abs(np.sin(np.pi * k * position)) / k ** (slope + 0.5 * (1 - v))
        return strike * np.exp(-t * pace * (decay + damping * k))

    return spectrum


def swept_saw(floor, sweep, pace, order=2, resonance=0.0, decay=0.0):
    """A saw through a low-pass that closes from floor + sweep to floor, in multiples of the pitch, at a rate `pace` a second."""

    def spectrum(k, f, t, v):
        cutoff = f[0] * (floor + sweep * (0.4 + 0.6 * v) * np.exp(-pace * t))
        return low_pass(f, cutoff, order, resonance) / k * np.exp(-decay * t)

    return spectrum


def held_saw(cutoff, opening=0.0, order=2):
    """A saw through a low-pass in Hz, which opens from a third of it in `opening` seconds."""

    def spectrum(k, f, t, v):
        opened = 1 - 0.67 * np.exp(-t / opening) if opening else 1.0 + 0 * t
        return low_pass(f, np.maximum(cutoff, 1.5 * f[0]) * opened, order) / k

    return spectrum


def struck(weights, decays):
    """Bars and bells: fixed partials, each with its own decay a second at middle C."""

    def spectrum(k, f, t, v):
        rates = np.array(decays) * (f[0] / 261) ** 0.5
        return np.array(weights) * v ** (0.4 * np.arange(len(weights))) * np.exp(-t * rates)

    return spectrum


def electric_piano(k, f, t, v):
    """Two sines, one modulating the other with an index that falls: Bessel functions give the harmonics; a tine rings at the 14th."""
    index = (0.3 + 1.7 * v**1.5) * np.exp(-3.5 * t) + 0.2
    body = np.abs(jv(k - 1, index)) * np.exp(-0.8 * t * (f[0] / 261) ** 0.4)
    return body + 0.07 * v * np.exp(-14 * t) * (k == 14)


def piano(k, f, t, v):
    """A hammer at an eighth of the string; two stages of decay."""
    strike = (0.2 + np.abs(np.sin(np.pi * k / 8))) / k ** (1.7 - 0.5 * v) * low_pass(f, 4500)
    pace = (f[0] / 261) ** 0.6
    return strike * (0.7 * np.exp(-t * pace * (1.2 + 0.35 * k)) + 0.3 * np.exp(-t * pace * (0.35 + 0.08 * k)))


def organ(k, f, t, v):
    bars = {1: 1.0, 2: 0.9, 3: 0.7, 4: 0.5, 6: 0.3, 8: 0.25}
    return np.array([bars.get(n, 0.0) for n in k]) + 0 * t


def flute(k, f, t, v):
    return np.exp(-1.15 * (k - 1)) * (1 + 0.3 * (k == 2)) * low_pass(f, 3500) * (1 - 0.25 * np.exp(-t / 0.15))


def brass(k, f, t, v):
    opening = 1.5 + (3 + 4 * v) * (1 - np.exp(-t / 0.045))
    return low_pass(f, f[0] * opening) / k**0.8 * (0.8 + 0.2 * np.exp(-t / 0.2))


def reed(k, f, t, v):
    return (0.6 + 0.4 * (k % 2)) / k**0.9 * low_pass(f, 3800) + 0 * t


def square(k, f, t, v):
    return (k % 2) / k * low_pass(f, 2500 + 2500 * v) + 0 * t


def sub(k, f, t, v):
    return np.exp(-2.2 * (k - 1)) * (k < 6) * np.exp(-0.6 * t)


def distorted_guitar(k, f, t, v):
    """Clipping flattens the harmonics; the cabinet takes all above 4 kHz."""
    cabinet = low_pass(f, 4000, 4) * (1 + 0.8 * np.exp(-((np.log2(f / 2200) / 0.6) ** 2)))
    return (0.4 + np.abs(np.sin(np.pi * k * 0.14))) / k**0.75 * cabinet * np.exp(-0.5 * t)


def choir(k, f, t, v):
    """A glottal slope through the formants of 'ah'."""
    formants = sum(
        g * np.exp(-(((f - c) / w) ** 2)) for g, c, w in ((1, 750, 220), (0.6, 1150, 250), (0.25, 2700, 500))
    )
    return (formants + 0.08) / k**0.9 + 0 * t


WIDE = ((-9.0, -0.8), (0.0, 0.0), (9.0, 0.8))
INSTRUMENTS = {
    "electric_piano": Instrument("electric piano", electric_piano, release=0.15, voices=((-2.0, -0.4), (2.0, 0.4))),
    "piano": Instrument("piano", piano, release=0.18, voices=((-1.2, -0.3), (1.2, 0.3)), breath=(0.05, 900, 0.02)),
    "organ": Instrument("organ", organ, 0.006, 0.06, vibrato=7),
    "accordion": Instrument("accordion", reed, 0.04, 0.08, voices=((-9.0, -0.2), (0.0, 0.0), (8.0, 0.2))),
    "nylon_guitar": Instrument("nylon guitar", pluck(0.22, 1.3, 1.2, 0.35), release=0.1, breath=(0.08, 1500, 0.012)),
    "steel_guitar": Instrument("acoustic guitar", pluck(0.13, 1.0, 0.8, 0.14), release=0.12, breath=(0.1, 3000, 0.01)),
    "clean_guitar": Instrument("clean guitar", pluck(0.17, 1.0, 0.9, 0.2), release=0.05, breath=(0.06, 2500, 0.008)),
    "distorted_guitar": Instrument("distorted guitar", distorted_guitar, 0.003, 0.07, ((-6.0, -0.9), (6.0, 0.9)), 8),
    "lead_guitar": Instrument("lead guitar", distorted_guitar, 0.008, 0.12, vibrato=18),
    "synth_pluck": Instrument(
        "plucked", swept_saw(1.2, 11, 9, resonance=0.5, decay=2.0), release=0.12, voices=((-6, -0.5), (6, 0.5))
    ),
    "saw_lead": Instrument("saw lead", held_saw(4500), 0.01, 0.1, ((-7, -0.3), (7, 0.3)), 14),
    "square_lead": Instrument("square lead", square, 0.008, 0.1, vibrato=16),
    "stab": Instrument("synth stabs", swept_saw(1.5, 7, 7, resonance=0.3, decay=2.5), release=0.1, voices=WIDE),
    "pad": Instrument("warm pad", held_saw(1100, 1.2), 0.35, 0.7, WIDE),
    "bright_pad": Instrument("bright pad", held_saw(2800, 2.0), 0.25, 0.5, WIDE),
    "choir": Instrument("choir", choir, 0.25, 0.5, WIDE, 10),
    "strings": Instrument("strings", held_saw(3200, 0.15), 0.09, 0.22, WIDE, 10),
    "brass": Instrument("brass", brass, 0.02, 0.07, ((-5, -0.3), (5, 0.3))),
    "flute": Instrument("flute", flute, 0.045, 0.09, vibrato=14, breath=(0.05, 2800, 3.0)),
    "vibraphone": Instrument("vibraphone", struck((1, 0.25, 0.08), (0.9, 3, 8)), release=0.3, ratios=(1, 4, 10)),
    "marimba": Instrument("marimba", struck((1, 0.3, 0.12), (4, 12, 25)), release=0.15, ratios=(1, 3.93, 9.2)),
    "bell": Instrument(
        "bell", struck((0.5, 1, 0.45, 0.4, 0.2), (0.5, 0.9, 1.6, 2.4, 4)), release=0.9, ratios=(0.5, 1, 2.76, 5.4, 8.93)
    ),
    "sub_bass": Instrument("sub bass", sub, 0.005, 0.07, bend=500),
    "synth_bass": Instrument("synth bass", swept_saw(1.8, 7, 9, resonance=0.3, decay=0.5), 0.003, 0.05),
    "acid_bass": Instrument("acid bass", swept_saw(1.5, 14, 10, 3, 2.5), 0.003, 0.04),
    "reese_bass": Instrument("reese bass", held_saw(520, 0.3), 0.008, 0.05, ((-14, -0.15), (14, 0.15))),
    "finger_bass": Instrument("bass guitar", pluck(0.28, 1.5, 0.7, 0.35), 0.004, 0.05),
    "slap_bass": Instrument("slap bass", pluck(0.08, 0.8, 1.5, 0.28), 0.002, 0.04, breath=(0.12, 2500, 0.008)),
    "upright_bass": Instrument("upright bass", pluck(0.33, 1.9, 1.4, 0.5), 0.008, 0.1, breath=(0.06, 700, 0.02)),
}


def play(name: str, pitch: int, seconds: float, velocity: float, sample_rate: int, channels: int) -> np.ndarray:
    """One note -> float32 [1 or channels, n]: its length and the release after it. RMS of the loudest moment is 1 at velocity 1."""
    instrument = INSTRUMENTS[name]
    f_0 = 440.0 * 2 ** ((pitch - 69) / 12)
    k = (
        np.array(instrument.ratios)
        if instrument.ratios
        else np.arange(1, min(synth.MAX_HARMONICS, int(20000 / f_0)) + 1)
    )
    amplitudes = instrument.spectrum(k, k * f_0, synth.KNOTS[:, None], velocity)
    # The norm is taken before the harmonics are cut at the Nyquist rate: one level at every sample rate.
    amplitudes = amplitudes / np.sqrt(np.square(amplitudes).sum(1).max() / 2 * len(instrument.voices))
    heard = k * f_0 < 0.49 * sample_rate
    size = int((min(seconds, 18.0) + instrument.release) * sample_rate)
    bend = _bend(instrument, f_0, size, sample_rate)

    if instrument.ratios:
        sound = synth.sum_partials(amplitudes[:, heard], (k * f_0)[heard], size, sample_rate)[None]
    else:
        wide = len(instrument.voices) > 1
        sound = np.zeros((channels if wide else 1, size), np.float32)
        for number, (cents, pan) in enumerate(instrument.voices):
            cycles = synth.phase(f_0 * 2 ** (cents / 1200), size, sample_rate, 0.38 * number, bend)
            voice = synth.scan_cycles(amplitudes[:, heard], cycles, sample_rate)
            sound += voice * synth.pan_gains(pan, channels) if wide else voice
    level, centre, decay = instrument.breath
    if level:
        sound[:, :] += _breath(pitch, level, centre, decay, size, sample_rate)
    return synth.fade(sound, sample_rate, instrument.attack, instrument.release)


def _bend(instrument, f_0, size, sample_rate):
    """The cycles by which vibrato and the fall to the pitch lead a steady tone, or None."""
    seconds = synth.clock(sample_rate)[0][:size]
    if instrument.bend:
        return f_0 * (2 ** (instrument.bend / 1200) - 1) * 0.025 * (1 - np.exp(-seconds / 0.025))
    if instrument.vibrato:
        depth = f_0 * (2 ** (instrument.vibrato / 1200) - 1) / (2 * np.pi * 5.4)
        return depth * np.clip(seconds / 0.3 - 0.5, 0, 1) * np.sin(2 * np.pi * 5.4 * seconds)
    return None


def _breath(pitch, level, centre, decay, size, sample_rate):
    length = min(size / sample_rate, 7 * decay)
    noise = synth.shape_noise(
        synth.generator(pitch), length, sample_rate, lambda f: np.exp(-np.square(np.log2(f / centre)))
    )
    breath = np.zeros(size, np.float32)
    noise = noise[:size]
    breath[: len(noise)] = level * noise * np.exp(-synth.clock(sample_rate)[0][: len(noise)] / decay)
    return breath
