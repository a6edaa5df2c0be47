"""From a score to audio: each different note is made once, laid where it is played, and mixed at a desk whose faders do not move."""

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view as _windows
from scipy import fft

from musicdiff.data.songs import drums, instruments, synth
from musicdiff.data.songs.score import Song
from musicdiff.errors import UsageError

TAIL = 2.0  # seconds after the last bar
CEILING = 0.97  # of full scale
MUSIC = -17.0  # dB of a part at level 0, whose RMS is 1 before
DRUMS = -9.5  # dB of a kick, whose peak is 1 before


def render(song: Song, sample_rate: int = 44100, channels: int = 2) -> np.ndarray:
    """The song's audio, float32 [N, channels] below 1; one channel is the mean of two, and a rate changes only the bandwidth.

    Raises UsageError when channels is neither 1 nor 2.
    """
    if channels not in (1, 2):
        raise UsageError(f"the built-in songs have 1 or 2 channels, not {channels}")
    style = song.plan.style
    beat = 60.0 / song.plan.tempo
    size = round((song.plan.bars * style.meter * beat + TAIL) * sample_rate)
    music, kit = np.zeros((2, channels, size), np.float32)
    send = np.zeros(size, np.float32)

    for line in song.lines:
        # Timbre goes by quarters of velocity and length by hundredths of a beat: few enough sounds to make each once.
        events = [
            (note.beat * beat, note.velocity**1.5, (note.pitch, round(note.length, 2) * beat, _quarter(note.velocity)))
            for note in line.notes
        ]
        make = functools.partial(instruments.play, line.instrument, sample_rate=sample_rate, channels=channels)
        track = _track(events, make, size, sample_rate)
        _mix(track, _gain(MUSIC + line.part.level), line.part.pan, line.part.send, music, send)

    if style.duck:
        music *= _duck(song, style.duck, size, sample_rate)

    tune = float(synth.generator(song.plan.index, 2).uniform(-1.5, 1.5))
    settings = {"sample_rate": sample_rate, "seed": song.plan.index, "tune": tune}
    for piece in sorted({hit.piece for hit in song.hits}):
        events = [
            (hit.beat * beat, hit.velocity**1.3 / _quarter(hit.velocity), (_quarter(hit.velocity),))
            for hit in song.hits
            if hit.piece == piece
        ]
        track = _track(events, functools.partial(drums.strike, style.kit, piece, **settings), size, sample_rate)
        level, pan, share = drums.PLACES[piece]
        _mix(track, _gain(DRUMS + level), pan, share, kit, send)

    music += kit
    music += _reverb(send, style.room, sample_rate, channels)
    music *= _gain(style.level)
    synth.fade(music, sample_rate, 0.0, 0.6)
    return np.ascontiguousarray(_limit(music, sample_rate).T)


def _quarter(velocity: float) -> float:
    return math.ceil(velocity * 4) / 4


def _track(events, make, size, sample_rate):
    """Events (seconds, gain, kind of sound) laid on a track [1 or channels, size]; make(*kind) is called once a kind."""
    sounds = {kind: np.atleast_2d(make(*kind)) for kind in dict.fromkeys(kind for _, _, kind in events)}
    track = np.zeros((max((len(sound) for sound in sounds.values()), default=1), size), np.float32)
    for seconds, gain, kind in events:
        start = round(seconds * sample_rate)
        sound = sounds[kind][:, : size - start]
        track[:, start : start + sound.shape[1]] += np.float32(gain) * sound
    return track


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def _mix(track, gain, pan, share, bus, send):
    channels = len(bus)
    bus += (gain * synth.pan_gains(pan, channels)) * track
    send += (gain * np.float32(share)) * track.mean(0)


def _duck(song, depth, size, sample_rate):
    """Gain [n] that falls with each kick and is back a quarter of a second later: the pumping of club music."""
    gain = np.ones(size, np.float32)
    time = synth.clock(sample_rate)[0][: int(0.25 * sample_rate)] / 0.25
    shape = 1 - depth * np.minimum(time / 0.02, 1) * np.square(np.cos(np.pi / 2 * time))
    for hit in song.hits:
        if hit.piece == "kick":
            start = round(hit.beat * 60 / song.plan.tempo * sample_rate)
            span = gain[start : start + len(shape)]
            np.minimum(span, shape[: len(span)], out=span)
    return gain


def _reverb(send, seconds, sample_rate, channels):
    """The send in a room: noise that decays by 60 dB in `seconds`, its treble twice as fast, 15 ms late: [channels, n]."""
    time = synth.clock(sample_rate)[0]
    delay = int(0.015 * sample_rate)
    sides = np.zeros((2, int((seconds + 0.1) * sample_rate)), np.float32)
    for side, response in enumerate(sides):
        for band, (low, high, share) in enumerate(((150, 1500, 1.0), (1500, 12000, 0.5))):
            noise = synth.shape_noise(synth.generator(side, band), seconds, sample_rate, synth.band(low, high))
            noise *= np.exp(-6.9 * time[: len(noise)] / (share * seconds))
            # A gain of about 1 through the room at every rate: the integral of the squared decay, and dt, are taken out.
            noise *= np.float32(np.sqrt(2 * (high - low) * 13.8 / seconds) / sample_rate)
            response[delay : delay + len(noise)] += noise[: len(response) - delay]
    if channels == 1:
        sides = sides.mean(0, keepdims=True)
    length = fft.next_fast_len(len(send) + sides.shape[1], real=True)
    return fft.irfft(fft.rfft(send, length) * fft.rfft(sides, length), length)[:, : len(send)]


def _limit(mix, sample_rate):
    """Look-ahead limiter: a gain that is the mean of what its neighbours need, so that no sample passes the ceiling."""
    block = int(0.005 * sample_rate)
    blocks = -(-mix.shape[1] // block)
    padded = np.zeros(blocks * block, np.float32)
    padded[: mix.shape[1]] = np.abs(mix).max(0)
    need = np.minimum(1, CEILING / np.maximum(padded.reshape(blocks, block).max(1), 1e-9))
    # The mean reaches one block less far than the minimum, so that the line between two blocks stays under both.
    reach = 6
    least = _windows(np.pad(need, 2 * reach - 1, mode="edge"), 2 * reach + 1).min(1)
    gain = _windows(least, 2 * reach - 1).mean(1)
    centres = (np.arange(blocks) + 0.5) * block
    mix *= np.interp(np.arange(mix.shape[1]), centres, gain).astype(np.float32)
    return mix
