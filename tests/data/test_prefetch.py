import itertools
import threading
import time

import pytest

from musicdiff.data.prefetch import map_ahead


def test_order_is_kept():
    def slow_first(i):
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    assert list(map_ahead(slow_first, range(20), workers=4)) == [i * i for i in range(20)]


def test_it_stays_only_a_little_ahead_of_endless_items():
    started = []
    results = map_ahead(lambda i: started.append(i) or i, itertools.count(), workers=2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert max(started) <= 4 + 2
    results.close()


def test_closing_ends_the_threads():
    before = threading.active_count()
    results = map_ahead(lambda i: i, itertools.count(), workers=3)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_errors_arrive_in_their_place():
    results = map_ahead(lambda i: 1 // (3 - i), range(6), workers=2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
