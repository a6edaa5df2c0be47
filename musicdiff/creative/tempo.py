"""Bars and beats as samples and frames: N = round(60 rate beats / bpm) exactly, F the nearest multiple of frames that the model takes.

The F frames are laid at round(i N / F) of the N samples, so that neither N nor the wrap is rounded to frames; what stretches is the time between
frames, by N / (F hop).
"""

from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral

from musicdiff.audio import loop_chunks
from musicdiff.errors import UsageError
from musicdiff.typing import Domain

# About a semitone of tempo: beyond it what a model has learned of time is no longer what is heard.
STRETCH = (0.94, 1.06)
TEMPI = range(20, 401)  # whole beats a minute, of which a refusal names the nearest


@dataclass(frozen=True)
class Layout:
    """A loop's length in every unit.

    bpm: beats a minute, a beat being what beats_per_bar counts; rate: Hz of the file
    samples: of the file; model_samples: N, at the model's rate; frames: F, along the model's T
    stretch: N / (F hop), by which frames lie further apart than the model's own
    """

    bars: int
    bpm: float
    beats_per_bar: int
    rate: int
    samples: int
    model_samples: int
    frames: int
    stretch: float

    @property
    def beats(self) -> int:
        return self.bars * self.beats_per_bar

    def __str__(self) -> str:
        return (
            f"{_bars(self.bars)} of {self.beats_per_bar} beats at {self.bpm:g} bpm: {self.samples} samples at {self.rate} Hz; "
            f"{self.frames} frames of the model, stretch {self.stretch:.4f}"
        )


def lay_out(domain: Domain, *, bars: int, bpm: float, beats_per_bar: int = 4, rate: int = 44_100) -> Layout:
    """The layout of a loop. N is within half a sample of the tempo's own length, which need not be whole.

    Raises UsageError for numbers that make no bar, and for a stretch outside STRETCH: it names the nearest tempi that fit, and the bars.
    """
    for name, count in (("bars", bars), ("beats_per_bar", beats_per_bar)):
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise UsageError(f"{name} must be a whole number from 1 on, not {count!r}")
    if not 0 < bpm <= loop_chunks.MOST:
        raise UsageError(f"a tempo is a number of beats a minute above 0, {loop_chunks.MOST} at most, not {bpm!r}")
    beats = bars * beats_per_bar
    if beats > loop_chunks.MOST:
        raise UsageError(f"a loop is of {loop_chunks.MOST} beats at most, not of {beats}")
    samples = count_samples(beats, bpm, rate)
    model_samples = count_samples(beats, bpm, domain.sample_rate)
    frames, stretch = _fit(domain, model_samples)
    if not STRETCH[0] <= stretch <= STRETCH[1]:
        raise UsageError(_refusal(domain, bars, bpm, beats_per_bar, stretch))
    return Layout(bars, bpm, beats_per_bar, rate, samples, model_samples, frames, stretch)


def count_samples(beats: int, bpm: float, rate: int) -> int:
    """round(60 rate beats / bpm), from the tempo as it is written: 92.3 is 923 / 10."""
    return round(60 * rate * beats / Fraction(str(bpm)))


def _fit(domain: Domain, samples: int) -> tuple[int, float]:
    """The nearest number of frames that the model takes, and the stretch of laying them on so many samples."""
    unit = domain.multiple * domain.samples_per_frame
    count = max(1, round(samples / unit))
    return count * domain.multiple, samples / (count * unit)


def _fits(domain: Domain, beats: int, bpm: float) -> bool:
    return STRETCH[0] <= _fit(domain, count_samples(beats, bpm, domain.sample_rate))[1] <= STRETCH[1]


def _refusal(domain: Domain, bars: int, bpm: float, beats_per_bar: int, stretch: float) -> str:
    fitting = [tempo for tempo in TEMPI if _fits(domain, bars * beats_per_bar, tempo)]
    slower = max((tempo for tempo in fitting if tempo < bpm), default=None)
    faster = min((tempo for tempo in fitting if tempo > bpm), default=None)
    tempi = " and ".join(f"{tempo} bpm" for tempo in (slower, faster) if tempo is not None)
    others = [count for count in range(1, 4 * bars + 9) if count != bars and _fits(domain, count * beats_per_bar, bpm)]
    nearest = min(others, key=lambda count: (abs(count - bars), count), default=None)
    remedies = [f"the nearest tempi that fit are {tempi}"] if tempi else ["no tempo fits"]
    remedies += [f"at {bpm:g} bpm {_bars(nearest)} fit{'s' if nearest == 1 else ''}"] if nearest else []
    return (
        f"{_bars(bars)} of {beats_per_bar} beats at {bpm:g} bpm would stretch this model's frames, in multiples of {domain.multiple}, "
        f"by {stretch:.3f}, outside {STRETCH[0]:g} to {STRETCH[1]:g}: {'; '.join(remedies)}"
    )


def _bars(count: int) -> str:
    return f"{count} bar{'' if count == 1 else 's'}"
