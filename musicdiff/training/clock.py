"""Where a run's time goes: steps, what is done between them, and the first step's compilation apart."""

import contextlib
import time


class Clock:
    """Counts steps and seconds. `seconds_before`: of earlier parts of the run."""

    def __init__(self, seconds_before: float = 0.0):
        self.steps = 0
        self._before = seconds_before
        self._began = self._last = time.perf_counter()
        self._first = self._second = self._paused = self._sampling = 0.0
        self._first_ended = None

    def tick(self) -> None:
        """A step has ended. The first two must have been waited for: the difference between them is the compilation."""
        now = time.perf_counter()
        self.steps += 1
        if self.steps == 1:
            self._first, self._first_ended = now - self._last, now
        elif self.steps == 2:
            self._second = now - self._last
        self._last = now

    @contextlib.contextmanager
    def pause(self, *, sampling: bool = False):
        """Time that is not training's; `sampling`: it counts against the share that samples may take."""
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self._paused += spent
        self._sampling += spent if sampling else 0.0
        self._last = time.perf_counter()

    def rate(self) -> float:
        """Steps a second, without the first step and what came between."""
        spent = time.perf_counter() - (self._first_ended or 0.0) - self._paused
        return (self.steps - 1) / spent if self.steps > 1 else 0.0

    def pace(self, steps_left: int) -> str:
        """'2.1 steps/s, ETA 5 min 40 s'; empty until there is a rate."""
        rate = self.rate()
        return f"{rate:.3g} steps/s, ETA {duration(steps_left / rate)}" if rate else ""

    def forecast(self, steps_left: int) -> str:
        """After the second step: what was measured, and what it means for the rest."""
        return (
            f"compiled in {duration(max(0.0, self._first - self._second))}; a step takes {duration(self._second)}: "
            f"the remaining {steps_left} take about {duration(steps_left * self._second)}"
        )

    def may_sample(self, share: float) -> bool:
        """Whether samples have taken less than their share of the time so far."""
        return self._sampling <= share * (time.perf_counter() - self._began)

    def total(self) -> float:
        """Seconds of the run so far."""
        return self._before + time.perf_counter() - self._began


def duration(seconds: float) -> str:
    """'0.41 s', '41 s', '5 min 23 s', '2 h', '12 d 4 h'."""
    for size, unit, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if round(seconds) >= size:
            whole, rest = divmod(round(seconds / part), size // part)
            return f"{whole} {unit} {rest} {small}" if rest else f"{whole} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
