"""Being asked to stop: a run ends after the step at hand, saved."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def stop_requests() -> Iterator[list[str]]:
    """A list that SIGTERM and SIGINT put their names into, instead of ending the process; a second signal ends it.

    Outside the main thread (a notebook's callback, a test) signals cannot be caught, and the list stays empty.
    """
    received: list[str] = []

    def note(number, frame):
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number).name)

    try:
        previous = {s: signal.signal(s, note) for s in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        previous = {}
    try:
        yield received
    finally:
        for s, handler in previous.items():
            signal.signal(s, handler)
