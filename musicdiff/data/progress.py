"""How far a long pass over tracks is: a bar on a terminal, a plain line now and then elsewhere, both with the time that is left."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def track_progress(
    items: Iterable[Item], total: int, what: str, shown: bool = True, unit: str = "track"
) -> Iterator[Item]:
    """The items, unchanged, while stderr tells how many of `total` have passed. Nothing is told when not `shown`."""
    if not shown:
        yield from items
    elif sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, unit=unit)
    else:
        yield from _lines(items, total, what)


def _lines(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    start = told = time.monotonic()
    done = 0
    for item in items:
        yield item
        done, now = done + 1, time.monotonic()
        if now - told >= SECONDS_BETWEEN_LINES:
            told = now
            left = (now - start) * (total - done) / done
            print(
                f"{what}: {done} of {total}, {now - start:.0f} s, about {left:.0f} s left", file=sys.stderr, flush=True
            )
    print(f"{what}: {done} of {total}, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
